"""A rehearsal's cloud of its own for a test: one provider, everything instant, and inputs of every type."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from rehearsal.cloud import CloudResource, find
from rehearsal.directory import Record, RehearsalDirectory
from rehearsal.plugins.frame import DiffResult, Resource
from rehearsal.plugins.gcp.provider import GcpProvider
from rehearsal.plugins.gcp.world import (
    ACCOUNT,
    ADDRESS,
    CLUSTER,
    NETWORK,
    NODE_POOL,
    RESOURCE_POLICY,
    ROUTER,
    SERVICE,
    SUBNETWORK,
)

PROJECT, REGION, ZONE = "example-project", "europe-west4", "europe-west4-a"
FIREWALL = "gcp:compute/firewall:Firewall"
NAT = "gcp:compute/routerNat:RouterNat"
MEMBER = "gcp:projects/iAMMember:IAMMember"
SECRET_MEMBER = "gcp:secretmanager/secretIamMember:SecretIamMember"
APIS = ("cloudresourcemanager", "compute", "container", "iam", "secretmanager")
NETWORK_ID = f"projects/{PROJECT}/global/networks/vpc"
NODES_ID = f"projects/{PROJECT}/regions/{REGION}/subnetworks/nodes"
EMAIL = f"node-account@{PROJECT}.iam.gserviceaccount.com"

INPUTS: dict[str, dict[str, Any]] = {
    SERVICE: {"service": "compute.googleapis.com", "disableOnDestroy": False},
    ACCOUNT: {"accountId": "node-account", "displayName": "Nodes"},
    MEMBER: {"project": PROJECT, "role": "roles/artifactregistry.reader", "member": f"serviceAccount:{EMAIL}"},
    NETWORK: {"name": "vpc", "autoCreateSubnetworks": False, "routingMode": "REGIONAL"},
    SUBNETWORK: {
        "name": "nodes",
        "network": NETWORK_ID,
        "region": REGION,
        "ipCidrRange": "10.0.0.0/20",
        "privateIpGoogleAccess": True,
        "secondaryIpRanges": [
            {"rangeName": "pods", "ipCidrRange": "10.4.0.0/14"},
            {"rangeName": "services", "ipCidrRange": "10.8.0.0/20"},
        ],
    },
    FIREWALL: {
        "name": "webhooks",
        "network": NETWORK_ID,
        "direction": "INGRESS",
        "sourceRanges": ["172.16.0.0/28"],
        "targetTags": ["node", "other"],
        "allows": [{"protocol": "tcp", "ports": ["9443", "10260"]}],
    },
    ROUTER: {"name": "router", "network": NETWORK_ID, "region": REGION},
    NAT: {
        "name": "nat",
        "router": "router",
        "region": REGION,
        "natIpAllocateOption": "AUTO_ONLY",
        "sourceSubnetworkIpRangesToNat": "LIST_OF_SUBNETWORKS",
        "subnetworks": [{"name": NODES_ID, "sourceIpRangesToNats": ["ALL_IP_RANGES"]}],
    },
    ADDRESS: {
        "name": "gateway",
        "region": REGION,
        "addressType": "INTERNAL",
        "purpose": "SHARED_LOADBALANCER_VIP",
        "subnetwork": NODES_ID,
    },
    RESOURCE_POLICY: {
        "name": "slice",
        "region": REGION,
        "workloadPolicy": {"type": "HIGH_THROUGHPUT", "acceleratorTopology": "2x2x2"},
    },
    SECRET_MEMBER: {"secretId": "token", "role": "roles/secretmanager.secretAccessor", "member": "allUsers"},
    CLUSTER: {
        "name": "serving",
        "location": REGION,
        "network": NETWORK_ID,
        "subnetwork": NODES_ID,
        "networkingMode": "VPC_NATIVE",
        "ipAllocationPolicy": {"clusterSecondaryRangeName": "pods", "servicesSecondaryRangeName": "services"},
        "gatewayApiConfig": {"channel": "CHANNEL_STANDARD"},
        "addonsConfig": {"httpLoadBalancing": {"disabled": False}},
        "controlPlaneEndpointsConfig": {"dnsEndpointConfig": {"allowExternalTraffic": True}},
        "privateClusterConfig": {"enablePrivateNodes": True, "masterIpv4CidrBlock": "172.16.0.0/28"},
        "minMasterVersion": "1.34.0-gke.1626000",
        "initialNodeCount": 1,
        "deletionProtection": False,
        "resourceLabels": {"tier": "dev"},
    },
    NODE_POOL: {
        "name": "tpu",
        "cluster": "serving",
        "location": REGION,
        "nodeLocations": [ZONE],
        "initialNodeCount": 0,
        "maxPodsPerNode": 32,
        "autoscaling": {"minNodeCount": 0, "maxNodeCount": 4, "locationPolicy": "ANY"},
        "management": {"autoRepair": True, "autoUpgrade": True},
        "nodeConfig": {"machineType": "ct6e-standard-4t", "diskSizeGb": 100, "tags": ["node"]},
    },
}

# What must be there before a type can be made.
NEEDS: dict[str, tuple[str, ...]] = {
    MEMBER: (ACCOUNT,),
    SUBNETWORK: (NETWORK,),
    FIREWALL: (NETWORK,),
    ROUTER: (NETWORK,),
    NAT: (NETWORK, SUBNETWORK, ROUTER),
    ADDRESS: (NETWORK, SUBNETWORK),
    CLUSTER: (NETWORK, SUBNETWORK),
    NODE_POOL: (NETWORK, SUBNETWORK, CLUSTER),
}


class Scene:
    """A provider over an empty cloud, and short ways to call it as the engine does."""

    def __init__(self, path: Path, *, apis: tuple[str, ...] = APIS) -> None:
        self.directory = RehearsalDirectory(path / "rehearsal")
        self.directory.create()
        self.directory.save_record(Record(time_scale=0.0))
        cluster = {"server": "https://127.0.0.1:6443", "certificate-authority-data": "Q0E="}
        self.directory.kubeconfig.write_text(json.dumps({"clusters": [{"name": "local", "cluster": cluster}]}))
        self.provider = GcpProvider(self.directory)
        self.provider.configure({"project": PROJECT, "region": REGION, "zone": ZONE})
        for api in apis:
            self.make(SERVICE, service=f"{api}.googleapis.com")

    def inputs(self, token: str, **changes: Any) -> dict[str, Any]:
        """The type's inputs, changed and checked; None removes one."""
        given = {**copy.deepcopy(INPUTS[token]), **changes}
        checked, failures = self.provider.check(resource(token), {}, given, b"")
        assert not failures, failures
        return checked

    def refusals(self, token: str, **changes: Any) -> list[str]:
        """What Check says, in sentences."""
        given = {**copy.deepcopy(INPUTS[token]), **changes}
        return [f.reason for f in self.provider.check(resource(token), {}, given, b"")[1]]

    def make(self, token: str, **changes: Any) -> tuple[str, dict[str, Any]]:
        """Create a resource: its id and state."""
        return self.provider.create(resource(token), self.inputs(token, **changes), 0, False)

    def prepare(self, token: str) -> None:
        """Make what a type needs."""
        for needed in NEEDS.get(token, ()):
            self.make(needed)

    def diff(self, token: str, old: dict[str, Any], new: dict[str, Any]) -> DiffResult:
        """Diff of two changes to the type's inputs."""
        before, after = self.inputs(token, **old), self.inputs(token, **new)
        return self.provider.diff(resource(token), "id", before, {}, after, [])

    def update(self, token: str, resource_id: str, **changes: Any) -> dict[str, Any]:
        """Update from the type's own inputs."""
        old, new = self.inputs(token), self.inputs(token, **changes)
        return self.provider.update(resource(token), resource_id, old, self.state(token, resource_id), new, 0, False)

    def delete(self, token: str, resource_id: str) -> None:
        """Delete a resource."""
        self.provider.delete(resource(token), resource_id, {}, {}, 0)

    def found(self, token: str, resource_id: str) -> CloudResource | None:
        """The resource in the cloud."""
        return find(self.directory.cloud, token, resource_id)

    def state(self, token: str, resource_id: str) -> dict[str, Any]:
        """Its state in the cloud."""
        found = self.found(token, resource_id)
        assert found is not None
        return found.state


def resource(token: str, name: str = "it") -> Resource:
    """What the engine says a call is about."""
    return Resource(f"urn:pulumi:test::test::{token}::{name}", token, name)
