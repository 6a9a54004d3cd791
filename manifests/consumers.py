"""Consumers as GKE's authorization policies: nobody is let in but who is named (field names: the definition, not the examples)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from manifests.base import Manifest, gateway_ref, manifest
from settings import names
from settings.consumers import Consumer
from settings.gateway import Gateway

API = "networking.gke.io/v1"
# networking.gke.io_gcpauthzpolicies.yaml: items of `principals` and `resources`; more of a kind are further sources.
_OF_A_SOURCE = 10


def consumer_policies(settings: Gateway, namespace: str) -> tuple[Manifest, ...]:
    """Deny by default, and one rule for each model's path with those who may use it; nothing without consumers.

    The load balancer judges the path as the client sent it, before the route rewrites it (Google, "Authorization policy
    overview"). It ends in a slash, so that `/ns/a` opens no `/ns/ab`.
    """
    if not settings.consumers:
        return ()
    models = dict.fromkeys(model for consumer in settings.consumers for model in consumer.models)
    rules = [
        {
            "from": {"sources": _sources([c for c in settings.consumers if model in c.models])},
            "to": {"operations": [{"paths": [{"type": "Prefix", "value": f"{names.base_path(namespace, model)}/"}]}]},
        }
        for model in models
    ]
    base: dict[str, Any] = {"enforcementLevel": "L7", "targetRefs": [gateway_ref(settings.name)]}
    closed = {**base, "action": "DENY_BY_DEFAULT"}
    allowed = {**base, "action": "ALLOW", "rules": rules}
    return (
        manifest(API, "GCPAuthzPolicy", f"{settings.name}-closed", namespace, spec=closed),
        manifest(API, "GCPAuthzPolicy", f"{settings.name}-consumers", namespace, spec=allowed),
    )


def _sources(consumers: Sequence[Consumer]) -> list[dict[str, Any]]:
    """A match is any one of the sources; fields within a source must all match, so each source has one kind."""
    certificates = [
        {"principalSelector": "CLIENT_CERT_URI_SAN", "principal": {"type": "Exact", "value": c.certificate.uri_san}}
        for c in consumers
        if c.certificate
    ]
    machines: list[dict[str, Any]] = [
        {"iamServiceAccount": {"type": "Exact", "value": c.service_account}} for c in consumers if c.service_account
    ]
    machines += [{"tagValueIdSet": sorted(set(c.tags))} for c in consumers if c.tags]
    return [
        {key: found[at : at + _OF_A_SOURCE]}
        for key, found in (("principals", certificates), ("resources", machines))
        for at in range(0, len(found), _OF_A_SOURCE)
    ]
