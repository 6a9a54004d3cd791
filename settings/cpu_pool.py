"""Room for controllers, endpoint pickers and Jobs on the CPU pool: how many nodes a deployment's pods need, and why."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from catalog.gke import facts
from settings.text import count

# GKE "Plan GKE Standard node sizes" (read 2026-11-30): reserved shares of each core, and of each part of memory in GiB.
RESERVED_CPU = ((1, 0.06), (1, 0.01), (2, 0.005), (math.inf, 0.0025))
RESERVED_MEMORY = ((4, 0.25), (4, 0.20), (8, 0.10), (112, 0.06), (math.inf, 0.02))
_EVICTION_GIB = 0.1
# GiB of memory to a vCPU by kind of machine (Google "General-purpose machine family"); other series differ a little.
_GIB_PER_CPU = {"standard": 4.0, "highmem": 8.0, "highcpu": 1.0}
_MACHINE = re.compile(r"[a-z]\d[a-z]?-(standard|highmem|highcpu)-(\d+)")
_CUSTOM = re.compile(r"(?:[a-z]\d[a-z]?-)?custom-(\d+)-(\d+)(?:-ext)?")
# Shared-core machines: GKE leaves pods 0.94 of their CPUs, as of one core.
_SHARED = {"e2-micro": (1, 1.0), "e2-small": (1, 2.0), "e2-medium": (1, 4.0)}
_LEAST = 3  # a node in each zone


@dataclass(frozen=True)
class Room:
    """What the pods ask for in all, and what a node has for them; CPUs and GiB of memory. `fillings`: Jobs that fill a bucket."""

    pickers: int
    fillings: int
    cpu: float
    memory_gib: float
    node_cpu: float
    node_memory_gib: float

    @property
    def text(self) -> str:
        """What asks for it, in words."""
        fillings = f", {count(self.fillings, 'filling Job')}" if self.fillings else ""
        return f"{count(self.pickers, 'endpoint picker')}{fillings}"

    @property
    def nodes(self) -> int:
        """Nodes that hold all of it; no pod is divided between two. A filling counts as a picker, which asks for more."""
        requests = facts()["cpuPoolRequests"]["picker"]
        each = min(int(self.node_cpu / requests["cpu"]), int(self.node_memory_gib / requests["memoryGib"]))
        whole = math.ceil((self.pickers + self.fillings) / each) if each else math.inf
        needed = max(self.cpu / self.node_cpu, self.memory_gib / self.node_memory_gib, whole)
        return 1000 if needed == math.inf else max(math.ceil(needed), 1)


def room(machine_type: str, pickers: int, *, fillings: int = 0, keda: bool = False) -> Room | None:
    """The room for controllers, endpoint pickers and filling Jobs on nodes of a type; None where its size is not known."""
    size = _size(machine_type)
    if size is None:
        return None
    cores, memory = size
    requests = facts()["cpuPoolRequests"]
    daemons, picker, filling = requests["daemonsOfANode"], requests["picker"], requests["filling"]
    parts = [requests["shared"], *([requests["keda"]] if keda else [])]
    shared = {key: sum(part[key] for part in parts) for key in ("cpu", "memoryGib")}
    return Room(
        pickers,
        fillings,
        shared["cpu"] + pickers * picker["cpu"] + fillings * filling["cpu"],
        shared["memoryGib"] + pickers * picker["memoryGib"] + fillings * filling["memoryGib"],
        left_of(cores, RESERVED_CPU) - daemons["cpu"],
        left_of(memory, RESERVED_MEMORY) - _EVICTION_GIB - daemons["memoryGib"],
    )


def _size(machine_type: str) -> tuple[int, float] | None:
    """CPUs and GiB of memory of a machine type, None where they are not known."""
    if found := _CUSTOM.fullmatch(machine_type):
        return int(found.group(1)), int(found.group(2)) / 1024
    if found := _MACHINE.fullmatch(machine_type):
        return int(found.group(2)), int(found.group(2)) * _GIB_PER_CPU[found.group(1)]
    return _SHARED.get(machine_type)


def most_nodes(needed: Room | None) -> int:
    """The pool's maximum where none is written: what the pods need and one more for upgrades, three at least."""
    return max(_LEAST, needed.nodes + 1) if needed is not None else _LEAST


def left_of(amount: float, steps: tuple[tuple[float, float], ...]) -> float:
    """What a node has left of its CPUs or GiB of memory beside the reserved shares."""
    left = amount
    for size, share in steps:
        part = min(amount, size)
        left -= part * share
        amount -= part
    return left
