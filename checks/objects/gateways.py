"""Rules on Gateways: class, exposure, address, certificates, who may attach (GW01, GW03 to GW08, GW13)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from catalog.gke import CERTIFICATE_MANAGER_OPTION, PRE_SHARED_OPTION, GatewayClass
from checks.objects.authorization import named_only
from checks.objects.backends import backends_of, inference_gateways, key_of, named_by
from checks.objects.check import Context, Found, Scope, on_each, on_whole
from checks.objects.resource import ADDRESS, CLUSTER, GLOBAL_ADDRESS, Resource
from checks.objects.values import get, items, mapping, text
from checks.shared import gateway as judge
from settings.names import RESOURCE_NAME
from settings.refusal import Path

_CERTMAP = "networking.gke.io/certmap"
_LISTENER_OPTIONS = (CERTIFICATE_MANAGER_OPTION, PRE_SHARED_OPTION)
_ADDRESS_TYPES = ("NamedAddress", "IPAddress")


def _is_regional(gateway: Resource) -> bool:
    """True for GKE's regional classes; other controllers, and global classes, have rules of their own."""
    return text(gateway.inputs, "spec", "gatewayClassName") in {kind.value for kind in GatewayClass}


def _is_external(gateway: Resource) -> bool:
    return text(gateway.inputs, "spec", "gatewayClassName") == GatewayClass.EXTERNAL


@on_whole("GW01")
def gateway_class(scope: Scope) -> Iterator[Found]:
    """The class of a Gateway that carries models is one of the two that support an InferencePool."""
    for gateway in inference_gateways(scope):
        name = text(gateway.inputs, "spec", "gatewayClassName")
        if (problem := judge.class_problem(name)) is not None:
            yield Found(gateway, ("spec", "gatewayClassName"), name, *problem)


@on_whole("GW03")
def external_has_tls(scope: Scope) -> Iterator[Found]:
    """An external Gateway that carries models has an HTTPS listener."""
    if "GW03" in scope.context.accepted:
        return
    for gateway in filter(_is_external, inference_gateways(scope)):
        listeners = items(gateway.inputs, "spec", "listeners")
        if not any(text(listener, "protocol") in {"HTTPS", "TLS"} for listener in listeners):
            yield Found(
                gateway,
                ("spec", "listeners"),
                None,
                "The Gateway is external and has no HTTPS listener.",
                "Add a listener {name: https, protocol: HTTPS, port: 443, tls: ...}, or use gke-l7-rilb.",
            )


@on_whole("GW03")
def external_has_authentication(scope: Scope) -> Iterator[Found]:
    """Every pool behind an external Gateway has an authenticating backend policy."""
    if "GW03" in scope.context.accepted:
        return
    external = {(g.namespace, g.name) for g in scope.of("Gateway") if _is_external(g) and not named_only(g, scope)}
    policies = scope.of("GCPBackendPolicy")
    for route in scope.of("HTTPRoute"):
        if not named_by(route, "parentRefs") & external:
            continue
        for target, path in backends_of(route):
            if target.kind != "InferencePool":
                continue
            attached = [p for p in policies if key_of(p) == target]
            if not any(
                get(p.inputs, "spec", "default", "iap", "enabled")
                or re.fullmatch(RESOURCE_NAME, text(p.inputs, "spec", "default", "securityPolicy"))
                for p in attached
            ):
                yield Found(
                    route,
                    path,
                    target.name,
                    f"{target.name} is reachable from the internet without authentication.",
                    "Set spec.default.iap or spec.default.securityPolicy in its GCPBackendPolicy, or use gke-l7-rilb.",
                )


@on_each("GW04", "Gateway")
def address_type(gateway: Resource, _: Context) -> Iterator[Found]:
    """An address is named without a domain before the type (GWCER106)."""
    if not _is_regional(gateway):
        return
    for index, address in enumerate(items(gateway.inputs, "spec", "addresses")):
        kind = text(address, "type") or "IPAddress"
        if kind not in _ADDRESS_TYPES:
            yield Found(
                gateway,
                ("spec", "addresses", index, "type"),
                kind,
                f"GKE rejects addresses of type {kind}.",
                "Write type: NamedAddress and the address's name as value.",
            )


@on_whole("GW04", graph=True)
def address_fits(scope: Scope) -> Iterator[Found]:
    """A named address of the stack is regional, and of the form its class needs."""
    regional = {a.name: a for a in scope.of(ADDRESS)}
    everywhere = {a.name: a for a in scope.of(GLOBAL_ADDRESS)}
    for gateway in filter(_is_regional, scope.of("Gateway")):
        for index, address in enumerate(items(gateway.inputs, "spec", "addresses")):
            name = text(address, "value")
            if text(address, "type") != "NamedAddress":
                continue
            if name in everywhere and name not in regional:
                at = ("spec", "addresses", index, "value")
                yield Found(gateway, at, name, f"{name} is a global address.", "Make it a gcp.compute.Address.")
            if name in regional:
                yield from _address_form(regional[name], _is_external(gateway))
                yield from _address_region(regional[name], [text(c.inputs, "location") for c in scope.of(CLUSTER)])


