"""`ray start` and `ray status` of the image, as far as the scripts of a multi-host slice call them."""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence

from rehearsal.model_server import ray_cluster
from rehearsal.model_server.options import POD_IP_VARIABLE

_PORT = 6379


def main(arguments: Sequence[str]) -> int:
    """Exit code: 1 where the head is not there, or has gone while blocked; 2 for arguments that are not offered."""
    parser = argparse.ArgumentParser(prog="ray")
    commands = parser.add_subparsers(required=True, dest="command")
    start = commands.add_parser("start")
    role = start.add_mutually_exclusive_group(required=True)
    role.add_argument("--head", action="store_true")
    role.add_argument("--address")
    start.add_argument("--port", type=int, default=_PORT)
    start.add_argument("--block", action="store_true")
    status = commands.add_parser("status")
    status.add_argument("--address", default=None)
    values = parser.parse_args(arguments)
    try:
        if values.command == "status":
            return _status(values.address)
        if values.head == values.block:
            start.error("offered here are `--head` without `--block`, and `--address` with it")
        return _head(values.port) if values.head else _worker(values.address)
    except OSError as problem:
        print(f"ray: can't connect to the cluster: {problem}", file=sys.stderr)
        return 1


def _head(port: int) -> int:
    host = os.environ.get(POD_IP_VARIABLE) or "127.0.0.1"
    command = [sys.executable, "-m", "rehearsal.model_server.ray_head", host, str(port)]
    # In the same process group, so that it ends with the container.
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    if process.stdout.readline() != "ready\n":
        return process.wait() or 1
    file = ray_cluster.current_cluster()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{host}:{port}", encoding="utf-8")
    print(f"Ray runtime started. Local node IP: {host}", flush=True)
    return 0


def _worker(address: str) -> int:
    host, port = _split(address)
    with ray_cluster.join(host, port) as connection:
        print(f"Ray runtime started, joined {address}.", flush=True)
        connection.recv(1)
    print(f"ray: the head {address} is gone", file=sys.stderr, flush=True)
    return 1


def _status(address: str | None) -> int:
    host, port = _split(address or ray_cluster.current_cluster().read_text(encoding="utf-8"))
    lines = [f" 1 node_{hashlib.sha256(name.encode()).hexdigest()[:56]}" for name in ray_cluster.nodes_of(host, port)]
    line = "-" * 63
    print("\n".join(["Node status", line, "Active:", *lines, "Pending:", " (no pending nodes)"]))
    return 0


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise OSError(f"{address!r} is not host:port")
    return host, int(port)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
