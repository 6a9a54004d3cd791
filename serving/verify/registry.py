"""The checks, in the order in which a request meets what they look at."""

from __future__ import annotations

from serving.checking.findings import Check
from serving.checking.registry import Registry

_REGISTRY = Registry(
    "serving.verify.checks",
    *(
        "gateway",
        "policies",
        "interruptions",
        "models",
        "weights",
        "capacity",
        "scaling",
        "servers",
        "backends",
        "exposure",
        "monitoring",
        "traffic",
        "picking",
    ),
)
check = _REGISTRY.check

# What any reading of the cluster can end with.
KUBERNETES_FAILURES = (
    "kubernetes-not-asked",
    "kubernetes-not-reachable",
    "not-allowed-to-read",
    "kind-not-served",
    "time-is-up",
)


def checks(*, quick: bool = False) -> list[Check]:
    """All checks, or with `quick` those that send no request."""
    return [item for item in _REGISTRY.all() if not (quick and item.traffic)]
