"""What each check says when one thing is not as it should be."""

from __future__ import annotations

from typing import Any

import pytest

from catalog.preflight import disk_quota
from serving.checking.findings import Verdict
from tests.serving.preflight.conftest import Scene, environment

FAIL, WARN, UNKNOWN = Verdict.FAIL, Verdict.WARN, Verdict.UNKNOWN
REGION, ZONE = "europe-west4", "europe-west4-a"
FAMILY = "TPUS-PER-TPU-FAMILY-per-project-region"
PREEMPTIBLE = "PREEMPTIBLE-TPU-V6E-per-project-region"
CT6E = {"region": REGION, "tpu_family": "CT6E"}


# Project


def test_a_project_that_is_to_be_deleted_fails(scene: Scene) -> None:
    scene.fake.project_state = "DELETE_REQUESTED"
    result = scene.only("project", FAIL)
    assert (result.failure, result.message) == ("project-not-active", "DELETE_REQUESTED")
    assert "gcloud projects undelete example-project" in result.fix


def test_a_number_of_another_project_fails(scene: Scene) -> None:
    scene.use(environment(project={"id": "example-project", "number": "1"}))
    result = scene.only("project", FAIL)
    assert (result.failure, result.message) == ("project-number-differs", "123456789012")


def test_missing_permissions_are_named_with_the_roles_that_bring_them(scene: Scene) -> None:
    scene.fake.granted = {"container.clusters.get", "resourcemanager.projects.getIamPolicy"}
    result = scene.only("permissions", FAIL)
    assert result.failure == "permission-missing"
    assert "container.clusters.create" in result.needed
    assert "container.clusters.get," not in result.needed
    assert "--role=roles/container.admin" in result.fix
    assert "--role=roles/compute.networkAdmin" in result.fix


def test_no_permission_at_all_comes_without_the_field(scene: Scene) -> None:
    scene.fake.granted = set()
    assert scene.only("permissions", FAIL).failure == "permission-missing"


def test_what_is_not_created_needs_no_permission(scene: Scene) -> None:
    existing = {
        "mode": "existing",
        "name": "vpc",
        "subnetwork": "nodes",
        "proxyOnlySubnet": {"mode": "existing", "name": "p"},
    }
    scene.use(environment(network=existing, project={"id": "example-project", "enableApis": False}))
    scene.fake.granted = set()
    needed = scene.only("permissions", FAIL).needed
    assert "compute.subnetworks.use" in needed
    assert "compute.networks.create" not in needed
    assert "serviceusage" not in needed


def test_a_shared_network_is_asked_for_in_its_own_project(scene: Scene) -> None:
    shared = {
        "mode": "existing",
        "hostProject": "host-project",
        "name": "vpc",
        "subnetwork": "nodes",
        "proxyOnlySubnet": {"mode": "existing", "name": "p"},
    }
    scene.use(environment(network=shared))
    results = scene.results("permissions")
    assert [result.object for result in results] == ["project example-project", "project host-project"]


@pytest.mark.parametrize(("enable", "verdict"), [(True, WARN), (False, FAIL)])
def test_an_api_that_is_off_fails_only_where_up_does_not_turn_it_on(
    scene: Scene, enable: bool, verdict: Verdict
) -> None:
    scene.use(environment(project={"id": "example-project", "enableApis": enable}))
    scene.fake.apis["container.googleapis.com"] = "DISABLED"
    result = scene.only("apis", verdict)
    assert result.message == "off: container.googleapis.com"
    assert "gcloud services enable container.googleapis.com --project=example-project" in result.fix


# Place


def test_a_zone_that_is_not_there_names_those_of_the_region(scene: Scene) -> None:
    del scene.fake.zones[ZONE]
    result = scene.only("location", FAIL)
    assert result.failure == "place-not-found"
    assert result.fix == "Write zone: europe-west4-b (zones of europe-west4: europe-west4-b, europe-west4-c)."


def test_a_region_that_is_down_fails(scene: Scene) -> None:
    scene.fake.regions[REGION]["status"] = "DOWN"
    assert scene.only("location", FAIL).failure == "place-down"


