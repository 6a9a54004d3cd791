"""The example of another team's program, from nothing to up on a control plane of its own, and away again."""

from __future__ import annotations

import runpy
import shutil
from pathlib import Path

from rich.console import Console

import cluster as kube
from rehearsal import cloud, control_plane
from rehearsal.directory import RehearsalDirectory
from rehearsal.engine import workspace
from rehearsal.engine.display import progress
from rehearsal.engine.engine import Engine
from rehearsal.engine.plugins import KUBERNETES, install_plugins
from tests.everything import of_everything
from tests.rehearsal.end_to_end.command import ROOT

EXAMPLE = ROOT / "examples/own-program"


@of_everything
def test_the_program_of_another_team_goes_up_and_leaves_nothing(binaries: dict[str, Path], tmp_path: Path) -> None:
    directory = RehearsalDirectory(tmp_path / "rehearsal")
    program = runpy.run_path(str(EXAMPLE / "program.py"))["program"]
    with directory.locked():
        try:
            control_plane.start(directory, binaries, progress=progress(Console(quiet=True)))
            (directory.path / "stockout.txt").touch()
            workspace.prepare(directory, "dev", EXAMPLE / "Pulumi.dev.yaml")
            shutil.copyfile(EXAMPLE / "Pulumi.yaml", directory.pulumi_work / "Pulumi.yaml")
            install_plugins(directory, binaries[KUBERNETES])
            engine = Engine(directory, "dev", binaries["pulumi"], program)
            assert engine.up(lambda _: None)["create"] > 15
            assert engine.outputs()["pool"] == "tpu-v6e-2x2"
            assert {r.name for r in cloud.read_all(directory.cloud)} >= {"search", "tpu-v6e-2x2"}
            client = kube.connect(directory.kubeconfig)
            gateway = kube.get(client, "gateway.networking.k8s.io/v1", "Gateway", "search", "search")
            assert gateway is not None and gateway["spec"]["gatewayClassName"] == "gke-l7-rilb"
            assert engine.preview(lambda _: None).keys() == {"same"}
            engine.destroy(lambda _: None)
            assert [r.name for r in cloud.read_all(directory.cloud)] == []
        finally:
            control_plane.stop(directory)