def _address_region(address: Resource, locations: list[str]) -> Iterator[Found]:
    region = text(address.inputs, "region")
    regions = ["-".join(location.split("-")[:2]) for location in locations if location]
    if region and regions and region not in regions:
        said = f"The address is in {region}, the cluster in {regions[0]}."
        yield Found(address, ("region",), region, said, f"Write region: {regions[0]}.")


def _address_form(address: Resource, external: bool) -> Iterator[Found]:
    kind = text(address.inputs, "addressType") or "EXTERNAL"
    wanted = "EXTERNAL" if external else "INTERNAL"
    if kind != wanted:
        yield Found(
            address,
            ("addressType",),
            kind,
            f"The Gateway's class needs an address of type {wanted}.",
            f"Write addressType: {wanted}.",
        )
    elif not external and text(address.inputs, "purpose") != "SHARED_LOADBALANCER_VIP":
        yield Found(
            address,
            ("purpose",),
            get(address.inputs, "purpose"),
            "The forwarding rules of one Gateway share the address.",
            "Write purpose: SHARED_LOADBALANCER_VIP.",
        )


@on_each("GW05", "Gateway")
def one_certificate(gateway: Resource, _: Context) -> Iterator[Found]:
    """Each HTTPS listener has exactly one source of its certificate; a certificate map is for global classes."""
    if not _is_regional(gateway):
        return
    if _CERTMAP in mapping(gateway.inputs, "metadata", "annotations"):
        yield Found(
            gateway,
            ("metadata", "annotations", _CERTMAP),
            get(gateway.inputs, "metadata", "annotations", _CERTMAP),
            "Certificate maps belong to global classes.",
            f"Remove it, and write tls.options: {{{CERTIFICATE_MANAGER_OPTION}: <certificate>}} at the listener.",
        )
        return
    for index, listener in enumerate(items(gateway.inputs, "spec", "listeners")):
        tls = mapping(listener, "tls")
        if text(listener, "protocol") != "HTTPS" or (text(tls, "mode") or "Terminate") != "Terminate":
            continue
        given = [key for key in _LISTENER_OPTIONS if text(tls, "options", key)]
        given += ["certificateRefs"] if items(tls, "certificateRefs") else []
        problem = judge.certificate_problem(given, (*_LISTENER_OPTIONS, "certificateRefs"))
        if problem is not None:
            yield Found(gateway, ("spec", "listeners", index, "tls"), given, *problem)


@on_each("GW06", "Gateway")
def known_options(gateway: Resource, _: Context) -> Iterator[Found]:
    """A listener's TLS options are keys GKE knows (GWCER105)."""
    if not _is_regional(gateway):
        return
    for index, listener in enumerate(items(gateway.inputs, "spec", "listeners")):
        for key in mapping(listener, "tls", "options"):
            if key not in _LISTENER_OPTIONS:
                yield Found(
                    gateway,
                    ("spec", "listeners", index, "tls", "options", key),
                    get(listener, "tls", "options", key),
                    f"GKE knows no TLS option {key}.",
                    f"Write one of {', '.join(_LISTENER_OPTIONS)}.",
                )


@on_whole("GW07", graph=True)
def secret_comes_first(scope: Scope) -> Iterator[Found]:
    """A Secret of the stack that a listener names is there before the Gateway (GWCER102 stops every listener)."""
    makers = {(s.namespace, s.name): s for s in scope.of("Secret")}
    makers |= {(c.namespace, text(c.inputs, "spec", "secretName")): c for c in scope.of("Certificate")}
    for gateway in scope.of("Gateway"):
        for index, listener in enumerate(items(gateway.inputs, "spec", "listeners")):
            for place, reference in enumerate(items(listener, "tls", "certificateRefs")):
                where = (text(reference, "namespace") or gateway.namespace, text(reference, "name"))
                maker = makers.get(where)
                if maker is not None and not scope.comes_before(maker, gateway):
                    yield Found(
                        gateway,
                        ("spec", "listeners", index, "tls", "certificateRefs", place),
                        text(reference, "name"),
                        f"{maker.label} does not come before the Gateway.",
                        f"Make the Gateway depend on {maker.label}.",
                    )


@on_whole("GW08")
def not_open_to_all(scope: Scope) -> Iterator[Found]:
    """No listener of a Gateway that carries models accepts routes from all namespaces."""
    for gateway in inference_gateways(scope):
        for index, listener in enumerate(items(gateway.inputs, "spec", "listeners")):
            if text(listener, "allowedRoutes", "namespaces", "from") == "All":
                yield Found(
                    gateway,
                    ("spec", "listeners", index, "allowedRoutes", "namespaces", "from"),
                    "All",
                    "Any namespace may attach a route.",
                    "Write from: Same, or from: Selector with a selector.",
                )


@on_each("GW13", "Gateway", "HTTPRoute")
def host_names(resource: Resource, _: Context) -> Iterator[Found]:
    """Listeners and routes name hosts, never addresses."""
    listeners = items(resource.inputs, "spec", "listeners")
    named: list[tuple[Path, str]] = [
        (("spec", "listeners", index, "hostname"), text(listener, "hostname"))
        for index, listener in enumerate(listeners)
    ]
    hosts = items(resource.inputs, "spec", "hostnames")
    named += [(("spec", "hostnames", i), name) for i, name in enumerate(hosts) if isinstance(name, str)]
    for path, name in named:
        if (problem := judge.host_problem(name)) is not None:
            yield Found(resource, path, name, *problem)
