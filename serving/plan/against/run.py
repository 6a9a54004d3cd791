"""Both sides planned and compared. The other side is planned under this environment's name: names made of it are no change."""

from __future__ import annotations

from dataclasses import replace

from serving.plan.against.contract import Against, Difference
from serving.plan.against.difference import difference
from serving.plan.against.side import Side, of_outputs, of_plan
from serving.plan.against.source import Source
from serving.plan.build import planned as plan
from serving.plan.plan import Plan
from settings.document import Document


def against(planned: Plan, source: Source) -> Difference:
    """The difference between a plan and what it is compared with.

    Raises:
        RefusedError: the rules refuse the other side.
    """
    before, other, notes = _other(planned, source)
    return difference(
        before,
        of_plan(planned),
        Against(kind=source.kind, name=source.name, environment=other),
        [*notes, *source.notes],
    )


def _other(planned: Plan, source: Source) -> tuple[Side, str, list[str]]:
    name = planned.deployment.name
    if source.document is None:
        assert source.outputs is not None  # a source is one or the other
        side = of_outputs(source.outputs)
        notes = [f"The outputs are those of {side.environment}."] if side.environment != name else []
        return side, side.environment, notes
    document, notes = source.document, []
    other = document.name
    if other != name:
        notes.append(
            f"{other} and {name} are two environments: nothing happens to either. Shown is what {other} would become "
            f"with the file of {name}; names made of the environment's are left out."
        )
        document, moved = _moved(document, planned)
        notes += moved
    return of_plan(plan(document, source.recording)), other, notes


# What each environment has for itself: where it is, not how it serves.
_OWN = {"project": "projects", "location": "locations", "network": "networks"}


def _moved(document: Document, planned: Plan) -> tuple[Document, list[str]]:
    """The document in the place of the plan: another environment's project and ranges are no change of this one."""
    here = planned.deployment.settings.model_dump(by_alias=True, exclude_none=True)
    data, notes = dict(document.data), []
    for key, word in _OWN.items():
        there = data.get(key) or {}
        if not isinstance(there, dict):
            continue
        # Some settings need a project's number; a file without those has none, which is no difference.
        number = {"number": there["number"]} if key == "project" and "number" in there else {}
        own = {**number, **here[key]}
        if any(own.get(name) != value for name, value in there.items()):
            names = f" ({there['id']} and {own['id']})" if there.get("id", own.get("id")) != own.get("id") else ""
            notes.append(f"The {word} differ{names}; left out below.")
        data[key] = own
    gateway = data.get("gateway")
    ours = here["gateway"].get("address")
    if isinstance(gateway, dict) and isinstance(gateway.get("address"), dict) and ours:
        data["gateway"] = {**gateway, "address": {**gateway["address"], "name": ours["name"]}}
    return replace(document, name=planned.deployment.name, data=data), notes
