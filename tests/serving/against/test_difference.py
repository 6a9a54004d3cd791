"""Each kind of change is said once, in the right words, and a safe one is called safe."""

from __future__ import annotations

import pytest

from serving.plan.against.contract import ModelChange
from serving.plan.against.headline import SAFE, UNCHANGED
from serving.plan.against.render import render_text
from serving.plan.against.run import against
from serving.plan.against.source import Source
from settings.document import ROOT
from tests.serving.against.comparing import DEV, EXTERNAL, SECOND, compared, document_of, edited, plan_of

QWEN = "qwen2-5-3b"
SPOT = DEV + "  tpu-serving:capacity: {purchase: spot}\n"


def the_model(changes: list[ModelChange]) -> ModelChange:
    [change] = changes
    assert change.name == QWEN
    return change


def test_a_comment_is_no_change() -> None:
    made = compared(DEV, "# Another word.\n" + DEV)
    assert (made.headline, made.changed, made.safe) == (UNCHANGED, False, True)
    assert not made.models and not made.resources and not made.notes


def test_an_added_model_says_chips_cost_and_that_nothing_restarts() -> None:
    made = compared(DEV, DEV + SECOND)
    assert made.headline == f"adds 4 v6e chips in europe-west4-a, +$285/day; adds model qwen3-8b; {SAFE}"
    assert (made.chips.before, made.chips.after) == (4, 8)
    assert made.cost.change.per_day == pytest.approx(4 * 2.97 * 24)
    assert made.cost.after.per_hour == pytest.approx(made.cost.before.per_hour + 4 * 2.97)
    [quota] = made.quota
    assert (quota.family, quota.before, quota.after) == ("CT6E", 4, 8)
    assert made.safe and not made.losses


def test_a_removed_model_is_loud_and_never_safe() -> None:
    made = compared(DEV + SECOND, DEV)
    assert "removes 4 v6e chips in europe-west4-a, -$285/day; REMOVES model qwen3-8b" in made.headline
    assert SAFE not in made.headline and not made.safe


def test_the_last_model_of_a_shape_takes_its_node_pool_with_it() -> None:
    other = SECOND.replace("2x2", "1x1")
    made = compared(DEV + other, DEV)
    [loss] = made.losses
    assert (loss.action, loss.kind, loss.holds) == ("deleted", "node pool", "TPU capacity")


def test_another_identity_of_a_consumer_is_no_safe_change() -> None:
    def by(identity: str) -> str:
        consumer = f"{{name: search, models: [{QWEN}], {identity}}}"
        return DEV + f"  tpu-serving:gateway: {{consumers: [{consumer}]}}\n"

    made = compared(by("tags: [281484836404786]"), by("serviceAccount: search@example-project.iam.gserviceaccount.com"))
    [change] = [row for row in made.gateway if row.what == "consumers"]
    assert "tagValues/281484836404786" in change.before and "search@example-project" in change.after
    assert not made.safe


def test_an_external_gateway_is_said_first() -> None:
    made = compared(DEV, DEV + EXTERNAL)
    assert made.headline.startswith("makes the gateway EXTERNAL (the internet)")
    assert {g.what: (g.before, g.after) for g in made.gateway}["exposure"] == ("internal", "external")
    model = the_model(made.models)
    assert model.change == "changed" and any(line.startswith("URL") for line in model.without_restart)
    assert not made.safe and not made.losses


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("nodesCidr: 10.64.0.0/20", "subnetwork is network-nodes, which is replaced"),
        ("podsCidr: 10.68.0.0/14", "range pods is in use by it: 10.4.0.0/14 -> 10.68.0.0/14"),
        ("name: another-vpc", "network is network-vpc, which is replaced"),
    ],
)
def test_another_network_range_replaces_the_cluster_and_all_in_it(setting: str, reason: str) -> None:
    made = compared(DEV, DEV + f"  tpu-serving:network: {{{setting}}}\n")
    assert made.headline.startswith("REPLACES cluster tpu-serving-dev")
    cluster = made.losses[0]
    assert (cluster.kind, cluster.action) == ("cluster", "replaced") and reason in cluster.because
    assert sum(loss.kind == "node pool" for loss in made.losses) == 2
    assert "cluster tpu-serving-dev is replaced" in the_model(made.models).restart_because
    assert any("address goes with the cluster" in note for note in made.notes)


def test_a_range_that_grows_replaces_nothing() -> None:
    made = compared(DEV, DEV + "  tpu-serving:network: {nodesCidr: 10.0.0.0/19}\n")
    assert made.changed and made.safe and not made.losses


def test_chips_without_a_price_are_said() -> None:
    other = (ROOT / "examples/multi-host.yaml").read_text(encoding="utf-8")
    spot = "  tpu-serving:capacity: {purchase: spot}\n"
    made = compared(other + spot, other + "      replicas: 2\n" + spot)
    assert "adds 8 spot tpu7x chips in us-central1-c, price unknown" in made.headline


