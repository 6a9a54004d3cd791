"""All rules on settings, run together; overrides of level O applied last."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from catalog.rules import find_rule, load_rules
from checks import (  # noqa: F401 - a rule is known once its module is imported
    capacity_rules,
    cluster_rules,
    consumer_rules,
    gateway_rules,
    maintenance_rules,
    model_rules,
    monitoring_rules,
    network_rules,
    platform_rules,
    runtime_rules,
    scaling_rules,
    server_rules,
    supply_rules,
    tpu_rules,
    weights_rules,
)
from checks.registry import Check, implementations
from checks.shared import clock
from checks.shared.overrides import SHORTEST_REASON, can_be_set_aside, in_force
from settings.derive import Deployment
from settings.refusal import Finding, explain

# Those of the modules imported above.
CHECKS = implementations(Check)


def on_settings(deployment: Deployment) -> list[Finding]:
    """Every finding of every rule; a valid override turns a refusal of level O into nothing."""
    findings = [finding for check in CHECKS for finding in check(deployment)]
    refused = list(overrides(deployment))
    accepted = in_force(deployment.settings.overrides)
    # Two functions of a rule may see the same mistake; it is said once.
    once = {(f.rule, f.path): f for f in reversed((*findings, *refused)) if f.rule not in accepted}
    return [explain(f) for f in reversed(once.values())]


def overrides(deployment: Deployment) -> Iterator[Finding]:
    """OV01: an override names a rule of level O, a reason in words, and a day that is not over."""
    for index, override in enumerate(deployment.settings.overrides):
        path = ("overrides", index)
        if not can_be_set_aside(override.rule):
            known = find_rule(override.rule)
            said = f"{override.rule} allows no exception (level {known.level})." if known else "There is no such rule."
            allowed = [r.id for r in load_rules().values() if r.level == "O"]
            near = difflib.get_close_matches(override.rule.upper(), allowed, n=1) if known is None else []
            fix = f"Write rule: {near[0]}. " if near else ""
            yield Finding(
                "OV01", (*path, "rule"), override.rule, said, f"{fix}Only these can be: {', '.join(allowed)}."
            )
        if len(override.reason.strip()) < SHORTEST_REASON:
            fix = "Say in a sentence why this is acceptable here."
            yield Finding("OV01", (*path, "reason"), override.reason, "There is no reason in it.", fix)
        if not clock.holds(override.until):
            said = f"The override of {override.rule} ended on {override.until}."
            fix = f"Remove its cause, or write until: {clock.later()} with a reason that still holds."
            yield Finding("OV01", (*path, "until"), str(override.until), said, fix)
