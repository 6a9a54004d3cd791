"""The command line as a person calls it, on an environment file of the test's own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import yaml

import cluster as kube
from cluster.target import rehearsal_folder
from rehearsal import cloud
from rehearsal.control_plane import processes
from rehearsal.control_plane.children import last_lines
from rehearsal.directory import MARK, RehearsalDirectory
from rehearsal.engine import workspace
from tests.rehearsal.plane import HANGS

ROOT = Path(__file__).resolve().parents[3]
# A token of the person who runs it: in the variables of every command, and nowhere else (test_up.py).
PLANTED = "hf_" + "PlantedInTheVariablesOfEveryCommand0"
# `     4.1 s  created      lws-namespace (Namespace), 0.2 s`; a preview says `to create`, and no time at the end.
_STEP = re.compile(r"^ +[\d.]+ s +(?P<state>\S.*?) +(?P<name>\S+) \((?P<kind>\S+)\)", re.MULTILINE)


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """Its JSON."""
        document: dict[str, Any] = json.loads(self.out)
        return document

    @property
    def steps(self) -> list[tuple[str, str, str]]:
        """State, kind and name of each resource that was not left alone, in order."""
        return [(step["state"], step["kind"], step["name"]) for step in _STEP.finditer(self.err)]

    def succeeded(self) -> dict[str, Any]:
        """The document of a command that must have gone well."""
        assert self.code == 0, f"exit {self.code}\n{self.out}\n{self.err}"
        return self.document


def serving(*arguments: str) -> Done:
    """`python -m serving ...`."""
    command = [sys.executable, "-m", "serving", *arguments]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "HF_TOKEN": PLANTED},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=HANGS,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert PLANTED not in done.stdout + done.stderr
    return Done(done.returncode, done.stdout, done.stderr)


@contextlib.contextmanager
def begun(log: Path, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A command that runs within the block; it is ended with it."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "serving", *command],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@dataclass
class Rehearsal:
    """An environment file and its rehearsal. `up` is the document of its first run, `last` that of its newest; both are
    empty before it."""

    file: Path
    up: dict[str, Any] = field(default_factory=dict)
    last: dict[str, Any] = field(default_factory=dict)

    @property
    def directory(self) -> RehearsalDirectory:
        """Where its files are."""
        return RehearsalDirectory(rehearsal_folder(str(self.file)))

    @property
    def client(self) -> kube.DynamicClient:
        """A client of its API server as it is now."""
        return kube.connect(self.directory.kubeconfig)

    def rehearse(self, *options: str) -> Done:
        """One run to its end."""
        done = serving("rehearse", str(self.file), "--format", "json", *options)
        if done.code == 0 and "--preview" not in options:
            self.last = done.document
        return done

    def down(self) -> Done:
        """Its end."""
        return serving("down", str(self.file), "--format", "json")

    def running(self) -> Rehearsal:
        """Itself, brought up where it is not."""
        if not self.directory.path.exists():
            done = self.rehearse()
            for name in ("supervisor", "load-balancer", "envoy") if done.code else ():
                print(last_lines(self.directory.logs / f"{name}.log"))
            self.up = done.succeeded()
        return self

    def change(self, edit: Callable[[dict[str, Any]], None]) -> None:
        """Change the configuration in its file."""
        data = yaml.safe_load(self.file.read_text(encoding="utf-8"))
        edit(data["config"])
        self.file.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")

    def state(self) -> dict[str, Any]:
        """The engine's state, from its own file."""
        (path,) = self.directory.pulumi_backend.glob(".pulumi/stacks/tpu-serving/*.json")
        state: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["checkpoint"]["latest"]
        return state

    def objects(self) -> Iterator[tuple[str, dict[str, Any] | None]]:
        """Every Kubernetes object of the stack by its URN, as the server has it; None where it does not."""
        client = self.client
        for resource in self.state()["resources"]:
            inputs = resource.get("inputs") or {}
            if resource["type"].startswith("kubernetes:") and "kind" in inputs:
                namespace, _, name = resource["id"].rpartition("/")
                found = kube.get(client, inputs["apiVersion"], inputs["kind"], name, namespace or None)
                yield resource["urn"], found

    def releases(self) -> dict[str, str]:
        """resourceVersion of each revision of each Helm release."""
        kept = kube.list_objects(self.client, "v1", "Secret", field_selector="type=helm.sh/release.v1")
        return {secret["metadata"]["name"]: secret["metadata"]["resourceVersion"] for secret in kept}

    def service(self, name: str) -> dict[str, Any] | None:
        """A model's LLMInferenceService."""
        return kube.get(self.client, "serving.kserve.io/v1alpha2", "LLMInferenceService", name, "llm-serving")

    def assert_nothing_twice(self) -> None:
        """Each resource once, in the state, at the server, on the cloud and in Helm; nothing pending."""
        state = self.state()
        assert not state.get("pending_operations")
        for what, names in {
            "URN": [r["urn"] for r in state["resources"]],
            "object": [(r["type"], r["id"]) for r in state["resources"] if "id" in r],
            "cloud resource": [(r.type, r.id) for r in cloud.read_all(self.directory.cloud, provisioning=True)],
            "Helm release": [name.rpartition(".")[0] for name in self.releases()],
        }.items():
            assert [name for name, count in Counter(names).items() if count > 1] == [], what
        assert [urn for urn, found in self.objects() if found is None] == []
        on_cloud = {r.id for r in cloud.read_all(self.directory.cloud, provisioning=True)}
        in_state = {r["id"] for r in state["resources"] if r["type"].startswith("gcp:")}
        assert on_cloud == in_state

    def down_leaves_nothing(self) -> None:
        """`down` ends with 0; no process, port or file is left."""
        ports = self.ports()
        self.down().succeeded()
        self.assert_gone(ports)

    def assert_gone(self, ports: set[tuple[str, int]]) -> None:
        """No process, file or network of it is left, and nobody listens on what were its addresses."""
        assert processes_of(self.directory.root) == []
        assert not ports & listening()
        assert not self.directory.root.exists()

    def files(self) -> Iterator[tuple[Path, bytes]]:
        """Every file and its content, while they come and go. Not etcd's, where the API server keeps objects, Secrets too:
        private to the user, as a cluster's etcd is to Google."""
        for path in self.directory.root.rglob("*"):
            with contextlib.suppress(FileNotFoundError):
                if path.is_file() and not path.is_symlink() and not path.is_relative_to(self.directory.etcd):
                    yield path, path.read_bytes()

    def ports(self) -> set[tuple[str, int]]:
        """Every address on which one of its processes listens."""
        return {address for process in processes.marked(self.directory) for address in listening(process)}


