"""What holds for every input, not for examples: the whole shape table, generated ranges, the real flag tables."""

from __future__ import annotations

import ipaddress
import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.lock import load_lock, runtime_version
from catalog.tpu import SliceShape, all_shapes, chips_of, generations
from catalog.vllm_flags import Flag, load_flags, load_tpu_limits
from checks.environment import check
from manifests.llm_inference_service import llm_inference_service
from settings.derive import Deployment
from settings.document import Document
from settings.refusal import Finding, refusals
from tests.checks.cases import Case, put, steps

SHAPES = list(all_shapes())
OVERRIDES = [{"rule": rule, "reason": "a generated environment", "until": "2099-01-01"} for rule in ("TP10", "TP13")]


def checked(changes: dict[str, Any]) -> tuple[Deployment, list[Finding]]:
    deployment, findings = check(Document("test", "test.yaml", Case("", 0, changes).data()))
    assert deployment is not None
    return deployment, findings


def model(shape: SliceShape, replicas: int, name: str) -> dict[str, Any]:
    tpu = {"generation": shape.generation, "topology": shape.topology, "machineType": shape.machine_type}
    return {"name": name, "source": "s3://models/any", "tpu": tpu, "replicas": replicas}


models = st.lists(st.tuples(st.sampled_from(SHAPES), st.integers(1, 9)), min_size=1, max_size=4)


@given(chosen=models, spare=st.none() | st.integers(0, 3))
def test_whatever_slice_is_accepted_fits_together(chosen: list[tuple[SliceShape, int]], spare: int | None) -> None:
    listed = [model(shape, replicas, f"m{index}") for index, (shape, replicas) in enumerate(chosen)]
    ranges = {"nodesCidr": "10.16.0.0/16", "podsCidr": "10.64.0.0/10"}  # thousands of nodes (CL11)
    changes: dict[str, Any] = {"models": listed, "overrides": OVERRIDES, "network": ranges}
    if spare is not None:
        changes["capacity.spareSlices"] = spare
    deployment, findings = checked(changes)
    assert {f.rule for f in refusals(findings)} <= {"TP11"}
    if refusals(findings):
        return
    for served, (shape, replicas) in zip(deployment.models, chosen, strict=True):
        assert served.shape == shape
        assert shape.hosts * shape.chips_per_host == chips_of(shape.topology) == shape.chips
        assert served.chips == replicas * shape.chips
        pod = llm_inference_service(deployment, served)["spec"]["template"]
        asked = pod["containers"][0]["resources"]
        assert asked["limits"]["google.com/tpu"] == asked["requests"]["google.com/tpu"] == str(shape.chips_per_host)
        assert pod["nodeSelector"]["cloud.google.com/gke-tpu-accelerator"] == generations()[shape.generation].node_label
    for shape in {shape for shape, _ in chosen}:
        own = [m for m in deployment.models if m.shape == shape]
        room = sum(pool.max_nodes for pool in deployment.pools if pool.shape == shape)
        running = sum(m.settings.replicas * shape.hosts for m in own)
        assert room >= running
        # During an update one model at a time needs its surge: unless a replica may be missing, there is room for it.
        stuck = max((m.surge_slices for m in own if m.settings.replicas < 4), default=0)
        assert room >= running + stuck * shape.hosts


SIDES = st.one_of(st.integers(1, 16), st.sampled_from([4, 8, 12, 16]))


@given(generation=st.sampled_from(sorted(generations())), size=st.lists(SIDES, min_size=1, max_size=3))
def test_a_topology_is_accepted_exactly_if_the_table_has_it_or_it_is_of_whole_cubes(
    generation: str, size: list[int]
) -> None:
    topology = "x".join(map(str, size)) if len(size) > 1 else f"{size[0]}x1"
    cubes = len(size) == 3 and size == sorted(size) and not any(side % 4 for side in size)
    known = any(s.generation == generation and s.topology == topology for s in SHAPES)
    known |= cubes and generation in ("v5p", "tpu7x")
    changes = {"models[0].tpu": {"generation": generation, "topology": topology}, "overrides": OVERRIDES}
    findings = checked({**changes, "models[0].source": "s3://models/any"})[1]
    assert ("TP01" in {f.rule for f in findings}) == (not known)


@st.composite
def networks(draw: st.DrawFn) -> ipaddress.IPv4Network:
    prefix = draw(st.integers(12, 28))  # a range of Services is no smaller
    # Few bits, so that ranges often meet.
    return ipaddress.IPv4Network((10 << 24 | draw(st.integers(0, 63)) << 14, prefix), strict=False)


RANGES = ("network.nodesCidr", "network.podsCidr", "network.servicesCidr", "network.proxyOnlySubnet.cidr")


