"""One file, one graph: whatever ran before it in the same process, and however the event loop interleaved it."""

from __future__ import annotations

import pytest

from serving.plan.document import document
from settings.document import ROOT, read_document
from tests.graph.planning import ENVIRONMENTS, plan_document, planned

RESOURCE_TOKENS = {
    "kubernetes:keda.sh/v1alpha1:ClusterTriggerAuthentication",
    "kubernetes:keda.sh/v1alpha1:ScaledObject",
    "gcp:certificatemanager/certificate:Certificate",
    "gcp:certificatemanager/dnsAuthorization:DnsAuthorization",
    "gcp:dns/recordSet:RecordSet",
    "gcp:compute/address:Address",
    "gcp:compute/firewall:Firewall",
    "gcp:compute/network:Network",
    "gcp:compute/resourcePolicy:ResourcePolicy",
    "gcp:compute/router:Router",
    "gcp:compute/routerNat:RouterNat",
    "gcp:compute/subnetwork:Subnetwork",
    "gcp:container/cluster:Cluster",
    "gcp:container/nodePool:NodePool",
    "gcp:monitoring/alertPolicy:AlertPolicy",
    "gcp:monitoring/dashboard:Dashboard",
    "gcp:projects/iAMMember:IAMMember",
    "gcp:projects/service:Service",
    "gcp:secretmanager/secretIamMember:SecretIamMember",
    "gcp:serviceaccount/account:Account",
    "gcp:storage/bucket:Bucket",
    "gcp:storage/bucketIAMMember:BucketIAMMember",
    "kubernetes:batch/v1:Job",
    "kubernetes:cert-manager.io/v1:Issuer",
    "kubernetes:cloud.google.com/v1:ComputeClass",
    "kubernetes:core/v1:ConfigMap",
    "kubernetes:core/v1:Namespace",
    "kubernetes:core/v1:Secret",
    "kubernetes:core/v1:ServiceAccount",
    "kubernetes:gateway.networking.k8s.io/v1:Gateway",
    "kubernetes:gateway.networking.k8s.io/v1:HTTPRoute",
    "kubernetes:helm.sh/v3:Release",
    "kubernetes:monitoring.googleapis.com/v1:PodMonitoring",
    "kubernetes:networking.gke.io/v1:GCPAuthzPolicy",
    "kubernetes:networking.gke.io/v1:GCPBackendPolicy",
    "kubernetes:networking.gke.io/v1:GCPGatewayPolicy",
    "kubernetes:networking.gke.io/v1:HealthCheckPolicy",
    "kubernetes:networking.k8s.io/v1:NetworkPolicy",
    "kubernetes:policy/v1:PodDisruptionBudget",
    "kubernetes:rbac.authorization.k8s.io/v1:ClusterRole",
    "kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding",
    "kubernetes:rbac.authorization.k8s.io/v1:Role",
    "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding",
    "kubernetes:secret-sync.gke.io/v1:SecretSync",
    "kubernetes:secrets-store.csi.x-k8s.io/v1:SecretProviderClass",
    "kubernetes:serving.kserve.io/v1alpha2:LLMInferenceService",
    "kubernetes:serving.kserve.io/v1alpha2:LLMInferenceServiceConfig",
    "pulumi:providers:gcp",
    "pulumi:providers:kubernetes",
}


def test_the_tokens_of_custom_resources_are_pinned() -> None:
    found = {r.type for n in ENVIRONMENTS for r in planned(n).graph.recording.resources if r.custom}
    assert found == RESOURCE_TOKENS


@pytest.mark.parametrize("name", ["Pulumi.dev.yaml", "Pulumi.prod.yaml", "examples/existing-platform.yaml"])
def test_a_second_recording_is_the_same_graph_whatever_ran_between(name: str) -> None:
    first = document(planned(name))
    between = "Pulumi.dev.yaml" if name == "Pulumi.prod.yaml" else "Pulumi.prod.yaml"
    plan_document(read_document(ROOT / between))
    again = plan_document(read_document(ROOT / name))
    assert document(again) == first
    timeouts = {r.urn: (r.timeouts, r.secrets, r.deleted_with) for r in planned(name).graph.order}
    assert {r.urn: (r.timeouts, r.secrets, r.deleted_with) for r in again.graph.order} == timeouts


def test_an_urn_stands_for_one_resource() -> None:
    for name in ENVIRONMENTS:
        registered = planned(name).graph.recording.resources
        assert len({r.urn for r in registered}) == len(registered)
