"""The loopback networks of a rehearsal, one for Services and one for pods: nobody else's while its supervisor runs."""

from __future__ import annotations

import random
import socket

_NETWORKS = 31
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


def claim_network() -> tuple[int, socket.socket]:
    """A pair of networks that no other rehearsal of this machine has; it is free again once the socket is closed.

    Raises:
        AddressError: every one is taken.
    """
    for network in random.sample(range(_NETWORKS), _NETWORKS):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((f"127.{64 + 2 * network}.255.254", _CLAIM_PORT))
            listener.listen(1)
        except OSError:
            listener.close()
        else:
            return network, listener
    raise AddressError(
        f"all {_NETWORKS} networks (127.64.0.0 to 127.125.255.255) are in use, or this machine's loopback interface has "
        "only 127.0.0.1. End a rehearsal; on macOS add an address alias for each address."
    )
