"""The ordinary `pulumi` on a rehearsal's stack, with exactly the variables that a run prints."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pulumi
from pulumi import automation

from tests.rehearsal.end_to_end.command import Rehearsal, without_pulumi_variables

STACK = "organization/tpu-serving/dev"


def asked(dev: Rehearsal, pulumi_cli: Path, folder: Path, *arguments: str) -> str:
    """What `pulumi stack ...` prints, called in a folder that has nothing to do with the project."""
    done = subprocess.run(
        [str(pulumi_cli), "stack", *arguments, "--stack", STACK],
        cwd=folder,
        env={**without_pulumi_variables(), **dev.up["variables"]},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_stack_export(dev: Rehearsal, binaries: dict[str, Path], tmp_path: Path) -> None:
    exported = json.loads(asked(dev, binaries["pulumi"], tmp_path, "export"))["deployment"]
    assert [r["urn"] for r in exported["resources"]] == [r["urn"] for r in dev.state()["resources"]]


def test_stack_output(dev: Rehearsal, binaries: dict[str, Path], tmp_path: Path) -> None:
    outputs = json.loads(asked(dev, binaries["pulumi"], tmp_path, "output", "--json"))
    assert outputs == dev.last["outputs"]


def test_a_stack_reference_from_a_second_stack(dev: Rehearsal, binaries: dict[str, Path], tmp_path: Path) -> None:
    outputs = dev.last["outputs"]

    def program() -> None:
        reference = pulumi.StackReference(STACK)
        pulumi.export("url", reference.require_output("models").apply(lambda models: models[0]["url"]))
        pulumi.export("baseUrl", reference.require_output("baseUrl"))

    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "pulumi").symlink_to(binaries["pulumi"])
    command = automation.PulumiCommand(root=str(tmp_path))
    options = automation.LocalWorkspaceOptions(
        work_dir=str(tmp_path), env_vars=dict(dev.up["variables"]), pulumi_command=command
    )
    stack = automation.create_stack("dev", project_name="reader", program=program, opts=options)
    try:
        result = stack.up()
        assert {name: output.value for name, output in result.outputs.items()} == {
            "url": outputs["models"][0]["url"],
            "baseUrl": outputs["baseUrl"],
        }
    finally:
        stack.destroy()
        stack.workspace.remove_stack("dev")
