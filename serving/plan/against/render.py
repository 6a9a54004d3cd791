"""A difference for people: sections that both renderers share, as plain text and as the comment of a pull request."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from serving.checking.render import caution, cell, folded
from serving.plan.against.contract import ChipChange, Difference, ModelChange
from serving.plan.against.headline import money
from settings.text import count

_WIDTH = 80
_MOST_LINES = 8


@dataclass(frozen=True)
class Section:
    """A title and its lines. `loud`: to be seen before everything else."""

    title: str
    lines: tuple[str, ...]
    loud: bool = False


def sections(made: Difference) -> list[Section]:
    """What there is to say, the loud first; sections without lines are left out."""
    found = [
        Section("Replaced or deleted", tuple(_losses(made)), loud=True),
        Section("Not done by pulumi up", tuple(made.not_done), loud=True),
        Section("Models", tuple(line for m in made.models for line in _model(m))),
        Section("Gateway, clients notice", tuple(_gateway(made, loud=True))),
        Section("Gateway", tuple(_gateway(made, loud=False))),
        Section("Cluster, in place", tuple(_cluster(made))),
        Section("Chips and cost", tuple(_figures(made))),
        Section("Quota", tuple(_quota(made))),
        Section("Rules", tuple(_rules(made))),
        Section("Notes", tuple(made.notes)),
    ]
    return [section for section in found if section.lines]


def _losses(made: Difference) -> Iterator[str]:
    for loss in made.losses:
        because = f" ({_few(loss.because)})" if loss.because else ""
        yield f"{loss.kind} {loss.name} is {loss.action.upper()}: holds {loss.holds}{because}"


def _model(model: ModelChange) -> Iterator[str]:
    chips = count(model.chips.after or model.chips.before, "chip")
    if model.change == "added":
        yield f"{model.name} is added: {chips}, {model.url}"
    elif model.change == "removed":
        yield f"{model.name} is REMOVED: {chips} freed, its URL stops answering"
    if model.breaks_clients and model.change != "removed":
        yield f"{model.name} BREAKS CLIENTS: {_few(model.breaks_clients)}"
    if model.restart_because:
        yield f"{model.name} RESTARTS: {_few(model.restart_because)}"
    if model.without_restart:
        yield f"{model.name}, no restart: {_few(model.without_restart)}"


def _gateway(made: Difference, *, loud: bool) -> Iterator[str]:
    for g in made.gateway:
        if g.loud == loud:
            yield f"{g.what}: {g.before} -> {g.after}"


def _cluster(made: Difference) -> Iterator[str]:
    for r in made.resources:
        if r.kind == "Cluster" and r.action == "updated":
            yield from (line for line in r.properties if not line.endswith(": none -> none"))


def _figures(made: Difference) -> Iterator[str]:
    for c in made.chips_by_kind:
        yield f"{_chips(c)}: {c.before} -> {c.after}"
    cost, currency = made.cost, made.cost.currency
    if cost.change.per_hour:
        for unit, before, after, change in (
            ("hour", cost.before.per_hour, cost.after.per_hour, cost.change.per_hour),
            ("day", cost.before.per_day, cost.after.per_day, cost.change.per_day),
            ("month", cost.before.per_month, cost.after.per_month, cost.change.per_month),
        ):
            yield (
                f"per {unit}: {money(before, currency)} -> {money(after, currency)} "
                f"({money(change, currency, signed=True)})"
            )
        if cost.unpriced:
            yield f"not in these sums, no known price: {', '.join(cost.unpriced)}"


def _chips(change: ChipChange) -> str:
    words = [change.generation or "", "chips", f"({change.purchase})" if change.purchase else "", "in", change.location]
    return " ".join(word for word in words if word)


def _quota(made: Difference) -> Iterator[str]:
    for q in made.quota:
        yield (
            f"{q.family} in {q.region} ({q.metric.rpartition('/')[2]}): {q.before} -> {count(q.after, 'chip')}, "
            f"{q.during_update_before} -> {q.during_update_after} during rolling updates"
        )


def _rules(made: Difference) -> Iterator[str]:
    words = {
        "warned": "now warns",
        "settled": "no longer warns",
        "overridden": "is overridden",
        "overrideEnded": "is no longer overridden",
    }
    for r in made.rules:
        yield f"{r.rule} {words[r.change]} ({r.path}): {r.message}"


def _few(lines: list[str]) -> str:
    shown = lines[:_MOST_LINES]
    more = [f"and {len(lines) - len(shown)} more"] if len(lines) > len(shown) else []
    return "; ".join([*shown, *more])


def _against(made: Difference) -> str:
    what = {"ref": "", "file": "file ", "outputs": "outputs "}[made.against.kind]
    return f"{made.environment} against {what}{made.against.name}"


def render_text(made: Difference) -> str:
    """For a terminal of 80 columns."""
    lines = [f"{_against(made)}:", *textwrap.wrap(made.headline, _WIDTH, break_on_hyphens=False), ""]
    for section in sections(made):
        title = section.title.upper() if section.loud else section.title
        lines.append(title)
        for line in section.lines:
            mark = "!" if section.loud else "-"
            lines += textwrap.wrap(
                line, _WIDTH, initial_indent=f"  {mark} ", subsequent_indent="    ", break_on_hyphens=False
            )
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def render_markdown(made: Difference) -> str:
    """The comment of a pull request: the headline, what hurts, and the rest folded away."""
    lines = [f"### `{made.environment}`: {cell(made.headline)}", ""]
    for section in sections(made):
        if section.loud:
            lines += [*caution(f"- **{cell(line)}**" for line in section.lines), ""]
        else:
            lines += [f"**{section.title}**", "", *(f"- {cell(line)}" for line in section.lines), ""]
    if made.resources:
        rows = (
            f"- {r.action} {r.kind} {cell(r.name + (f': {_few(r.properties)}' if r.properties else ''))}"
            for r in made.resources
        )
        lines += [*folded(f"{count(len(made.resources), 'resource')} differ", rows), ""]
    lines.append(f"<sub>{cell(_against(made))}; offline estimate, list prices</sub>")
    return "\n".join(lines) + "\n"
