"""Whatever a file holds: findings with a line, never another exception, and never a secret in them."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checks.environment import check
from settings.document import ROOT, find_environment, read_document
from settings.refusal import Finding, RefusedError, explain, render_path
from settings.secrets import hidden, holds_secret, looks_random
from settings.yaml_file import parse
from tests.everything import examples

GOOD = """\
config:
  tpu-serving:project: {id: example-project}
  tpu-serving:location: {zone: europe-west4-a}
  tpu-serving:models:
    - name: first
      source: hf://Qwen/Qwen2.5-3B-Instruct
      tpu: {generation: v6e, topology: 2x2}
      servedNames: [first]
"""
FILES = [path.read_text() for path in sorted([*ROOT.glob("Pulumi.*.yaml"), *(ROOT / "examples").glob("*.yaml")])]


def findings_of(folder: Path, text: str) -> list[Finding]:
    path = folder / "Pulumi.test.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    try:
        return check(read_document(path))[1]
    except RefusedError as refused:
        return refused.findings


def shown(findings: list[Finding]) -> str:
    """Everything that any output could print of them."""
    return str(RefusedError(findings, "x")) + json.dumps([explain(f).as_json() for f in findings], default=str)


@pytest.mark.parametrize(
    ("line", "rule", "place", "said"),
    [
        ("holidays: {2027-01-01: new year}", "ST01", 9, "timestamp"),
        ("holidays: {1: x}", "ST01", 9, "whole number"),
        ("holidays: {? [a] : x}", "ST01", 9, "list or a mapping"),
        ("cluster: {privateNodes: !!bool abc}", "ST02", 9, "not a valid true or false"),
        ("cluster: {privateNodes: !!int ''}", "ST02", 9, "not a valid whole number"),
        ("cluster: {privateNodes: 0x" + "f" * 4300 + "}", "ST02", 9, "not a valid whole number"),
        ("cluster: {privateNodes: !!binary aGVsbG8=}", "ST02", 9, "not supported"),
        ("cluster: {privateNodes: !!python/none x}", "ST02", 9, "not supported"),
        ('cluster: {version: "a\\x1b[2Jb"}', "ST02", 9, "U+001B"),
        ('cluster: {"ver\\u202esion": x}', "ST01", 9, "U+202E"),
    ],
)
def test_a_value_that_yaml_allows_and_settings_do_not_is_refused_at_its_line(
    tmp_path: Path, line: str, rule: str, place: int, said: str
) -> None:
    found = [(f.rule, f.line) for f in findings_of(tmp_path, f"{GOOD}  tpu-serving:{line}\n") if said in f.message]
    assert found == [(rule, place)]


@pytest.mark.parametrize(
    "text",
    [
        "x: " + "[" * 30_000,
        "x: " + "{a: " * 30_000,
        "".join(
            f"x{i}: &x{i} {{<<: [{','.join([f'*x{i - 1}'] * 10)}]}}\n" if i else "x0: &x0 {a: 1}\n" for i in range(9)
        ),
        "x: [" + "a," * 100_001 + "]",
    ],
    ids=["lists", "mappings", "merges", "values"],
)
def test_limits_hold_for_the_whole_file_before_anything_is_composed(text: str) -> None:
    with pytest.raises(RefusedError, match=r"deeper|more than"):
        parse(f"{text}\n{GOOD}", "x")


_FRAGMENTS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        [
            "!!bool x", "!!int ''", "!!float z", "!!binary '='", "!!set {a}", "!!omap [a: 1]", "!!timestamp x",
            "2027-01-01", "9999-99-99", "0001-01-01T99:99:99Z", "*first", "&a [*a]", "<<: *x", "? ", "- ", ": ", "{", "}",
            "[", "]", "|", ">", "%YAML 9.9", "---", "...", "\t", "\x1b[2J", "\\x00", '"\\e"', ".inf", ".nan", "1e999",
            "0x" + "f" * 200, "null", "~", "\u202e", "{secure: x}", "=", "`", "@",
        ]
    ),
)  # fmt: skip


@settings(max_examples=examples(500))
@given(st.sampled_from(FILES), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 20), _FRAGMENTS), max_size=4))
def test_no_change_of_a_good_file_ends_in_another_exception(
    tmp_path_factory: pytest.TempPathFactory, text: str, changes: list[tuple[float, int, str]]
) -> None:
    for place, length, fragment in changes:
        at = int(place * len(text))
        text = text[:at] + fragment + text[at + length :]
    said = shown(findings_of(tmp_path_factory.getbasetemp(), text))
    assert "\x1b" not in said


_BODY = "aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5zA7bC9dE"
KNOWN = {
    "hugging face": f"hf_{_BODY[:34]}",
    "github": f"ghp_{_BODY[:36]}",
    "github fine-grained": f"github_pat_{_BODY}",
    "google key": f"AIza{_BODY[:35]}",
    "google client secret": f"GOCSPX-{_BODY[:28]}",
    "google access token": f"ya29.{_BODY}",
    "gitlab": f"glpat-{_BODY[:20]}",
    "slack": f"xoxb-123456789012-1234567890123-{_BODY[:24]}",
    "pulumi": "pul-" + "0a1b2c3d4e" * 4,
    "json web token": f"eyJ{_BODY[:20]}.eyJ{_BODY[:30]}.{_BODY}",
    "openai": f"sk-proj-{_BODY}",
    "aws": "AKIAIOSFODNN7EXAMPLE",
    "behind x_": f"x_hf_{_BODY[:34]}",
    "private key": f"-----BEGIN PRIVATE KEY-----\n{_BODY}{_BODY}\n{_BODY}\n-----END PRIVATE KEY-----\n",
    "private key, cut off": f"-----BEGIN RSA PRIVATE KEY-----\n{_BODY}{_BODY}\n",
}
RANDOM = "q8Zr2LxV0pW4mTgK6cYh1NbD3sJf7Ra9"


def _plain(text: str) -> str:
    return re.sub("[^a-z0-9]", "", text.lower())


def _core(secret: str) -> str:
    """What is secret of it, in the form of a name that somebody could propose."""
    return _plain(secret.replace("\n", ""))[-60:][:24] if "KEY" in secret else _plain(secret)[-18:]


def _positions() -> list[str]:
    """Every scalar of a good file, key or value, with a place holder in its stead."""
    places = [m.span() for m in re.finditer(r"(?<=tpu-serving:)\w+|[\w./:-]+(?=[,}\]\n])|(?<=[{ ])\w+(?=:)", GOOD)]
    more = [
        f"{GOOD}  tpu-serving:gateway: {{waiver: {{reason: @, until: 2999-01-01}}}}\n",
        f"{GOOD}      serverFlags: {{@: 1}}\n",
        f"{GOOD}      serverFlags: {{max-num-seqs: @}}\n",
        f"{GOOD}      huggingFaceToken: @\n",
        f"{GOOD}      huggingFaceToken: {{pulumiConfig: @}}\n",
        f"{GOOD}  tpu-serving:overrides: [{{rule: TP13, reason: @, until: 2999-01-01}}]\n",
        f"{GOOD}  gcp:credentials: @\n",
        f"{GOOD}other: [@]\n",
        f"@: 1\n{GOOD}",
    ]
    return [GOOD[:start] + "@" + GOOD[end:] for start, end in places] + more


@pytest.mark.parametrize("secret", KNOWN.values(), ids=KNOWN.keys())
def test_a_known_form_is_refused_wherever_it_is_and_never_repeated(tmp_path: Path, secret: str) -> None:
    assert holds_secret(secret)
    for text in _positions():
        findings = findings_of(tmp_path, text.replace("@", json.dumps(secret)))
        assert any(not f.warning for f in findings), (text, findings)
        assert _core(secret) not in _plain(shown(findings)), text


def test_what_looks_random_is_never_repeated(tmp_path: Path) -> None:
    for text in _positions():
        findings = findings_of(tmp_path, text.replace("@", RANDOM))
        assert _core(RANDOM) not in _plain(shown(findings)), text


def test_a_random_value_that_nothing_refuses_is_warned_of(tmp_path: Path) -> None:
    found = findings_of(tmp_path, GOOD.replace("[first]", f"[{RANDOM}]"))
    assert [(f.rule, f.warning) for f in found] == [("SC06", True)]


@pytest.mark.parametrize(
    "text",
    [
        "hf://Qwen/Qwen3-32B:9216db5781bf21249d130ec9da846c4624c16137",
        "vllm/vllm-tpu@sha256:" + "0a1b2c3d" * 8,
        "meta-llama/Llama-4-Maverick-17B-128E-Instruct-FP8",
        "DeepSeekR1DistillLlama70B",
        "MetaLlama31405BInstructFP8",
        "projects/example-project/locations/europe-west4/reservations/tpu-reservation-2026-11",
        "disk-encryption-key-for-large-models-in-europe",
        "ourTokenForTheModelsOfTeamSearch2027",
        "-----BEGIN CERTIFICATE-----",
    ],
)
def test_names_revisions_and_digests_are_no_secrets(text: str) -> None:
    assert hidden(text) == text


@given(st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=40, max_size=64))
def test_what_is_called_random_is_hidden(text: str) -> None:
    assert looks_random(text) == (hidden(text) != text) or holds_secret(text)


@pytest.mark.parametrize("name", ["~nobody-of-that-name/x", "a" * 300, "a\0b", "/dev/null"])
def test_a_path_that_cannot_be_an_environment_is_refused(name: str) -> None:
    with pytest.raises(RefusedError):
        read_document(find_environment(name))


@pytest.mark.parametrize(
    ("more", "rule", "path"),
    [
        ("  tpu-serving:platform: {modelsNamespace: tpu-serving-system}", "KS12", "platform.modelsNamespace"),
        ("  tpu-serving:cluster: {cpuPool: {machineType: e2 standard 4}}", "ST02", "cluster.cpuPool.machineType"),
        ("      huggingFaceToken: {kubernetesSecret: {name: hf, key: HF TOKEN}}", "ST02",
         "models[0].huggingFaceToken.kubernetesSecret.key"),
        ("      huggingFaceToken: {pulumiConfig: 'tpu-serving:hfToken'}", "ST02",
         "models[0].huggingFaceToken.pulumiConfig"),
        ("      servedNames: ['--port']", "ST02", "models[0].servedNames[0]"),
        ("      servedNames: [' ']", "ST02", "models[0].servedNames[0]"),
        ("  tpu-serving:gateway: {waiver: {reason: '              ', until: 2999-01-01}}", "ST02",
         "gateway.waiver.reason"),
        ("  tpu-serving:gateway: {authentication: {securityPolicy: ' '}}", "BP04",
         "gateway.authentication.securityPolicy"),
        ("  tpu-serving:gateway: {authentication: {securityPolicy: My Policy!}}", "BP04",
         "gateway.authentication.securityPolicy"),
        ("  tpu-serving:gateway: {authentication: {iapClientId: ' '}}", "ST02", "gateway.authentication.iapClientId"),
        *((f"  tpu-serving:cluster: {{maintenance: {{window: {{start: {start}, end: {end}}}}}}}", "ST02",
           "cluster.maintenance.window.start") for start, end in (
            ("2026-01-03T01:00:00", "2026-01-03T09:00:00Z"),
            ("2026-01-03", "2026-01-04"),
            ("01:00", "09:00"),
            ("0001-01-01T00:00:00+14:00", "0001-01-01T08:00:00+14:00"),
            ("9999-12-31T01:00:00Z", "9999-12-31T09:00:00Z"))),
        *((f"  tpu-serving:cluster: {{maintenance: {{window: {{start: 2026-01-03T01:00:00Z, end: 2026-01-03T09:00:00Z, "
           f"recurrence: {recurrence}}}}}}}", "ST02", "cluster.maintenance.window.recurrence") for recurrence in (
            "weekly", "FREQ=WEEKLY;BYDAY=XX", "FREQ=DAILY;INTERVAL=0", "FREQ=WEEKLY;FREQ=DAILY",
            "FREQ=DAILY;COUNT=1;UNTIL=20270101", "FREQ=DAILY;EVERY=2")),
    ],
)  # fmt: skip
def test_a_value_that_means_nothing_is_refused_at_its_line(tmp_path: Path, more: str, rule: str, path: str) -> None:
    base = GOOD.replace("      servedNames: [first]\n", "") if "servedNames" in more else GOOD
    text = f"{base}{more}\n"
    at = text.splitlines().index(more) + 1
    assert (rule, path, at) in [(f.rule, render_path(f.path), f.line) for f in findings_of(tmp_path, text)]


@pytest.mark.parametrize(
    "source", ["hf://../x", "hf://Qwen/..", "s3://bucket/../x", "pvc://claim/a/../../b", "oci://a/../b"]
)
def test_a_source_never_leaves_its_place(tmp_path: Path, source: str) -> None:
    found = findings_of(tmp_path, GOOD.replace("hf://Qwen/Qwen2.5-3B-Instruct", source))
    assert ("KS05", "models[0].source") in [(f.rule, render_path(f.path)) for f in found]


def test_a_key_of_a_secret_with_its_namespace_is_answered_without_it(tmp_path: Path) -> None:
    text = f"{GOOD}      huggingFaceToken: {{pulumiConfig: 'tpu-serving:hfToken'}}\n"
    [finding] = [f for f in findings_of(tmp_path, text) if f.rule == "ST02"]
    assert finding.fix.startswith("Write pulumiConfig: hfToken.")


def test_a_pipe_among_the_environments_is_refused_and_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "Pulumi.pipe.yaml")
    with pytest.raises(RefusedError, match="regular file"):
        read_document(tmp_path / "Pulumi.pipe.yaml")


def test_a_folder_that_may_not_be_looked_into_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(self: Path, **_: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "stat", refused)
    with pytest.raises(RefusedError, match="Permission denied"):
        find_environment(str(tmp_path / "closed" / "Pulumi.x.yaml"))
