"""Rules on authorization policies of Gateways (ED09, ED10)."""

from __future__ import annotations

from collections.abc import Iterator

from checks.objects.backends import inference_gateways
from checks.objects.check import Found, Scope, on_whole
from checks.objects.resource import Resource
from checks.objects.values import items, text

# Google, "Authorization policy overview": of one target, and of a project; one CUSTOM policy of a target.
_OF_A_GATEWAY, _CUSTOM = 5, 1


def authorizations(scope: Scope, gateway: Resource) -> list[Resource]:
    """The authorization policies of a Gateway: of its namespace, which targets cannot name."""
    return [
        policy
        for policy in scope.of("GCPAuthzPolicy")
        if policy.namespace == gateway.namespace
        and any(text(target, "name") == gateway.name for target in items(policy.inputs, "spec", "targetRefs"))
    ]


def action(policy: Resource) -> str:
    """ALLOW where nothing is written."""
    return text(policy.inputs, "spec", "action") or "ALLOW"


def named_only(gateway: Resource, scope: Scope) -> bool:
    """Whether the Gateway denies by default and lets in only who is named."""
    policies = authorizations(scope, gateway)
    rules = [rule for policy in policies if action(policy) == "ALLOW" for rule in items(policy.inputs, "spec", "rules")]
    return any(action(policy) == "DENY_BY_DEFAULT" for policy in policies) and all(
        bool(sources := items(rule, "from", "sources"))
        and all(items(source, "principals") or items(source, "resources") for source in sources)
        for rule in rules
    )


@on_whole("ED09")
def within_limits(scope: Scope) -> Iterator[Found]:
    """At most five policies of a Gateway, one of them CUSTOM."""
    for gateway in inference_gateways(scope):
        found = authorizations(scope, gateway)
        custom = [policy for policy in found if action(policy) == "CUSTOM"]
        for policy in custom[_CUSTOM:]:
            said = f"{custom[0].label} is a CUSTOM policy of the same Gateway."
            yield Found(policy, ("spec", "action"), "CUSTOM", said, "Name both extensions in one policy.")
        for policy in found[_OF_A_GATEWAY:]:
            said = f"Gateway {gateway.name} has {len(found)} authorization policies."
            yield Found(policy, ("spec", "targetRefs"), gateway.name, said, "Put the rules into fewer policies.")


@on_whole("ED10")
def closed_by_default(scope: Scope) -> Iterator[Found]:
    """A Gateway with an ALLOW policy denies all others also when that policy is gone."""
    for gateway in inference_gateways(scope):
        found = {action(policy): policy for policy in authorizations(scope, gateway)}
        if "ALLOW" in found and "DENY_BY_DEFAULT" not in found:
            said = "No policy of the Gateway denies by default."
            fix = "Add a GCPAuthzPolicy with the same targetRefs, enforcementLevel: L7 and action: DENY_BY_DEFAULT."
            yield Found(found["ALLOW"], ("spec", "action"), "ALLOW", said, fix)
