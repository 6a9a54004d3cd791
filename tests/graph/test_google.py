"""What Google would do with the graph: identities that exist, projects that own, addresses that are closed."""

from __future__ import annotations

from pathlib import Path

import pytest

from serving.program.record import Resource
from settings.document import read_document
from tests.graph.planning import ENVIRONMENTS, kind, plan_document, planned


def _grants(name: str) -> list[Resource]:
    return [r for r in planned(name).graph.order if "member" in r.inputs or "members" in r.inputs]


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_a_grant_waits_for_what_makes_its_principal(name: str) -> None:
    """The identity pool PROJECT.svc.id.goog exists from the project's first workload-identity cluster on, and a service
    account from its creation on (terraform-google-kubernetes-engine#916)."""
    graph = planned(name).graph
    for grant in _grants(name):
        member = str(grant.inputs.get("member", grant.inputs.get("members")))
        maker = "Cluster" if "svc.id.goog" in member else "Account"
        needed = {kind(graph.resources[urn]) for urn in graph.before.of(grant.urn)}
        assert maker in needed, (grant.urn, member)


def test_grants_of_every_kind_are_among_them() -> None:
    seen = {(kind(g), "svc.id.goog" in str(g.inputs["member"])) for name in ENVIRONMENTS for g in _grants(name)}
    assert seen >= {("IAMMember", False), ("SecretIamMember", True), ("BucketIAMMember", True)}


SHARED = """\
config:
  tpu-serving:project: {id: example-project}
  tpu-serving:location: {zone: europe-west4-a}
  tpu-serving:network: {mode: existing, name: shared, subnetwork: nodes, hostProject: host-project-1}
  tpu-serving:models: [{name: a, source: "hf://Qwen/Qwen2.5-3B-Instruct", tpu: {generation: v6e, topology: 2x2}}]
"""


def test_everything_below_a_shared_vpc_belongs_to_the_host_project(tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.shared.yaml"
    path.write_text(SHARED)
    plan = plan_document(read_document(path))
    subnets = [r for r in plan.graph.order if r.type == "gcp:compute/subnetwork:Subnetwork"]
    assert [(r.inputs["purpose"], r.inputs["project"]) for r in subnets] == [
        ("REGIONAL_MANAGED_PROXY", "host-project-1")
    ]
    cluster = next(r for r in plan.graph.order if r.type == "gcp:container/cluster:Cluster")
    assert cluster.inputs["project"] == "example-project"


@pytest.mark.parametrize(
    ("access", "closed"),
    [
        ("{privateNodes: false}", True),
        ("{privateNodes: false, controlPlane: {authorizedNetworks: [{name: o, cidr: 203.0.113.0/24}]}}", False),
        ("{privateNodes: true}", True),
    ],
)
def test_the_control_planes_address_is_closed_unless_networks_are_named(
    tmp_path: Path, access: str, closed: bool
) -> None:
    path = tmp_path / "Pulumi.access.yaml"
    own = SHARED.replace("{mode: existing, name: shared, subnetwork: nodes, hostProject: host-project-1}", "{}")
    path.write_text(f"{own}  tpu-serving:cluster: {access}\n")
    plan = plan_document(read_document(path))
    inputs = next(r.inputs for r in plan.graph.order if r.type == "gcp:container/cluster:Cluster")
    public = inputs.get("privateClusterConfig", {}).get("enablePrivateEndpoint") is not True
    address = inputs["controlPlaneEndpointsConfig"].get("ipEndpointsConfig", {}).get("enabled", True)
    assert (not (public and address)) == closed
    assert ("masterAuthorizedNetworksConfig" in inputs) or closed