@given(drawn=st.tuples(*(networks() for _ in RANGES)))
def test_ranges_are_refused_exactly_if_two_of_them_overlap(drawn: tuple[ipaddress.IPv4Network, ...]) -> None:
    changes = {path: str(network) for path, network in zip(RANGES, drawn, strict=True)}
    found = [f for f in checked(changes)[1] if f.rule == "CL04"]
    overlapping = [(a, b) for a, b in itertools.combinations(drawn, 2) if a.overlaps(b)]
    assert bool(found) == bool(overlapping)
    for finding in found:
        # What is proposed is free.
        proposed = finding.fix.removeprefix("Write ").rstrip(".").partition(": ")[2]
        if proposed:
            assert not any(ipaddress.IPv4Network(proposed).overlaps(other) for other in drawn)


@given(address=st.ip_addresses(v=4), prefix=st.integers(0, 40))
def test_a_range_is_refused_exactly_if_it_is_none(address: ipaddress.IPv4Address, prefix: int) -> None:
    cidr = f"{address}/{prefix}"
    try:
        valid = bool(ipaddress.IPv4Network(cidr))
    except ValueError:
        valid = False
    changes = {"cluster.controlPlane.authorizedNetworks": [{"name": "any", "cidr": cidr}]}
    refused = {"CL04", "ST02"} & {f.rule for f in checked(changes)[1]}
    assert bool(refused) == (not valid)


TABLE = load_flags(load_lock().images["vllm-tpu"].tag)
_EXAMPLES = {"int": 1, "float": 0.5, "str": "x", "list": "x", "json": "{}", "bool": True}


def example(flag: Flag) -> Any:
    """A value that the parser takes."""
    if flag.choices:
        return flag.choices[0]
    if flag.kind in ("int", "float") or flag.items in ("int", "float"):
        low = max((bound for name, bound in flag.bounds.items() if name in ("gt", "ge")), default=0.0)
        high = min((bound for name, bound in flag.bounds.items() if name in ("lt", "le")), default=low + 2)
        middle = (low + high) / 2
        return middle if "float" in (flag.kind, flag.items) else max(1, round(middle))
    return _EXAMPLES[flag.kind]


def rules_of(name: str, value: Any, generation: str = "v6e") -> set[str]:
    data = Case("", 0, {"models[0].serverFlags": {}}).data()
    put(data, [*steps("models[0].serverFlags"), name], value)
    put(data, [*steps("models[0].tpu.generation")], generation)
    return {f.rule for f in check(Document("test", "test.yaml", data))[1]}


def test_every_flag_of_the_locked_table_is_known() -> None:
    limited = {limit.flag for limit in load_tpu_limits().limits}
    for flag in TABLE.flags:
        found = rules_of(flag.name.lstrip("-"), example(flag))
        assert "VL05" not in found, flag.name
        assert flag.name in limited or found & {"VL01", "VL02", "VL03", "VL04"} == set(), flag.name


def test_a_misspelt_flag_is_refused_and_answered_with_a_known_one() -> None:
    tried = 0
    for flag in (flag for flag in TABLE.flags if len(flag.name) > 9):
        name = flag.name.lstrip("-")
        wrong = name[:-3] + name[-2] + name[-3] + name[-1]
        if wrong == name or TABLE.lookup(f"--{wrong}"):
            continue
        data = Case("", 0, {"models[0].serverFlags": {wrong: example(flag)}}).data()
        (found,) = [f for f in check(Document("test", "test.yaml", data))[1] if f.rule == "VL01"]
        named = found.fix.removeprefix("Write ").split(",")[0].lstrip("-")
        assert TABLE.lookup(f"--{named}") is not None, wrong
        tried += 1
    assert tried > 250


def test_every_flag_from_elsewhere_is_refused() -> None:
    taken = [f.flag for f in load_tpu_limits().foreign if not rules_of(f.flag.lstrip("-"), 1) & {"VL01", "VL03"}]
    assert taken == []


@pytest.mark.parametrize("generation", sorted(generations()))
def test_what_a_generation_lacks_is_said_of_that_generation_only(generation: str) -> None:
    limits = load_tpu_limits().limits
    for limit in limits:
        value: Any = limit.values[0].replace("*", "") if limit.values else "x"
        flag = TABLE.lookup(limit.flag)
        assert flag is not None
        if flag.kind == "json":
            value = json.dumps({"kv_connector": value})
        elif not limit.values:
            value = example(flag)
        found = rules_of(limit.flag.lstrip("-"), value, generation)
        expected = {"VL01", "VL02"} if limit.level == "refuse" else {"VL04", "VL07"}
        others = [other for other in limits if other.flag == limit.flag]
        if limit.applies(str(value), generation, runtime_version()):
            assert found & expected, limit
        elif not any(other.applies(str(value), generation, runtime_version()) for other in others):
            assert found & {"VL01", "VL02", "VL04", "VL07"} == set(), limit
