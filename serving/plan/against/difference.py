"""From two sides to a difference. Pure: nothing is read, run or printed here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from serving.plan.against.contract import (
    Against,
    ChipChange,
    CostChange,
    Count,
    Difference,
    GatewayChange,
    Loss,
    Money,
    QuotaChange,
    RuleChange,
    Update,
)
from serving.plan.against.headline import headline
from serving.plan.against.models import compare_models
from serving.plan.against.resources import CLUSTER, NODE_POOL, Change, compare, holdings
from serving.plan.against.side import NO_ADDRESS, Side
from settings.cost import HOURS_PER_MONTH

_HOURS_PER_DAY = 24
_KSERVE = "kserve-"
_LOUD = (
    "exposure",
    "class",
    "name",
    "scheme",
    "port",
    "host name",
    "address",
    "authentication",
    "consumers",
    "client certificates",
    "waiver of GW03",
)


def difference(before: Side, after: Side, against: Against, notes: Sequence[str] = ()) -> Difference:
    """What becomes of `before` when `after` is put in its place."""
    if before.graph is None:
        after = after.as_outputs_tell()
    changes = compare(before.graph, after.graph) if before.graph and after.graph else []
    models = compare_models(before, after, changes)
    gateway, losses, not_done = _gateway(before, after), _losses(changes), list(_not_done(changes))
    rules = _rules(before, after)
    all_notes = [*notes, *_notes(before, after, changes)]
    cost = _cost(before, after)
    chips = _chips(before, after)
    quota = _quota(before, after)
    changed = bool(changes or models or gateway or rules or chips or quota or cost.change.per_hour)
    changed = changed or before.place != after.place
    reached = [line for m in models for line in m.breaks_clients]
    safe = not (
        any(m.change in {"removed", "restarted"} for m in models)
        or losses
        or not_done
        or reached
        or any(g.loud for g in gateway)
        or any(r.change in {"warned", "overridden"} for r in rules)
        or _kserve(changes)
        or before.graph is None
    )
    made = Difference(
        environment=after.environment,
        against=against,
        headline="",
        changed=changed,
        safe=safe,
        complete=before.graph is not None,
        models=models,
        chips=Count(before=sum(before.chips.values()), after=sum(after.chips.values())),
        chips_by_kind=chips,
        cost=cost,
        quota=quota,
        gateway=gateway,
        losses=losses,
        not_done=not_done,
        rules=rules,
        resources=[
            Update(action=c.action, kind=c.kind, name=c.name, properties=list(c.because or c.properties))
            for c in changes
        ],
        notes=all_notes,
    )
    return made.model_copy(update={"headline": headline(made)})


def _chips(before: Side, after: Side) -> list[ChipChange]:
    kinds = sorted({*before.chips, *after.chips}, key=str)
    rows = [(kind, before.chips.get(kind, 0), after.chips.get(kind, 0)) for kind in kinds]
    return [
        ChipChange(generation=g, purchase=p, location=place, before=one, after=other)
        for (g, p, place), one, other in rows
        if one != other
    ]


def _money(per_hour: float) -> Money:
    return Money(
        per_hour=round(per_hour, 4),
        per_day=round(per_hour * _HOURS_PER_DAY, 2),
        per_month=round(per_hour * HOURS_PER_MONTH, 2),
    )


def _cost(before: Side, after: Side) -> CostChange:
    return CostChange(
        currency=after.currency,
        before=_money(before.per_hour),
        after=_money(after.per_hour),
        change=_money(after.per_hour - before.per_hour),
        unpriced=sorted({*before.unpriced, *after.unpriced}),
    )


def _quota(before: Side, after: Side) -> list[QuotaChange]:
    found = []
    for key in sorted({*before.quota, *after.quota}):
        one, other = before.quota.get(key, (0, 0)), after.quota.get(key, (0, 0))
        if one != other:
            metric, region, family = key
            found.append(
                QuotaChange(
                    metric=metric,
                    region=region,
                    family=family,
                    before=one[0],
                    after=other[0],
                    during_update_before=one[1],
                    during_update_after=other[1],
                )
            )
    return found


def _gateway(before: Side, after: Side) -> list[GatewayChange]:
    return [
        GatewayChange(what=what, before=before.gateway[what], after=now, loud=what in _LOUD)
        for what, now in after.gateway.items()
        if before.gateway[what] != now
    ]


def _losses(changes: Sequence[Change]) -> list[Loss]:
    """What is replaced or deleted and holds something; the largest first, as the data file orders them."""
    rows = holdings()["holds"]
    order = list(rows)
    found: list[tuple[int, Loss]] = []
    for change in changes:
        row = rows.get(change.resource.type)
        if row is None or change.action not in ("replaced", "deleted"):
            continue
        tpus = str(change.resource.inputs.get("name", "")).startswith("tpu-")
        holds = row["holds"] if change.resource.type != NODE_POOL or tpus else holdings()["cpuPools"]
        action = "replaced" if change.action == "replaced" else "deleted"
        loss = Loss(action=action, kind=row["kind"], name=change.name, holds=holds, because=list(change.because))
        found.append((order.index(change.resource.type), loss))
    return [loss for _, loss in sorted(found, key=lambda pair: pair[0])]


def _not_done(changes: Sequence[Change]) -> Iterator[str]:
    """What the provider leaves as it is, though the program declares it no more (Optional and Computed in its schema)."""
    gone = [c.name for c in changes if c.kind == "RouterNat" and c.action == "deleted"]
    for change in changes:
        for path in change.stays:
            said = f"{change.kind} {change.name} keeps {path}: the provider does not take away what is left out."
            if path == "privateClusterConfig":
                lost = f", and lose their way out with {', '.join(gone)}" if gone else ""
                said += (
                    f" Its nodes stay private{lost}. Write privateNodes: true again, or give the cluster another name."
                )
            yield said


def _rules(before: Side, after: Side) -> list[RuleChange]:
    found = [
        RuleChange(rule=rule, path=path, change="warned", message=said)
        for (rule, path), said in after.warnings.items()
        if (rule, path) not in before.warnings
    ]
    found += [
        RuleChange(rule=rule, path=path, change="settled", message=said)
        for (rule, path), said in before.warnings.items()
        if (rule, path) not in after.warnings and after.graph
    ]
    for rule in sorted({*before.overrides, *after.overrides}):
        one, other = before.overrides.get(rule), after.overrides.get(rule)
        if other is not None and one != other:
            found.append(RuleChange(rule=rule, path="overrides", change="overridden", message=other))
        elif other is None and one is not None:
            found.append(RuleChange(rule=rule, path="overrides", change="overrideEnded", message=one))
    return found


def _address_with_cluster(before: Side, after: Side) -> str:
    kept = before.gateway["address"] == after.gateway["address"] != NO_ADDRESS
    if kept:
        return f"The address {after.gateway['address']} is kept; nothing answers on it until the cluster is back."
    return "The Gateway's address goes with the cluster: clients need the new one."


def _kserve(changes: Sequence[Change]) -> list[Change]:
    """Changes of what renders the pods; KServe's settings for routes do not."""
    return [
        c
        for c in changes
        if c.resource.name.startswith(_KSERVE)
        and c.action != "added"
        and not (c.properties and all(line.startswith("data.ingress:") for line in c.properties))
    ]


def _notes(before: Side, after: Side, changes: Sequence[Change]) -> list[str]:
    notes = [f"{what}: {before.place[what]} -> {now}" for what, now in after.place.items() if before.place[what] != now]
    if kserve := _kserve(changes):
        names = ", ".join(c.name for c in kserve)
        notes.append(f"KServe itself changes ({names}): it renders the pods of every model, and may restart them all.")
    if any(c.resource.type == CLUSTER and c.action in ("replaced", "deleted") for c in changes):
        notes.append(_address_with_cluster(before, after))
    protected = [
        c
        for c in changes
        if c.resource.type == CLUSTER
        and c.action != "added"
        and (c.earlier or c.resource).inputs.get("deletionProtection")
    ]
    if any(c.action in ("replaced", "deleted") for c in protected):
        notes.append("The cluster is protected from deletion: pulumi up stops at it until the protection is taken off.")
    if before.graph is None:
        notes.append(
            "Outputs hold no pod templates, networks or node pools: another reason for a restart or a replacement "
            "would not be seen here. Compare with a git ref or a file for that."
        )
    return notes
