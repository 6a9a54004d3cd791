"""What holds for all limits, ranges, versions and commands."""

from __future__ import annotations

import ipaddress
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.zones import by_distance
from checks.shared.ranges import free_range
from serving.checking.gcloud import gcloud
from serving.google.quotas import Limit, limit_for
from serving.preflight.checks.ranges import IPv4, UsedRange, overlapping
from tests.serving.google import discovery

REGIONS = st.sampled_from(["europe-west4", "us-east5", "us-central1"])
FAMILIES = st.sampled_from(["CT6E", "ct6e", "CT5P"])
DIMENSIONS = st.fixed_dictionaries({}, optional={"region": REGIONS, "tpu_family": FAMILIES})
LIMITS = st.lists(st.builds(Limit, DIMENSIONS, st.integers(-1, 1000)), max_size=8)
RANGES = st.builds(
    lambda number, prefix: IPv4((number, prefix), strict=False), st.integers(0, 2**32 - 1), st.integers(8, 30)
)
PRIVATE = st.builds(
    lambda number, prefix: IPv4((0x0A000000 + number, prefix), strict=False),
    st.integers(0, 2**24 - 1),
    st.integers(9, 30),
)


@given(LIMITS, REGIONS, FAMILIES)
def test_a_limit_is_one_of_the_entries_that_fit_and_none_is_more_specific(
    limits: list[Limit], region: str, family: str
) -> None:
    wanted = {"region": region, "tpu_family": family}
    fitting = [item for item in limits if all(wanted[k].lower() == v.lower() for k, v in item.dimensions.items())]
    found = limit_for(limits, wanted)
    if not fitting:
        assert found is None
    else:
        most = max(len(item.dimensions) for item in fitting)
        assert found in {item.value for item in fitting if len(item.dimensions) == most}


@given(LIMITS, REGIONS, FAMILIES, st.integers(-1, 1000))
def test_an_entry_of_its_own_is_what_counts_whatever_the_others_say(
    limits: list[Limit], region: str, family: str, value: int
) -> None:
    wanted = {"region": region, "tpu_family": family}
    others = [item for item in limits if len(item.dimensions) < 2]
    assert limit_for([*others, Limit(wanted, value)], wanted) == value


@pytest.mark.parametrize(
    ("locations", "found"), [(("us-east5",), None), (("europe-west4",), 7), (("global",), 7), ((), 7)]
)
def test_an_entry_without_a_region_counts_only_where_it_applies(locations: tuple[str, ...], found: int | None) -> None:
    assert limit_for([Limit({}, 7, locations)], {"region": "europe-west4"}) == found


@given(RANGES, st.lists(RANGES, max_size=10))
def test_overlaps_are_those_that_share_an_address(wanted: IPv4, others: list[IPv4]) -> None:
    shared = [other for other in others if max(int(other[0]), int(wanted[0])) <= min(int(other[-1]), int(wanted[-1]))]
    assert [item.range for item in overlapping(wanted, [UsedRange(other, "it") for other in others])] == shared


@given(st.integers(12, 28), st.lists(PRIVATE, max_size=12))
def test_a_free_range_is_private_of_the_size_and_beside_all_others(prefix: int, taken: list[IPv4]) -> None:
    found = free_range(prefix, taken)
    if found is None:
        # Nothing of 172.16.0.0/12 is taken, so there is always room.
        pytest.fail("no range")
    assert found.prefixlen == prefix
    assert found.is_private
    assert not any(found.overlaps(other) for other in taken)


def test_where_everything_is_taken_no_range_is_proposed() -> None:
    assert free_range(24, [ipaddress.IPv4Network("0.0.0.0/0")]) is None


WORDS = st.lists(st.from_regex(r"--?[a-z]{1,12}=[a-z0-9:/,-]{1,40}", fullmatch=True), min_size=1, max_size=12)


@given(WORDS)
def test_a_command_can_be_pasted_and_fits_the_terminal(words: list[str]) -> None:
    sentence, command = gcloud(*words).split("\n", 1)
    assert sentence == "Run:"
    assert shlex.split(command.replace("\\\n", "")) == ["gcloud", *words]
    assert max(map(len, command.split("\n"))) <= 83


ZONES = ["us-east5-a", "europe-west4-b", "asia-northeast1-b", "nowhere-land1-a"]


@given(st.permutations(ZONES))
def test_zones_are_sorted_by_distance_whatever_their_order(zones: list[str]) -> None:
    assert by_distance("europe-west4-a", zones) == [
        "europe-west4-b",
        "us-east5-a",
        "asia-northeast1-b",
        "nowhere-land1-a",
    ]


# The emulator holds requests and answers to Google's own documents.


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ({"name": "z", "stats": "UP"}, "zone: no field stats"),
        ({"status": "RUNNING"}, "zone.status: 'RUNNING' is none of ['DOWN', 'UP']"),
        ({"name": 1}, "zone.name: 1 is no string"),
        ({"deprecated": {"states": "ACTIVE"}}, "zone.deprecated: no field states"),
        ({"availableCpuPlatforms": "x"}, "zone.availableCpuPlatforms: 'x' is no list"),
        ({"id": "one"}, "zone.id: 'one' is no number in a string"),
        ([], "zone: [] is no object"),
    ],
)
def test_an_answer_that_the_documents_do_not_know_is_found(answer: object, problem: str) -> None:
    assert list(discovery.api("compute").wrong_value({"$ref": "Zone"}, answer, "zone")) == [problem]


def test_a_query_that_the_documents_do_not_know_is_found() -> None:
    api = discovery.api("compute")
    found = api.find("GET", "projects/p/global/networks/n/listPeeringRoutes")
    assert found is not None
    method, values = found
    assert (method.name, values) == ("networks.listPeeringRoutes", {"project": "p", "network": "n"})
    wrong = {"direction": ["UP"], "regions": ["r"], "filter": ["a", "b"], "alt": ["json"]}
    assert sorted(api.wrong_query(method, wrong)) == [
        "networks.listPeeringRoutes: direction=UP",
        "networks.listPeeringRoutes: filter is given 2 times",
        "networks.listPeeringRoutes: no parameter regions",
    ]
    assert api.find("GET", "projects/p/zone/z") is None
