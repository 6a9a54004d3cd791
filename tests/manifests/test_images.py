"""Nothing that is rendered moves by itself: every image is fixed, whatever object or chart value names it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from catalog.lock import is_moving_tag, load_lock, parse_image
from manifests import charts, kserve, llm_inference_service, readiness
from tests.manifests.test_manifests import DEPLOYMENTS, every_model

CHART_VALUES = {
    "cert-manager": charts.cert_manager_values(),
    "lws": charts.lws_values(),
    "kserve resources": kserve.resources_values(DEPLOYMENTS["Pulumi.dev.yaml"]),
    "kserve presets": kserve.presets_values(),
}


def images(value: Any) -> Iterator[str]:
    """Image references in an object: one text, or repository and tag side by side."""
    if isinstance(value, dict):
        if "repository" in value and "tag" in value:
            yield f"{value['repository']}:{value['tag']}"
        for key, inner in value.items():
            if key == "image" and isinstance(inner, str):
                yield f"{inner}:{value['tag']}" if "tag" in value else inner
            else:
                yield from images(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from images(inner)


def moving(found: list[str]) -> list[str]:
    """Those that may be another image tomorrow. No tag at all is such a one, unless there is a digest."""
    parsed = [(text, parse_image(text)) for text in found]
    return [text for text, image in parsed if is_moving_tag(image.tag or "") and not image.digest]


@every_model
def test_a_service_names_fixed_images_for_server_and_picker(deployment: Any, model: Any) -> None:
    found = list(images(llm_inference_service.llm_inference_service(deployment, model)))
    assert found
    assert moving(found) == []
    assert set(found) <= {i.reference() for i in load_lock().images.values()}


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_the_gates_image_is_fixed(name: str) -> None:
    found = list(images(readiness.gateway_job(DEPLOYMENTS[name])))
    assert found == [load_lock().images["readiness"].reference()]
    assert moving(found) == []


@pytest.mark.parametrize("name", CHART_VALUES)
def test_charts_are_told_no_moving_image(name: str) -> None:
    assert moving(list(images(CHART_VALUES[name]))) == []


@pytest.mark.parametrize("reference", ["vllm/vllm-tpu", "vllm/vllm-tpu:latest", "host:5000/a/b:nightly"])
def test_a_moving_image_would_be_noticed(reference: str) -> None:
    assert moving(list(images({"spec": [{"image": reference}]}))) == [reference]


def test_charts_come_at_exact_versions() -> None:
    for chart in load_lock().charts.values():
        assert chart.version.lstrip("v").count(".") == 2
        assert not set(chart.version) & set("*^~><x ")
