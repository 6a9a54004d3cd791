"""The HTTPRoute of a model: one prefix, one InferencePool; and the Service for paths that the picker does not claim."""

from __future__ import annotations

from typing import Any

from catalog.gke import POOL_GROUP
from manifests.base import Manifest, manifest
from manifests.gateway import API, HTTP_LISTENER, HTTPS_LISTENER, parent_ref
from settings import names
from settings.derive import SERVER_PORT, Deployment, ServedModel

# No parser of the picker (llm-d-router v0.9.0: openai, anthropic, vllmhttp) claims these, and it answers 400; the Service
# knows no load, which a model without a cache of prefixes misses least.
_PAST_THE_PICKER = {"rerank": ("/v1/rerank", "/v2/rerank", "/rerank"), "score": ("/v1/score", "/score")}


def _rule(prefix: str, becomes: str, backend: dict[str, str]) -> dict[str, Any]:
    rewrite = {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": becomes}}
    return {
        "matches": [{"path": {"type": "PathPrefix", "value": prefix}}],
        "filters": [{"type": "URLRewrite", "urlRewrite": rewrite}],
        "backendRefs": [{**backend, "port": SERVER_PORT, "weight": 1}],
    }


def http_route(deployment: Deployment, model: ServedModel) -> Manifest:
    """Everything below `/<namespace>/<model>` to the model's pool: GETs go through the picker as well.

    No `timeouts` (RT01: GWCER104, field issue 4), no rule names (RT02), the v1 pool group (RT04). The program owns
    the route because KServe's preset still writes timeouts on every rule.
    """
    gateway = deployment.settings.gateway
    base = names.base_path(deployment.namespace, model.name)
    pool = {"group": POOL_GROUP, "kind": "InferencePool", "name": names.inference_pool(model.name)}
    service = {"group": "", "kind": "Service", "name": names.workload_service(model.name)}
    spec: dict[str, Any] = {
        "parentRefs": [parent_ref(gateway, deployment.namespace, HTTPS_LISTENER if gateway.tls else HTTP_LISTENER)],
        "rules": [
            *(_rule(f"{base}{path}", path, service) for path in _PAST_THE_PICKER.get(model.task, ())),
            _rule(base, "/", pool),
        ],
    }
    if gateway.hostname:
        spec["hostnames"] = [gateway.hostname]
    return manifest(API, "HTTPRoute", names.route(model.name), deployment.namespace, spec=spec)
