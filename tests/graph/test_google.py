"""What Google would do with the graph: identities that exist, projects that own, addresses that are closed."""

from __future__ import annotations

from pathlib import Path

import pytest

from settings.document import read_document
from tests.graph.planning import plan_document, planned


def test_a_grant_to_an_identity_of_the_cluster_waits_for_the_cluster() -> None:
    """The identity pool PROJECT.svc.id.goog exists from the project's first workload-identity cluster on."""
    plan = planned("examples/secret-manager.yaml")
    cluster = next(urn for urn, r in plan.graph.resources.items() if r.type == "gcp:container/cluster:Cluster")
    grants = [r for r in plan.graph.order if "svc.id.goog" in str(r.inputs.get("member", ""))]
    assert grants
    assert all(cluster in plan.graph.needs(grant.urn) for grant in grants)


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