def refreshed(directory: RehearsalDirectory, stack: str) -> str:
    """What `pulumi refresh` would find, which must be no change."""
    command = ["refresh", "--preview-only", "--expect-no-changes", "--non-interactive", "--diff", "--stack", stack]
    done = subprocess.run(
        [str(directory.bin / "pulumi"), *command],
        cwd=directory.pulumi_work,
        env={**os.environ, **workspace.variables(directory)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout)


def is_ready(service: Mapping[str, Any] | None) -> bool:
    """Whether the controller says Ready of what was asked for last."""
    status = (service or {}).get("status") or {}
    return any(
        condition["type"] == "Ready" and condition["status"] == "True" for condition in status.get("conditions") or ()
    )


def wait_until(
    condition: Callable[[], Any],
    alive: Callable[[], bool],
    show: Callable[[], str],
    pause: float = 0.02,
) -> None:
    """Wait for a condition that can come only while something lives."""
    deadline = time.monotonic() + HANGS
    while not condition():
        assert alive(), f"ended before it came:\n{show()}"
        assert time.monotonic() < deadline, show()
        time.sleep(pause)


def processes_of(root: Path) -> list[int]:
    """Processes with a rehearsal's directory in their environment, read without the code under test."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == str(root):
                found.append(process.pid)
        except (psutil.Error, OSError):
            continue
    return found


def listening(process: psutil.Process | None = None) -> set[tuple[str, int]]:
    """Every TCP address on which a process listens, or anybody on this machine."""
    try:
        found = psutil.net_connections("tcp") if process is None else process.net_connections("tcp")
    except psutil.NoSuchProcess:
        return set()
    return {(c.laddr.ip, c.laddr.port) for c in found if c.laddr and c.status == psutil.CONN_LISTEN}
