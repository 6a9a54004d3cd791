"""Volumes are files that change all at once and that only this user can read; a field that is not emulated is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from checks.environment import require
from manifests.llm_inference_service import llm_inference_service
from manifests.readiness import gateway_job, kserve_job
from rehearsal.kubelet.context import not_emulated
from rehearsal.kubelet.volumes import Volumes
from settings.document import ROOT, read_document
from tests.rehearsal.kubelet.conftest import Given, config_maps, context

FILES = sorted([*ROOT.glob("Pulumi.*.yaml"), *ROOT.glob("examples/*.yaml")])


def test_a_change_is_there_all_at_once_and_what_is_gone_is_gone(tmp_path: Path) -> None:
    maps: Given = config_maps(c={"a": "1", "b": "1"})
    pod = context(tmp_path, maps, volumes=[{"name": "v", "configMap": {"name": "c", "defaultMode": 420}}])
    volumes, folder = Volumes(pod, ""), pod.folder / "_volumes" / "v"
    volumes.write()
    first = folder.resolve()
    volumes.write()
    assert folder.resolve() == first, "the same content writes nothing"
    maps["c"] = {"data": {"a": "2", "c": "2"}}
    volumes.write()
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"a": "2", "c": "2"}
    assert not first.exists()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_all_that_we_deploy_is_emulated(path: Path) -> None:
    deployment, _ = require(read_document(path))
    specs = [job["spec"]["template"]["spec"] for job in (gateway_job(deployment), kserve_job(deployment))]
    for model in deployment.models:
        service = llm_inference_service(deployment, model)["spec"]
        specs += [service[name] for name in ("template", "worker") if name in service]
    assert [found for spec in specs for found in not_emulated(spec)] == []


@pytest.mark.parametrize(
    "path",
    [
        ["hostNetwork"],
        ["volumes", "hostPath"],
        ["initContainers", "restartPolicy"],
        ["containers", "readinessProbe", "tcpSocket"],
        ["containers", "env", "valueFrom", "fieldRef", "fieldPath status.podIP"],
        ["containers", "lifecycle", "preStop", "exec", "command /bin/sh"],
    ],
    ids=lambda path: path[-1],
)
def test_what_is_not_emulated_is_named(path: list[str]) -> None:
    key, _, value = path[-1].partition(" ")
    spec: Any = {key: value or {}}
    for name in reversed(path[:-1]):
        spec = {name: [spec]} if name.endswith("s") else {name: spec}
    assert [*not_emulated(spec)] == [f"spec.{'.'.join(path)}"]
