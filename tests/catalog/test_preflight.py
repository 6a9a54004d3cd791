"""What preflight expects: every figure has a dated source, every generation and purchase a quota, every permission a role."""

from __future__ import annotations

import re
from typing import get_args

import pytest

from catalog.files import read_yaml
from catalog.preflight import expectations, permissions_for, quota_metric, quotas_of
from catalog.tpu import generations
from serving.preflight.registry import checks
from settings.capacity import Capacity

PURCHASES = get_args(Capacity.model_fields["purchase"].annotation)


def test_every_check_has_its_expectation_and_no_expectation_is_idle() -> None:
    assert {check.name for check in checks()} == set(expectations())


@pytest.mark.parametrize("name", expectations())
def test_an_expectation_has_dated_sources(name: str) -> None:
    expectation = expectations()[name]
    assert expectation.sources
    for source in expectation.sources:
        assert re.fullmatch(r"2026-\d\d-\d\d", source.date or source.read), source


@pytest.mark.parametrize("generation", generations())
@pytest.mark.parametrize("purchase", PURCHASES)
def test_every_purchase_of_every_generation_names_its_quotas(generation: str, purchase: str) -> None:
    ids = quotas_of(generation, purchase)
    assert len({item.id for item in ids}) == len(ids)
    assert bool(ids) is (purchase != "reservation")
    for item in ids:
        assert item.dimensions("r")["region"] == "r"
        # Only the quota of all families tells them apart by a dimension.
        assert bool(item.family) is ("PER-TPU-FAMILY" in item.id)
        assert item.id.startswith("PREEMPTIBLE-") is (
            purchase == "spot" or (purchase == "flexStart" and item is ids[0])
        )


def test_the_quota_of_v6e_is_the_one_that_google_documents() -> None:
    [quota] = quotas_of("v6e", "onDemand")
    assert quota.dimensions("europe-west4") == {"region": "europe-west4", "tpu_family": "CT6E"}
    assert quota_metric("CT6E", "onDemand") == f"compute.googleapis.com/{quota.id}"


def test_a_permission_has_the_form_of_one_and_a_predefined_role() -> None:
    reasons = tuple(read_yaml("preflight.yaml")["permissions"])
    found = permissions_for(reasons)
    assert len(found) > 20
    for permission, role in found.items():
        assert re.fullmatch(r"[a-z]+\.[a-zA-Z]+\.[a-zA-Z]+", permission)
        assert re.fullmatch(r"roles/[a-zA-Z]+\.[a-zA-Z]+(\.v1)?", role)
