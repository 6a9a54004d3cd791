"""The lock holds together, names nothing that moves, and image references are read as container tools read them."""

from __future__ import annotations

import pytest

from catalog.epp_plugins import load_epp_plugins
from catalog.lock import ImageReference, is_moving_tag, load_lock, parse_image
from catalog.vllm_flags import load_flags

DIGEST = "sha256:" + "a1" * 32


def test_nothing_in_the_lock_moves() -> None:
    """Rule SC01 for ourselves."""
    lock = load_lock()
    assert [key for key, image in lock.images.items() if is_moving_tag(image.tag)] == []
    assert [key for key, chart in lock.charts.items() if is_moving_tag(chart.version)] == []


def test_every_reference_of_the_lock_can_be_parsed_back_into_its_parts() -> None:
    for image in load_lock().images.values():
        assert parse_image(image.reference()) == ImageReference(image.repository, image.tag, image.digest)
        assert "." in image.repository.partition("/")[0], "a registry is always named"


def test_the_locked_versions_are_a_listed_combination() -> None:
    """Rule SC02 for ourselves."""
    lock = load_lock()
    combination = lock.combination_for(lock.versions())
    assert combination is not None
    assert set(lock.versions()) == set(combination.components)


def test_tables_exist_for_the_locked_server_and_picker() -> None:
    lock = load_lock()
    assert load_flags(lock.images["vllm-tpu"].tag).wheel.version == lock.images["vllm-tpu"].tag.removeprefix("v")
    assert load_epp_plugins(lock.images["epp"].tag)["plugins"]


def test_images_of_a_chart_carry_the_version_of_that_chart() -> None:
    """An upgrade that changes the chart and forgets an image would mix two releases."""
    lock = load_lock()
    pairs = [(key, i.tag, lock.charts[i.used_by].version) for key, i in lock.images.items() if i.used_by in lock.charts]
    assert len(pairs) >= 7
    assert [pair for pair in pairs if pair[1] != pair[2]] == []


def test_a_version_that_is_not_listed_is_named() -> None:
    combination = load_lock().combinations[0]
    assert combination.misfits({"kserve": "v0.19.0", "lws": "v0.8.0"}) == ("kserve",)
    assert combination.misfits({"istio": "1.27.1"}) == ("istio",)
    assert load_lock().combination_for({"kserve": "v0.19.0"}) is None


def test_versions_match_with_and_without_v() -> None:
    assert load_lock().combinations[0].misfits({"lws": "0.8.0"}) == ()


@pytest.mark.parametrize(
    "tag",
    [
        "", " ", "latest", "LATEST", "main", "master", "nightly", "edge", "stable", "v0.15-latest", "0.27.0-latest",
        "cuda-nightly", "latest-gpu", "main-tpu", "v1", "3", "release_latest",
    ],
)  # fmt: skip
def test_a_tag_that_may_name_another_image_tomorrow_is_moving(tag: str) -> None:
    assert is_moving_tag(tag)


@pytest.mark.parametrize(
    "tag",
    [
        "v0.27.0", "3.13.12-slim-bookworm", "vllm-v0.19.1", "nightly-20260820-1a2b3c4-5d6e7f8", "main-1a2b3c4d", "3.10",
        "v0.27.0rc1", "20260820", "1a2b3c4", "sha-1a2b3c4d5e", "v0.4", "latestfix-1.2.3",
    ],
)  # fmt: skip
def test_a_tag_with_a_version_a_date_or_a_commit_is_not_moving(tag: str) -> None:
    assert not is_moving_tag(tag)


@pytest.mark.parametrize(
    ("ref", "expected"),
    [
        ("python", ("python", None, None)),
        ("python:3.13", ("python", "3.13", None)),
        ("vllm/vllm-tpu:v0.27.0", ("vllm/vllm-tpu", "v0.27.0", None)),
        ("localhost:5000/a", ("localhost:5000/a", None, None)),
        ("localhost:5000/a:1", ("localhost:5000/a", "1", None)),
        (f"registry.example.com:443/a/b@{DIGEST}", ("registry.example.com:443/a/b", None, DIGEST)),
        (f"ghcr.io/a/b_c/d-e:v1@{DIGEST}", ("ghcr.io/a/b_c/d-e", "v1", DIGEST)),
        (
            "europe-west4-docker.pkg.dev/my-project/models/vllm-tpu:v0.27.0",
            ("europe-west4-docker.pkg.dev/my-project/models/vllm-tpu", "v0.27.0", None),
        ),
        ("[::1]:5000/a:1", ("[::1]:5000/a", "1", None)),
    ],
)
def test_an_image_reference_is_taken_apart(ref: str, expected: tuple[str, str | None, str | None]) -> None:
    assert parse_image(ref) == ImageReference(*expected)


@pytest.mark.parametrize(
    ("ref", "says"),
    [
        ("", "repository name"),
        ("a b", "repository name"),
        ("Vllm/Vllm-TPU:v1", "lower case"),
        ("a:", "not a tag"),
        ("a:b c", "not a tag"),
        ("a@sha256:abc", "64 hexadecimal"),
        ("a@md5:" + "a" * 32, "sha256"),
        ("https://ghcr.io/a/b:1", "repository name"),
        ("ghcr.io/", "repository name"),
        ("ghcr.io//a", "repository name"),
    ],
)
def test_what_is_no_image_reference_is_refused_with_the_wrong_part(ref: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_image(ref)
