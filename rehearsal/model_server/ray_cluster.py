"""Ray as far as a multi-host start needs it: a head that hosts join by a connection, and asking how many there are.

One text line each way: `join NAME` stays connected as long as the host is there; `nodes` is answered with the names.
"""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path

from rehearsal.directory import MARK, RehearsalDirectory

_SECONDS = 5.0


def current_cluster() -> Path:
    """The file that names the head of this host's cluster (the real one is /tmp/ray/ray_current_cluster)."""
    return Path(tempfile.gettempdir()) / "ray" / "ray_current_cluster"


def nodes_here() -> int:
    """Hosts in the cluster that this host belongs to; 1 where there is none, as Ray then starts one of its own."""
    try:
        host, _, port = current_cluster().read_text(encoding="utf-8").rpartition(":")
        return len(nodes_of(host, int(port)))
    except (OSError, ValueError):
        return 1


def nodes_of(host: str, port: int) -> list[str]:
    """Names of the hosts that have joined a head, itself first. Raises OSError where there is none."""
    with socket.create_connection((host, port), _SECONDS) as connection:
        connection.sendall(b"nodes\n")
        with connection.makefile("rb") as answer:
            return answer.readline().decode().split()


def join(host: str, port: int) -> socket.socket:
    """Join a head; the connection is the membership. Raises OSError where there is none."""
    connection = socket.create_connection((resolve(host), port), _SECONDS)
    connection.sendall(f"join {socket.gethostname()}-{os.getpid()}\n".encode())
    if connection.recv(16) != b"ok\n":
        connection.close()
        raise ConnectionError(f"{host}:{port} is no head of the rehearsal")
    connection.settimeout(None)
    return connection


def resolve(host: str) -> str:
    """Address of a host. `POD.SERVICE.NAMESPACE` is looked up as the cluster's DNS would: the pod's own address.

    Raises OSError where it has none.
    """
    try:
        return str(socket.gethostbyname(host))
    except OSError:
        directory = os.environ.get(MARK)
        labels = host.split(".")
        if not directory or len(labels) < 3:
            raise
    import cluster as kube  # heavy, and only here needed

    pod = kube.get(kube.connect(RehearsalDirectory(Path(directory)).kubeconfig), "v1", "Pod", labels[0], labels[2])
    address = (pod or {}).get("status", {}).get("podIP")
    if not address:
        raise OSError(f"{host}: no pod {labels[0]} with an address in namespace {labels[2]}")
    return str(address)
