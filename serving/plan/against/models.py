"""Models that come, go, restart or change while they serve."""

from __future__ import annotations

from collections.abc import Sequence

from serving.plan.against.contract import Count, ModelChange
from serving.plan.against.field_changes import field_changes, said
from serving.plan.against.resources import CLUSTER, NODE_POOL, Change, holdings
from serving.plan.against.side import Model, Side, same_url
from serving.plan.plan import SERVICE_TYPE

# What reaches a server by its command line or its node: the outputs' way to see a restart.
_RESTARTING_FACTS = ("context length", "served names", "chips of a replica")
_MAIN = "template.containers[main]."


def compare_models(before: Side, after: Side, changes: Sequence[Change]) -> list[ModelChange]:
    """Every model that differs: added, removed, then the others in the order of the file."""
    found = [_alone(m, "added") for m in after.models.values() if m.name not in before.models]
    found += [_alone(m, "removed") for m in before.models.values() if m.name not in after.models]
    whole = before.graph is not None
    for name, model in after.models.items():
        if name in before.models:
            changed = _both(before.models[name], model, changes, whole)
            if changed is not None:
                found.append(changed)
    return found


def _alone(model: Model, change: str) -> ModelChange:
    added = change == "added"
    return ModelChange(
        name=model.name,
        change="added" if added else "removed",
        replicas=Count(before=0 if added else model.replicas, after=model.replicas if added else 0),
        chips=Count(before=0 if added else model.chips, after=model.chips if added else 0),
        url=model.url if added else None,
        restart_because=[],
        without_restart=[],
        breaks_clients=[] if added else ["the model is gone"],
    )


def _both(old: Model, new: Model, changes: Sequence[Change], whole: bool) -> ModelChange | None:
    because = _restarts(old, new, changes)
    other = _goes_on(old, new, changes, whole)
    if not because and not other:
        return None
    return ModelChange(
        name=new.name,
        change="restarted" if because else "changed",
        replicas=Count(before=old.replicas, after=new.replicas),
        chips=Count(before=old.chips, after=new.chips),
        url=new.url,
        restart_because=because,
        without_restart=other,
        breaks_clients=_breaks(old, new, whole),
    )


def _breaks(old: Model, new: Model, whole: bool) -> list[str]:
    """What clients of today are answered with an error for: 404 for a name, 400 for a prompt that is too long now."""
    gone = [name for name in old.facts["served names"] if name not in new.facts["served names"]]
    found = [f"served name {name} is gone" for name in gone]
    if new.facts["context length"] < old.facts["context length"]:
        found.append(_fact("context length", old, new))
    if old.facts.get("task") != new.facts.get("task"):
        found.append(_fact("task", old, new))
    if not same_url(old.url, new.url, whole):
        found.append(f"URL: {old.url} -> {new.url}")
    return found


def _restarts(old: Model, new: Model, changes: Sequence[Change]) -> list[str]:
    because: list[str] = []
    for change in changes:
        kind, action = change.resource.type, change.action
        if kind == CLUSTER and action in ("replaced", "deleted"):
            because.append(f"cluster {change.name} is {action}")
        elif kind == NODE_POOL and change.name in old.pools & new.pools:
            if action == "replaced":
                because.append(f"node pool {change.name} is replaced")
            elif nodes := [p for p in change.properties if p.split(":")[0] in holdings()["recreatesNodes"]]:
                because.append(f"GKE recreates the nodes of pool {change.name} ({'; '.join(nodes)})")
        elif kind == SERVICE_TYPE and change.name == new.name and action == "replaced":
            because.append(f"its service is replaced ({'; '.join(change.because)})")
    if old.pods is not None and new.pods is not None:
        because += [line.removeprefix(_MAIN) for line in field_changes(old.pods, new.pods)]
    else:
        because += [_fact(key, old, new) for key in _RESTARTING_FACTS if old.facts[key] != new.facts[key]]
    return because


def _goes_on(old: Model, new: Model, changes: Sequence[Change], whole: bool) -> list[str]:
    found = [] if old.replicas == new.replicas else [f"replicas: {old.replicas} -> {new.replicas}"]
    if not same_url(old.url, new.url, whole):
        found.append(f"URL: {old.url} -> {new.url}")
    found += [
        _fact(key, old, new) for key in old.facts if key not in _RESTARTING_FACTS and old.facts[key] != new.facts[key]
    ]
    if old.router is not None and new.router is not None and old.router != new.router:
        picker = field_changes(old.router.get("scheduler"), new.router.get("scheduler"))
        if picker:
            found.append(f"endpoint picker, which restarts alone: {'; '.join(picker[:3])}")
    found += [
        f"{change.kind}: {'; '.join(change.properties)}"
        for change in changes
        if change.action == "updated" and _belongs(change, new.name)
    ]
    return list(dict.fromkeys(found))  # pool and Service have a policy each, and they say the same


def _belongs(change: Change, model: str) -> bool:
    """Whether an object is one of the model's policies or routes: it is below the model's component."""
    parts = (change.resource.parent or "").split("::")
    top_or_policy = parts[-1] in {f"model-{model}", f"{model}-pool-policy", f"{model}-service-policy"}
    return top_or_policy and change.resource.type != SERVICE_TYPE


def _fact(key: str, old: Model, new: Model) -> str:
    return f"{key}: {said(old.facts[key])} -> {said(new.facts[key])}"