def test_a_zone_whose_end_is_announced_warns(scene: Scene) -> None:
    scene.fake.zones[ZONE]["deprecated"] = {"state": "DEPRECATED"}
    assert scene.only("location", WARN).failure == "place-deprecated"


def test_a_zone_without_the_machine_names_the_nearest_that_have_it(scene: Scene) -> None:
    for zone in (ZONE, "europe-west4-b", "europe-west4-c"):
        scene.fake.machines[zone].remove("ct6e-standard-4t")
    result = scene.only("machine-types", FAIL)
    assert (result.failure, result.object) == ("machine-type-missing", "ct6e-standard-4t in europe-west4-a")
    listed = "us-east5-a, us-east5-b, us-central1-b, us-central1-c"
    assert result.fix == f"Write zone: us-east5-a (zones that have it, nearest first: {listed})."


def test_a_machine_that_no_zone_has_says_so(scene: Scene) -> None:
    for machines in scene.fake.machines.values():
        machines.remove("ct6e-standard-4t")
    assert "no zone lists this machine" in scene.only("machine-types", FAIL).fix


def test_a_cpu_machine_may_be_in_any_zone_of_the_region(scene: Scene) -> None:
    scene.fake.machines[ZONE].remove("e2-standard-4")
    assert [r for r in scene.results("machine-types") if r.verdict is not Verdict.PASS] == []
    for zone in ("europe-west4-b", "europe-west4-c"):
        scene.fake.machines[zone].remove("e2-standard-4")
    assert scene.only("machine-types", FAIL).object == "e2-standard-4 in europe-west4"


# GKE


def test_a_channel_without_a_new_enough_version_fails(scene: Scene) -> None:
    scene.fake.channels["REGULAR"] = ["1.33.5-gke.2072000"]
    result = scene.only("gke-version", FAIL)
    assert (result.failure, result.message) == ("gke-version-too-old", "newest 1.33.5-gke.2072000")


def test_the_lowest_version_of_a_generation_counts(scene: Scene) -> None:
    model = {"name": "q", "source": "hf://Qwen/Qwen3-32B", "tpu": {"generation": "tpu7x", "topology": "2x2x1"}}
    scene.use(environment(models=[model], location={"zone": "us-central1-c"}))
    scene.fake.channels["REGULAR"] = ["1.34.0-gke.1626000"]
    result = scene.only("gke-version", FAIL)
    assert (result.failure, result.needed) == ("gke-version-too-old", "1.34.0-gke.2201000 or newer")


def test_a_version_that_is_offered_no_more_fails_for_a_new_cluster_only(scene: Scene) -> None:
    """GKE answers 400 `Master version "..." is unsupported` (pluralsh/plural#1308)."""
    scene.use(environment(cluster={"minVersion": "1.34.0-gke.1626000"}))
    scene.fake.channels["REGULAR"] = ["1.36.2-gke.2154000", "1.35.2-gke.1842000"]
    result = scene.only("gke-version", FAIL)
    fix = "Write cluster.minVersion: 1.36.2-gke.2154000, or leave it out."
    assert (result.failure, result.fix) == ("gke-version-not-offered", fix)
    scene.fake.clusters["tpu-serving-dev"] = {"resourceLabels": dict(scene.deployment.labels)}
    assert scene.results("gke-version")[0].verdict is Verdict.PASS


def test_without_a_version_the_default_of_the_channel_must_be_new_enough(scene: Scene) -> None:
    assert scene.results("gke-version")[0].message == "the default of REGULAR is 1.36.2-gke.2154000"
    scene.fake.channels["REGULAR"] = ["1.33.5-gke.2072000", "1.34.3-gke.1318000"]
    result = scene.only("gke-version", FAIL)
    assert (result.failure, result.message) == ("gke-default-too-old", "the default is 1.33.5-gke.2072000")
    assert result.fix == "Write cluster.minVersion: 1.34.3-gke.1318000."


