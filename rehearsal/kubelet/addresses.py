"""A loopback address for each pod."""

from __future__ import annotations

import ipaddress

# The first addresses stay free, as they do where a node has its own range.
_FIRST = 10


class Addresses:
    """Addresses of one network; the lowest that was not used lately is next, so that a released one rests a while."""

    def __init__(self, cidr: str) -> None:
        self._network = ipaddress.IPv4Network(cidr)
        self._taken: set[str] = set()
        self._next = _FIRST

    def reserve(self, address: str) -> bool:
        """Take a certain address; False where it is taken or not of this network."""
        if not address or ipaddress.IPv4Address(address) not in self._network or address in self._taken:
            return False
        self._taken.add(address)
        return True

    def claim(self) -> str:
        """A free address. Raises RuntimeError where none is left."""
        size = self._network.num_addresses - _FIRST - 1
        for _ in range(size):
            address = str(self._network[self._next])
            self._next = _FIRST + (self._next - _FIRST + 1) % size
            if self.reserve(address):
                return address
        raise RuntimeError(f"no free address is left in {self._network}")

    def release(self, address: str) -> None:
        """Give an address back."""
        self._taken.discard(address)
