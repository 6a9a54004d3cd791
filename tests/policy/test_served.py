"""The pack as the engine starts it: a process in the pack's folder that answers the analyzer protocol."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import grpc
import pytest
import yaml
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc

from settings.document import ROOT
from tests.policy.engine import PACK, as_resources, field_objects


@pytest.fixture(scope="module")
def analyzer() -> Iterator[analyzer_pb2_grpc.AnalyzerStub]:
    command = [sys.executable, "-u", "-m", "pulumi.policy", "127.0.0.1:0", "."]
    process = subprocess.Popen(command, cwd=ROOT / "policy", stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        port = process.stdout.readline().strip()  # the first line, as the engine reads it
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield analyzer_pb2_grpc.AnalyzerStub(channel)
    finally:
        process.kill()
        process.wait()


def test_the_environment_is_the_projects_own() -> None:
    data = yaml.safe_load((ROOT / "policy" / "PulumiPolicy.yaml").read_text(encoding="utf-8"))
    program = yaml.safe_load((ROOT / "Pulumi.yaml").read_text(encoding="utf-8"))
    assert data["runtime"]["name"] == "python"
    own = (ROOT / "policy" / data["runtime"]["options"]["virtualenv"]).resolve()
    assert own == (ROOT / program["runtime"]["options"]["virtualenv"]).resolve()


def test_the_engine_is_told_every_policy(analyzer: analyzer_pb2_grpc.AnalyzerStub) -> None:
    info = analyzer.GetAnalyzerInfo(empty_pb2.Empty())
    assert info.name == "tpu-serving"
    assert {policy.name for policy in info.policies} == {policy.name for policy in PACK}
    assert all(policy.description and policy.remediation_steps for policy in info.policies)


def test_the_engine_is_told_what_is_refused(analyzer: analyzer_pb2_grpc.AnalyzerStub) -> None:
    for entry in field_objects():
        said = set()
        resources = []
        for resource in as_resources(entry["objects"]):
            properties = struct_pb2.Struct()
            properties.update(dict(resource.inputs))
            kind, urn, name = resource.type, resource.key, resource.logical_name
            request = analyzer_pb2.AnalyzeRequest(type=kind, properties=properties, urn=urn, name=name)
            said |= {(d.policyName, d.enforcementLevel) for d in analyzer.Analyze(request).diagnostics}
            resources.append(analyzer_pb2.AnalyzerResource(type=kind, properties=properties, urn=urn, name=name))
        answer = analyzer.AnalyzeStack(analyzer_pb2.AnalyzeStackRequest(resources=resources))
        said |= {(d.policyName, d.enforcementLevel) for d in answer.diagnostics}
        assert said == {(name, analyzer_pb2.MANDATORY) for name in entry["refused"]}, entry["what"]
