"""The loopback networks of a rehearsal, one for Services and one for pods: nobody else's while its supervisor runs."""

from __future__ import annotations

import random
import socket
from dataclasses import dataclass

_NETWORKS = 31
_CLAIM_PORT = 40000


class AddressError(Exception):
    """No network is free; the message says why and what to do."""


@dataclass(frozen=True)
class Network:
    """`claim` holds it; `first_service_address` is that of the Service `kubernetes`."""

    service_cidr: str
    pod_cidr: str
    first_service_address: str
    claim: socket.socket


def claim_network() -> Network:
    """A network that no other rehearsal of this machine has.

    Raises:
        AddressError: every one is taken.
    """
    for number in random.sample(range(_NETWORKS), _NETWORKS):
        services, pods = f"127.{64 + 2 * number}", f"127.{65 + 2 * number}"
        claim = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        claim.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            claim.bind((f"{services}.255.254", _CLAIM_PORT))
            claim.listen(1)
        except OSError:
            claim.close()
        else:
            return Network(f"{services}.0.0/16", f"{pods}.0.0/16", f"{services}.0.1", claim)
    raise AddressError(
        f"all {_NETWORKS} networks (127.64.0.0 to 127.125.255.255) are in use, or this machine's loopback interface has "
        "only 127.0.0.1. End a rehearsal; on macOS add an address alias for each address."
    )
