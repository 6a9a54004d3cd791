"""Start, take over, kill, start from nothing, end: a real control plane on loopback."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

import cluster as kube
from rehearsal.control_plane import ControlPlaneError, leftovers, processes, start, stop, why_ended
from rehearsal.control_plane.names import BINARIES, PROMETHEUS, STORAGE
from rehearsal.directory import RehearsalDirectory
from tests.rehearsal.plane import Plane, until

Address = tuple[str, int]
# Runs the rest of its arguments where only a loopback interface is; 77 where the machine forbids it.
_OFFLINE = """
import ctypes, fcntl, os, socket, struct, sys
if ctypes.CDLL(None).unshare(0x40000000 if os.geteuid() == 0 else 0x50000000):  # CLONE_NEWNET, CLONE_NEWUSER
    sys.exit(77)
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
    fcntl.ioctl(control, 0x8914, struct.pack("16sh14x", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
# Starts a control plane in its first argument, says so and waits for its end of input.
_START = """
import pathlib, sys
from rehearsal.control_plane import start
from rehearsal.directory import RehearsalDirectory
binaries = {name: pathlib.Path(path) for name, path in (item.split("=", 1) for item in sys.argv[2:])}
start(RehearsalDirectory(pathlib.Path(sys.argv[1])), binaries, progress=print, controllers=(), attached=True)
print("ready", flush=True)
sys.stdin.read()
"""


def begin(directory: RehearsalDirectory, binaries: dict[str, Path], **options: object) -> bool:
    return start(directory, binaries, **{"progress": lambda _: None, "controllers": (), **options})  # type: ignore[arg-type]


def note(directory: RehearsalDirectory, name: str) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}}
    kube.apply(kube.connect(directory.kubeconfig), body, manager="test")


def listening(directory: RehearsalDirectory) -> set[Address]:
    """The TCP addresses on which a process of it listens."""
    connections = [c for process in processes.marked(directory) for c in process.net_connections("tcp")]
    return {(c.laddr.ip, c.laddr.port) for c in connections if c.status == psutil.CONN_LISTEN}


def assert_nothing_runs(directory: RehearsalDirectory, addresses: set[Address]) -> None:
    """Nothing but files; a process that was ended may hold its ports a moment longer than its environment."""
    assert leftovers(directory) == [f"directory {directory.root}"]
    until(lambda: not any(map(_answers, addresses)))


def _answers(address: Address) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(address) == 0


def test_nothing_listens_beyond_loopback_and_only_on_recorded_addresses(plane: Plane) -> None:
    record = plane.directory.load_record()
    claim = (record.service_cidr.replace("0.0/16", "255.254"), 40000)
    # These belong to emulators and collector, none of which runs here.
    recorded = {("127.0.0.1", port) for name, port in record.ports.items() if name not in (STORAGE, PROMETHEUS)}
    assert listening(plane.directory) == recorded | {claim}


def test_the_controllers_work_and_the_api_servers_service_has_the_first_address(plane: Plane) -> None:
    root = until(lambda: kube.get(plane.client, "v1", "ConfigMap", "kube-root-ca.crt", "default"))
    assert (root or {})["data"]["ca.crt"] == (plane.directory.certs / "ca.crt").read_text()
    service = until(lambda: kube.get(plane.client, "v1", "Service", "kubernetes", "default"))
    assert (service or {})["spec"]["clusterIP"] == plane.directory.load_record().service_cidr.replace("0.0/16", "0.1")


def test_a_pod_gets_the_gke_toleration_and_a_token_and_is_scheduled(plane: Plane) -> None:
    until(lambda: kube.get(plane.client, "v1", "ServiceAccount", "default", "default"))
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node"}}
    kube.apply(plane.client, node, manager="test")
    size = {"google.com/tpu": "4", "pods": "10"}
    kube.patch_status(plane.client, node, {"capacity": size, "allocatable": size}, manager="test")
    container = {"name": "c", "image": "i", "resources": {"limits": {"google.com/tpu": 4}}}
    everywhere = {"key": "node.kubernetes.io/not-ready", "operator": "Exists"}
    spec = {"containers": [container], "tolerations": [everywhere]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "tpu", "namespace": "default"}, "spec": spec}
    made = kube.apply(plane.client, pod, manager="test")
    assert {"key": "google.com/tpu", "operator": "Exists", "effect": "NoSchedule"} in made["spec"]["tolerations"]
    assert made["spec"]["volumes"][0]["projected"]["sources"][0]["serviceAccountToken"]
    found = until(lambda: kube.list_objects(plane.client, "v1", "Pod", field_selector="spec.nodeName=node"))
    assert [item["metadata"]["name"] for item in found] == ["tpu"]


def test_only_the_api_server_may_use_the_egress_proxy(plane: Plane) -> None:
    port = plane.directory.load_record().ports["egress-proxy"]
    context = ssl.create_default_context(cafile=str(plane.directory.certs / "ca.crt"))
    assert ask(context, port) == b""
    context.load_cert_chain(plane.directory.certs / "tls.crt", plane.directory.certs / "tls.key")
    answer = ask(context, port)
    assert answer.startswith(b"HTTP/1.1 502")
    assert answer.endswith(b"no Service has the address 8.8.8.8:443\n")