@pytest.mark.parametrize(("wanted", "offered"), [("1.35", True), ("1.35.2", True), ("1.35.20", False), ("1.3", False)])
def test_a_short_version_stands_for_those_that_begin_with_it(scene: Scene, wanted: str, offered: bool) -> None:
    from serving.preflight.checks.cluster import _offers

    assert _offers(["1.36.2-gke.2154000", "1.35.2-gke.1842000"], wanted) is offered


def test_a_channel_that_is_not_there_names_those_that_are(scene: Scene) -> None:
    scene.fake.channels = {"RAPID": ["1.36.2-gke.2154000"]}
    result = scene.only("gke-version", FAIL)
    assert (result.failure, result.message) == ("gke-channel-missing", "RAPID")


def test_a_cluster_of_the_name_passes_only_with_our_labels(scene: Scene) -> None:
    scene.fake.clusters["tpu-serving-dev"] = {"name": "tpu-serving-dev"}
    assert scene.only("cluster-name", FAIL).failure == "cluster-name-taken"
    scene.fake.clusters["tpu-serving-dev"] = {"resourceLabels": {"managed-by": "tpu-serving", "environment": "prod"}}
    assert scene.only("cluster-name", FAIL).failure == "cluster-name-taken"
    scene.fake.clusters["tpu-serving-dev"] = {"resourceLabels": dict(scene.deployment.labels)}
    assert scene.results("cluster-name")[0].verdict is Verdict.PASS


# Capacity


@pytest.mark.parametrize(
    ("limit", "verdict", "failure"),
    [
        (0, FAIL, "quota-too-small"),
        (3, FAIL, "quota-too-small"),
        (4, WARN, "quota-no-room-for-update"),
        (7, WARN, "quota-no-room-for-update"),
    ],
)
def test_a_quota_that_is_too_small(scene: Scene, limit: int, verdict: Verdict, failure: str) -> None:
    scene.fake.quotas[FAMILY] = [(CT6E, limit, [REGION])]
    result = scene.only("quota", verdict)
    assert (result.failure, result.message) == (failure, f"{limit} chips")
    assert result.needed == "8 chips (4 for the replicas, 4 for an update)"
    for part in (f"--quota-id={FAMILY}", "--dimensions=region=europe-west4,tpu_family=CT6E", "--preferred-value=8"):
        assert part in result.fix


@pytest.mark.parametrize("limit", [8, 512, -1])
def test_a_quota_that_is_enough(scene: Scene, limit: int) -> None:
    scene.fake.quotas[FAMILY] = [(CT6E, limit, [REGION])]
    assert [result.verdict for result in scene.results("quota")] == [Verdict.PASS]


def test_a_quota_without_an_entry_for_the_region_is_not_known(scene: Scene) -> None:
    scene.fake.quotas[FAMILY] = [({"region": "us-east5", "tpu_family": "CT6E"}, 32, ["us-east5"])]
    assert scene.only("quota", UNKNOWN).failure == "quota-not-listed"
    scene.fake.quotas[FAMILY] = []
    assert scene.only("quota", UNKNOWN).failure == "quota-not-listed"


def test_a_quota_id_that_the_api_does_not_know_is_no_failure(scene: Scene) -> None:
    scene.fake.quotas = {}
    assert scene.only("quota", UNKNOWN).failure == "quota-id-unknown"


def test_a_quota_that_is_fixed_is_not_asked_to_grow(scene: Scene) -> None:
    scene.fake.quotas[FAMILY], scene.fake.fixed_quota = [(CT6E, 0, [REGION])], True
    assert "preferences create" not in scene.only("quota", FAIL).fix


def test_flex_start_takes_preemptible_quota_or_standard_quota(scene: Scene) -> None:
    scene.use(environment(capacity={"purchase": "flexStart", "maxRunHours": 24}))
    scene.fake.quotas = {PREEMPTIBLE: [({"region": REGION}, 0, [REGION])], FAMILY: [(CT6E, 64, [REGION])]}
    assert [result.verdict for result in scene.results("quota")] == [Verdict.PASS]
    scene.fake.quotas[FAMILY] = [(CT6E, 0, [REGION])]
    assert PREEMPTIBLE in scene.only("quota", FAIL).object


