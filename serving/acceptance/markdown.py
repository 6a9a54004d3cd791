"""A record as the text of an issue."""

from __future__ import annotations

from collections.abc import Iterator

from serving.acceptance.record import TITLES, Finding, Record, Step, Timing
from serving.checking.render import cell, folded
from settings.text import duration

_STATUS = {"passed": "passed", "failed": "**failed**", "interrupted": "**interrupted**", "notRun": "not run"}


def render(record: Record) -> str:
    """The whole text."""
    lines = [f"### Acceptance on {record.where}: {cell(record.verdict)}", ""]
    if record.where == "emulated cloud":
        lines += ["> [!NOTE]", "> Made by a rehearsal: no Google Cloud project and no TPU took part.", ""]
    lines += [
        *_environment(record),
        "",
        "| step | result | took | plan's estimate | resources |",
        "|---|---|--:|--:|---|",
    ]
    lines += [_row(step) for step in record.steps]
    for step in record.steps:
        lines += list(_findings(step))
    for step in record.steps:
        if step.timings:
            rows = [_timing(timing) for timing in step.timings]
            lines += [
                "",
                *folded(f"times of {step.name}", ["| resource | took | plan's estimate |", "|---|--:|--:|", *rows]),
            ]
    versions = [f"- {name}: {cell(version)}" for name, version in record.versions.items()]
    lines += ["", *folded("versions", versions), "", f"Record {record.schema_version} of `serving acceptance`."]
    return "\n".join(lines) + "\n"


def _environment(record: Record) -> Iterator[str]:
    e, cost = record.environment, record.cost
    for m in e.models:
        context = f", context {m.context_length}" if m.context_length else ""
        yield (
            f"- {cell(m.source or 'a model outside of the catalogue')} on {m.replicas} x {m.generation} {m.topology} "
            f"({m.machine_type}){context}"
        )
    yield f"- {e.purchase} in {e.zone}, {e.exposure} Gateway, tier {e.tier}"
    total = f"{cost.per_hour:.2f} {cost.currency} an hour" if cost.complete else "total unknown: a price is missing"
    yield f"- plan's cost: {total} (list prices of {cost.prices_as_of})"
    calls = "one call" if record.calls == 1 else f"{record.calls} calls"
    ended = "not ended" if record.ended is None else f"ended {record.ended:%Y-%m-%d %H:%M} UTC"
    yield f"- started {record.started:%Y-%m-%d %H:%M} UTC, {ended}, {calls}; consent: {record.consent}"
    if record.commit:
        yield f"- program: {record.commit}"


def _row(step: Step) -> str:
    changes = ", ".join(f"{count} {operation}" for operation, count in sorted(step.changes.items()))
    said = ": ".join(filter(None, [_STATUS[step.status], cell(step.note)]))
    if step.attempts > 1:
        said += f" (attempt {step.attempts})"
    estimate = ", up to ".join(map(duration, step.estimate_seconds or ()))
    took = "" if step.seconds is None else duration(step.seconds)
    return f"| {step.name}: {TITLES[step.name]} | {said} | {took} | {estimate} | {changes} |"


def _findings(step: Step) -> Iterator[str]:
    if step.findings:
        yield ""
        yield f"**{step.name}** found:"
        yield ""
        yield from (f"- {_finding(finding)}" for finding in step.findings)


def _finding(finding: Finding) -> str:
    runbook = f" (`{finding.failure}` of the runbook)" if finding.failure else ""
    seen = ": ".join(filter(None, [cell(finding.object), cell(finding.message)]))
    verdict = {"unknown": "could not ask"}.get(finding.verdict, finding.verdict)
    return f"{verdict}, {finding.check}{runbook}: {seen}" + (
        f"; usual cause: {cell(finding.cause)}" if finding.cause else ""
    )


def _timing(timing: Timing) -> str:
    count = f" ({timing.count})" if timing.count > 1 else ""
    estimate = "" if timing.estimate_seconds is None else duration(timing.estimate_seconds)
    return f"| {cell(timing.resource)}{count} | {duration(timing.seconds)} | {estimate} |"
