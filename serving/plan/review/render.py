"""A review for people: what changes first, what does not in one line at the end."""

from __future__ import annotations

from collections.abc import Iterator

from serving.checking.render import caution, cell, folded
from serving.plan.against.render import render_markdown as difference_markdown
from serving.plan.against.render import render_text
from serving.plan.review.contract import EnvironmentReview, Review

_LOUDEST = ("refused", "removed", "changed", "incomparable", "new")


def render_markdown(made: Review) -> str:
    """The comment."""
    lines = [f"**{_count(made)}**", ""]
    for environment in _in_order(made):
        lines += [*_block(environment), ""]
    if quiet := [f"`{e.environment}`" for e in made.environments if e.state == "unchanged"]:
        lines.append(f"No change: {', '.join(quiet)}.")
    return "\n".join(lines).rstrip() + "\n"


def render_review_text(made: Review) -> str:
    """For a terminal."""
    lines = [f"{_count(made)}", ""]
    for e in _in_order(made):
        if e.difference is not None:
            lines.append(render_text(e.difference))
            continue
        lines.append(f"{e.environment}: {_said(e)}")
        lines += [f"  ! {r.rule} {r.path}: {r.message} {_first(r.fix)}" for r in e.refusals]
        lines.append("")
    if quiet := [e.environment for e in made.environments if e.state == "unchanged"]:
        lines.append(f"no change: {', '.join(quiet)}")
    return "\n".join(lines).rstrip() + "\n"


def _count(made: Review) -> str:
    total = len(made.environments)
    loud = sum(e.state != "unchanged" for e in made.environments)
    if not loud:
        return f"No environment changes ({total} planned)."
    return f"{loud} of {total} environments change{'s' if loud == 1 else ''}."


def _in_order(made: Review) -> list[EnvironmentReview]:
    loud = [e for e in made.environments if e.state in _LOUDEST]
    return sorted(loud, key=lambda e: (_LOUDEST.index(e.state), e.difference is not None and e.difference.safe))


def _block(environment: EnvironmentReview) -> Iterator[str]:
    if environment.difference is not None:
        yield difference_markdown(environment.difference).rstrip()
        return
    yield f"### `{environment.environment}`: {_said(environment)}"
    if environment.state == "removed":
        yield ""
        yield from caution(["**Its stack and everything in it stay, and cost, until somebody runs `pulumi destroy`.**"])
    if environment.refusals:
        yield ""
        yield from caution(
            f"- **{r.rule}** {cell(r.path)}: {cell(r.message)} {cell(_first(r.fix))}" for r in environment.refusals
        )
    if environment.plan:
        yield ""
        yield from folded(f"the plan of {environment.environment}", [environment.plan.rstrip()])


def _said(environment: EnvironmentReview) -> str:
    return {
        "refused": "REJECTED, nothing would be created",
        "removed": f"{environment.file} is REMOVED",
        "new": "new environment",
        "incomparable": "can't be compared, the other side is rejected by the program as it is now",
    }[environment.state]


def _first(fix: str) -> str:
    return "Fix: " + fix.split("\n")[0]