def test_spot_takes_preemptible_quota_only(scene: Scene) -> None:
    scene.use(environment(capacity={"purchase": "spot"}))
    scene.fake.quotas = {PREEMPTIBLE: [({}, 0, [REGION, "us-east5"])], FAMILY: [(CT6E, 64, [REGION])]}
    assert scene.only("quota", FAIL).failure == "quota-too-small"


# dev: 100 GB of a CPU node, three at most; 100 GB of a TPU node, two during an update.
@pytest.mark.parametrize(
    ("kind", "limit", "verdict", "failure"),
    [
        ("pd-balanced", 99, FAIL, "disk-quota-too-small"),
        ("pd-balanced", 299, WARN, "disk-quota-no-room-to-grow"),
        ("hyperdisk-balanced", 99, FAIL, "disk-quota-too-small"),
        ("hyperdisk-balanced", 199, WARN, "disk-quota-no-room-to-grow"),
    ],
)
def test_disks_of_every_node_are_in_the_quota_of_their_type(
    scene: Scene, kind: str, limit: int, verdict: Verdict, failure: str
) -> None:
    pool = scene.deployment.pools[0]
    most = {"pd-balanced": 300, "hyperdisk-balanced": 2 * pool.disk_gib}[kind]
    scene.fake.quotas[disk_quota(kind)] = [({}, limit, [])]
    found = [result for result in scene.results("disk-quota") if result.verdict is not Verdict.PASS]
    assert [(result.verdict, result.failure) for result in found] == [(verdict, failure)]
    assert f"--quota-id={disk_quota(kind)}" in found[0].fix and f"--preferred-value={most}" in found[0].fix
    scene.fake.quotas[disk_quota(kind)] = [({}, most, [])]
    assert {result.verdict for result in scene.results("disk-quota")} == {Verdict.PASS}


RESERVED: dict[str, Any] = {
    "status": "READY",
    "specificReservationRequired": True,
    "specificReservation": {"count": "2", "inUseCount": "0", "instanceProperties": {"machineType": "ct6e-standard-4t"}},
}
CHIPS = {"acceleratorType": "zones/europe-west4-a/acceleratorTypes/ct6e"}


def aggregate(family: str, reserved: int, used: int) -> dict[str, Any]:
    return {
        "status": "READY",
        "specificReservationRequired": True,
        "aggregateReservation": {
            "vmFamily": f"VM_FAMILY_CLOUD_TPU_LITE_POD_SLICE_{family}",
            "reservedResources": [{"accelerator": {**CHIPS, "acceleratorCount": reserved}}],
            "inUseResources": [{"accelerator": {**CHIPS, "acceleratorCount": used}}],
        },
    }


WRONG_RESERVATIONS: list[tuple[dict[str, Any] | None, Verdict, str]] = [
    (None, FAIL, "reservation-not-found"),
    ({**RESERVED, "status": "CREATING"}, FAIL, "reservation-not-ready"),
    ({**RESERVED, "specificReservationRequired": False}, WARN, "reservation-not-by-name"),
    (
        {**RESERVED, "specificReservation": {"count": "2", "instanceProperties": {"machineType": "ct6e-standard-8t"}}},
        FAIL,
        "reservation-of-another-machine",
    ),
    (
        {**RESERVED, "specificReservation": {**RESERVED["specificReservation"], "count": "0"}},
        FAIL,
        "reservation-too-small",
    ),
    (
        {**RESERVED, "specificReservation": {**RESERVED["specificReservation"], "inUseCount": "2"}},
        WARN,
        "reservation-in-use",
    ),
    (aggregate("CT5LP", 8, 0), FAIL, "reservation-of-another-machine"),
    (aggregate("CT6E", 3, 0), FAIL, "reservation-too-small"),
    (aggregate("CT6E", 8, 5), WARN, "reservation-in-use"),
]


