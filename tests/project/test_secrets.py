"""A planted token is found nowhere in clear: not in refusals, plans, comparisons, reviews or what a pipeline writes."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from checks.environment import require
from serving.refusals import describe
from settings.document import ROOT, Document, read_document
from settings.refusal import RefusedError, explain
from settings.secrets import holds_secret
from tests.commands import OFFLINE, run
from tests.graph.planning import planned

TOKEN = "hf_" + "PlantedTokenThatNobodyMaySee0123456"
Path_ = tuple[str | int, ...]


def places(value: Any, path: Path_ = ()) -> Iterator[Path_]:
    """The path of every text of a document."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from places(inner, (*path, index))
    elif isinstance(value, str):
        yield path


def planted(document: Document, path: Path_, value: str) -> Document:
    data = copy.deepcopy(document.data)
    inner: Any = data
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return Document(document.name, document.origin, data, document.lines, document.secrets)


@pytest.mark.parametrize(
    ("name", "value"),
    [("examples/external-tls.yaml", TOKEN), ("examples/gated-model.yaml", f"https://user:{TOKEN}@example.com/model")],
)
def test_a_token_in_any_text_of_the_settings_is_refused_and_not_repeated(name: str, value: str) -> None:
    document = read_document(ROOT / name)
    for path in places(document.data):
        with pytest.raises(RefusedError) as refused:
            require(planted(document, path, value))
        shown = [str(refused.value), *describe(map(explain, refused.value.findings))]
        shown.append(json.dumps([finding.as_json() for finding in refused.value.findings], default=str))
        assert not any(TOKEN in text for text in shown), path


@pytest.fixture(scope="module")
def with_token(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Path of a file with the token in a flag, in an override and as a key that does not exist."""
    text = (ROOT / "Pulumi.dev.yaml").read_text(encoding="utf-8")
    text += f"      hfToken: {TOKEN}\n"
    text += f"  tpu-serving:overrides: [{{rule: TP13, reason: the token is {TOKEN}, until: 2027-01-31}}]\n"
    path = tmp_path_factory.mktemp("planted") / "Pulumi.dev.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("format_", ["text", "json", "markdown"])
def test_no_command_repeats_a_token_of_its_file(with_token: str, format_: str) -> None:
    for arguments in ((with_token,), ("dev", "--against", with_token)):
        shown = run("serving", "plan", *arguments, "--format", format_).text
        assert "SC03" in shown and TOKEN not in shown


def test_a_token_in_outputs_is_not_repeated(tmp_path: Path) -> None:
    outputs = json.loads(json.dumps(planned("Pulumi.dev.yaml").graph.recording.outputs))
    path = tmp_path / "outputs.json"
    path.write_text(json.dumps({**outputs, "token": TOKEN, "gateway": {**outputs["gateway"], "key": TOKEN}}))
    for command in (("plan", "dev", "--against", str(path)), ("verify", "dev", "--quick", "--outputs", str(path))):
        assert TOKEN not in run("serving", *command).text


SECRETS_OF_A_PERSON = dict.fromkeys(
    ("HF_TOKEN", "GITHUB_TOKEN", "PULUMI_ACCESS_TOKEN", "PULUMI_CONFIG_PASSPHRASE", "GOOGLE_OAUTH_ACCESS_TOKEN"), TOKEN
)


@pytest.mark.parametrize(
    "command",
    [
        ("serving", "plan", "dev", "--format", "json"),
        ("serving", "plan", "dev", "--format", "yaml"),
        ("serving", "review"),
        ("serving", "versions", "--format", "json"),
        ("tools.ci.cloud", "deploy", "dev", "--dry-run"),
        ("tools.ci.state", "bucket", "dev", "--bucket", "example", "--dry-run"),
    ],
)
def test_a_token_in_the_callers_variables_is_written_nowhere(command: tuple[str, ...]) -> None:
    assert TOKEN not in run(*command, variables={**SECRETS_OF_A_PERSON, **OFFLINE}).text


def test_the_committed_files_hold_no_token() -> None:
    for path in (*ROOT.glob("Pulumi.*.yaml"), *(ROOT / "examples").rglob("*.yaml")):
        assert not holds_secret(yaml.safe_dump(yaml.safe_load(path.read_text(encoding="utf-8")))), path
