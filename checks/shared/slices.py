"""Judgements about TPU slices: machines, topologies, labels, purchase (TP01, TP02, TP03, TP09, TP12)."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from functools import cache

from catalog.gke import LONGEST_RUN_HOURS
from catalog.tpu import TPU_RESOURCE, SliceShape, all_shapes, chips_of, find_shape, generations, shapes_of
from checks.shared.problem import Problem

OWNED_LABELS = "cloud.google.com/gke-tpu-"
FLEX_START_SECONDS = LONGEST_RUN_HOURS * 3600
_TPU_MACHINE = re.compile(r"ct\d\w*-|tpu\d\w*-")


@cache
def machines() -> dict[str, tuple[SliceShape, ...]]:
    """Every TPU machine type of the table, with the slices it forms."""
    found: dict[str, tuple[SliceShape, ...]] = {}
    for shape in all_shapes():
        found[shape.machine_type] = (*found.get(shape.machine_type, ()), shape)
    return found


def is_tpu_machine(machine_type: str) -> bool:
    """True for TPU machine types, also such as the table does not know."""
    return machine_type in machines() or _TPU_MACHINE.match(machine_type) is not None


def generation_of_label(label: str) -> str | None:
    """The generation whose nodes carry this value of the accelerator label."""
    return next((key for key, fact in generations().items() if fact.node_label == label), None)


def machine_problem(machine_type: str) -> Problem | None:
    """TP01: the machine type is one of the table."""
    if machine_type in machines():
        return None
    near = difflib.get_close_matches(machine_type, machines(), n=1, cutoff=0.3)
    known = ", ".join(machines())
    fix = f"Write machineType: {near[0]} (known: {known})." if near else f"Known: {known}."
    return Problem(f"There is no TPU machine type {machine_type}.", fix)


def topology_problem(machine_type: str, topology: str) -> Problem | None:
    """TP01: the machine forms the topology."""
    if find_machine_shape(machine_type, topology) is not None:
        return None
    forms = [shape.topology for shape in machines().get(machine_type, ())]
    near = near_topologies(topology, forms)
    fix = f"Write tpuTopology: {near[-1]}." if near else f"{machine_type} forms: {', '.join(forms)}."
    return Problem(f"{machine_type} forms no {topology}.", fix)


def near_topologies(topology: str, known: Iterable[str]) -> list[str]:
    """`2x2x1` on a two-dimensional generation means `2x2`, `2x2` on a three-dimensional one `2x2x1`."""
    return [t for t in known if topology.startswith(f"{t}x") or t.startswith(f"{topology}x")]


def find_machine_shape(machine_type: str, topology: str) -> SliceShape | None:
    """The slice of a machine type and topology."""
    forms = machines().get(machine_type)
    return find_shape(forms[0].generation, topology, machine_type) if forms else None


def label_problem(label: str) -> Problem | None:
    """TP12: the value of the node label, not the name the compute API uses (field issue 2)."""
    if generation_of_label(label) is not None:
        return None
    for fact in generations().values():
        if label == fact.accelerator_type:
            return Problem(
                f"{label} is the compute API's name; no node has it as a label.", f"Write {fact.node_label}."
            )
    labels = [fact.node_label for fact in generations().values()]
    near = difflib.get_close_matches(label, labels, n=1)
    fix = f"Write {near[0]}." if near else f"Known: {', '.join(labels)}."
    return Problem(f"No TPU node has the label {label}.", fix)


def accelerator_problem(name: str) -> Problem | None:
    """TP12: an accelerator of the compute API, not the value of the node label."""
    for fact in generations().values():
        if name == fact.node_label and name != fact.accelerator_type:
            return Problem(
                f"{name} is a node label, no accelerator of the compute API.", f"Write {fact.accelerator_type}."
            )
    return None


def chips_problem(label: str, topology: str, asked: int) -> Problem | None:
    """TP03: a pod asks for all chips of its node. None also where label or topology are unknown (TP01, TP12)."""
    generation = generation_of_label(label)
    shapes = shapes_of(generation, topology)
    chips = sorted({shape.chips_per_host for shape in shapes}, reverse=True)
    if not chips or asked in chips:
        return None
    # Where one host can hold the whole slice, that is the machine meant.
    wanted = next((count for count in chips if count == chips_of(topology)), chips[0])
    said = f"The pod asks for {asked} of the {' or '.join(map(str, chips))} chips of its node."
    return Problem(said, f'Write {TPU_RESOURCE}: "{wanted}" in requests and limits.')
