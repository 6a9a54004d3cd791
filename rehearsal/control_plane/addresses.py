"""Ports and networks of a rehearsal: all on loopback, chosen once, used again after a restart."""

from __future__ import annotations

import errno
import socket
import zlib

from rehearsal.control_plane import processes, reservations
from rehearsal.directory import Record, RehearsalDirectory
from rehearsal.ports import Claim, claim

PORTS = (
    "etcd",
    "etcd-peer",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "egress-proxy",
)
NETWORKS = 31
_CLAIM_PORT = 40000


class AddressError(Exception):
    """No network is free; the message says why and what to do."""


def service_cidr(network: int) -> str:
    """Where the addresses of Services are."""
    return f"127.{64 + 2 * network}.0.0/16"


def pod_cidr(network: int) -> str:
    """Where the addresses of pods are."""
    return f"127.{65 + 2 * network}.0.0/16"


def first_service_address(network: int) -> str:
    """The address of the Service `kubernetes`."""
    return f"127.{64 + 2 * network}.0.1"


def claim_network(directory: RehearsalDirectory, record: Record) -> tuple[int, socket.socket]:
    """Take a pair of networks that no other rehearsal has, and the socket that shows it is taken.

    The recorded one is taken again. A new directory starts at a place that depends on its path and leaves out what other
    directories have reserved, whether they run or not; where all are reserved it takes what was not used for longest.

    Raises:
        AddressError: the recorded one, or every one, is taken.
    """
    if record.network is not None:
        claimed = _claim(record.network)
        if claimed is None:
            holder = processes.holder_of((f"127.{64 + 2 * record.network}.255.254", _CLAIM_PORT)) or "another user"
            raise AddressError(
                f"the network {service_cidr(record.network)} of this rehearsal is in use by another one ({holder}). "
                f"End that one, or remove {directory.root} and start again."
            )
        reservations.reserve(record.network, directory)
        return record.network, claimed
    start = zlib.crc32(str(directory.root).encode())
    order = [(start + step) % NETWORKS for step in range(NETWORKS)]
    for network in sorted(order, key=lambda item: reservations.last_use(item, directory)):
        claimed = _claim(network)
        if claimed is not None:
            reservations.reserve(network, directory)
            return network, claimed
    raise AddressError(
        f"all {NETWORKS} networks (127.64.0.0 to 127.125.255.255) are in use, or this machine's loopback interface has "
        "only 127.0.0.1. End a rehearsal; on macOS add an address alias for each address."
    )


def _claim(network: int) -> socket.socket | None:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((f"127.{64 + 2 * network}.255.254", _CLAIM_PORT))
        listener.listen(1)
    except OSError as error:
        listener.close()
        if error.errno in (errno.EADDRINUSE, errno.EADDRNOTAVAIL):
            return None
        raise
    return listener


def claim_ports(recorded: dict[str, int]) -> dict[str, Claim]:
    """A port for each of `PORTS`, claimed for the life of this process; the recorded ones where they are still free.

    Raises:
        PortError: none is free.
    """
    return {name: claim(recorded.get(name)) for name in PORTS}
