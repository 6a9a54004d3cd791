"""The field report's mistakes, each as an environment file with the refusal that answers it.

A line with a mistake ends with `# -> RULE: part of the fix` (`# ~>` for a warning); no other line may be spoken of.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from catalog.rules import load_rules
from checks.environment import check
from manifests import backend, gateway, kserve, llm_inference_service, route
from settings.derive import Deployment
from settings.document import Document, read_document
from settings.load import known_keys
from tests.commands import Done, run

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ISSUES = {int(path.stem.removeprefix("issue_")): path for path in sorted(HERE.glob("issue_*.yaml"))}
WANTED = re.compile(r"# (?P<kind>[-~])> (?P<rule>\w{4}): (?P<fix>.+)$")
# What the file can't even contain: the program decides it, and the key that people look for is refused.
UNWRITABLE = {3, 4, 5, 8, 13, 14, 15}


def marked(path: Path) -> list[tuple[int, str, bool, str]]:
    """(line, rule, warning, part of the fix) of every marked line."""
    lines = enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
    found = ((number, WANTED.search(line)) for number, line in lines)
    return [(number, m["rule"], m["kind"] == "~", m["fix"]) for number, m in found if m]


def test_every_issue_that_a_file_can_prevent_has_one() -> None:
    assert set(ISSUES) == {*range(1, 10), *range(12, 16)}


@pytest.mark.parametrize("path", [*ISSUES.values(), HERE / "ten_mistakes.yaml"], ids=lambda p: p.stem)
def test_each_mistake_is_answered_on_its_line_with_the_right_fix(path: Path) -> None:
    wanted = marked(path)
    found = check(read_document(path))[1]
    assert [(f.line, f.rule, f.warning) for f in found] == [(line, rule, warns) for line, rule, warns, _ in wanted]
    for finding, (*_, fix) in zip(found, wanted, strict=True):
        assert fix in finding.fix
        assert finding.consequence and finding.source


@pytest.mark.parametrize("number", ISSUES)
def test_one_of_the_answers_names_the_issue(number: int) -> None:
    rules = {rule for _, rule, *_ in marked(ISSUES[number])}
    assert any(number in load_rules()[rule].field_issues for rule in rules)


@pytest.mark.parametrize("number", ISSUES)
def test_with_the_fix_in_its_place_the_answer_is_gone(number: int, tmp_path: Path) -> None:
    lines = ISSUES[number].read_text(encoding="utf-8").splitlines()
    mended = _without_empty(yaml.safe_load("\n".join(_right(line) for line in lines)))
    (tmp_path / "mended.yaml").write_text(yaml.safe_dump(mended), encoding="utf-8")
    rules = {rule for _, rule, *_ in marked(ISSUES[number])}
    deployment, found = check(read_document(tmp_path / "mended.yaml"))
    assert deployment is not None
    assert rules & {f.rule for f in found} == set()


def _without_empty(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_empty(inner) for key, inner in value.items() if inner is not None}
    return [_without_empty(inner) for inner in value] if isinstance(value, list) else value


def _right(line: str) -> str:
    """The line as its mark wants it: with the value the fix names, or without the key."""
    mark = WANTED.search(line)
    if mark is None:
        return line
    key = line.split(":")[0]
    name, _, value = mark["fix"].partition(": ")
    return f"{key}: {value}" if name == key.strip() and value else ""


@pytest.mark.parametrize("number", sorted(UNWRITABLE))
def test_no_key_of_the_settings_could_say_it(number: int) -> None:
    """The nearest thing to the mistake is a key that does not exist."""
    document = yaml.safe_load(ISSUES[number].read_text(encoding="utf-8"))["config"]
    keys = {key for section in document.values() for key in _keys(section)}
    every = {key for path in _paths() for key in known_keys(path)}
    assert keys - every - _flags(document), "nothing unknown in it"


def _flags(document: dict[str, Any]) -> set[str]:
    return {flag for model in document["tpu-serving:models"] for flag in model.get("serverFlags", {})}


def _keys(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value) | {key for inner in value.values() for key in _keys(inner)}
    return {key for inner in value for key in _keys(inner)} if isinstance(value, list) else set()


def _paths() -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = [()]
    for path in found:
        found += [(*path, key) for key in known_keys(path) if known_keys((*path, key))]
    return found


def rendered() -> tuple[Deployment, list[dict[str, Any]]]:
    """What becomes of the smallest file, where nothing about routes, health checks or TLS is said."""
    text = ISSUES[4].read_text(encoding="utf-8")
    data = {key.removeprefix("tpu-serving:"): value for key, value in yaml.safe_load(text)["config"].items()}
    del data["models"][0]["routeTimeouts"]
    deployment, found = check(Document("test", "test.yaml", data))
    assert deployment is not None and not found
    (model,) = deployment.models
    policies = [
        make
        for target in backend.backends(model)
        for make in (
            backend.health_check_policy(deployment.namespace, target),
            backend.backend_policy(deployment.namespace, target),
        )
    ]
    return deployment, [
        gateway.gateway(deployment.settings.gateway, deployment.namespace),
        route.http_route(deployment, model),
        llm_inference_service.llm_inference_service(deployment, model),
        kserve.inference_service_config(deployment),
        *policies,
    ]


def test_what_cannot_be_written_is_decided_rightly() -> None:
    """Field issues 4, 5, 13, 14 and 15 in the objects themselves, whatever the file says."""
    _, objects = rendered()
    by_kind = {o["kind"]: o for o in objects}
    assert "timeouts" not in json.dumps(by_kind["HTTPRoute"])
    checked = [o["spec"] for o in objects if o["kind"] == "HealthCheckPolicy"]
    assert {s["targetRef"]["kind"] for s in checked} == {"InferencePool", "Service"}
    assert {s["default"]["config"]["httpHealthCheck"]["requestPath"] for s in checked} == {"/health"}
    assert all("group" in s["targetRef"] for s in checked)
    ingress = json.loads(by_kind["ConfigMap"]["data"]["ingress"])
    assert ingress["enableLLMInferenceServiceTLS"] is False
    service = by_kind["LLMInferenceService"]["spec"]
    assert service["router"]["scheduler"]["config"]["inline"]["schedulingProfiles"]
    server = service["template"]["containers"][0]
    assert all("initialDelaySeconds" not in server[probe] for probe in ("startupProbe", "readinessProbe"))


def planned(*arguments: str) -> Done:
    return run("serving", "plan", str(HERE / "ten_mistakes.yaml"), *arguments)


def test_ten_mistakes_are_ten_refusals_of_one_run() -> None:
    wanted = marked(HERE / "ten_mistakes.yaml")
    assert len(wanted) == 10
    done = planned("--format", "json")
    assert done.code == 2
    refused = done.document["refusals"]
    assert [(r["line"], r["rule"]) for r in refused] == [(line, rule) for line, rule, *_ in wanted]


def test_ten_mistakes_are_readable_without_colour_on_eighty_columns() -> None:
    done = planned()
    assert (done.code, done.out) == (2, "")
    assert "\x1b" not in done.err
    too_wide = [line for line in done.err.splitlines() if len(line) > 80 and " " in line.strip()]
    assert [line for line in too_wide if "ten_mistakes.yaml" not in line] == []
    for line, rule, _, fix in marked(HERE / "ten_mistakes.yaml"):
        assert re.search(rf"^  {rule}  line {line}: ", done.err, flags=re.MULTILINE)
        assert fix in " ".join(done.err.split())
    assert "10 errors" in done.err
