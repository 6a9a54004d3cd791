"""The cloud guide's commands in their order on the emulated cloud, as written: the real CLI with the policy pack, verify,
a request, destroy. What only Google can answer is left out by name.

Too long for every day; `make test-all` runs it. What each step needs is held by tests/project/test_cloud_guide.py.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster.load_balancer import read_record
from rehearsal import cloud
from rehearsal.engine.workspace import variables
from settings.document import ROOT
from tests.everything import of_everything
from tests.project.test_cloud_guide import GUIDES
from tests.project.test_commands_of_the_docs import SHELL, Block, _lines
from tests.rehearsal.end_to_end.command import Rehearsal
from tests.rehearsal.end_to_end.conftest import copied

pytestmark = of_everything

# Google's own: accounts, APIs, quota, the bucket and the key of the state, load balancer parts.
LEFT_OUT = (
    "gcloud auth login",
    "gcloud config set project PROJECT",
    "gcloud auth application-default login",
    "gcloud services enable",
    "python -m serving preflight dev",
    "python -m tools.ci.state bucket dev",
    "python -m serving leftovers dev",
)
# gcloud writes the kubeconfig of the cluster, and opens the tunnel; a pod of the cluster reaches its load balancer.
GCLOUD = """#!/bin/sh
case "$*" in
  "container clusters get-credentials "*) mkdir -p "$HOME/.kube" && cp "$GUIDE_KUBECONFIG" "$HOME/.kube/config" ;;
  "compute ssh "*) ;;
  *) echo "not expected: gcloud $*" >&2; exit 2 ;;
esac
"""
KUBECTL = """#!/bin/sh
while [ "$1" != -- ]; do shift; done
shift
exec "$@"
"""


@pytest.fixture
def fresh(binaries: object, tmp_path: Path) -> Iterator[Rehearsal]:
    """A rehearsal of dev with nothing deployed."""
    for rehearsal in copied("Pulumi.dev.yaml", tmp_path):
        rehearsal.rehearse("--preview").succeeded()
        yield rehearsal


def path_of_the_guide() -> Iterator[str]:
    """From the first file to the removal of the stack; what destroy.md has below that is for other cases."""
    first, second = ([block for block in SHELL if block.document == guide] for guide in GUIDES)
    blocks: list[Block] = [*first, second[0]]
    return (line for block in blocks for line in _lines(block.text))


class Follower:
    """Runs a command as somebody who follows the guide on a machine of the VPC does."""

    def __init__(self, rehearsal: Rehearsal, folder: Path) -> None:
        self._rehearsal, self._outputs = rehearsal, folder / "outputs.json"
        programs = folder / "bin"
        programs.mkdir()
        for name, text in {"gcloud": GCLOUD, "kubectl": KUBECTL}.items():
            (programs / name).write_text(text)
            (programs / name).chmod(0o700)
        directory = rehearsal.directory
        own = variables(directory)
        path = os.pathsep.join([str(programs), str(Path(sys.executable).parent), own["PATH"]])
        home = {"HOME": str(folder), "GUIDE_KUBECONFIG": str(directory.kubeconfig)}
        self._environment = {**os.environ, **own, **home, "PATH": path, "PULUMI_SKIP_CONFIRMATIONS": "true"}

    def run(self, command: str) -> str:
        """Its output; it must go well."""
        words = shlex.split(command)
        here = self._rehearsal.directory.pulumi_work if words[0] == "pulumi" else ROOT
        command = command.replace("--policy-pack policy", f"--policy-pack {shlex.quote(str(ROOT / 'policy'))}")
        command = command.replace("outputs.json", shlex.quote(str(self._outputs)))
        if words[:2] == ["kubectl", "run"] or "--url" in words:
            command = command.replace("http://ADDRESS", self._listener).replace("http://localhost:8080", self._listener)
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=here,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    @property
    def _listener(self) -> str:
        listener = read_record(self._rehearsal.directory.root / "load-balancer.json").gateway
        assert listener is not None
        return listener.url


def test_each_command_of_the_guide_works_in_its_order(fresh: Rehearsal, tmp_path: Path) -> None:
    follower = Follower(fresh, tmp_path)
    printed: dict[str, str] = {}
    skipped = set()
    for command in path_of_the_guide():
        if left := next((one for one in LEFT_OUT if command.startswith(one)), None):
            skipped.add(left)
        elif command.startswith("python -m serving verify") and "--url" not in command:
            continue  # from inside of the VPC; the one with the tunnel follows
        else:
            printed[command] = follower.run(command)
    assert skipped == set(LEFT_OUT)
    answer: dict[str, Any] = json.loads(next(out for command, out in printed.items() if command.startswith("kubectl")))
    assert answer["choices"][0]["message"]["content"]
    [verified] = [out for command, out in printed.items() if command.startswith("python -m serving verify")]
    assert verified.rstrip().splitlines()[-1].startswith("serves")
    assert not list(fresh.directory.pulumi_backend.glob(".pulumi/stacks/tpu-serving/dev.json"))
    there = cloud.read_all(fresh.directory.cloud, provisioning=True)
    assert [resource.id for resource in there if resource.type != "gcp:projects/service:Service"] == []
