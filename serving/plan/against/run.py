"""Both sides planned and compared. The other side is planned under this environment's name: names made of it are no change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from checks.environment import require
from serving.plan.against.contract import Against, Difference
from serving.plan.against.difference import difference
from serving.plan.against.side import Side, of_outputs, of_plan
from serving.plan.against.source import Source
from serving.plan.plan import Plan
from settings.derive import Deployment
from settings.document import Document
from settings.refusal import Finding

Planner = Callable[[Document, Deployment, list[Finding]], Plan]


def against(planned: Plan, source: Source, plan: Planner) -> Difference:
    """The difference between a plan and what it is compared with.

    Raises:
        RefusedError: the rules refuse the other side.
    """
    before, other, notes = _other(planned, source, plan)
    return difference(
        before,
        of_plan(planned),
        Against(kind=source.kind, name=source.name, environment=other),
        [*notes, *source.notes],
    )


def _other(planned: Plan, source: Source, plan: Planner) -> tuple[Side, str, list[str]]:
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
    return of_plan(plan(document, *require(document))), other, notes


def _moved(document: Document, planned: Plan) -> tuple[Document, list[str]]:
    """The document in the project of the plan: another environment's project is no change of this one."""
    here = planned.deployment.settings.project.model_dump(mode="json", by_alias=True, exclude_none=True)
    there: Any = document.data.get("project")
    notes = []
    if isinstance(there, dict) and "id" in there and there["id"] != here["id"]:
        notes.append(f"The projects differ: {there['id']} and {here['id']}; left out below.")
        document = replace(document, data={**document.data, "project": here})
    return replace(document, name=planned.deployment.name), notes
