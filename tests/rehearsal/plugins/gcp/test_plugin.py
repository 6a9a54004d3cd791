"""The plugin as the engine runs it: a process of its own; and under the real engine where its CLI is there."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pulumi
import pytest
from pulumi import automation
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from rehearsal.assets import find
from rehearsal.cloud import read_all, remove
from rehearsal.directory import RehearsalDirectory
from rehearsal.plugins.gcp.provider import GcpProvider
from rehearsal.plugins.gcp.world import CLUSTER, NETWORK, SERVICE, SUBNETWORK
from rehearsal.plugins.install import install
from rehearsal.plugins.values import to_python, to_struct
from tests.rehearsal.plugins.gcp.scene import NETWORK_ID, PROJECT, REGION, Scene


@pytest.fixture
def launcher(scene: Scene) -> Path:
    """The plugin as the engine finds it."""
    return install(scene.directory.pulumi_home, "gcp", GcpProvider(scene.directory).version, scene.directory.root)


@pytest.fixture
def stub(launcher: Path) -> Iterator[Any]:
    process = subprocess.Popen([launcher], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield provider_pb2_grpc.ResourceProviderStub(channel)
    finally:
        process.terminate()
        process.wait(60)


def test_the_process_makes_and_deletes_over_the_wire(scene: Scene, stub: Any) -> None:
    urn = f"urn:pulumi:test::test::{NETWORK}::vpc"
    stub.Configure(provider_pb2.ConfigureRequest(args=to_struct({"project": PROJECT, "region": REGION})))
    news = to_struct({"name": "vpc", "autoCreateSubnetworks": False})
    checked = stub.Check(provider_pb2.CheckRequest(urn=urn, news=news))
    assert not checked.failures
    made = stub.Create(provider_pb2.CreateRequest(urn=urn, properties=checked.inputs))
    assert made.id == NETWORK_ID
    assert to_python(made.properties) == scene.state(NETWORK, NETWORK_ID)
    diff = stub.Diff(
        provider_pb2.DiffRequest(
            urn=urn, id=made.id, olds=made.properties, old_inputs=checked.inputs, news=checked.inputs
        )
    )
    assert diff.changes == provider_pb2.DiffResponse.DIFF_NONE
    with pytest.raises(grpc.RpcError) as taken:
        stub.Create(provider_pb2.CreateRequest(urn=urn, properties=checked.inputs))
    assert "already exists, alreadyExists" in str(taken.value)
    stub.Delete(provider_pb2.DeleteRequest(urn=urn, id=made.id, properties=made.properties, old_inputs=checked.inputs))
    assert scene.found(NETWORK, NETWORK_ID) is None


def test_it_works_in_a_rehearsal_only() -> None:
    environment = {k: v for k, v in os.environ.items() if k != "TPU_SERVING_REHEARSAL"}
    ended = subprocess.run(
        [sys.executable, "-m", "rehearsal.plugins.gcp"], env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert "TPU_SERVING_REHEARSAL is not set" in ended.stderr


def _dns_endpoint(config: Any) -> str:
    return str(config.dns_endpoint_config.endpoint)


def _program() -> None:
    from pulumi_gcp import Provider, compute, container, projects

    google = Provider("google", project=PROJECT, region=REGION)
    options = pulumi.ResourceOptions(provider=google)
    apis = [
        projects.Service(api, service=f"{api}.googleapis.com", disable_on_destroy=False, opts=options)
        for api in ("compute", "container")
    ]
    ready = pulumi.ResourceOptions(provider=google, depends_on=apis)
    network = compute.Network("network", name="vpc", auto_create_subnetworks=False, opts=ready)
    nodes = compute.Subnetwork(
        "nodes", name="nodes", network=network.id, ip_cidr_range="10.0.0.0/20", region=REGION, opts=ready
    )
    cluster = container.Cluster(
        "cluster",
        name="serving",
        location=REGION,
        network=network.id,
        subnetwork=nodes.id,
        control_plane_endpoints_config={"dns_endpoint_config": {"allow_external_traffic": True}},
        deletion_protection=False,
        initial_node_count=1,
        opts=ready,
    )
    pulumi.export("endpoint", cluster.control_plane_endpoints_config.apply(_dns_endpoint))
    pulumi.export("authority", cluster.master_auth.apply(lambda auth: auth.cluster_ca_certificate))


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real CLI on PATH."""
    found = find(["pulumi"])
    if "pulumi" not in found:
        pytest.skip("no pulumi CLI; get it with: .venv/bin/python -m serving rehearse --prepare")
    monkeypatch.setenv("PATH", f"{found['pulumi'].path.parent}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.usefixtures("engine", "launcher")
def test_the_real_engine_brings_it_up_leaves_it_alone_and_takes_it_down(scene: Scene) -> None:
    for service in read_all(scene.directory.cloud):
        remove(scene.directory.cloud, service.type, service.id)
    stack = _stack(scene.directory)
    foreseen = stack.preview()
    assert not read_all(scene.directory.cloud)
    first = stack.up()
    assert first.outputs["endpoint"].value == "127.0.0.1:6443"
    assert first.outputs["authority"].value == "Q0E="
    assert first.summary.resource_changes == {"create": foreseen.change_summary[automation.OpType.CREATE]}
    second = stack.up()
    assert set(second.summary.resource_changes or {}) == {"same"}
    assert stack.refresh().summary.resource_changes == second.summary.resource_changes
    stack.destroy()
    assert {r.type for r in read_all(scene.directory.cloud)} == {SERVICE}
    assert not read_all(scene.directory.cloud, CLUSTER) and not read_all(scene.directory.cloud, SUBNETWORK)


def _stack(directory: RehearsalDirectory) -> automation.Stack:
    environment = {
        "PULUMI_HOME": str(directory.pulumi_home),
        "PULUMI_CONFIG_PASSPHRASE": "test",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
    }
    backend = automation.ProjectBackend(directory.pulumi_backend.as_uri())
    options = automation.LocalWorkspaceOptions(
        work_dir=str(directory.pulumi_work),
        project_settings=automation.ProjectSettings("test", "python", backend=backend),
        env_vars=environment,
    )
    return automation.create_or_select_stack("test", "test", _program, opts=options)
