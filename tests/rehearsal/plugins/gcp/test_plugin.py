"""The plugin as the engine runs it: over the wire, and as a process of its own."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from rehearsal.plugins.gcp.server import received, sent, start
from rehearsal.plugins.install import install
from tests.rehearsal.plugins.gcp.scene import NETWORK, NETWORK_ID, PROJECT, Scene

URN = f"urn:pulumi:test::test::a:b:C${NETWORK}::vpc"


@pytest.fixture
def stub(scene: Scene) -> Iterator[Any]:
    server, port = start(scene.provider)
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield provider_pb2_grpc.ResourceProviderStub(channel)
    server.stop(grace=None)


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
