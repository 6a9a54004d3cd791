"""Judgements about Gateways: class, proxy-only subnet, certificate, host name (GW01, GW02, GW05, GW06, GW13)."""

from __future__ import annotations

import difflib
from collections.abc import Collection

from catalog.gke import GatewayClass
from checks.shared.problem import Problem, one_of

# Google "Proxy-only subnets": /26 at least, /23 recommended.
_LONGEST_PROXY_PREFIX = 26


def class_problem(name: str) -> Problem | None:
    """GW01: only two classes take an InferencePool; a near miss is answered with the one it resembles."""
    known = [c.value for c in GatewayClass]
    if name in known:
        return None
    near = difflib.get_close_matches(name, known, n=1)
    internal, external = known
    fix = f"Write gatewayClassName: {near[0] if near else internal} ({internal}: internal, {external}: external)."
    return Problem(f"The class {name} does not support InferencePool.", fix)


def proxy_range_problem(cidr: str) -> Problem | None:
    """GW02: the range of a proxy-only subnet is /26 or larger. A range that is none is CL04's business."""
    prefix = cidr.rpartition("/")[2]
    if not prefix.isdecimal() or int(prefix) <= _LONGEST_PROXY_PREFIX:
        return None
    return Problem("The range is too small.", "Use /26 or larger, best /23.")


def certificate_problem(given: Collection[str], choices: Collection[str]) -> Problem | None:
    """GW05: a listener's certificate has exactly one source."""
    return one_of("A listener's certificate has one source.", given, choices)


def host_problem(name: str) -> Problem | None:
    """GW13: a host name is no address. As RFC 1123 has it, the last part of a name is not a number."""
    if not name.rpartition(".")[2].isdecimal() and ":" not in name:
        return None
    return Problem(
        f"{name} is an address; a host name is one of DNS.",
        "Write the name that clients use, or remove it: without one a Gateway answers by its address.",
    )