def test_a_restart_names_the_flag_that_causes_it() -> None:
    made = compared(DEV, edited("contextLength: 2048", "contextLength: 4096"))
    assert made.headline == f"restarts model {QWEN}"
    assert the_model(made.models).restart_because == ["--max-model-len: 2048 -> 4096"]


def test_a_longer_answer_changes_policies_and_restarts_nothing() -> None:
    made = compared(DEV, DEV + "      longestAnswerSeconds: 900\n")
    assert made.headline == f"changes only policies of model {QWEN}; {SAFE}"
    model = the_model(made.models)
    assert model.change == "changed" and not model.restart_because
    assert "GCPBackendPolicy: spec.default.timeoutSec: 300 -> 900" in model.without_restart


def test_replicas_cost_chips_and_restart_nothing() -> None:
    made = compared(DEV, DEV + "      replicas: 3\n")
    assert made.headline == f"adds 8 v6e chips in europe-west4-a, +$570/day; {SAFE}"
    assert (the_model(made.models).replicas.before, the_model(made.models).replicas.after) == (1, 3)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [(SPOT, DEV, "from spot to on demand, +$114/day"), (DEV, SPOT, "from on demand to spot, -$114/day")],
)
def test_another_way_to_buy_chips_replaces_the_pool(before: str, after: str, words: str) -> None:
    made = compared(before, after)
    assert words in made.headline
    [loss] = made.losses
    assert (loss.kind, loss.holds, loss.action) == ("node pool", "TPU capacity", "replaced")
    assert the_model(made.models).change == "restarted"
    # Spot draws on a quota of its own, so the same chips come off one and go onto the other.
    assert sorted((quota.before, quota.after) for quota in made.quota) == [(0, 4), (4, 0)]


def test_a_longer_grace_of_spot_nodes_recreates_them() -> None:
    made = compared(SPOT, edited("{purchase: spot}", "{purchase: spot, spotGraceSeconds: 120}", SPOT))
    [reason] = the_model(made.models).restart_because
    assert "GKE recreates the nodes of pool" in reason


def test_a_larger_disk_of_the_shared_pool_restarts_the_other_model_too() -> None:
    made = compared(DEV, DEV + SECOND + "      diskGib: 300\n")
    restarted = [m for m in made.models if m.change == "restarted"]
    assert [m.name for m in restarted] == [QWEN]
    assert "GKE recreates the nodes of pool tpu-v6e-2x2-4t" in restarted[0].restart_because[0]


def test_another_zone_moves_the_chips_and_restarts_the_model() -> None:
    made = compared(DEV, DEV.replace("zone: europe-west4-a", "zone: europe-west4-b"))
    assert "moves 4 v6e chips from europe-west4-a to europe-west4-b" in made.headline
    assert the_model(made.models).change == "restarted"


def test_another_scheduler_restarts_the_picker_alone() -> None:
    made = compared(DEV, DEV + "      schedulerProfile: loadAware\n")
    assert any(
        line.startswith("endpoint picker, which restarts alone") for line in the_model(made.models).without_restart
    )
    assert made.safe


def test_a_change_of_kserve_itself_is_never_called_safe() -> None:
    made = compared(DEV, DEV + "  tpu-serving:platform: {storageInitializerMemoryGib: 16}\n")
    assert not made.safe and any(note.startswith("KServe itself changes") for note in made.notes)


def test_new_warnings_and_overrides_are_said_and_settled_ones_too() -> None:
    override = (
        "  tpu-serving:overrides: [{rule: TP13, reason: one replica is enough for the pilot, until: 2027-01-31}]\n"
    )
    zone = DEV.replace("zone: europe-west4-a", "zone: europe-west4-b")
    made = compared(DEV, zone + override)
    assert {(r.rule, r.change) for r in made.rules} >= {("TP13", "overridden"), ("TP05", "warned")}
    assert "overrides TP13" in made.headline and "warns of TP05" in made.headline and not made.safe
    back = compared(zone + override, DEV)
    assert {(r.rule, r.change) for r in back.rules} >= {("TP13", "overrideEnded"), ("TP05", "settled")}


def test_a_warning_that_only_moves_in_the_file_is_not_new() -> None:
    zone = DEV.replace("zone: europe-west4-a", "zone: europe-west4-b")
    assert not compared(zone, zone + SECOND).rules


def test_names_made_of_the_environments_name_are_no_change() -> None:
    made = compared(DEV, DEV, other="staging")
    assert not made.changed and not made.resources
    assert any("two environments" in note for note in made.notes)