@pytest.mark.parametrize(("found", "verdict", "failure"), WRONG_RESERVATIONS)
def test_a_reservation_that_does_not_fit(
    scene: Scene, found: dict[str, Any] | None, verdict: Verdict, failure: str
) -> None:
    scene.use(environment(capacity={"purchase": "reservation", "reservation": "mine"}))
    scene.fake.reservations = {} if found is None else {"mine": found}
    assert scene.only("reservation", verdict).failure == failure


@pytest.mark.parametrize("found", [RESERVED, aggregate("CT6E", 4, 0)], ids=["specific", "aggregate"])
@pytest.mark.parametrize("name", ["mine", "projects/other-project/reservations/mine"])
def test_a_reservation_that_fits_needs_no_quota(scene: Scene, found: dict[str, Any], name: str) -> None:
    scene.use(environment(capacity={"purchase": "reservation", "reservation": name}))
    scene.fake.reservations["mine"] = found
    scene.fake.quotas.pop(FAMILY, None)
    report = scene.ask(strict=True)
    assert report.exit_code == 0, report.line


# Models


def test_a_secret_that_is_missing_or_disabled_fails(scene: Scene) -> None:
    token = {"secretManager": {"secret": "hf", "version": "3"}}
    model = {
        "name": "llama",
        "source": "hf://meta-llama/Llama-3.1-8B-Instruct",
        "tpu": {"generation": "v6e", "topology": "1x1"},
        "huggingFaceToken": token,
    }
    fake = scene.use(environment(models=[model], project={"id": "example-project", "number": "123456789012"}))
    fake.secrets["hf/3"]["state"] = "DISABLED"
    result = scene.only("secrets", FAIL)
    assert result.failure == "secret-not-enabled"
    assert "gcloud secrets versions enable 3 --secret=hf" in result.fix
    fake.secrets = {}
    assert scene.only("secrets", FAIL).failure == "secret-not-found"


# The bucket

_BUCKET = {"project": {"id": "example-project", "number": "123456789012"}, "weights": {"bucket": "the-bucket"}}


def test_a_bucket_that_can_be_used_passes_and_its_own_apis_are_asked_for(scene: Scene) -> None:
    scene.use(environment(**_BUCKET))
    assert [r.verdict for r in scene.results("weights-bucket")] == [Verdict.PASS]
    assert "storage.googleapis.com" in scene.deployment.apis


@pytest.mark.parametrize(
    ("bucket", "failure"),
    [
        (None, "bucket-not-found"),
        (("us-central1", True), "bucket-elsewhere"),
        ((REGION, False), "bucket-not-uniform"),
    ],
)
def test_a_bucket_that_cannot_be_used_is_named(scene: Scene, bucket: tuple[str, bool] | None, failure: str) -> None:
    scene.use(environment(**_BUCKET)).buckets.clear()
    if bucket is not None:
        scene.fake.bucket("the-bucket", *bucket)
    assert scene.only("weights-bucket", FAIL).failure == failure


def test_who_may_not_grant_roles_on_the_bucket_is_told(scene: Scene) -> None:
    scene.use(environment(**_BUCKET)).granted = {"storage.buckets.getIamPolicy"}
    result = scene.only("weights-bucket", FAIL)
    assert (result.failure, result.needed) == ("bucket-permission-missing", "storage.buckets.setIamPolicy")


def test_a_bucket_of_our_own_needs_the_right_to_make_it_and_a_free_name(scene: Scene) -> None:
    created = {**_BUCKET, "weights": {"bucket": "create"}}
    scene.use(environment(**created)).granted = set()
    assert "storage.buckets.create" in scene.only("permissions", FAIL).needed
    assert [r.verdict for r in scene.results("weights-bucket")] == [Verdict.PASS]
    fake = scene.use(environment(**created))
    fake.bucket(str(scene.deployment.store and scene.deployment.store.bucket), REGION)
    assert scene.only("weights-bucket", WARN).failure == "bucket-left-behind"
