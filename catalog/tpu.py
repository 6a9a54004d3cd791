"""TPU slice shapes: generation x topology (x machine type) -> machine type, hosts, chips.

Everything about a slice that can be derived is derived here, once. Source and date: `data/tpu_shapes.yaml`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from catalog.files import read_yaml
from catalog.records import record

# What GKE calls chips in a pod, and the labels of the nodes that have them.
TPU_RESOURCE = "google.com/tpu"
ACCELERATOR_LABEL = "cloud.google.com/gke-tpu-accelerator"
TOPOLOGY_LABEL = "cloud.google.com/gke-tpu-topology"


@dataclass(frozen=True)
class Machine:
    """A TPU machine type and the topologies it can form."""

    chips: int
    single_host: tuple[str, ...]
    multi_host: tuple[str, ...]
    vcpus: int | None = None
    memory_gib: int | None = None


@dataclass(frozen=True)
class Generation:
    """A TPU generation as GKE and the compute API name it.

    `devices_per_chip`: what JAX, and so tensor parallelism, counts; they share the `hbm_gib` of the chip. `multi_host_run`:
    topologies of several hosts on which upstream has served a model. `experimental`: what the runtime's pages call it.
    `most_cubes`: of 4x4x4 chips in the largest slice; every topology of whole cubes exists, its sides in ascending order.
    """

    name: str
    accelerator_type: str
    node_label: str
    quota_family: str
    quota_family_verified: bool
    hbm_gib: int
    fp8: bool
    min_gke_version: str | None
    machines: dict[str, Machine]
    devices_per_chip: int = 1
    multi_host_run: tuple[str, ...] = ()
    experimental: bool = False
    workload_policy: bool = False
    most_cubes: int = 0
    disk_type: str = "hyperdisk-balanced"


class SliceShape(NamedTuple):
    """One slice: what a replica of a model runs on."""

    generation: str
    topology: str
    machine_type: str
    hosts: int
    chips_per_host: int

    @property
    def chips(self) -> int:
        """Chips of the whole slice."""
        return self.hosts * self.chips_per_host

    @property
    def devices(self) -> int:
        """Devices of the whole slice, over which a server spreads a model: two for each chip of a TPU7x."""
        return self.chips * generations()[self.generation].devices_per_chip

    @property
    def multi_host_run(self) -> bool:
        """False for a slice of several hosts on which upstream has not served a model."""
        return not self.multi_host or self.topology in generations()[self.generation].multi_host_run

    @property
    def multi_host(self) -> bool:
        """True where a replica spans more than one node (and so needs LeaderWorkerSet)."""
        return self.hosts > 1

    @property
    def ambiguous(self) -> bool:
        """True where another machine type forms the same topology: the nodes of both have the same TPU labels."""
        return [(s.generation, s.topology) for s in all_shapes()].count((self.generation, self.topology)) > 1


@cache
def generations() -> dict[str, Generation]:
    """All generations by the name a user writes (`v6e`, `v5e`, `v5p`, `tpu7x`)."""
    rows = read_yaml("tpu_shapes.yaml")["generations"]
    return {
        key: record(Generation, row, machines={name: record(Machine, fact) for name, fact in row["machines"].items()})
        for key, row in rows.items()
    }


def table_of() -> str:
    """The day of the table."""
    return str(read_yaml("tpu_shapes.yaml")["date"])


def chips_of(topology: str) -> int:
    """Product of a topology: `2x4` -> 8.

    Raises:
        ValueError: the text is not of the form NxN or NxNxN.
    """
    return math.prod(int(part) for part in topology.split("x"))


@cache
def all_shapes() -> tuple[SliceShape, ...]:
    """Every shape of the table, single-host first within a generation."""
    return tuple(_shapes())


def _shapes() -> Iterator[SliceShape]:
    for generation, facts in generations().items():
        for hosts_of in ("single_host", "multi_host"):
            for machine_type, machine in facts.machines.items():
                for topology in getattr(machine, hosts_of):
                    hosts = chips_of(topology) // machine.chips
                    yield SliceShape(generation, topology, machine_type, hosts, machine.chips)


@cache
def _index() -> dict[tuple[str, str, str | None], SliceShape]:
    index: dict[tuple[str, str, str | None], SliceShape] = {}
    for shape in all_shapes():
        index[(shape.generation, shape.topology, shape.machine_type)] = shape
        # Where two machines form the same topology, one host beats two: no cross-host traffic, no LeaderWorkerSet.
        index.setdefault((shape.generation, shape.topology, None), shape)
    return index


def find_shape(generation: str, topology: str, machine_type: str | None = None) -> SliceShape | None:
    """The slice of a generation and topology, or None where the table has none.

    Without `machine_type` the single-host form wins (v6e 2x4 is one ct6e-standard-8t, not two -4t).
    """
    return _index().get((generation, topology, machine_type)) or _of_cubes(generation, topology, machine_type)


def _of_cubes(generation: str, topology: str, machine_type: str | None) -> SliceShape | None:
    facts = generations().get(generation)
    if facts is None or not facts.most_cubes or not re.fullmatch(r"[1-9]\d*(x[1-9]\d*){2}", topology):
        return None
    sides = [int(side) for side in topology.split("x")]
    if sides != sorted(sides) or any(side % 4 for side in sides) or math.prod(sides) > 64 * facts.most_cubes:
        return None
    name, machine = next((name, m) for name, m in facts.machines.items() if m.multi_host)
    if machine_type not in (None, name):
        return None
    return SliceShape(generation, topology, name, math.prod(sides) // machine.chips, machine.chips)


def shapes_of(generation: str | None, topology: str) -> list[SliceShape]:
    """Every slice of a generation and topology: one for each machine type that forms it."""
    listed = [shape for shape in all_shapes() if (shape.generation, shape.topology) == (generation, topology)]
    found = find_shape(generation, topology) if generation and not listed else None
    return [found] if found else listed


def topologies(generation: str) -> tuple[str, ...]:
    """The topologies of a generation in table order, without repeats; empty for an unknown generation."""
    return tuple(dict.fromkeys(shape.topology for shape in all_shapes() if shape.generation == generation))