def test_another_environments_project_is_left_out_and_said() -> None:
    other = DEV.replace("example-project", "example-staging")
    made = compared(other, DEV, other="staging")
    assert not made.losses and any("example-staging" in note for note in made.notes)
    assert compared(other, DEV).losses, "in one environment it replaces everything"


def test_promotion_to_prod_is_what_differs_between_the_two_files() -> None:
    staging, prod = ((ROOT / f"Pulumi.{name}.yaml").read_text(encoding="utf-8") for name in ("staging", "prod"))
    source = Source("file", "Pulumi.staging.yaml", document_of(staging, "staging"))
    made = against(plan_of(prod, "prod"), source)
    assert made.headline.startswith("were staging to become prod: adds 4 v6e chips in europe-west4-a, +$285/day")
    assert not made.losses and "The networks differ; left out below." in made.notes
    assert [(m.name, m.change, m.without_restart) for m in made.models] == [(QWEN, "changed", ["replicas: 2 -> 3"])]
    longer = prod.replace("contextLength: 2048", "contextLength: 4096")
    [model] = against(plan_of(longer, "prod"), source).models
    assert model.restart_because == ["--max-model-len: 2048 -> 4096"]


def test_protection_from_deletion_is_said_where_it_stops_the_change() -> None:
    prod = (ROOT / "Pulumi.prod.yaml").read_text(encoding="utf-8")
    made = compared(prod, prod.replace("nodesCidr: 10.32.0.0/20", "nodesCidr: 10.64.0.0/20"))
    assert not any("protected from deletion" in note for note in compared(DEV, prod).notes), "dev is not protected"
    assert any("protected from deletion" in note for note in made.notes)
    assert any("address tpu-serving-prod is kept" in note for note in made.notes)


@pytest.mark.parametrize(
    ("old", "new", "broken"),
    [
        ("[Qwen/Qwen2.5-3B-Instruct]", "[qwen]", ["served name Qwen/Qwen2.5-3B-Instruct is gone"]),
        ("[Qwen/Qwen2.5-3B-Instruct]", "[Qwen/Qwen2.5-3B-Instruct, qwen]", []),
        ("contextLength: 2048", "contextLength: 1024", ["context length: 2048 -> 1024"]),
        ("contextLength: 2048", "contextLength: 4096", []),
    ],
)
def test_what_breaks_clients_is_said_first_and_is_never_safe(old: str, new: str, broken: list[str]) -> None:
    made = compared(DEV, edited(old, new))
    assert the_model(made.models).breaks_clients == broken
    assert made.headline.startswith(f"BREAKS CLIENTS of {QWEN}; ") == bool(broken)
    assert not made.safe


PUBLIC = edited("  tpu-serving:tier: dev\n", "  tpu-serving:tier: dev\n  tpu-serving:cluster: {privateNodes: false}\n")


def test_private_nodes_for_public_ones_replace_the_cluster() -> None:
    """ForceNew lies below privateClusterConfig, which comes whole (resource_container_cluster.go)."""
    made = compared(PUBLIC, DEV)
    [cluster] = [loss for loss in made.losses if loss.kind == "cluster"]
    assert cluster.action == "replaced"
    assert "masterIpv4CidrBlock: none -> 172.16.0.0/28" in cluster.because
    assert made.headline.startswith("REPLACES cluster") and not made.safe


def test_public_nodes_for_private_ones_are_not_made_in_place() -> None:
    made = compared(DEV, PUBLIC)
    assert made.headline.startswith("CAN'T BE DONE IN PLACE") and not made.safe
    [said] = [line for line in made.not_done if "privateClusterConfig" in line]
    assert "nodes stay private, and lose their way out with tpu-serving-dev-nat" in said
    assert not any("privateClusterConfig" in line for resource in made.resources for line in resource.properties)


def test_a_maintenance_window_is_said_where_people_read() -> None:
    window = "{start: 2026-01-03T01:00:00Z, end: 2026-01-03T09:00:00Z}"
    made = compared(DEV, DEV + f"  tpu-serving:cluster: {{maintenance: {{window: {window}}}}}\n")
    assert "maintenancePolicy.recurringWindow.startTime: none -> 2026-01-03T01:00:00Z" in render_text(made)
    assert "none -> none" not in render_text(made)


@pytest.mark.parametrize("here", [DEV, DEV.replace("id: example-project", 'id: example-project\n    number: "12"')])
def test_a_number_that_one_file_has_of_the_same_project_is_no_difference(here: str) -> None:
    there = DEV.replace("id: example-project", 'id: example-project\n    number: "12"')
    there = there.replace("Qwen2.5-3B-Instruct\n", f"Qwen2.5-3B-Instruct:{'a' * 40}\n      weights: bucket\n", 1)
    made = compared(there + "  tpu-serving:weights: {bucket: create}\n", here, "other")
    assert not [note for note in made.notes if "projects differ" in note]
