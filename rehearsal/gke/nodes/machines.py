"""How large a machine type is, and what of it pods may have. Data: `machines.yaml` and the catalogue's TPU shapes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from catalog.tpu import generations

TPU = "google.com/tpu"


@dataclass(frozen=True)
class Machine:
    """A machine type. `chips` is 0 and `generation` "" where it has no TPU."""

    type: str
    vcpus: int
    memory_gib: float
    chips: int = 0
    generation: str = ""


@cache
def _data() -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("machines.yaml").read_text(encoding="utf-8"))
    return data


def machine(machine_type: str) -> Machine:
    """The machine of a type like `e2-standard-4` or `ct6e-standard-4t`.

    Raises:
        ValueError: the type's size can't be told.
    """
    for name, generation in generations().items():
        if machine_type in generation.machines:
            facts, known = generation.machines[machine_type], _data()["tpu"].get(machine_type, {})
            vcpus, memory = facts.vcpus or known.get("vcpus"), facts.memory_gib or known.get("memoryGib")
            if vcpus is None or memory is None:
                raise ValueError(f"the size of the machine type {machine_type} is not known")
            return Machine(machine_type, vcpus, memory, facts.chips, name)
    if machine_type in _data()["shared"]:
        known = _data()["shared"][machine_type]
        return Machine(machine_type, known["vcpus"], known["memoryGib"])
    family, _, rest = machine_type.partition("-")
    kind, _, count = rest.partition("-")
    ratios = _data()["n1MemoryPerVcpu" if family == "n1" else "memoryPerVcpu"]
    if not count.isdecimal() or kind not in ratios:
        raise ValueError(f"the size of the machine type {machine_type} is not known")
    return Machine(machine_type, int(count), int(count) * ratios[kind])


def capacity(facts: Machine, disk_gib: int, max_pods: int) -> tuple[dict[str, str], dict[str, str]]:
    """A node's capacity and what of it pods may have."""
    reserved = _data()["reserved"]
    memory_kib = int(facts.memory_gib * 1024 * 1024)
    kept_kib = round(_kept(facts.memory_gib, reserved["memoryGib"]) * 1024 * 1024) + reserved["evictionMib"] * 1024
    kept_millis = round(_kept(facts.vcpus, reserved["vcpus"]) * 1000)
    rest = {"pods": str(max_pods), "ephemeral-storage": f"{disk_gib}Gi"}
    if facts.chips:
        rest[TPU] = str(facts.chips)
    total = {"cpu": str(facts.vcpus), "memory": f"{memory_kib}Ki", **rest}
    return total, {"cpu": f"{facts.vcpus * 1000 - kept_millis}m", "memory": f"{memory_kib - kept_kib}Ki", **rest}


def _kept(amount: float, steps: list[list[float]]) -> float:
    kept = 0.0
    for width, share in steps:
        part = min(amount, width)
        kept, amount = kept + part * share, amount - part
    return kept
