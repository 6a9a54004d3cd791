"""The engine's part, in plain Python: validators called with the arguments that pulumi_policy would make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pulumi_policy import (
    PolicyCustomTimeouts,
    PolicyResource,
    PolicyResourceOptions,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import unknown_checking_proxy

from checks.objects import Resource
from checks.objects.resource import resource_of
from policy.pack import policies

HERE = Path(__file__).parent


@cache
def field_objects() -> list[dict[str, Any]]:
    """The field report's objects, with the policies that must refuse them."""
    data: list[dict[str, Any]] = yaml.safe_load((HERE / "field_objects.yaml").read_text(encoding="utf-8"))
    return data


def as_resources(objects: Sequence[Mapping[str, Any]]) -> list[Resource]:
    """Kubernetes objects under the tokens and names the engine gives them."""
    made = (resource_of(obj) for obj in objects)
    return [Resource(r.type, r.inputs, f"urn:{index}:{r.name}", r.name) for index, r in enumerate(made)]


# Made once, with every rule turned on: what a policy runs is looked up when it runs.
PACK = tuple(policies())


def options(create_seconds: float = 0) -> PolicyResourceOptions:
    """A resource's options, none of them set but for the time the engine waits."""
    return PolicyResourceOptions(False, [], None, [], PolicyCustomTimeouts(create_seconds, 0, 0), [])


def refusals(resources: Sequence[Resource]) -> dict[str, list[tuple[str, str | None]]]:
    """Messages and URNs by the name of the policy that reports them, as in a preview: one by one, then all of them."""
    found: dict[str, list[tuple[str, str | None]]] = {}
    for policy in PACK:

        def report(message: str, urn: str | None = None, name: str = policy.name) -> None:
            found.setdefault(name, []).append((message, urn))

        if isinstance(policy, ResourceValidationPolicy):
            for r in resources:
                props = unknown_checking_proxy(dict(r.inputs))
                opts = options(r.create_seconds or 0)
                policy.validate(ResourceValidationArgs(r.type, props, r.key, r.logical_name, opts, None), report)
        elif isinstance(policy, StackValidationPolicy):
            policy.validate(StackValidationArgs(_stack(resources)), report)
    return found


def _stack(resources: Sequence[Resource]) -> list[PolicyResource]:
    made = {
        r.key: PolicyResource(
            r.type, unknown_checking_proxy(dict(r.inputs)), r.key, r.logical_name, options(), None, None, [], {}
        )
        for r in resources
    }
    for index, r in enumerate(resources):
        # Without dependencies of its own, a resource needs all that come before it in the list.
        needed = r.needs.of(r.key) if r.needs is not None else {other.key for other in resources[:index]}
        made[r.key].dependencies.extend(made[key] for key in needed if key in made)
    return list(made.values())
