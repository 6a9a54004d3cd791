"""The HTTPRoute of a model: one prefix, one InferencePool; and the Service for paths that the picker does not claim."""

from __future__ import annotations

from typing import Any

from catalog.gke import POOL_GROUP
from catalog.models import Task
from manifests.base import Manifest, manifest
from manifests.gateway import API, HTTP_LISTENER, HTTPS_LISTENER, parent_ref
from settings import names
from settings.derive import SERVER_PORT, Deployment, ServedModel

# Paths of the server (vllm 0.32.0) that no parser of the picker (llm-d-router v0.9.0: openai, anthropic, vllmhttp) claims: it
# answers 400. The Service knows no load and no prefixes, which these need least (ADR 0049).
_TOKENS = ("/tokenize", "/detokenize")
_SCORING = ("/v1/rerank", "/v2/rerank", "/rerank", "/v1/score", "/score")
_PAST_THE_PICKER: dict[Task, tuple[str, ...]] = {
    "chat": (*_TOKENS, "/v1/audio"),
    "embed": (*_TOKENS, "/v2/embed", "/pooling"),
    "rerank": (*_TOKENS, *_SCORING),
    "score": (*_TOKENS, *_SCORING),
}


def _rule(prefix: str, becomes: str, backend: dict[str, str]) -> dict[str, Any]:
    rewrite = {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": becomes}}
    return {
        "matches": [{"path": {"type": "PathPrefix", "value": prefix}}],
        "filters": [{"type": "URLRewrite", "urlRewrite": rewrite}],
        "backendRefs": [{**backend, "port": SERVER_PORT, "weight": 1}],
    }


def http_route(deployment: Deployment, model: ServedModel) -> Manifest:
    """Below `/<namespace>/<model>` everything that the picker reads to the model's pool, GETs too; the rest to its Service.

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
            *(_rule(f"{base}{path}", path, service) for path in _PAST_THE_PICKER[model.task]),
            _rule(base, "/", pool),
        ],
    }
    if gateway.hostname:
        spec["hostnames"] = [gateway.hostname]
    return manifest(API, "HTTPRoute", names.route(model.name), deployment.namespace, spec=spec)
