"""The checks, in the order in which a request meets what they look at."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from serving.checking.registry import Registry
from serving.live.context import Context
from serving.verify.results import Check, Result

_Ask = Callable[[Context], Iterable[Result]]
_REGISTRY = Registry[Check](
    "serving.verify.checks",
    *("gateway", "policies", "models", "servers", "backends", "exposure", "monitoring", "traffic", "picking"),
)

# What any reading of the cluster can end with.
READING = ("kubernetes-not-asked", "kubernetes-not-reachable", "not-allowed-to-read", "kind-not-served", "time-is-up")


def check(
    name: str,
    title: str,
    looks_at: str,
    failures: Iterable[str],
    *,
    traffic: bool = False,
    proof: bool = False,
    budget: float = 30,
    requests: int = 0,
) -> Callable[[_Ask], _Ask]:
    """Register a function as a check. `requests`: how many requests it sends for each model, one after the other."""

    def register(ask: _Ask) -> _Ask:
        _REGISTRY.add(ask, Check(name, title, looks_at, traffic, proof, budget, requests, tuple(failures), ask))
        return ask

    return register


def checks(*, quick: bool = False) -> list[Check]:
    """All checks, or with `quick` those that send no request."""
    return [item for item in _REGISTRY.all() if not (quick and item.traffic)]
