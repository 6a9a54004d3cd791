"""A rehearsal's cloud of its own for a test: one provider, everything instant, and inputs of every type."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from providers.base import DiffResult
from rehearsal.cloud import CloudResource, find
from rehearsal.directory import Record, RehearsalDirectory
from rehearsal.plugins.gcp.provider import GcpProvider

PROJECT, REGION, ZONE = "example-project", "europe-west4", "europe-west4-a"
SERVICE = "gcp:projects/service:Service"
ACCOUNT = "gcp:serviceaccount/account:Account"
NETWORK = "gcp:compute/network:Network"
SUBNETWORK = "gcp:compute/subnetwork:Subnetwork"
ADDRESS = "gcp:compute/address:Address"
CLUSTER = "gcp:container/cluster:Cluster"
NODE_POOL = "gcp:container/nodePool:NodePool"
FIREWALL = "gcp:compute/firewall:Firewall"
MEMBER = "gcp:projects/iAMMember:IAMMember"
NETWORK_ID = f"projects/{PROJECT}/global/networks/vpc"
NODES_ID = f"projects/{PROJECT}/regions/{REGION}/subnetworks/nodes"
EMAIL = f"node-account@{PROJECT}.iam.gserviceaccount.com"

INPUTS: dict[str, dict[str, Any]] = {
    SERVICE: {"service": "compute.googleapis.com", "disableOnDestroy": False},
    ACCOUNT: {"accountId": "node-account", "displayName": "Nodes"},
    MEMBER: {"role": "roles/artifactregistry.reader", "member": f"serviceAccount:{EMAIL}"},
    NETWORK: {"name": "vpc", "autoCreateSubnetworks": False, "routingMode": "REGIONAL"},
    SUBNETWORK: {
        "name": "nodes",
        "network": NETWORK_ID,
        "region": REGION,
        "ipCidrRange": "10.0.0.0/20",
        "privateIpGoogleAccess": True,
    },
    FIREWALL: {
        "name": "webhooks",
        "network": NETWORK_ID,
        "targetTags": ["node", "other"],
    },
    ADDRESS: {"name": "gateway", "region": REGION, "addressType": "INTERNAL", "subnetwork": NODES_ID},
    CLUSTER: {
        "name": "serving",
        "location": REGION,
        "network": NETWORK_ID,
        "subnetwork": NODES_ID,
        "gatewayApiConfig": {"channel": "CHANNEL_STANDARD"},
        "minMasterVersion": "1.34.0-gke.1626000",
        "deletionProtection": False,
        "resourceLabels": {"tier": "dev"},
    },
    NODE_POOL: {
        "name": "tpu",
        "cluster": "serving",
        "location": REGION,
        "nodeLocations": [ZONE],
        "autoscaling": {"minNodeCount": 0, "maxNodeCount": 4, "locationPolicy": "ANY"},
        "nodeConfig": {"machineType": "ct6e-standard-4t"},
    },
}


class Scene:
    """A provider over an empty cloud, and short ways to call it as the engine does."""

    def __init__(self, path: Path) -> None:
        self.directory = RehearsalDirectory(path / "rehearsal")
        self.directory.create()
        self.directory.save_record(Record(time_scale=0.0))
        cluster = {"server": "https://127.0.0.1:6443", "certificate-authority-data": "Q0E="}
        self.directory.kubeconfig.write_text(json.dumps({"clusters": [{"name": "local", "cluster": cluster}]}))
        self.provider = GcpProvider(self.directory)

    def inputs(self, token: str, **changes: Any) -> dict[str, Any]:
        """The type's inputs, changed and checked; None removes one."""
        return self.provider.check(token, {"project": PROJECT, **copy.deepcopy(INPUTS[token]), **changes})

    def make(self, token: str, **changes: Any) -> tuple[str, dict[str, Any]]:
        """Create a resource: its id and state."""
        return self.provider.create(token, self.inputs(token, **changes), False)

    def diff(self, token: str, state: dict[str, Any], **changes: Any) -> DiffResult:
        """What an `up` with these changes would do."""
        return self.provider.diff(token, state, self.inputs(token, **changes), [])

    def update(self, token: str, resource_id: str, **changes: Any) -> dict[str, Any]:
        """Update from the type's own inputs."""
        state, old, new = self.state(token, resource_id), self.inputs(token), self.inputs(token, **changes)
        return self.provider.update(token, resource_id, state, old, new, False)

    def found(self, token: str, resource_id: str) -> CloudResource | None:
        """The resource in the cloud."""
        return find(self.directory.cloud, token, resource_id)

    def state(self, token: str, resource_id: str) -> dict[str, Any]:
        """Its state in the cloud."""
        found = self.found(token, resource_id)
        assert found is not None
        return found.state
