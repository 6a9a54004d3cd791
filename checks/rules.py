"""All rules on settings, run together; overrides of level O applied last."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator

from catalog.rules import load_rules
from checks import cluster_rules, gateway_rules, model_rules, tpu_rules
from settings.derive import Deployment
from settings.refusal import Finding

Check = Callable[[Deployment], Iterator[Finding]]

CHECKS: tuple[Check, ...] = (
    *gateway_rules.CHECKS,
    *cluster_rules.CHECKS,
    *tpu_rules.CHECKS,
    *model_rules.CHECKS,
)


def on_settings(deployment: Deployment, today: datetime.date | None = None) -> list[Finding]:
    """Every finding of every rule; a valid override turns a refusal of level O into nothing."""
    today = today or datetime.datetime.now(tz=datetime.UTC).date()
    findings = [finding for rule_check in CHECKS for finding in rule_check(deployment)]
    valid: set[str] = set()
    for index, override in enumerate(deployment.settings.overrides):
        rule = load_rules().get(override.rule)
        path = ("overrides", index)
        if rule is None or rule.level != "O":
            what = (
                "There is no such rule" if rule is None else f"{override.rule} can't be overridden (level {rule.level})"
            )
            allowed = ", ".join(r.id for r in load_rules().values() if r.level == "O")
            findings.append(Finding("OV01", (*path, "rule"), override.rule, f"{what}.", f"Only these can: {allowed}."))
        elif override.until < today:
            message = f"The override of {override.rule} ended on {override.until}."
            findings.append(
                Finding(
                    "OV01",
                    (*path, "until"),
                    str(override.until),
                    message,
                    "Renew it with a reason, or remove its cause.",
                )
            )
        else:
            valid.add(override.rule)
    return [_complete(f) for f in findings if f.rule not in valid]


def _complete(finding: Finding) -> Finding:
    """The rule's own text behind what the check said."""
    rule = load_rules()[finding.rule]
    return Finding(
        finding.rule,
        finding.path,
        finding.value,
        f"{finding.message} {rule.consequence}",
        finding.fix,
        rule.source,
        finding.line,
        warning=rule.level == "W",
    )
