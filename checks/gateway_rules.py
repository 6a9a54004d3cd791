"""Rules about the Gateway and what it exposes."""

from __future__ import annotations

import datetime
import difflib
from collections.abc import Iterator

from catalog.gke import GatewayClass
from settings.derive import Deployment
from settings.refusal import Finding

_PATH = ("gateway",)


def gateway_class(deployment: Deployment) -> Iterator[Finding]:
    """GW01."""
    name = deployment.settings.gateway.gateway_class_name
    known = [c.value for c in GatewayClass]
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        internal, external = known
        fix = f"Write gatewayClassName: {near[0] if near else internal} ({internal}: internal, {external}: external)."
        yield Finding("GW01", (*_PATH, "gatewayClassName"), name, f"The class {name} takes no InferencePool.", fix)


def proxy_only_subnet(deployment: Deployment) -> Iterator[Finding]:
    """GW02: an existing one is named; its range is /26 or larger."""
    subnet = deployment.settings.network.proxy_only_subnet
    path = ("network", "proxyOnlySubnet")
    if subnet.mode == "existing" and subnet.name is None:
        yield Finding(
            "GW02", (*path, "name"), None, "The existing proxy-only subnet has no name.", "Add name: <subnet>."
        )
    elif subnet.mode == "create" and int(subnet.cidr.rpartition("/")[2]) > 26:
        yield Finding("GW02", (*path, "cidr"), subnet.cidr, "The range is too small.", "Use /26 or larger, best /23.")


def exposure(deployment: Deployment) -> Iterator[Finding]:
    """GW03: external needs TLS and authentication, or a written waiver that has not ended."""
    gateway = deployment.settings.gateway
    if not gateway.external:
        return
    authentication = gateway.authentication
    authenticated = authentication is not None and (authentication.iap_client_id or authentication.security_policy)
    lacks = [name for name, there in (("TLS", gateway.tls), ("authentication", authenticated)) if not there]
    if not lacks:
        return
    today = datetime.datetime.now(tz=datetime.UTC).date()
    if gateway.waiver is not None and gateway.waiver.until >= today:
        return
    ended = f" The waiver ended on {gateway.waiver.until}." if gateway.waiver else ""
    yield Finding(
        "GW03",
        (*_PATH, "waiver", "until") if gateway.waiver else (*_PATH, "gatewayClassName"),
        gateway.gateway_class_name,
        f"The Gateway is external without {' and '.join(lacks)}.{ended}",
        "Add gateway.tls and gateway.authentication, or gateway.waiver: {reason: ..., until: YYYY-MM-DD}, or use gke-l7-rilb.",
    )


def certificate(deployment: Deployment) -> Iterator[Finding]:
    """GW05."""
    tls = deployment.settings.gateway.tls
    if tls is None:
        return
    given = [
        n
        for n, v in (
            ("certificateManagerCerts", tls.certificate_manager_certs),
            ("preSharedCerts", tls.pre_shared_certs),
            ("secretName", tls.secret_name),
        )
        if v
    ]
    if len(given) != 1:
        said = f"Given are {', '.join(given)}." if given else "None is given."
        yield Finding(
            "GW05",
            (*_PATH, "tls"),
            given,
            f"A listener's certificate has one source. {said}",
            "Keep exactly one of certificateManagerCerts, preSharedCerts, secretName.",
        )


CHECKS = (gateway_class, proxy_only_subnet, exposure, certificate)
