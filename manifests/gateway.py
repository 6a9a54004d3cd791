"""The Gateway in its namespace, its policy, and the redirect from http to https."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from catalog.gke import CERTIFICATE_MANAGER_OPTION, PRE_SHARED_OPTION
from manifests.base import Manifest, gateway_ref, manifest
from manifests.consumers import consumer_policies
from manifests.namespace import namespace as namespace_object
from settings.gateway import Gateway, Tls

API = "gateway.networking.k8s.io/v1"
HTTP_LISTENER = "http"
HTTPS_LISTENER = "https"


@dataclass(frozen=True)
class GatewayObjects:
    """A Gateway with what belongs to it. No address: a named one is a resource of Google."""

    namespace: Manifest
    client_authority: Manifest | None
    gateway: Manifest
    redirect: Manifest | None
    policy: Manifest | None
    consumers: tuple[Manifest, ...]


def gateway_objects(settings: Gateway, namespace: str) -> GatewayObjects:
    """The objects of a Gateway: `settings` as in an environment file's section `gateway`, in a namespace of its own."""
    return GatewayObjects(
        # A server runs as root and keeps the default capabilities, among them what pins memory for the chips.
        namespace_object(namespace, "baseline"),
        client_authority(settings, namespace),
        gateway(settings, namespace),
        redirect_route(settings, namespace),
        gateway_policy(settings, namespace),
        consumer_policies(settings, namespace),
    )


def gateway(settings: Gateway, namespace: str) -> Manifest:
    """The Gateway, in the models' namespace (GW10), open to that namespace's routes only (GW08)."""
    listener: dict[str, Any] = {
        "name": HTTP_LISTENER,
        "protocol": "HTTP",
        "port": 80,
        "allowedRoutes": {"namespaces": {"from": "Same"}},
    }
    if settings.hostname:
        listener["hostname"] = settings.hostname
    listeners = [listener]
    if settings.tls:
        listeners.append(
            {**listener, "name": HTTPS_LISTENER, "protocol": "HTTPS", "port": 443, "tls": _tls(settings.tls)}
        )
    spec: dict[str, Any] = {"gatewayClassName": settings.gateway_class_name, "listeners": listeners}
    if settings.address:
        # The domain-prefixed address type is refused (GWCER106).
        spec["addresses"] = [{"type": "NamedAddress", "value": settings.address.name}]
    if settings.tls and settings.tls.client_ca_certificate:
        authority = {"group": "", "kind": "ConfigMap", "name": f"{settings.name}-client-ca"}
        validation = {"caCertificateRefs": [authority], "mode": "AllowValidOnly"}
        spec["tls"] = {"frontend": {"default": {"validation": validation}}}
    return manifest(API, "Gateway", settings.name, namespace, spec=spec)


def _tls(tls: Tls) -> dict[str, Any]:
    result: dict[str, Any] = {"mode": "Terminate"}
    if tls.secret_name:
        result["certificateRefs"] = [{"group": "", "kind": "Secret", "name": tls.secret_name}]
    elif certificates := tls.certificate_manager_certs or [m.name for m in (tls.managed_certificate,) if m]:
        result["options"] = {CERTIFICATE_MANAGER_OPTION: ",".join(certificates)}
    else:
        result["options"] = {PRE_SHARED_OPTION: ",".join(tls.pre_shared_certs)}
    return result


def redirect_route(settings: Gateway, namespace: str) -> Manifest | None:
    """http -> https, with a scheme and no port (GW09: GKE refuses port redirects); None without TLS."""
    if not settings.tls:
        return None
    return manifest(
        API,
        "HTTPRoute",
        f"{settings.name}-https-redirect",
        namespace,
        spec={
            "parentRefs": [parent_ref(settings, namespace, HTTP_LISTENER)],
            "rules": [
                {"filters": [{"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "statusCode": 301}}]}
            ],
        },
    )


def parent_ref(settings: Gateway, namespace: str, listener: str) -> dict[str, Any]:
    """A route's reference to a listener of the Gateway."""
    return {**gateway_ref(settings.name), "namespace": namespace, "sectionName": listener}


def client_authority(settings: Gateway, namespace: str) -> Manifest | None:
    """The ConfigMap with the authority of client certificates, which must be there before the Gateway that names it."""
    if not settings.tls or not settings.tls.client_ca_certificate:
        return None
    name = f"{settings.name}-client-ca"
    return manifest("v1", "ConfigMap", name, namespace, data={"ca.crt": settings.tls.client_ca_certificate})


def gateway_policy(settings: Gateway, namespace: str) -> Manifest | None:
    """GCPGatewayPolicy, only where global access or an SSL policy is asked for."""
    default: dict[str, Any] = {}
    if settings.global_access:
        default["allowGlobalAccess"] = True
    if settings.tls and settings.tls.ssl_policy:
        default["sslPolicy"] = settings.tls.ssl_policy
    if not default:
        return None
    return manifest(
        "networking.gke.io/v1",
        "GCPGatewayPolicy",
        settings.name,
        namespace,
        spec={"default": default, "targetRef": gateway_ref(settings.name)},
    )
