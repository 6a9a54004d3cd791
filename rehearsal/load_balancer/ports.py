"""Ports on 127.0.0.1 that play those of Gateways."""

from __future__ import annotations

import ipaddress
import socket

from rehearsal.gke.gateway.world import Key
from rehearsal.ports import Claim, claim


class Ports:
    """The ports of Gateways, claimed for the life of this process."""

    def __init__(self) -> None:
        self._claims: dict[tuple[Key, int], Claim] = {}
        self._own: dict[tuple[str, int], bool] = {}

    def of_gateway(self, gateway: Key, port: int) -> int:
        """The port that plays a Gateway's."""
        if (gateway, port) not in self._claims:
            self._claims[gateway, port] = claim()
        return self._claims[gateway, port].port

    def may_listen(self, address: str, port: int) -> bool:
        """Whether a program of this user may listen on a Gateway's own address, which has to be one of loopback.

        Asked once: afterwards Envoy itself has it. Ports below net.ipv4.ip_unprivileged_port_start are root's.
        """
        if (address, port) not in self._own:
            self._own[address, port] = ipaddress.ip_address(address).is_loopback and _is_free(address, port)
        return self._own[address, port]

    def release(self) -> None:
        """Give them back."""
        for item in self._claims.values():
            item.release()


def _is_free(address: str, port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a connection that just ended is no obstacle
        try:
            tried.bind((address, port))
        except OSError:
            return False
    return True
