"""One Pulumi policy for each rule: mandatory where it refuses, advisory where it warns.

Rules that look at several resources run over the whole stack, after the preview has seen all of it; their policies are
called `<rule>-stack` where the rule also judges single resources.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pulumi
from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyResource,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError

from catalog.rules import load_rules
from checks.objects import REGISTRY, Check, Context, Resource
from checks.objects.check import Scope, accepted_rules
from checks.objects.dependencies import Dependencies
from checks.objects.resource import kind_of
from checks.objects.values import UNKNOWN
from policy.overrides import stack_overrides
from settings.names import PROJECT_NAME
from settings.refusal import Finding, render_path

STACK = "-stack"


def policies() -> list[Policy]:
    """Every rule on objects and resources as a policy."""
    made: list[Policy] = []
    for rule, checks in REGISTRY.items():
        single = any(check.on_one for check in checks)
        if single:
            made.append(ResourceValidationPolicy(validate=_on_resource(rule), **_texts(rule, rule)))
        if any(check.on_all for check in checks):
            name = f"{rule}{STACK}" if single else rule
            made.append(StackValidationPolicy(validate=_on_stack(rule), **_texts(rule, name)))
    return made


def _texts(rule: str, name: str) -> dict[str, Any]:
    text = load_rules()[rule]
    return {
        "name": name,
        "display_name": f"{rule}: {text.title}",
        "description": f"{text.title}. {text.consequence}",
        "enforcement_level": EnforcementLevel.ADVISORY if text.level == "W" else EnforcementLevel.MANDATORY,
        "remediation_steps": text.fix,
        "url": next((source.url for source in text.sources if source.url), None),
    }


def _on_resource(rule: str) -> Callable[[ResourceValidationArgs, ReportViolation], None]:
    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        kind = kind_of(args.resource_type)
        checks = [check for check in REGISTRY[rule] if check.applies_to(kind)]
        if checks:
            waits = args.opts.custom_timeouts.create_seconds
            resource = Resource(args.resource_type, plain(args.props), args.urn, args.name, create_seconds=waits)
            scope = Scope([resource], False, _context())
            _report(checks, scope, report)

    return validate


def _on_stack(rule: str) -> Callable[[StackValidationArgs, ReportViolation], None]:
    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        scope = Scope(_resources(args.resources), True, _context())
        # What a single resource shows by itself was said before it was made.
        _report([check for check in REGISTRY[rule] if check.on_all is not None], scope, report)

    return validate


def _report(checks: Sequence[Check], scope: Scope, report: ReportViolation) -> None:
    for check in checks:
        for found in check.found(scope):
            report(message(check.finding(found)), found.resource.key)


def _resources(resources: Sequence[PolicyResource]) -> list[Resource]:
    needs = Dependencies({r.urn: [other.urn for other in r.dependencies] for r in resources})
    return [Resource(r.resource_type, plain(r.props), r.urn, r.name, needs) for r in resources]


def _context() -> Context:
    """Overrides and waiver of the stack's own configuration; another project's stack has none."""
    config = pulumi.Config(PROJECT_NAME)
    return Context(accepted_rules(*stack_overrides(config.get_object("overrides"), config.get_object("gateway"))))


def message(finding: Finding) -> str:
    """A finding in words; the engine puts the rule's own text before it."""
    return f"{render_path(finding.path)}: {finding.message}\nFix: {finding.fix}"


def plain(value: Any) -> Any:
    """The engine's proxies as plain values; what is not known before the update is marked as such."""
    if isinstance(value, Mapping):
        return {key: _element(value, key) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_element(value, index) for index in range(len(value))]
    # The wire knows one kind of number.
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _element(holder: Any, key: Any) -> Any:
    try:
        return plain(holder[key])
    except UnknownValueError:
        return UNKNOWN
