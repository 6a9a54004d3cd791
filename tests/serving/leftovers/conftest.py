"""A project in which a cluster was, and what GKE and the program left of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest
from google.oauth2.credentials import Credentials

from checks.environment import require
from serving.google.client import GoogleClient
from serving.leftovers.find import SearchResult, find
from settings.derive import Deployment
from settings.document import Document
from tests.serving.google.emulator import GoogleEmulator
from tests.serving.leftovers.compute import Compute

PROJECT, REGION, ZONE = "example-project", "regions/europe-west4", "zones/europe-west4-a"
_BASE: dict[str, Any] = {
    "project": {"id": PROJECT},
    "location": {"zone": "europe-west4-a"},
    "models": [
        {"name": "a", "source": "hf://Qwen/Qwen2.5-3B-Instruct", "tpu": {"generation": "v6e", "topology": "2x2"}}
    ],
}


def environment(**sections: Any) -> Deployment:
    """An environment with these sections in place of the defaults."""
    return require(Document("dev", "test", {**_BASE, **sections}))[0]


def of_gateway(cluster: str = "tpu-serving-dev") -> str:
    """The description that GKE's Gateway controller writes, as exported from a real project."""
    place = f"/projects/{PROJECT}/locations/europe-west4/clusters/{cluster}"
    return json.dumps({"k8sResource": "/namespaces/llm-serving/gateways/inference-gateway", "k8sCluster": place})


def of_group(service: str) -> str:
    """The description of a network endpoint group (kubernetes/ingress-gce, NegDescription)."""
    return json.dumps({"cluster-uid": "5a1", "namespace": "llm-serving", "service-name": service, "port": "8000"})


class Client(GoogleClient):
    """A client whose methods are made of the documents once a process: that takes most of a second."""

    _built: ClassVar[dict[str, Any]] = {}

    def _build(self, api: str) -> Any:
        if api not in self._built:
            self._built[api] = super()._build(api)
        return self._built[api]


@dataclass
class Scene:
    """An environment, the Compute API of its project, and what is asked of it."""

    google: GoogleEmulator
    deployment: Deployment
    compute: Compute = field(default_factory=lambda: Compute(PROJECT))

    def client(self) -> GoogleClient:
        """A client without answers yet."""
        self.compute.serve(self.google)
        good = Credentials(token=self.google.token)  # type: ignore[no-untyped-call]
        project = self.deployment.settings.project.id
        return Client(project, lambda: good, 60, endpoints=self.google.endpoints, retries=0)

    def find(self) -> SearchResult:
        """What is left."""
        return find(self.client(), self.deployment)

    def network(self, description: str | None = None) -> str:
        """The environment's network as a failed `destroy` leaves it; its URL."""
        mark = self.deployment.network_mark if description is None else description
        return self.compute.add("networks", "global", self.deployment.network_name, description=mark)

    def of_gke(self, network: str) -> set[str]:
        """Everything that GKE can leave in a network; the names."""
        add, before = self.compute.add, self.compute.names()
        add("firewalls", "global", "gke-tpu-serving-dev-1a2b3c4d-vms", network=network, description="")
        add("firewalls", "global", "gkegw1-4v0d-l7-tpu-serving-dev-europe-west4", network=network)
        add("firewalls", "global", "k8s-e4198c6a84c32393-node-http-hc", network=network)
        group = add("networkEndpointGroups", ZONE, "k8s1-bf6ca629-a-8000-75e27959", network=network)
        add("networkEndpointGroups", ZONE, "named-by-a-person", network=network, description=of_group("named"))
        own = {"description": of_gateway()}
        check = add("healthChecks", REGION, "gkegw1-4v0d-check", **own)
        service = add(
            "backendServices", REGION, "gkegw1-4v0d-backend", backends=[{"group": group}], healthChecks=[check], **own
        )
        urls = add("urlMaps", REGION, "gkegw1-4v0d-urls", defaultService=service, **own)
        proxy = add("targetHttpProxies", REGION, "gkegw1-4v0d-proxy", urlMap=urls, **own)
        secure = add("targetHttpsProxies", REGION, "gkegw1-4v0d-secure", urlMap=urls, **own)
        for name, target in (("gkegw1-4v0d-80", proxy), ("gkegw1-4v0d-443", secure)):
            add("forwardingRules", REGION, name, target=target, network=network, **own)
        nodes = "gke-tpu-serving-dev-cpu-1a2b3c4d"
        vms = add("instanceGroups", ZONE, f"{nodes}-grp", network=network)
        add("instanceGroupManagers", ZONE, f"{nodes}-grp", instanceGroup=vms)
        add("instances", ZONE, f"{nodes}-x7k9", networkInterfaces=[{"network": network}])
        add("instances", ZONE, "gke-tpu-serving-dev-tpu-5e6f-0001", networkInterfaces=[{"network": network}])
        add("instanceGroups", ZONE, "k8s-ig--e4198c6a84c32393", network=network)
        add("routes", "global", "gke-tpu-serving-dev-1a2b3c4d-route", network=network)
        # A managed group is listed once, without its group and its VMs.
        return self.compute.names() - before - {f"{nodes}-x7k9"}

    def of_the_program(self, network: str) -> set[str]:
        """What the program itself made and `destroy` did not come to; the names."""
        own, add, before = self.deployment, self.compute.add, self.compute.names()
        nodes = add("subnetworks", REGION, own.nodes_subnet_name, network=network)
        add("subnetworks", REGION, own.proxy_only_subnet_name, network=network)
        add("routers", REGION, own.router_name, network=network)
        add("firewalls", "global", own.webhook_firewall_name, network=network)
        add("addresses", REGION, "gkegw1-4v0d-address", subnetwork=nodes, addressType="INTERNAL")
        self.compute.items["networks", "global", own.network_name]["subnetworks"] = [nodes]
        return self.compute.names() - before

    def of_others(self) -> set[str]:
        """What is nobody's business: other networks, other clusters, and what Google keeps for itself; the names."""
        add, before = self.compute.add, self.compute.names()
        other = add("networks", "global", "tpu-serving-dev-2", description="tpu-serving, environment dev-2")
        add("firewalls", "global", "gke-other-1a2b3c4d-vms", network=other)
        add("firewalls", "global", "tpu-serving-dev-2-webhooks", network=other)
        add("networkEndpointGroups", ZONE, "k8s1-other", network=other, description=of_group("other"))
        add("subnetworks", REGION, "tpu-serving-dev-2-nodes", network=other)
        add("instances", ZONE, "gke-other-x", networkInterfaces=[{"network": other}])
        vms = add("instanceGroups", ZONE, "gke-other-grp", network=other)
        add("instanceGroupManagers", ZONE, "gke-other-grp", instanceGroup=vms)
        for name in ("tpu-serving-dev-2", "tpu-serving-de", "dev"):
            add("backendServices", REGION, f"gkegw1-{name}", description=of_gateway(name))
        add("backendServices", "global", "of-a-person", description="not JSON {")
        add("healthChecks", "global", "a-list", description="[1]")
        add("disks", ZONE, "pvc-other", labels={"goog-k8s-cluster-name": "other"}, description="{}")
        return self.compute.names() - before


@pytest.fixture(scope="session")
def compute_server() -> Iterator[GoogleEmulator]:
    made = GoogleEmulator()
    yield made
    made.close()


@pytest.fixture
def scene(compute_server: GoogleEmulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    compute_server.reset()
    yield Scene(compute_server, environment())
    assert compute_server.problems == []
