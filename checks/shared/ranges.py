"""Address ranges: one that is free."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection


def free_range(prefix: int, taken: Collection[ipaddress.IPv4Network]) -> ipaddress.IPv4Network | None:
    """The first private range of that size that overlaps none of those in use; None where there is none."""
    size = 1 << (32 - prefix)
    for block in (ipaddress.IPv4Network("10.0.0.0/8"), ipaddress.IPv4Network("172.16.0.0/12")):
        at_address, end = int(block.network_address), int(block.broadcast_address) + 1
        while at_address + size <= end:
            candidate = ipaddress.IPv4Network((at_address, prefix))
            hit = next((other for other in taken if other.overlaps(candidate)), None)
            if hit is None:
                return candidate
            # Behind what is in the way, at the next boundary of this size.
            behind = int(hit.broadcast_address) + 1
            at_address = max(at_address + size, (behind + size - 1) // size * size)
    return None
