"""Address ranges: what no subnet can have, names of a subnet's ranges, and one that is free (CL04, CL12)."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection

from catalog.gke import facts

SAME_NAME = "Pods and Services have the same range name; the names of a subnet's ranges differ."


def range_problem(cidr: str) -> str | None:
    """CL04: not an IPv4 range, or one that Google keeps for itself."""
    try:
        range_ = ipaddress.IPv4Network(cidr)
    except ValueError as error:
        return f"Not an address range: {error}."
    never = prohibited(range_)
    return f"No subnet has addresses of {never}." if never else None


def prohibited(range_: ipaddress.IPv4Network) -> str | None:
    """The range that no subnet may touch, where this one does: reserved, or Google's health checks come from there."""
    never = (*facts()["prohibitedRanges"], *facts()["healthCheckRanges"])
    return next((taken for taken in never if range_.overlaps(ipaddress.IPv4Network(taken))), None)


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
