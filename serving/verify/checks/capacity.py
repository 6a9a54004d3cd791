"""Which entry of an order of purchases serves each replica, what was passed over, and whether GKE takes the order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from cluster.errors import CannotAskError
from manifests.compute_class import API, LABEL
from serving.checking.findings import Finding, failed, passed
from serving.live.context import Context
from serving.live.servers import belongs
from serving.verify.conditions import says
from serving.verify.registry import KUBERNETES_FAILURES, check

_POOL = "cloud.google.com/gke-nodepool"


@check(
    "capacity",
    "Chips are bought in the declared order",
    "ComputeClass of every model's pods, its conditions, and the node pools that serve",
    (*KUBERNETES_FAILURES, "class-missing", "class-misconfigured"),
)
def capacity(context: Context) -> Iterator[Finding]:
    """A model without a class has one purchase, and nothing to say here."""
    pods = {model.name: [p for p in context.objects("v1", "Pod") if belongs(p, model)] for model in context.models}
    wanted = {name: selected for name, own in pods.items() if (selected := _selected(own))}
    if not wanted:
        yield passed("node pools", "one purchase, no order")
        return
    classes = {item["metadata"]["name"]: item for item in context.cluster.objects(API, "ComputeClass")}
    for model in context.models:
        name = wanted.get(model.name)
        if name is None:
            continue
        item = classes.get(name)
        if item is None:
            yield failed("class-missing", f"ComputeClass {name}", f"not there; the pods of {model.name} select it")
            continue
        conditions = (item.get("status") or {}).get("conditions") or []
        wrong = [says(c) for c in conditions if c["status"] == "True" and str(c["type"]).endswith("Misconfigured")]
        if wrong:
            yield failed("class-misconfigured", f"ComputeClass {name}", "; ".join(wrong))
        else:
            yield passed(f"{model.name}: ComputeClass {name}", _serving(context, pods[model.name], item))


def _selected(pods: Iterable[dict[str, Any]]) -> str | None:
    return next((name for pod in pods if (name := (pod["spec"].get("nodeSelector") or {}).get(LABEL))), None)


def _serving(context: Context, pods: list[dict[str, Any]], item: dict[str, Any]) -> str:
    """`2 on pool-b (2 of 7); passed over before: pool-a (GCE out of resources)`."""
    order = [name for rule in item["spec"].get("priorities") or () for name in rule.get("nodepools") or ()]
    labels = {n["metadata"]["name"]: n["metadata"].get("labels") or {} for n in context.cluster.objects("v1", "Node")}
    used = Counter(labels.get(pod["spec"].get("nodeName", ""), {}).get(_POOL) for pod in pods)
    waiting = used.pop(None, 0)
    places = sorted((order.index(name) + 1 if name in order else 0, str(name), count) for name, count in used.items())
    said = [f"{count} on {name} ({place} of {len(order)})" for place, name, count in places]
    said += [f"{waiting} waiting for a node"] if waiting else []
    if places and places[-1][0] > 1 and (why := _stock_outs(context, pods)):
        said.append(f"passed over before: {why}")
    return "; ".join(said)


def _stock_outs(context: Context, pods: Iterable[dict[str, Any]]) -> str:
    """The autoscaler's words for what it could not get; events last an hour."""
    names = {pod["metadata"]["name"] for pod in pods}
    try:
        events = context.objects("v1", "Event")
    except CannotAskError:
        return ""
    texts = (
        str(event.get("message", "")).removesuffix(" Pod is at risk of not being scheduled.")
        for event in events
        if event.get("reason") == "FailedScaleUp" and event["involvedObject"].get("name") in names
    )
    return "; ".join(dict.fromkeys(texts))
