"""`serving verify` as a person calls it: what it looks at, exit codes, streams, formats."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cluster.target import Target
from serving.commands.verify import verify
from settings.text import parse_duration
from tests.serving.calling import caller, outputs_file, wrong_call
from tests.serving.verify import deployed
from tests.serving.verify.conftest import Scene
from tests.serving.verify.deployed import find, refuse

call = caller(verify)


@pytest.fixture
def cloud(scene: Scene) -> list[str]:
    """Options for a scene on the cloud."""
    target = scene.target()
    path = outputs_file(scene.folder, target.outputs)
    return ["--outputs", str(path), "--kubeconfig", str(target.kubeconfig), "--timeout", "20s"]


def test_it_says_where_it_looked_and_the_last_line_is_the_verdict(cloud: list[str]) -> None:
    done = call("prod", *cloud)
    assert done.exit_code == 0, done.output
    lines = done.stdout.strip().splitlines()
    assert lines[0] == f"prod: cloud: cluster c, project p, by the outputs in {cloud[1]}"
    assert lines[-1] == "serves; 1 of 26 checks could not ask"


def test_a_failure_is_told_with_words_cause_rules_and_runbook(scene: Scene, cloud: list[str]) -> None:
    refuse(find(scene.objects, "HTTPRoute"), "Accepted", "Invalid", "Error GWCER104: [Timeouts] are not supported.")
    done = call("prod", *cloud)
    assert done.exit_code == 1
    said = done.stdout
    for part in (
        "fail routes: HTTPRoute llm-serving/qwen2-5-3b-route",
        "        Found:   Accepted=False (Invalid): Error GWCER104: [Timeouts] are",
        "RT01",
        "  Runbook: docs/runbook/verify.md#route-not-accepted",
    ):
        assert part in said
    assert said.strip().splitlines()[-1].startswith("does not serve: routes: route-not-accepted: ")


def test_json_is_one_document_and_says_the_same(scene: Scene, cloud: list[str]) -> None:
    refuse(find(scene.objects, "HTTPRoute"), "Accepted", "Invalid", "GWCER104")
    done = call("prod", *cloud, "--format", "json", "--quick")
    assert done.exit_code == 1
    data = json.loads(done.stdout)
    assert (data["environment"], data["status"]) == ("prod", "fail")
    [routes] = [item for item in data["checks"] if item["check"] == "routes"]
    assert routes["verdict"] == "fail"
    assert routes["results"][0]["rules"] == ["RT01", "RT02", "RT04"]
    assert routes["results"][0]["runbook"] == "docs/runbook/verify.md#route-not-accepted"


def test_what_many_checks_meet_is_told_once(scene: Scene, cloud: list[str]) -> None:
    outputs = json.loads(Path(cloud[1]).read_text())
    outputs["models"][0]["url"] = "http://"
    Path(cloud[1]).write_text(json.dumps(outputs))
    done = call("prod", *cloud)
    assert done.exit_code == 1
    assert done.stdout.count("#no-address") == 1
    assert "fail certificate, model-list, chat, completion, stream" in done.stdout


WRONG: list[tuple[list[str], str]] = [
    (["prod", "--wait", "soon"], "not a duration"),
    (["prod", "--timeout", "0"], "--timeout must be more than 0"),
]


@pytest.mark.parametrize(("arguments", "words"), WRONG)
def test_a_time_that_is_none_ends_with_2_and_says_why(arguments: list[str], words: str) -> None:
    assert words in wrong_call(call, *arguments)


OPTIONS: list[tuple[list[str], str]] = [
    (["--url", "10.0.0.1"], "give scheme and host"),
    (["--url", "ftp://x"], "give scheme and host"),
    (["--token-file", "nowhere"], "can't be read as a token"),
    (["--ca-file", "nowhere"], "is not a file"),
]


@pytest.mark.parametrize(("arguments", "words"), OPTIONS)
def test_a_wrong_option_ends_with_2_before_anything_is_asked(
    cloud: list[str], arguments: list[str], words: str
) -> None:
    assert words in wrong_call(call, "prod", *cloud, *arguments)


def test_files_that_are_not_what_they_should_be(cloud: list[str], tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.write_text(" \n")
    for option in ("--token-file", "--ca-file"):
        assert f"{empty} " in wrong_call(call, "prod", *cloud, option, str(empty))


OUTPUTS: list[tuple[Any, str]] = [
    ({}, "no stack outputs"),
    ([], "no stack outputs"),
    ({"contractVersion": "2.0"}, "this program reads"),
    ({"contractVersion": "1.0"}, "not the outputs of tpu-serving"),
]


@pytest.mark.parametrize(("data", "words"), OUTPUTS)
def test_outputs_of_something_else_are_refused(tmp_path: Path, data: Any, words: str) -> None:
    path = tmp_path / "outputs.json"
    path.write_text(json.dumps(data))
    assert words in wrong_call(call, "prod", "--outputs", str(path))


def test_outputs_of_another_environment_are_refused(cloud: list[str]) -> None:
    assert "holds the outputs of prod, dev was asked" in wrong_call(call, "dev", *cloud)


def test_an_url_of_the_caller_replaces_scheme_and_host_and_keeps_the_path() -> None:
    target = Target("test", deployed.outputs(deployed.deployment(), "http://10.0.0.9"))
    [model] = target.outputs.models
    assert target.model_url(model.url) == "http://10.0.0.9/llm-serving/qwen2-5-3b"
    tunnel = target.with_options(kubeconfig=None, url="https://localhost:8443/", token=None, ca_file=None)
    assert tunnel.model_url(model.url) == "https://localhost:8443/llm-serving/qwen2-5-3b"


@pytest.mark.parametrize(("text", "seconds"), [("0", 0), ("90", 90), ("90s", 90), ("40m", 2400), ("1h30m", 5400)])
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "-5", "5d", "1m1h", "nan", "inf"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(text)
