"""From a planned and a live object to findings: who wrote each difference, and what an `up` does about it.

What `up` does is pulumi-kubernetes' own way: its diff compares the new inputs with the state, so that without
`--refresh` a change in the cluster is not seen; an update is a server-side apply, which fails on a field that another
manager owns with another value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from catalog.field_managers import designed as known_writer
from providers.kubernetes import managed_fields
from providers.kubernetes.differences import replacing
from serving.drift.compare import Difference, body, differences
from serving.drift.findings import Action, Drift, Kind, designed, drifted
from serving.drift.ownership import Path, Writer, additions, last_writer, owners
from serving.program.record import SECRET

_BOOKKEEPING = ("metadata", "managedFields")
_SECRET_KEYS = ("data", "stringData")


@dataclass(frozen=True)
class Policy:
    """How one object is written: by which managers, with which options.

    `chart`: by Helm, which looks at its own release and never at the cluster.
    """

    chart: bool = False
    force: bool = False

    def ours(self, writer: Writer) -> bool:
        """Whether the writer is the one that the plan writes with."""
        return writer.engine or (self.chart and writer.manager == "helm")


def policy_of(planned: Mapping[str, Any], *, provider_force: bool) -> Policy:
    """The policy of an object that is a resource of the program."""
    return Policy(force=provider_force or managed_fields.forces(planned))


def object_drift(name: str, planned: Mapping[str, Any], live: Mapping[str, Any], policy: Policy) -> Iterator[Drift]:
    """Every difference of one object, with what a controller makes by design told apart."""
    wanted, found = body(planned), owners(live)
    changed = list(differences(wanted, {key: live.get(key) for key in wanted}, found))
    added = [
        Difference(path, None, value, (owner,))
        for owner in found
        for path, value in additions(wanted, live, owner.fields)
        if _speaks_of_itself(owner.writer, policy) and path[: len(_BOOKKEEPING)] != _BOOKKEEPING
    ]
    kind, own_name = str(planned["kind"]), str(live["metadata"]["name"])
    # One field that `up` writes anyway makes it apply the whole object, and meet every conflict in it.
    touched = any(_pending(difference, policy) for difference in (*changed, *added))
    for difference in (*changed, *_once(added)):
        row = next(
            (
                row
                for owner in difference.owners
                if (row := known_writer(owner.writer.manager, kind, own_name, difference.path))
            ),
            None,
        )
        writer = last_writer(difference.owners)
        if row is not None:
            yield designed(name, difference.path, writer, row.why)
        else:
            old, new = (_nested(planned, difference.path, value) for value in (difference.found, difference.wanted))
            replaces = bool(replacing(old, new))
            finding = _finding(name, difference, writer, policy, touched=touched, replaces=replaces)
            yield _sealed(finding) if kind == "Secret" else finding


def _finding(
    name: str, difference: Difference, writer: Writer | None, policy: Policy, *, touched: bool, replaces: bool
) -> Drift:
    refreshed = _refreshed(difference, writer, policy, replaces=replaces)
    kind = Kind.ADDED if difference.wanted is None else Kind.CHANGED
    if policy.chart:
        kind, next_up = Kind.CHART, Action.NOTHING
    elif _pending(difference, policy):
        kind, next_up = Kind.NOT_APPLIED, refreshed
    elif touched:
        next_up = refreshed
    else:
        next_up = Action.DEPENDS if not difference.owners else Action.NOTHING
    return drifted(kind, name, next_up, refreshed, difference.path, difference.wanted, difference.found, writer)


def _refreshed(difference: Difference, writer: Writer | None, policy: Policy, *, replaces: bool) -> Action:
    """What `up --refresh` does, which sees the difference."""
    if policy.chart:
        return Action.NOTHING
    if difference.wanted is None:
        return Action.REVERT if writer and policy.ours(writer) else Action.NOTHING
    if replaces:
        return Action.REPLACE
    strangers = [
        owner
        for owner in difference.owners
        if not policy.ours(owner.writer)
        and not managed_fields.is_taken_over(owner.writer.manager, owner.writer.operation)
    ]
    return Action.CONFLICT if strangers and not policy.force else Action.REVERT


def _pending(difference: Difference, policy: Policy) -> bool:
    """Whether only the engine wrote the field, and the plan now says something else: the file has changed since."""
    return bool(difference.owners) and all(policy.ours(owner.writer) for owner in difference.owners)


def _speaks_of_itself(writer: Writer, policy: Policy) -> bool:
    """Whether what a writer owns beyond the plan says something.

    A create owns the defaults of the API server too; after an apply, a manager owns exactly what it applied.
    """
    return not policy.ours(writer) or (writer.operation == "Apply" and not policy.chart)


def _once(added: Sequence[Difference]) -> Iterator[Difference]:
    """One difference for each field, with all its owners."""
    by_path: dict[Path, Difference] = {}
    for difference in added:
        known = by_path.get(difference.path)
        both = difference if known is None else replace(known, owners=(*known.owners, *difference.owners))
        by_path[difference.path] = both
    yield from by_path.values()


def _nested(planned: Mapping[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """An object of the planned one's kind that has only this value."""
    for part in reversed(path):
        value = [value] if isinstance(part, int) else {part: value}
    return {"apiVersion": planned.get("apiVersion"), "kind": planned["kind"], **value}


def _sealed(finding: Drift) -> Drift:
    """Values of a Secret are never shown."""
    if finding.path[0] not in _SECRET_KEYS:
        return finding
    wanted, found = (None if value is None else SECRET for value in (finding.wanted, finding.found))
    return replace(finding, wanted=wanted, found=found)