def test_etcd_takes_only_the_api_server(plane: Plane) -> None:
    record = plane.directory.load_record()
    for name in ("etcd", "etcd-peer"):
        context = ssl.create_default_context(cafile=str(plane.directory.certs / "ca.crt"))
        assert ask(context, record.ports[name], b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n") == b""


def ask(context: ssl.SSLContext, port: int, request: bytes = b"CONNECT 8.8.8.8:443 HTTP/1.1\r\n\r\n") -> bytes:
    """The answer of a server; empty where it ends the connection first."""
    try:
        with (
            socket.create_connection(("127.0.0.1", port), 30) as raw,
            context.wrap_socket(raw, server_hostname="localhost") as tls,
        ):
            tls.sendall(request)
            answer = b""
            while chunk := tls.recv(4096):
                answer += chunk
            return answer
    except (ssl.SSLError, ConnectionError):
        return b""


def test_of_one_that_was_cut_off_nothing_is_kept(binaries: dict[str, Path], directory: RehearsalDirectory) -> None:
    """Whatever ended it: its supervisor, a program of it, the engine amid its writing. Nor of one of other programs."""
    begin(directory, binaries)
    for victim in ("supervisor", "etcd", "the engine", "other programs", "a fresh start"):
        note(directory, "old")
        (directory.cloud / "old").touch()
        old = set(directory.load_record().pids.values())
        if victim == "the engine":
            directory.interrupted.touch()
        elif victim in ("supervisor", "etcd"):
            addresses = listening(directory)
            os.kill(directory.load_record().pids[victim], signal.SIGKILL)
            until(lambda: not processes.marked(directory))
            words = (
                "its supervisor was killed" if victim == "supervisor" else "etcd was ended by SIGKILL. Last lines of"
            )
            assert words in str(why_ended(directory))
            assert_nothing_runs(directory, addresses)
        controllers = ("rehearsal.kubelet",) if victim in ("other programs", "a fresh start") else ()
        assert begin(directory, binaries, controllers=controllers, fresh=victim == "a fresh start"), victim
        assert ("kubelet" in directory.load_record().pids) == bool(controllers)
        assert not old & {process.pid for process in processes.marked(directory)}
        assert kube.get(kube.connect(directory.kubeconfig), "v1", "ConfigMap", "old", "default") is None
        assert not (directory.cloud / "old").exists() and not directory.interrupted.exists()
    stop(directory)
    directory.remove()
    assert leftovers(directory) == []
    stop(directory)


def test_two_at_once_share_nothing_and_end_with_whom_they_are_attached_to(
    binaries: dict[str, Path], plane: Plane, directory: RehearsalDirectory
) -> None:
    programs = [f"{name}={path}" for name, path in binaries.items()]
    command = [sys.executable, "-c", _START, str(directory.root), *programs]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as companion:
        assert companion.stdout is not None
        assert "ready\n" in iter(companion.stdout.readline, "")
        addresses = listening(directory)
        assert addresses and not addresses & listening(plane.directory)
        note(directory, "one")
        assert kube.get(plane.client, "v1", "ConfigMap", "one", "default") is None
        companion.kill()
    until(lambda: not processes.marked(directory))
    assert_nothing_runs(directory, addresses)
    assert kube.get(plane.client, "v1", "Namespace", "default")


def test_a_program_that_ends_at_once_is_reported_with_its_last_lines(
    binaries: dict[str, Path], directory: RehearsalDirectory, tmp_path: Path
) -> None:
    broken = tmp_path / "kube-apiserver"
    broken.write_text("#!/bin/sh\necho unknown flag: --nonsense >&2\nexit 3\n")
    broken.chmod(0o755)
    with pytest.raises(ControlPlaneError) as error:
        begin(directory, {**binaries, "kube-apiserver": broken})
    words = ("kube-apiserver ended with exit code 3", "unknown flag: --nonsense", str(directory.logs))
    assert [text for text in words if text not in str(error.value)] == []
    assert_nothing_runs(directory, set())


def test_a_program_that_is_not_there_is_named_before_anything_starts(directory: RehearsalDirectory) -> None:
    with pytest.raises(ControlPlaneError, match=r"etcd: /nonexistent can't be run. `python -m rehearsal.assets`"):
        begin(directory, dict.fromkeys(BINARIES, Path("/nonexistent")))


def test_it_starts_on_a_machine_without_any_network(binaries: dict[str, Path], directory: RehearsalDirectory) -> None:
    programs = [f"{name}={path}" for name, path in binaries.items()]
    command = [sys.executable, "-c", _OFFLINE, "-c", _START, str(directory.root), *programs]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode == 77:
        pytest.skip("this machine allows no network namespace (sysctl kernel.unprivileged_userns_clone=1)")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "ready"), done.stdout + done.stderr
