"""The program when everything is known, as in the second half of an `up`: kubeconfig, addresses, exports."""

from __future__ import annotations

import asyncio
import json
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi.runtime.stack import wait_for_rpcs

from serving.program.record import engine_config
from settings.document import ROOT, read_document
from settings.outputs import Outputs


class Cloud(pulumi.runtime.Mocks):
    """Answers like the real providers once things exist."""

    def __init__(self) -> None:
        self.inputs: dict[str, dict[str, Any]] = {}

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.inputs[args.name] = args.inputs
        state = dict(args.inputs)
        if args.typ == "gcp:container/cluster:Cluster":
            state |= {
                "endpoint": "172.16.0.2",
                "masterAuth": {"clusterCaCertificate": "Q0E="},
                "controlPlaneEndpointsConfig": {"dnsEndpointConfig": {"endpoint": "gke-1.europe-west4.gke.goog"}},
            }
        elif args.typ == "gcp:compute/address:Address":
            state |= {"address": "10.0.0.77"}
        elif args.typ.endswith(":LLMInferenceService"):
            state |= {"status": {"url": "http://10.0.0.9/llm-serving/qwen2-5-3b"}}
        return f"{args.name}-id", state

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        return {}, None


@pytest.fixture
def up() -> Iterator[Any]:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)

    def run(path: Path) -> tuple[Cloud, dict[str, Any]]:
        cloud, document = Cloud(), read_document(path)
        pulumi.runtime.settings.reset_options()
        pulumi.runtime.set_mocks(cloud, project="tpu-serving", stack=document.name, preview=False)
        pulumi.runtime.set_all_config(engine_config(document))
        runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__")
        loop.run_until_complete(wait_for_rpcs())
        stack = pulumi.runtime.get_root_resource()
        exported: dict[str, Any] = {}
        for key, value in stack.outputs.items():  # type: ignore[union-attr]
            exported[key] = loop.run_until_complete(pulumi.Output.from_input(value).future())
        return cloud, exported

    yield run
    loop.close()
    asyncio.set_event_loop(None)


def test_exports_are_the_contract_with_every_value_known(up: Any) -> None:
    _, exported = up(ROOT / "Pulumi.dev.yaml")
    outputs = Outputs.model_validate(exported)
    assert outputs.base_url == "http://10.0.0.9"
    assert outputs.gateway.address == "10.0.0.9"
    assert outputs.models[0].url == "http://10.0.0.9/llm-serving/qwen2-5-3b"
    assert "known after" not in json.dumps(exported)


def test_an_address_of_ours_is_the_base_url(up: Any) -> None:
    _, exported = up(ROOT / "Pulumi.prod.yaml")
    assert exported["baseUrl"] == "http://10.0.0.77"


def test_the_kubeconfig_names_the_dns_endpoint_and_holds_no_token(up: Any) -> None:
    cloud, _ = up(ROOT / "Pulumi.dev.yaml")
    config = json.loads(cloud.inputs["cluster-kubernetes"]["kubeconfig"])
    [cluster] = config["clusters"]
    assert cluster["cluster"] == {"server": "https://gke-1.europe-west4.gke.goog"}
    assert config["users"][0]["user"]["exec"]["command"] == "gke-gcloud-auth-plugin"
    assert cloud.inputs["cluster-kubernetes"]["clusterIdentifier"] == "example-project/europe-west4/tpu-serving-dev"


def test_the_ip_endpoint_comes_with_the_clusters_authority(up: Any, tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.ip.yaml"
    path.write_text(
        (ROOT / "Pulumi.dev.yaml").read_text()
        + "  tpu-serving:cluster:\n    controlPlane:\n      dnsEndpoint: false\n"
        + "      authorizedNetworks: [{name: office, cidr: 203.0.113.0/24}]\n"
    )
    cloud, _ = up(path)
    [cluster] = json.loads(cloud.inputs["cluster-kubernetes"]["kubeconfig"])["clusters"]
    assert cluster["cluster"] == {"server": "https://172.16.0.2", "certificate-authority-data": "Q0E="}


def test_a_refused_configuration_stops_the_program_before_anything_is_created(up: Any, tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.bad.yaml"
    path.write_text((ROOT / "Pulumi.dev.yaml").read_text().replace("topology: 2x2", "topology: 2x2x1"))
    with pytest.raises(pulumi.RunError, match="TP01"):
        up(path)
