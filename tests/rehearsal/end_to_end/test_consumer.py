"""The consumer example on a rehearsal: its pod gets an answer of the model through nothing but stack outputs."""

from __future__ import annotations

import contextlib
import os
import runpy
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pulumi import automation

from rehearsal.engine import workspace
from tests.rehearsal.end_to_end.command import ROOT, Rehearsal

EXAMPLE = ROOT / "examples/consumer"


def may_listen_on_port_80() -> bool:
    start = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
    return os.geteuid() == 0 or (start.exists() and int(start.read_text(encoding="utf-8")) <= 80)


def program() -> None:
    """The example as it is."""
    runpy.run_path(str(EXAMPLE / "__main__.py"), run_name="__main__")


@contextlib.contextmanager
def consumer(dev: Rehearsal, folder: Path) -> Iterator[automation.Stack]:
    """Its stack in the rehearsal's backend, on the rehearsal's cluster; destroyed afterwards."""
    for name in ("Pulumi.yaml", "Pulumi.dev.yaml"):
        shutil.copy(EXAMPLE / name, folder)
    stack = automation.create_stack(
        "dev",
        project_name="chat-client",
        program=program,
        opts=automation.LocalWorkspaceOptions(
            work_dir=str(folder),
            env_vars=workspace.variables(dev.directory),
            pulumi_command=automation.PulumiCommand(root=str(dev.directory.root)),
        ),
    )
    # In place of the ambient one, of which a rehearsal takes nothing.
    kubeconfig = dev.directory.kubeconfig.read_text(encoding="utf-8")
    stack.set_config("kubernetes:kubeconfig", automation.ConfigValue(kubeconfig, secret=True))
    try:
        yield stack
    finally:
        stack.destroy()
        stack.workspace.remove_stack("dev")


@pytest.mark.skipif(not may_listen_on_port_80(), reason="this user may not listen on port 80, as a Gateway does")
def test_a_pod_of_another_team_gets_an_answer(dev: Rehearsal, tmp_path: Path) -> None:
    with consumer(dev, tmp_path) as stack:
        outputs = {name: output.value for name, output in stack.up().outputs.items()}
        model = dev.up["outputs"]["models"][0]
        assert (outputs["url"], outputs["model"]) == (model["url"], model["servedNames"][0])
        logs = [path.read_text(encoding="utf-8") for path in (dev.directory.pods / "default").rglob("*.log")]
        assert any(f"{outputs['model']}: " in text for text in logs), logs
