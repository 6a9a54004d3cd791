"""The frame, over a real gRPC connection as the engine uses it."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2, struct_pb2
from grpc_status import rpc_status
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from rehearsal.plugins.frame import (
    UNKNOWN,
    CheckFailure,
    DiffResult,
    PartialFailureError,
    Provider,
    ProviderError,
    ReadResult,
    Resource,
    Secret,
    Values,
    start,
)
from rehearsal.plugins.install import install
from rehearsal.plugins.values import SECRET, SIGNATURE, UNKNOWN_STRING, UNKNOWN_STRINGS, to_python, to_struct

URN = "urn:pulumi:dev::project::a:b:C$test:index:Thing::thing"


class Things(Provider):
    """Refuses, fails and waits on request."""

    name, version = "things", "1.2.3"

    def __init__(self) -> None:
        super().__init__()
        self.configured: Values = {}
        self.together = threading.Barrier(3, timeout=30)

    def configure(self, inputs: Values) -> None:
        self.configured = inputs

    def check(self, resource: Resource, old: Values, new: Values, seed: bytes) -> tuple[Values, list[CheckFailure]]:
        return {**new, "seed": seed.hex(), "type": resource.type, "name": resource.name}, [CheckFailure("a.b", "bad")]

    def diff(
        self, resource: Resource, resource_id: str, old_inputs: Values, state: Values, new: Values, ignore: list[str]
    ) -> DiffResult:
        if old_inputs == new:
            return DiffResult()
        return DiffResult({"spec.size": "update", "spec.items[0].a": "add-replace"}, delete_before_replace=True)

    def create(self, resource: Resource, inputs: Values, timeout: float, preview: bool) -> tuple[str, Values]:
        match inputs.get("how"):
            case "refused":
                raise ProviderError("no such machine type: x")
            case "broken":
                raise KeyError("hush")
            case "half":
                raise PartialFailureError("id-1", {"size": 1}, inputs, ["not ready", "really not"])
            case "together":
                self.together.wait()
            case "waits":
                self.cancelled.wait()
                raise ProviderError("cancelled")
        return "" if preview else "id-1", {**inputs, "timeout": timeout, "token": Secret("t"), "later": UNKNOWN}

    def read(self, resource: Resource, resource_id: str, inputs: Values, state: Values) -> ReadResult | None:
        return None if resource_id == "gone" else ReadResult(resource_id, {"live": True}, {"size": 2})

    def update(self, *_: Any) -> Values:
        return {}

    def delete(self, *_: Any) -> None:
        self.cancelled.wait()


@pytest.fixture
def things() -> Things:
    return Things()


@pytest.fixture
def stub(things: Things) -> Iterator[Any]:
    server, port = start(things)
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield provider_pb2_grpc.ResourceProviderStub(channel)
    server.stop(grace=None)


def create(stub: Any, **values: Any) -> Any:
    return stub.Create(provider_pb2.CreateRequest(urn=URN, properties=to_struct(values), timeout=90))


def test_values_survive_the_way_there_and_back() -> None:
    values = {"i": 3, "f": 1.5, "s": "x", "t": True, "n": None, "l": [1, {"a": []}], "d": {}, "u": UNKNOWN, "e": []}
    back = to_python(to_struct(values))
    assert back == values
    assert type(back["i"]) is int


def test_what_the_engine_wraps_arrives_plain() -> None:
    struct = struct_pb2.Struct()
    struct.update({"a": {SIGNATURE: SECRET, "value": {"b": ["c"]}}, "x": [*sorted(UNKNOWN_STRINGS)]})
    assert to_python(struct) == {"a": {"b": ["c"]}, "x": [UNKNOWN] * len(UNKNOWN_STRINGS)}


def test_calls_become_plain_methods(stub: Any, things: Things) -> None:
    stub.Handshake(provider_pb2.ProviderHandshakeRequest(engine_address="127.0.0.1:1"))
    assert stub.GetPluginInfo(empty_pb2.Empty()).version == "1.2.3"
    secret = {"key": {SIGNATURE: SECRET, "value": "v"}}
    configured = stub.Configure(provider_pb2.ConfigureRequest(args=to_struct(secret)))
    assert configured.supportsPreview
    assert things.configured == {"key": "v"}
    checked = stub.Check(provider_pb2.CheckRequest(urn=URN, news=to_struct({"a": 1}), randomSeed=b"\x01"))
    assert to_python(checked.inputs) == {"a": 1, "seed": "01", "type": "test:index:Thing", "name": "thing"}
    assert [(f.property, f.reason) for f in checked.failures] == [("a.b", "bad")]


def test_created_outputs_keep_secrets_and_unknowns(stub: Any) -> None:
    made = create(stub, size=1)
    assert made.id == "id-1"
    outputs = made.properties.fields
    assert outputs["token"].struct_value.fields[SIGNATURE].string_value == SECRET
    assert outputs["later"].string_value == UNKNOWN_STRING
    assert outputs["timeout"].number_value == 90


def test_differences_say_what_is_replaced(stub: Any) -> None:
    def diff(new: Values) -> Any:
        return stub.Diff(provider_pb2.DiffRequest(id="i", urn=URN, old_inputs=to_struct({"a": 1}), news=to_struct(new)))

    assert diff({"a": 1}).changes == provider_pb2.DiffResponse.DIFF_NONE
    found = diff({"a": 2})
    assert found.changes == provider_pb2.DiffResponse.DIFF_SOME
    assert found.deleteBeforeReplace
    assert list(found.replaces) == ["spec"]
    kinds = {path: provider_pb2.PropertyDiff.Kind.Name(d.kind) for path, d in found.detailedDiff.items()}
    assert kinds == {"spec.size": "UPDATE", "spec.items[0].a": "ADD_REPLACE"}


def test_a_resource_that_is_gone_has_no_id(stub: Any) -> None:
    assert stub.Read(provider_pb2.ReadRequest(id="gone", urn=URN)).id == ""
    found = stub.Read(provider_pb2.ReadRequest(id="here", urn=URN))
    assert (found.id, to_python(found.properties), to_python(found.inputs)) == ("here", {"live": True}, {"size": 2})


def test_a_refusal_is_its_own_words(stub: Any) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        create(stub, how="refused")
    assert refused.value.details() == "no such machine type: x"


def test_a_mistake_of_the_plugin_shows_no_traceback(stub: Any, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(grpc.RpcError) as broken:
        create(stub, how="broken")
    assert broken.value.code() is grpc.StatusCode.INTERNAL
    assert broken.value.details() == "internal error in plugin things: KeyError: 'hush'"
    assert "Traceback" in caplog.text


def test_a_resource_that_is_not_ready_is_not_lost(stub: Any) -> None:
    with pytest.raises(grpc.RpcError) as half:
        create(stub, how="half")
    call: Any = half.value
    status: Any = rpc_status.from_call(call)
    detail = provider_pb2.ErrorResourceInitFailed()
    assert status.details[0].Unpack(detail)
    assert (detail.id, list(detail.reasons)) == ("id-1", ["not ready", "really not"])
    assert (to_python(detail.properties), to_python(detail.inputs)) == ({"size": 1}, {"how": "half"})


def test_calls_run_side_by_side_and_end_on_cancel(stub: Any) -> None:
    request = provider_pb2.CreateRequest(urn=URN, properties=to_struct({"how": "together"}))
    calls = [stub.Create.future(request) for _ in range(3)]  # the barrier opens for three at once
    assert [call.result().id for call in calls] == ["id-1"] * 3
    waiting = stub.Create.future(provider_pb2.CreateRequest(urn=URN, properties=to_struct({"how": "waits"})))
    stub.Cancel(empty_pb2.Empty())
    with pytest.raises(grpc.RpcError, match="cancelled"):
        waiting.result()


@pytest.mark.parametrize("method", ["Construct", "Call", "Parameterize"])
def test_what_no_plugin_here_does_is_unimplemented(stub: Any, method: str) -> None:
    request = {"Construct": "ConstructRequest", "Call": "CallRequest", "Parameterize": "ParameterizeRequest"}[method]
    with pytest.raises(grpc.RpcError) as refused:
        getattr(stub, method)(getattr(provider_pb2, request)())
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("name", ["gcp", "kubernetes"])
def test_an_installed_plugin_starts_says_its_port_and_ends_with_its_parent(tmp_path: Path, name: str) -> None:
    launcher = install(tmp_path / "home", name, "1.2.3", tmp_path / "it's a directory")
    assert launcher == tmp_path / "home" / "plugins" / f"resource-{name}-v1.2.3" / f"pulumi-resource-{name}"
    # The parent of the plugin is a shell that ends once it has read the port.
    script = 'mkfifo port; "$0" > port & read number < port; echo "$number $!"'
    shell = subprocess.run(
        ["/bin/sh", "-c", script, str(launcher)], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
    )
    port, pid = map(int, shell.stdout.split())
    assert port > 0
    _await_end(pid)
    assert not (tmp_path / "it's a directory" / "logs" / f"plugin-{name}.log").read_text(encoding="utf-8")


def test_a_plugin_loads_no_client_library() -> None:
    code = "import sys, rehearsal.plugins.{0}.provider; assert 'kubernetes.client' not in sys.modules"
    for name in ("gcp", "kubernetes"):
        done = subprocess.run([sys.executable, "-c", code.format(name)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def _await_end(pid: int) -> None:
    """Return once the process is gone (it is adopted, so nobody here can wait for it)."""
    import psutil

    try:
        psutil.Process(pid).wait(timeout=30)
    except psutil.NoSuchProcess:
        return
