"""Which entry of an order of purchases serves, and a class that GKE does not take."""

from __future__ import annotations

from serving.checking.findings import Verdict
from tests.serving.verify.conftest import Scene, outcome
from tests.serving.verify.deployed import Obj, find


def _of_class(scene: Scene, *serving: str) -> Obj:
    """Put the servers under a class of three pools; each runs on a node of the pool that is named, or on none yet."""
    pools = ["res", "od", "spot"]
    servers = [o for o in scene.objects if o["kind"] == "Pod" and "server" in o["metadata"]["name"]]
    for pod, pool in zip(servers, serving, strict=True):
        pod["spec"] = {**pod.get("spec", {}), "nodeSelector": {"cloud.google.com/compute-class": "c"}, "nodeName": pool}
    for pool in pools:
        labels = {"cloud.google.com/gke-nodepool": pool}
        scene.objects.append({"apiVersion": "v1", "kind": "Node", "metadata": {"name": pool, "labels": labels}})
    spec = {"priorities": [{"nodepools": [pool]} for pool in pools]}
    made = {"apiVersion": "cloud.google.com/v1", "kind": "ComputeClass", "metadata": {"name": "c"}, "spec": spec}
    scene.objects.append(made)
    return made


def test_the_entry_that_serves_each_replica_is_named_with_what_was_passed_over(scene: Scene) -> None:
    _of_class(scene, "od", "spot", "")
    pod = find(scene.objects, "Pod", "server-1")["metadata"]
    about = {"kind": "Pod", "name": pod["name"]}
    event = {"metadata": {"name": "e", "namespace": pod["namespace"]}, "reason": "FailedScaleUp"}
    text = "Node scale up in zones z failed: GCE out of resources."
    scene.objects.append({"apiVersion": "v1", "kind": "Event", **event, "message": text, "involvedObject": about})
    [found] = outcome(scene.report(quick=True), "capacity").findings
    assert found.verdict is Verdict.PASS
    assert found.message.startswith("1 on od (2 of 3); 1 on spot (3 of 3); 1 waiting for a node; passed over before: ")
    assert "GCE out of resources" in found.message


def test_a_class_that_gke_calls_misconfigured_or_that_is_gone_fails(scene: Scene) -> None:
    made = _of_class(scene, "res", "res", "res")
    wrong = {
        "type": "NodepoolMisconfigured",
        "status": "True",
        "reason": "TaintMissing",
        "message": "Crd taint is missing",
    }
    made["status"] = {"conditions": [{"type": "Health", "status": "False", "message": "Crd is not healthy."}, wrong]}
    worst = outcome(scene.report(quick=True), "capacity").worst
    assert worst.failure == "class-misconfigured"
    assert "TaintMissing" in worst.message
    made["metadata"]["name"] = "other"
    assert outcome(scene.report(quick=True), "capacity").worst.failure == "class-missing"
