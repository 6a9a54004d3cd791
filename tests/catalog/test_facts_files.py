"""Dated facts: prices, zones, regions, durations. Every figure says where it is from and when it was true."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from typing import Any

import pytest

from catalog.durations import seconds_of
from catalog.files import read_yaml
from catalog.lock import load_lock
from catalog.tpu import generations
from catalog.zones import listed_zones

FILES = ("prices.yaml", "zones.yaml", "regions.yaml", "durations.yaml", "field_managers.yaml")
LAST_DAY = datetime.date(2026, 12, 1)  # the files were last edited on this day; a later date is a slip
REGION = re.compile(r"[a-z]+-[a-z]+\d+")
ZONE = re.compile(rf"({REGION.pattern})-[a-z]")
AI_ZONE = re.compile(rf"({REGION.pattern})-ai\d[a-z]")
PLACEHOLDER = 700.0  # the price list writes this where it knows no price


def rows(node: Any, path: str, source: Any = None, date: Any = None) -> Iterator[tuple[str, Any, Any]]:
    """(path, source, date) of every mapping, with what it inherits from above."""
    if isinstance(node, dict):
        source, date = node.get("source", source), node.get("date", date)
        yield path, source, date
        for key, value in node.items():
            yield from rows(value, f"{path}/{key}", source, date)
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from rows(value, f"{path}[{index}]", source, date)


def zone_rows() -> Iterator[tuple[str, dict[str, Any], re.Pattern[str]]]:
    for name, facts in read_yaml("zones.yaml")["generations"].items():
        yield from ((name, row, ZONE) for row in facts["zones"])
        yield from ((name, row, AI_ZONE) for row in facts.get("aiZones", []))


def regions() -> dict[str, dict[str, Any]]:
    return dict(read_yaml("regions.yaml")["regions"])


def duration_rows() -> Iterator[tuple[str, dict[str, Any]]]:
    data = read_yaml("durations.yaml")
    for section in ("types", "charts", "modelStart"):
        yield from ((f"{section}/{key}", row) for key, row in data[section].items())


@pytest.mark.parametrize("name", FILES)
def test_every_row_has_a_source_and_a_day_that_is_not_to_come(name: str) -> None:
    for path, source, date in rows(read_yaml(name), name):
        assert isinstance(source, str) and source.strip(), path
        assert isinstance(date, datetime.date), f"{path}: {date!r} is not a day"
        assert date <= LAST_DAY, path


def test_the_price_list_is_as_old_as_its_source_shows_and_not_newer_than_its_reading() -> None:
    data = read_yaml("prices.yaml")
    stated = str(data["asOf"])
    assert re.fullmatch(r"\d{4}(-\d{2}){0,2}", stated)
    assert stated <= data["date"].isoformat()


def test_prices_are_positive_and_no_placeholder_and_spot_is_never_dearer() -> None:
    data = read_yaml("prices.yaml")
    for generation, by_region in data["tpuChipHour"].items():
        for region, rates in by_region.items():
            assert set(rates) <= {"onDemand", "spot", "flexStart", "oneYear", "threeYear"} and "onDemand" in rates, (
                generation,
                region,
            )
            assert all(0 < rate < PLACEHOLDER / 10 for rate in rates.values()), (generation, region)
            assert rates.get("spot", 0) < rates["onDemand"], (generation, region)
    for machine, by_region in data["machineHour"].items():
        assert all(0 < price < PLACEHOLDER / 10 for price in by_region.values()), machine
    assert data["gkeClusterHour"]["value"] > 0
    assert data["regionalLoadBalancerHour"]["value"] > 0


def test_a_machine_of_twice_the_size_costs_twice_as_much() -> None:
    """A row copied into the wrong region or column breaks this; the list rounds to five digits."""
    machines = read_yaml("prices.yaml")["machineHour"]
    for small, large in (("e2-standard-4", "e2-standard-8"), ("n2-standard-4", "n2-standard-8")):
        for region, price in machines[small].items():
            assert machines[large][region] == pytest.approx(2 * price, abs=2e-5), (region, large)


def test_where_a_chip_has_a_price_the_cpu_nodes_have_one() -> None:
    data = read_yaml("prices.yaml")
    priced = {region for by_region in data["tpuChipHour"].values() for region in by_region}
    for machine, by_region in data["machineHour"].items():
        assert set(by_region) == priced, machine


def test_prices_and_zones_are_of_the_generations_the_shapes_know() -> None:
    assert set(read_yaml("prices.yaml")["tpuChipHour"]) == set(generations())
    assert set(read_yaml("zones.yaml")["generations"]) == set(generations())
    assert all(listed_zones(generation) for generation in generations())


def test_every_region_with_a_price_has_a_place() -> None:
    for by_region in read_yaml("prices.yaml")["tpuChipHour"].values():
        assert set(by_region) <= set(regions())


def test_zones_look_like_zones_lie_in_known_regions_and_name_known_lists() -> None:
    lists = set(read_yaml("zones.yaml")["lists"])
    for generation, row, form in zone_rows():
        match = form.fullmatch(row["zone"])
        assert match and match[1] in regions(), (generation, row)
        assert row["listedBy"] and set(row["listedBy"]) <= lists, (generation, row)
        assert set(row) <= {"zone", "listedBy", "note"}, (generation, row)


def test_a_zone_stands_once_in_a_generation_and_ai_zones_are_not_proposed() -> None:
    for generation, facts in read_yaml("zones.yaml")["generations"].items():
        names = [row["zone"] for row in [*facts["zones"], *facts.get("aiZones", [])]]
        assert len(names) == len(set(names)), generation
        assert not any(AI_ZONE.fullmatch(zone) for zone in listed_zones(generation)), generation


def test_all_zones_of_the_field_report_are_on_the_list() -> None:
    """Field issue 2: the zones where GKE was seen to make v6e node pools."""
    listed = {row["zone"] for _, row, _ in zone_rows() if "fieldReport" in row["listedBy"]}
    assert listed == {
        "us-central1-b",
        "us-east1-d",
        "us-east5-a",
        "us-east5-b",
        "us-south1-a",
        "us-south1-b",
        "europe-west4-a",
    }


def test_a_region_has_a_place_on_earth_to_one_decimal() -> None:
    for region, place in regions().items():
        assert REGION.fullmatch(region) and place["place"], region
        assert -60 <= place["latitude"] <= 70 and -180 <= place["longitude"] <= 180, region
        assert all(round(place[axis], 1) == place[axis] for axis in ("latitude", "longitude")), region


@pytest.mark.parametrize(
    ("prefix", "latitudes", "longitudes"),
    [
        ("europe-", (35, 70), (-10, 30)),
        ("us-", (25, 50), (-125, -70)),
        ("asia-", (-10, 45), (65, 145)),
        ("australia-", (-45, -10), (110, 155)),
        ("northamerica-", (15, 60), (-130, -60)),
        ("southamerica-", (-40, 0), (-80, -35)),
        ("me-", (20, 35), (30, 55)),
        ("africa-", (-35, 35), (-20, 50)),
    ],
)
def test_a_region_lies_in_the_part_of_the_world_of_its_name(
    prefix: str, latitudes: tuple[int, int], longitudes: tuple[int, int]
) -> None:
    named = {region: place for region, place in regions().items() if region.startswith(prefix)}
    assert named
    for region, place in named.items():
        assert latitudes[0] <= place["latitude"] <= latitudes[1], region
        assert longitudes[0] <= place["longitude"] <= longitudes[1], region


def test_a_duration_is_positive_and_a_guess_says_that_it_is_one() -> None:
    for path, row in duration_rows():
        assert row["seconds"] > 0, path
        guess = bool(re.match(r"estimate|announced", row.get("source", "")))
        assert isinstance(row["verified"], bool) and row["source"], path
        assert guess is not row["verified"], f"{path}: verified is {row['verified']}, source is {row['source']!r}"


def test_every_chart_that_is_installed_has_a_duration_of_its_own() -> None:
    charts = read_yaml("durations.yaml")["charts"]
    assert set(load_lock().charts) <= set(charts)
    for chart in load_lock().charts:
        assert seconds_of("kubernetes:helm.sh/v3:Release", {"name": chart}) == charts[chart]["seconds"]


def test_types_are_pulumi_tokens() -> None:
    for token in read_yaml("durations.yaml")["types"]:
        assert token in ("kubernetes", "default") or re.fullmatch(r"[a-z]+:[\w./]+:[A-Z]\w+", token), token
