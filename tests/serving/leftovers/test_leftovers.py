"""What is left is found whole, nothing of others is touched, and what can't go is said with Google's own words."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cluster.errors import CannotAskError
from serving.leftovers.delete import delete
from serving.leftovers.find import ClusterLivesError, SearchResult
from serving.leftovers.kinds import KINDS, Leftover
from tests.everything import examples
from tests.serving.leftovers.compute import Compute, has_method
from tests.serving.leftovers.conftest import PROJECT, REGION, ZONE, Scene, environment

DISK = {"kubernetes.io/created-for/pvc/name": "weights", "storage.gke.io/created-by": "pd.csi.storage.gke.io"}
LABELS = {"goog-k8s-cluster-name": "tpu-serving-dev", "goog-k8s-cluster-location": "europe-west4"}


def names(found: SearchResult, *, foreign: bool | None = None) -> set[str]:
    return {item.name for item in found.leftovers if foreign is None or item.foreign is foreign}


def delete_all(scene: Scene, found: SearchResult) -> tuple[dict[Leftover, str], list[str]]:
    said: list[str] = []
    return delete(scene.client(), found.deletable, said.append, lambda _seconds: None), said


def whole(scene: Scene) -> set[str]:
    """A network with everything that can be left in it, among things of others; the names of what is left."""
    network = scene.network()
    ours = scene.of_gke(network) | scene.of_the_program(network) | {scene.deployment.network_name}
    scene.of_others()
    return ours


def test_every_kind_is_listed_and_deleted_by_methods_that_the_api_has() -> None:
    for kind in KINDS:
        assert kind.collection == "networks" or has_method(
            f"{kind.collection}.{'aggregatedList' if kind.everywhere else 'list'}"
        )
        for scope, collection in kind.deleted_by:
            assert has_method(f"{collection}.delete"), collection
            operations = {"zones": "zoneOperations", "regions": "regionOperations", "global": "globalOperations"}
            assert has_method(f"{operations[scope]}.get")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(10))
@given(data=st.data(), page=st.integers(1, 7))
def test_all_that_is_ours_goes_and_all_that_is_not_stays(scene: Scene, data: st.DataObject, page: int) -> None:
    """Of any part of what can be there: found is what is ours, and after the deletion what is not ours is all there is."""
    scene.compute = Compute(PROJECT, page=page)
    ours = whole(scene)
    network = scene.deployment.network_name
    gone = data.draw(st.sets(st.sampled_from(sorted(scene.compute.names() - {network}))))
    scene.compute.items = {place: item for place, item in scene.compute.items.items() if place[2] not in gone}
    kept = scene.compute.names() - ours - {"gke-tpu-serving-dev-cpu-1a2b3c4d-x7k9"}
    found = scene.find()
    # VMs of a managed group are listed by themselves where the group is not there.
    assert names(found) - {"gke-tpu-serving-dev-cpu-1a2b3c4d-x7k9"} == ours - gone
    assert not names(found, foreign=True) and not found.refused
    left, said = delete_all(scene, found)
    assert left == {}
    assert scene.compute.names() == kept
    assert len(said) >= len(found.leftovers)


def test_nothing_is_deleted_before_what_uses_it(scene: Scene) -> None:
    whole(scene)
    left, said = delete_all(scene, scene.find())
    assert left == {}
    assert not [line for line in said if "still in use" in line]
    order = scene.compute.deleted
    chain = ["gkegw1-4v0d-80", "gkegw1-4v0d-proxy", "gkegw1-4v0d-urls", "gkegw1-4v0d-backend", "gkegw1-4v0d-check"]
    assert sorted(chain, key=order.index) == chain
    assert order[-1] == "tpu-serving-dev"


def test_what_google_still_holds_is_tried_again(scene: Scene) -> None:
    scene.of_gke(scene.network())
    scene.compute.held = {"k8s1-bf6ca629-a-8000-75e27959": 3, "tpu-serving-dev": 2}
    left, said = delete_all(scene, scene.find())
    assert left == {}
    assert scene.compute.names() == set()
    assert len([line for line in said if line.startswith("still in use, next try in 15 s")]) == 5


def test_what_is_held_for_good_is_said_with_its_user_and_the_network_is_not_tried(scene: Scene) -> None:
    scene.of_gke(scene.network())
    scene.compute.held = {"k8s1-bf6ca629-a-8000-75e27959": 1000}
    left, _ = delete_all(scene, scene.find())
    said = {item.name: why for item, why in left.items()}
    assert set(said) == scene.compute.names() == {"k8s1-bf6ca629-a-8000-75e27959", "tpu-serving-dev"}
    assert "is already being used by" in said["k8s1-bf6ca629-a-8000-75e27959"]
    assert said["tpu-serving-dev"].startswith("not tried: 1 of those above")


def test_a_refusal_is_no_reason_to_stop_and_is_not_asked_again(scene: Scene) -> None:
    scene.of_gke(scene.network())
    scene.compute.denied = {"k8s-e4198c6a84c32393-node-http-hc"}
    left, _ = delete_all(scene, scene.find())
    said = {item.name: why for item, why in left.items()}
    assert "Required 'compute.firewalls.delete' permission" in said["k8s-e4198c6a84c32393-node-http-hc"]
    assert set(said) == scene.compute.names()
    assert len(scene.google.asked) < 120


def test_what_is_gone_meanwhile_counts_as_deleted(scene: Scene) -> None:
    scene.of_gke(scene.network())
    found = scene.find()
    scene.compute.items = {p: item for p, item in scene.compute.items.items() if p[0] not in ("firewalls", "urlMaps")}
    left, _ = delete_all(scene, found)
    assert left == {} and scene.compute.names() == set()


def test_a_list_that_is_refused_or_not_whole_is_no_answer(scene: Scene) -> None:
    scene.network()
    scene.compute.denied = {"networkEndpointGroups.list"}
    with pytest.raises(CannotAskError, match=r"Required 'compute\.networkEndpointGroups\.list' permission") as raised:
        scene.find()
    assert raised.value.failure == "not-allowed-to-ask"
    scene.compute.denied, scene.compute.silent = set(), "zones/europe-west4-b"
    with pytest.raises(CannotAskError, match="no answer from zones/europe-west4-b"):
        scene.find()


CLUSTERS = [
    ({"name": "tpu-serving-dev", "location": "europe-west4", "status": "STOPPING", "network": "default"}, True),
    ({"name": "another", "location": "us-east5-a", "status": "RUNNING", "network": "tpu-serving-dev"}, True),
    ({"name": "another", "location": "us-east5-a", "status": "RUNNING", "network": "tpu-serving-dev-2"}, False),
    ({"name": "tpu-serving-dev", "location": "us-east5", "status": "RUNNING", "network": "default"}, False),
]


@pytest.mark.parametrize(("cluster", "lives"), CLUSTERS)
def test_where_a_cluster_lives_nothing_is_left_over(scene: Scene, cluster: dict[str, Any], lives: bool) -> None:
    ours = whole(scene)
    scene.compute.clusters = [cluster]
    if lives:
        with pytest.raises(ClusterLivesError, match=f"cluster {cluster['name']} in {cluster['location']} is "):
            scene.find()
    else:
        assert names(scene.find()) == ours


def test_what_somebody_else_put_there_stays_and_keeps_the_network(scene: Scene) -> None:
    network = scene.network()
    scene.of_gke(network)
    scene.compute.add("instances", ZONE, "bastion", networkInterfaces=[{"network": network}])
    scene.compute.add("firewalls", "global", "allow-ssh", network=network)
    found = scene.find()
    assert names(found, foreign=True) == {"bastion", "allow-ssh"}
    left, _ = delete_all(scene, found)
    assert left == {}
    assert scene.compute.names() == {"bastion", "allow-ssh", "tpu-serving-dev"}


def test_what_goes_with_the_network_is_in_nobodys_way(scene: Scene) -> None:
    network = scene.network()
    internet = f"projects/{PROJECT}/global/gateways/default-internet-gateway"
    scene.compute.add("routes", "global", "default-route-1", network=network, nextHopGateway=internet)
    scene.compute.add("routes", "global", "default-route-2", network=network, nextHopNetwork=network)
    scene.compute.add("addresses", REGION, "nat-auto-ip-1", purpose="NAT_AUTO", network=network)
    scene.compute.add("routes", "global", "by-hand", network=network, nextHopIp="10.0.0.9")
    assert names(scene.find()) == {"tpu-serving-dev", "by-hand"}
    assert names(scene.find(), foreign=True) == {"by-hand"}


def test_a_disk_of_a_claim_is_listed_with_its_command_and_never_deleted(scene: Scene) -> None:
    scene.network()
    scene.compute.add("disks", ZONE, "pvc-1", description=json.dumps(DISK), labels=LABELS)
    scene.compute.add(
        "disks", ZONE, "pvc-2", description=json.dumps(DISK), labels={**LABELS, "goog-k8s-cluster-name": "x"}
    )
    scene.compute.add("disks", ZONE, "boot", labels=LABELS)
    found = scene.find()
    assert names(found) == {"tpu-serving-dev", "pvc-1"}
    assert {item.name for item in found.deletable} == {"tpu-serving-dev"}


EXISTING = {
    "mode": "existing",
    "name": "shared",
    "subnetwork": "nodes",
    "hostProject": None,
    "proxyOnlySubnet": {"mode": "existing", "name": "proxies"},
}


@pytest.mark.parametrize("case", ["existing", "without the mark", "of another environment", "gone"])
def test_in_a_network_that_the_program_did_not_make_only_what_names_the_cluster_is_listed(
    scene: Scene, case: str
) -> None:
    if case == "existing":
        scene.deployment = environment(network={k: v for k, v in EXISTING.items() if v is not None})
    description = {"without the mark": "", "of another environment": "tpu-serving, environment prod"}.get(case)
    network = (
        "projects/example-project/global/networks/tpu-serving-dev" if case == "gone" else scene.network(description)
    )
    scene.of_gke(network)
    scene.compute.add("networkEndpointGroups", ZONE, "k8s1-of-a-living-cluster", network=network)
    found = scene.find()
    assert found.refused
    # Firewall rules and parts of the Gateway say whose they are; endpoint groups and VMs do not.
    assert {item.kind.title for item in found.leftovers} == {
        "forwarding rule", "target HTTP proxy", "target HTTPS proxy", "URL map", "backend service", "health check",
        "route", "firewall rule",
    }  # fmt: skip
    assert {i.name for i in found.leftovers if i.kind.title == "firewall rule"} == {"gke-tpu-serving-dev-1a2b3c4d-vms"}


def test_a_command_names_what_it_deletes_and_where(scene: Scene) -> None:
    whole(scene)
    for item in scene.find().leftovers:
        assert max(map(len, item.command.splitlines())) <= 80
        words = shlex.split(item.command.replace("\\\n", " "))
        assert words[:2] == ["gcloud", "compute"] and item.name in words and f"--project={PROJECT}" in words
        scope = item.scope.partition("/")[0]
        assert (f"--{scope.removesuffix('s')}={item.place}" in words) == (scope != "global")
        assert re.match(r"[a-z-]+( [a-z-]+)? delete", " ".join(words[2:]))
