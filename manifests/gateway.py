"""The Gateway, its policy, and the redirect from http to https."""

from __future__ import annotations

from typing import Any

from manifests.base import Manifest, manifest
from settings.derive import Deployment

API = "gateway.networking.k8s.io/v1"
HTTP_LISTENER = "http"
HTTPS_LISTENER = "https"


def gateway(deployment: Deployment) -> Manifest:
    """One Gateway an environment, in the models' namespace (GW10), open to that namespace's routes only (GW08)."""
    settings = deployment.settings.gateway
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
            {**listener, "name": HTTPS_LISTENER, "protocol": "HTTPS", "port": 443, "tls": _tls(deployment)}
        )
    spec: dict[str, Any] = {"gatewayClassName": settings.gateway_class_name, "listeners": listeners}
    if settings.address:
        # The domain-prefixed address type is refused (GWCER106).
        spec["addresses"] = [{"type": "NamedAddress", "value": settings.address.name}]
    return manifest(API, "Gateway", settings.name, deployment.namespace, spec=spec)


def _tls(deployment: Deployment) -> dict[str, Any]:
    tls = deployment.settings.gateway.tls
    assert tls is not None
    result: dict[str, Any] = {"mode": "Terminate"}
    if tls.secret_name:
        result["certificateRefs"] = [{"group": "", "kind": "Secret", "name": tls.secret_name}]
    elif tls.certificate_manager_certs:
        result["options"] = {"networking.gke.io/cert-manager-certs": ",".join(tls.certificate_manager_certs)}
    else:
        result["options"] = {"networking.gke.io/pre-shared-certs": ",".join(tls.pre_shared_certs)}
    return result


def redirect_route(deployment: Deployment) -> Manifest | None:
    """http -> https, with a scheme and no port (GW09: GKE refuses port redirects); None without TLS."""
    settings = deployment.settings.gateway
    if not settings.tls:
        return None
    return manifest(
        API,
        "HTTPRoute",
        f"{settings.name}-https-redirect",
        deployment.namespace,
        spec={
            "parentRefs": [parent_ref(deployment, HTTP_LISTENER)],
            "rules": [
                {"filters": [{"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "statusCode": 301}}]}
            ],
        },
    )


def parent_ref(deployment: Deployment, listener: str) -> dict[str, Any]:
    """A route's reference to our Gateway's listener."""
    return {
        "group": "gateway.networking.k8s.io",
        "kind": "Gateway",
        "name": deployment.settings.gateway.name,
        "namespace": deployment.namespace,
        "sectionName": listener,
    }


def gateway_policy(deployment: Deployment) -> Manifest | None:
    """GCPGatewayPolicy, only where global access or an SSL policy is asked for."""
    settings = deployment.settings.gateway
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
        deployment.namespace,
        spec={
            "default": default,
            "targetRef": {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": settings.name},
        },
    )
