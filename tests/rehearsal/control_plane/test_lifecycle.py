"""Start, take over, kill, recover, end: a real control plane on loopback."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

import cluster as kube
from rehearsal.control_plane import ControlPlane, ControlPlaneError, leftovers, processes, start, stop
from rehearsal.control_plane.names import BINARIES
from rehearsal.directory import RehearsalDirectory
from tests.rehearsal.control_plane import unprivileged
from tests.rehearsal.control_plane.conftest import Plane
from tests.rehearsal.control_plane.waiting import until

NewDirectory = Callable[[str], RehearsalDirectory]
STAND_IN = "tests.rehearsal.control_plane.stand_in"


def begin(directory: RehearsalDirectory, binaries: dict[str, Path], **options: object) -> ControlPlane:
    return start(directory, binaries, **{"progress": lambda _: None, "stand_ins": (), **options})  # type: ignore[arg-type]


def pids(directory: RehearsalDirectory) -> dict[str, int]:
    return {name: item.pid for name, item in directory.load_record().pids.items()}


def kill(directory: RehearsalDirectory, names: tuple[str, ...]) -> list[int]:
    """Kill them; what a supervisor took with it may be gone before its turn."""
    running = [pids(directory)[name] for name in names]
    for pid in running:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return running


def note(name: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}}


def assert_nothing_runs(directory: RehearsalDirectory, ports: dict[str, int]) -> None:
    assert leftovers(directory) == [f"directory {directory.root}"]
    for port in ports.values():
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_nothing_listens_beyond_loopback_and_only_on_recorded_addresses(plane: Plane) -> None:
    addresses = {address for process in processes.marked(plane.directory) for address in processes.listening(process)}
    assert {host for host, _ in addresses if not host.startswith("127.")} == set()
    record = plane.directory.load_record()
    claim = (record.service_cidr.replace("0.0/16", "255.254"), 40000)
    # Without capabilities the Service of the API server, port 443, can't be listened on.
    assert addresses == {("127.0.0.1", port) for port in record.ports.values()} | {claim}


def test_every_file_is_the_users_only(plane: Plane) -> None:
    readable = [path for path in plane.directory.root.iterdir() if stat.S_IMODE(path.stat().st_mode) & 0o077]
    assert [path.name for path in readable] == []
    secret = [*plane.directory.certs.iterdir(), *plane.directory.bin.iterdir(), *plane.directory.logs.iterdir()]
    assert len(secret) > 15
    assert [path for path in secret if stat.S_IMODE(path.stat().st_mode) & 0o077] == []


def test_the_controllers_work_and_the_api_servers_service_has_the_first_address(plane: Plane) -> None:
    root = until(lambda: kube.get(plane.client, "v1", "ConfigMap", "kube-root-ca.crt", "default"))
    assert root is not None
    assert root["data"]["ca.crt"] == (plane.directory.certs / "ca.crt").read_text()
    service = until(lambda: kube.get(plane.client, "v1", "Service", "kubernetes", "default"))
    assert service is not None
    assert service["spec"]["clusterIP"] == plane.directory.load_record().service_cidr.replace("0.0/16", "0.1")


def test_the_auth_plugin_gives_a_token_that_the_api_server_takes(plane: Plane, tmp_path: Path) -> None:
    text = plane.directory.kubeconfig.read_text()
    token = text[text.index("token: ") + 7 :].split()[0]
    exec_text = text.replace(
        f"token: {token}",
        "exec: {apiVersion: client.authentication.k8s.io/v1beta1, interactiveMode: Never, "
        f"command: {plane.directory.bin / 'gke-gcloud-auth-plugin'}}}",
    )
    assert token not in exec_text
    (tmp_path / "config").write_text(exec_text)
    assert kube.get(kube.connect(tmp_path / "config"), "v1", "Namespace", "default")


def test_a_pod_that_asks_for_a_tpu_gets_the_toleration_that_gke_adds(plane: Plane) -> None:
    until(lambda: kube.get(plane.client, "v1", "ServiceAccount", "default", "default"))
    container = {"name": "c", "image": "i", "resources": {"limits": {"google.com/tpu": 4}}}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "tpu", "namespace": "default"},
        "spec": {"containers": [container]},
    }
    made = kube.apply(plane.client, pod, manager="test", dry_run=True)
    assert {"key": "google.com/tpu", "operator": "Exists", "effect": "NoSchedule"} in made["spec"]["tolerations"]


def test_a_healthy_one_is_taken_as_it_is(plane: Plane, binaries: dict[str, Path]) -> None:
    before = pids(plane.directory)
    assert begin(plane.directory, binaries).reused
    assert pids(plane.directory) == before


KILLED = [("supervisor",), ("etcd",), ("kube-apiserver",), ("supervisor", "etcd", "kube-apiserver")]


def test_after_any_kill_the_next_start_has_every_object_and_stop_ends_everything(
    binaries: dict[str, Path], new_directory: NewDirectory
) -> None:
    directory = new_directory("plane")
    first = begin(directory, binaries)
    for number, names in enumerate(KILLED):
        kube.apply(kube.connect(directory.kubeconfig), note(f"note-{number}"), manager="test")
        assert processes.wait_gone(kill(directory, names), 60) == []
        again = begin(directory, binaries)
        assert (again.reused, again.server, again.service_cidr) == (False, first.server, first.service_cidr)
        client = kube.connect(directory.kubeconfig)
        for kept in range(number + 1):
            assert kube.get(client, "v1", "ConfigMap", f"note-{kept}", "default"), names
    assert (directory.logs / "kube-apiserver.log.1").exists()
    ports = directory.load_record().ports
    stop(directory)
    assert_nothing_runs(directory, ports)


@pytest.mark.parametrize("killed", [("supervisor",), ("etcd",), ("supervisor", "kube-apiserver")])
def test_stop_ends_what_a_kill_left(
    binaries: dict[str, Path], new_directory: NewDirectory, killed: tuple[str, ...]
) -> None:
    directory = new_directory("plane")
    begin(directory, binaries)
    kill(directory, killed)
    ports = directory.load_record().ports
    stop(directory)
    assert_nothing_runs(directory, ports)
    directory.remove()
    assert leftovers(directory) == []
    stop(directory)


def test_a_stand_in_that_dies_is_started_again_and_ends_with_the_rest(
    binaries: dict[str, Path], new_directory: NewDirectory
) -> None:
    directory = new_directory("plane")
    begin(directory, binaries, stand_ins=(STAND_IN,))
    file = directory.root / "stand-ins"
    first = int(until(lambda: file.read_text().split() if file.exists() else [])[0])
    os.kill(first, signal.SIGKILL)
    second = int(until(lambda: file.read_text().split()[1:])[0])
    until(lambda: pids(directory)["stand-in"] == second)
    assert begin(directory, binaries, stand_ins=(STAND_IN,)).reused
    assert not begin(directory, binaries, stand_ins=()).reused
    assert not processes.exists(second)


def test_it_ends_with_the_process_it_was_tied_to(binaries: dict[str, Path], new_directory: NewDirectory) -> None:
    directory = new_directory("plane")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as companion:
        begin(directory, binaries, die_with=companion.pid)
        companion.kill()
    until(lambda: not processes.marked(directory))
    assert_nothing_runs(directory, directory.load_record().ports)


def test_two_at_once_and_a_port_that_is_taken(binaries: dict[str, Path], new_directory: NewDirectory) -> None:
    one, two = new_directory("one"), new_directory("two")
    begin(one, binaries)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        two.create()
        with two.change_record() as record:
            record.ports["kube-apiserver"] = taken.getsockname()[1]
        begin(two, binaries)
        assert two.load_record().ports["kube-apiserver"] != taken.getsockname()[1]
    assert one.load_record().network != two.load_record().network
    kube.apply(kube.connect(one.kubeconfig), note("one"), manager="test")
    assert kube.get(kube.connect(two.kubeconfig), "v1", "ConfigMap", "one", "default") is None
    stop(one)
    assert kube.get(kube.connect(two.kubeconfig), "v1", "Namespace", "default")


def test_a_program_that_ends_at_once_is_reported_with_its_last_lines(
    binaries: dict[str, Path], new_directory: NewDirectory, tmp_path: Path
) -> None:
    broken = tmp_path / "kube-apiserver"
    broken.write_text("#!/bin/sh\necho unknown flag: --nonsense >&2\nexit 3\n")
    broken.chmod(0o755)
    directory = new_directory("plane")
    with pytest.raises(ControlPlaneError) as error:
        begin(directory, {**binaries, "kube-apiserver": broken})
    text = str(error.value)
    assert "kube-apiserver ended with exit code 3" in text
    assert "unknown flag: --nonsense" in text
    assert str(directory.logs / "kube-apiserver.log") in text
    assert_nothing_runs(directory, directory.load_record().ports)


def test_a_program_that_is_not_there_is_named_before_anything_starts(new_directory: NewDirectory) -> None:
    with pytest.raises(ControlPlaneError, match=r"etcd: /nonexistent can't be run. `python -m rehearsal.assets`"):
        begin(new_directory("plane"), dict.fromkeys(BINARIES, Path("/nonexistent")))


def test_it_starts_on_a_machine_without_any_network(binaries: dict[str, Path], new_directory: NewDirectory) -> None:
    child = os.fork()
    if child == 0:
        os._exit(0 if unprivileged.leave_the_network() else 1)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0:
        pytest.skip("this machine allows no network namespace (sysctl kernel.unprivileged_userns_clone=1)")
    directory = new_directory("plane")
    unprivileged.run(directory, binaries, "--offline")
    assert directory.load_record().phase == "ready"
    assert psutil.pid_exists(pids(directory)["kube-apiserver"])
