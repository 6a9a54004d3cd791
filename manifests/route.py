"""The HTTPRoute of a model: one prefix, one InferencePool."""

from __future__ import annotations

from typing import Any

from catalog.gke import POOL_GROUP
from manifests.base import Manifest, manifest
from manifests.gateway import API, HTTP_LISTENER, HTTPS_LISTENER, parent_ref
from settings import names
from settings.derive import SERVER_PORT, Deployment, ServedModel


def http_route(deployment: Deployment, model: ServedModel) -> Manifest:
    """Everything below `/<namespace>/<model>` to the model's pool: GETs go through the picker as well.

    No `timeouts` (RT01: GWCER104, field issue 4), no rule names (RT02), the v1 pool group (RT04). The program owns
    the route because KServe's preset still writes timeouts on every rule.
    """
    gateway = deployment.settings.gateway
    rule: dict[str, Any] = {
        "matches": [{"path": {"type": "PathPrefix", "value": names.base_path(deployment.namespace, model.name)}}],
        "filters": [
            {"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}}
        ],
        "backendRefs": [
            {
                "group": POOL_GROUP,
                "kind": "InferencePool",
                "name": names.inference_pool(model.name),
                "port": SERVER_PORT,
                "weight": 1,
            }
        ],
    }
    spec: dict[str, Any] = {
        "parentRefs": [parent_ref(deployment, HTTPS_LISTENER if gateway.tls else HTTP_LISTENER)],
        "rules": [rule],
    }
    if gateway.hostname:
        spec["hostnames"] = [gateway.hostname]
    return manifest(API, "HTTPRoute", names.route(model.name), deployment.namespace, spec=spec)
