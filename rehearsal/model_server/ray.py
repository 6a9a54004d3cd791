"""Ray as far as a multi-host start needs it: the `ray start` and `ray status` of the scripts of a slice.

The head listens where the real one does. A host's connection is its membership: it sends its name and stays. Asked
`nodes`, the head answers with the names.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from rehearsal.directory import MARK, RehearsalDirectory
from rehearsal.model_server.options import POD_IP_VARIABLE

_PORT = 6379
_SECONDS = 5.0
_members = ["head"]


def main(arguments: Sequence[str]) -> int:
    """Exit code: 1 where the head is not there, or has gone while blocked; 2 for arguments that are not emulated."""
    try:
        match arguments:
            case ["start", "--head", port] if port == f"--port={_PORT}":
                return _start_head()
            case ["start", address, "--block"] if address.startswith("--address="):
                return _work(address.removeprefix("--address="))
            case ["status"]:
                lines = [f" 1 node_{name.encode().hex()}" for name in nodes()]
                print("\n".join(["Node status", "-" * 63, "Active:", *lines, "Pending:", " (no pending nodes)"]))
                return 0
    except OSError as problem:
        print(f"ray: can't connect to the cluster: {problem}", file=sys.stderr)
        return 1
    print(f"not emulated: ray {' '.join(arguments)}", file=sys.stderr)
    return 2


def nodes() -> list[str]:
    """Names of the hosts that have joined this pod's head, itself first. Raises OSError where there is no head."""
    with socket.create_connection((_own_address(), _PORT), _SECONDS) as connection:
        connection.sendall(b"nodes\n")
        with connection.makefile("rb") as answer:
            return answer.readline().decode().split()


def _own_address() -> str:
    return os.environ.get(POD_IP_VARIABLE) or "127.0.0.1"


def _start_head() -> int:
    listener = socket.create_server((_own_address(), _PORT))
    if os.fork() == 0:  # in the same process group, so that it ends with the container
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=_answer, args=(connection,), daemon=True).start()
    print(f"Ray runtime started. Local node IP: {_own_address()}", flush=True)
    return 0


def _answer(connection: socket.socket) -> None:
    """A question, or a membership that lasts as long as the connection."""
    with connection, connection.makefile("rwb", buffering=0) as stream:
        word = stream.readline().decode().strip()
        if word == "nodes":
            stream.write(f"{' '.join(_members)}\n".encode())
            return
        _members.append(word)
        try:
            stream.write(b"+")
            stream.read()
        finally:
            _members.remove(word)


def _work(address: str) -> int:
    host, _, port = address.rpartition(":")
    with socket.create_connection((_resolved(host), int(port)), _SECONDS) as connection:
        connection.sendall(f"{socket.gethostname()}-{os.getpid()}\n".encode())
        connection.recv(1)
        connection.settimeout(None)
        print(f"Ray runtime started, joined {address}.", flush=True)
        connection.recv(1)
    print(f"ray: the head {address} is gone", file=sys.stderr, flush=True)
    return 1


def _resolved(host: str) -> str:
    """There is no cluster DNS: `POD.SERVICE.NAMESPACE` is looked up at the API server. OSError where it has no address."""
    labels = host.split(".")
    if len(labels) != 3:
        return host
    import cluster as kube  # heavy, and needed only here

    client = kube.connect(RehearsalDirectory(Path(os.environ[MARK])).kubeconfig)
    pod = kube.get(client, "v1", "Pod", labels[0], labels[2]) or {}
    address = pod.get("status", {}).get("podIP")
    if not address:
        raise OSError(f"{host}: no pod {labels[0]} with an address in namespace {labels[2]}")
    return str(address)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
