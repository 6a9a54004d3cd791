"""Addresses and ports are unique while they are in use, and can be used again."""

from __future__ import annotations

import contextlib
import socket

import pytest

from rehearsal.kubelet.addresses import Addresses
from rehearsal.kubelet.ports import PortMap


def test_addresses_are_unique_and_come_back_last() -> None:
    addresses = Addresses("127.65.0.0/28")
    claimed = [addresses.claim() for _ in range(5)]
    assert claimed == [f"127.65.0.{n}" for n in range(10, 15)]
    with pytest.raises(RuntimeError, match="no free address"):
        addresses.claim()
    addresses.release("127.65.0.12")
    assert addresses.claim() == "127.65.0.12"


def test_an_address_is_reserved_once_and_only_in_its_network() -> None:
    addresses = Addresses("127.65.0.0/16")
    assert addresses.reserve("127.65.0.10")
    assert not addresses.reserve("127.65.0.10")
    assert not addresses.reserve("10.0.0.1")
    assert not addresses.reserve("")
    assert addresses.claim() == "127.65.0.11"


def test_a_port_map_is_stable_and_its_ports_are_free() -> None:
    ports = PortMap("127.65.0.10")
    real = ports.real(9443)
    assert ports.real(9443) == real
    assert ports.as_annotation() == {"9443": f"127.0.0.1:{real}"}
    assert ports.address(9443) == ("127.0.0.1", real)
    assert ports.address(9443, "127.65.0.10") == ("127.0.0.1", real)
    assert ports.address(9443, "127.0.0.9") == ("127.0.0.9", 9443)
    assert ports.address(8000) == ("127.65.0.10", 8000)
    with contextlib.closing(socket.socket()) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # the servers do so
        listener.bind(("0.0.0.0", real))  # noqa: S104 - and so
    ports.release()
    assert ports.as_annotation() == {}
