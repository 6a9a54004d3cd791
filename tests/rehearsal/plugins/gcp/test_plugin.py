"""The plugin as the engine runs it: a process of its own; and under the real engine where its CLI is there."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import grpc
import psutil
import pulumi
import pytest
from google.protobuf import empty_pb2, struct_pb2
from pulumi import automation
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc
from pulumi.runtime.rpc import UNKNOWN as UNKNOWN_ON_THE_WIRE

from providers.base import UNKNOWN, DiffResult
from rehearsal.assets import find
from rehearsal.cloud import read_all
from rehearsal.directory import RehearsalDirectory
from rehearsal.plugins.gcp.server import differing, received, sent, start
from rehearsal.plugins.install import install
from tests.rehearsal.plugins.gcp.scene import (
    CLUSTER,
    NETWORK,
    NETWORK_ID,
    NODE_POOL,
    PROJECT,
    REGION,
    SERVICE,
    ZONE,
    Scene,
)

URN = f"urn:pulumi:test::test::a:b:C${NETWORK}::vpc"


@pytest.fixture
def launcher(scene: Scene) -> Path:
    """The plugin as the engine finds it."""
    return install(scene.directory.pulumi_home, version("pulumi-gcp"), scene.directory.root)


@pytest.fixture
def stub(scene: Scene) -> Iterator[Any]:
    server, port = start(scene.provider)
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield provider_pb2_grpc.ResourceProviderStub(channel)
    server.stop(grace=None)


def test_values_survive_the_way_there_and_back() -> None:
    values = {
        "i": 3,
        "f": 1.5,
        "s": "x",
        "t": True,
        "n": None,
        "l": [1, {"a": []}],
        "d": {},
        "u": UNKNOWN,
        "e": [UNKNOWN],
    }
    back = received(sent(values))
    assert back == values
    assert type(back["i"]) is int
    struct = struct_pb2.Struct()
    struct.update({"known": "after up", "unknown": UNKNOWN_ON_THE_WIRE})
    assert received(struct) == {"known": "after up", "unknown": UNKNOWN}


def test_differences_say_what_is_replaced() -> None:
    assert differing(DiffResult()).changes == provider_pb2.DiffResponse.DIFF_NONE
    found = differing(DiffResult({"spec.size": "update", "items[0].a": "add-replace"}, delete_before_replace=True))
    assert found.changes == provider_pb2.DiffResponse.DIFF_SOME
    assert (list(found.diffs), list(found.replaces), found.deleteBeforeReplace) == (["items", "spec"], ["items"], True)
    kinds = {path: provider_pb2.PropertyDiff.Kind.Name(d.kind) for path, d in found.detailedDiff.items()}
    assert kinds == {"spec.size": "UPDATE", "items[0].a": "ADD_REPLACE"}


def test_it_makes_changes_and_deletes_over_the_wire(scene: Scene, stub: Any) -> None:
    assert stub.GetPluginInfo(empty_pb2.Empty()).version == version("pulumi-gcp")
    assert stub.Configure(provider_pb2.ConfigureRequest()).supportsPreview
    news = sent({"name": "vpc", "project": PROJECT, "autoCreateSubnetworks": False})
    inputs = stub.Check(provider_pb2.CheckRequest(urn=URN, news=news)).inputs
    made = stub.Create(provider_pb2.CreateRequest(urn=URN, properties=inputs))
    assert made.id == NETWORK_ID
    assert received(made.properties) == scene.state(NETWORK, NETWORK_ID)
    read = stub.Read(provider_pb2.ReadRequest(urn=URN, id=made.id, inputs=inputs, properties=made.properties))
    assert (read.id, read.inputs, read.properties) == (made.id, inputs, made.properties)
    assert stub.Read(provider_pb2.ReadRequest(urn=URN, id="gone")).id == ""
    new = sent({**received(inputs), "routingMode": "GLOBAL"})
    differs = {"urn": URN, "id": made.id, "olds": read.properties, "old_inputs": inputs, "news": new}
    assert list(stub.Diff(provider_pb2.DiffRequest(**differs)).detailedDiff) == ["routingMode"]
    assert not stub.Diff(provider_pb2.DiffRequest(**differs, ignoreChanges=["routingMode"])).detailedDiff
    assert received(stub.Update(provider_pb2.UpdateRequest(**differs)).properties)["routingMode"] == "GLOBAL"
    with pytest.raises(grpc.RpcError) as taken:
        stub.Create(provider_pb2.CreateRequest(urn=URN, properties=inputs))
    assert taken.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert str(taken.value.details()).endswith("already exists, alreadyExists")
    stub.Delete(provider_pb2.DeleteRequest(urn=URN, id=made.id, properties=made.properties))
    assert scene.found(NETWORK, NETWORK_ID) is None
    stub.Cancel(empty_pb2.Empty())
    assert scene.provider.cancelled.is_set()


def test_the_installed_plugin_says_its_port_and_ends_with_its_parent(tmp_path: Path) -> None:
    launcher = install(tmp_path / "home", "1.2.3", tmp_path / "it's a directory")
    assert launcher == tmp_path / "home" / "plugins" / "resource-gcp-v1.2.3" / "pulumi-resource-gcp"
    # The parent of the plugin is a shell that ends once it has read the port.
    script = 'mkfifo port; "$0" > port & read number < port; echo "$number $!"'
    shell = subprocess.run(
        ["/bin/sh", "-c", script, str(launcher)], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    port, pid = map(int, shell.stdout.split())
    assert port > 0
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(pid).wait()
    assert not (tmp_path / "it's a directory" / "logs" / "plugin-gcp.log").read_text(encoding="utf-8")


def _program(ignored: list[str]) -> None:
    from pulumi_gcp import Provider, compute, container, projects

    google = Provider("google", project=PROJECT, region=REGION)
    common = pulumi.ResourceOptions(provider=google)
    projects.Service("api", service="compute.googleapis.com", project=PROJECT, disable_on_destroy=False, opts=common)
    network = compute.Network("network", name="vpc", project=PROJECT, auto_create_subnetworks=False, opts=common)
    cluster = container.Cluster(
        "cluster",
        name="serving",
        project=PROJECT,
        location=REGION,
        network=network.id,
        control_plane_endpoints_config={"dns_endpoint_config": {"allow_external_traffic": True}},
        deletion_protection=False,
        initial_node_count=1,
        opts=common,
    )
    container.NodePool(
        "pool",
        name="tpu",
        project=PROJECT,
        location=REGION,
        node_locations=[ZONE],
        cluster=cluster.name,
        initial_node_count=0,
        node_config={"machine_type": "ct6e-standard-4t", "resource_labels": {"tier": "dev"}},
        opts=pulumi.ResourceOptions(provider=google, ignore_changes=ignored),
    )
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
    stack = _stack(scene.directory, ["nodeConfig.advancedMachineFeatures"])
    foreseen = stack.preview()
    assert not read_all(scene.directory.cloud)
    first = stack.up()
    assert first.outputs["authority"].value == "Q0E="
    assert first.summary.resource_changes == {"create": foreseen.change_summary[automation.OpType.CREATE]}
    assert set(stack.up().summary.resource_changes or {}) == {"same"}
    assert set(stack.refresh().summary.resource_changes or {}) == {"same"}
    assert set(stack.up().summary.resource_changes or {}) == {"same"}
    # What GKE answers for a TPU pool replaces it, where the program does not ignore it.
    replaced = _stack(scene.directory, []).preview()
    assert replaced.change_summary[automation.OpType.REPLACE] == 1
    stack.destroy()
    assert {r.type for r in read_all(scene.directory.cloud)} == {SERVICE}
    assert not read_all(scene.directory.cloud, CLUSTER) and not read_all(scene.directory.cloud, NODE_POOL)


def _stack(directory: RehearsalDirectory, ignored: list[str]) -> automation.Stack:
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
    return automation.create_or_select_stack("test", "test", lambda: _program(ignored), opts=options)
