"""Structure: every problem of a file in one list, with its line; nothing hides anything else."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.environment import check, load_deployment
from settings.document import Document, environment_name, find_environment, read_document
from settings.load import parse
from settings.refusal import RefusedError, render_path

TEN = """\
config:
  tpu-serving:project: {id: example-project}
  tpu-serving:location: {zone: europe-west4-a, region: us-central1}
  tpu-serving:teir: dev
  tpu-serving:gateway:
    gatewayClassName: gke-l7-global-external-managed
  tpu-serving:network:
    podsCidr: 10.0.0.0/14
  tpu-serving:models:
    - name: qwen
      source: gs://bucket/qwen
      tpu: {generation: v6e, topology: 2x2x1}
      replicas: "three"
    - name: two
      source: Qwen/Qwen2.5-3B-Instruct
      tpu: {generation: v7, topology: 2x2}
      image: vllm/vllm-tpu:latest
"""


def written(tmp_path: Path, text: str) -> Document:
    path = tmp_path / "Pulumi.test.yaml"
    path.write_text(text)
    return read_document(path)


def test_ten_mistakes_are_ten_refusals_with_their_lines(tmp_path: Path) -> None:
    found = [(f.rule, f.line) for f in check(written(tmp_path, TEN))[1]]
    assert found == [
        ("CL06", 3), ("ST01", 4), ("GW01", 6), ("CL04", 8), ("KS05", 11),
        ("TP01", 12), ("ST02", 13), ("KS05", 15), ("TP01", 16), ("SC01", 17),
    ]  # fmt: skip


def test_a_misspelt_key_names_the_right_one(tmp_path: Path) -> None:
    [finding] = [f for f in check(written(tmp_path, TEN))[1] if f.rule == "ST01"]
    assert finding.fix == "Write `tier`."


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("config: [", "YAML"),
        ("- a\n- b\n", "config"),
        ("config:\n  tpu-serving:tier: dev\n  tpu-serving:tier: production\n", "Duplicate"),
        ("config: &a\n  b: *a\n", "never end"),
        ("", "missing"),
        ("config:\n  tpu-serving:models: {}\n", "list"),
        ("config:\n  tpu-serving:models: []\n", "at least 1"),
        ("config:\n  tpu-serving:models: [1, null, [a]]\n", "models[1]"),
        ("config:\n  tpu-serving:project: null\n", "project"),
        ("\x00", "YAML"),
        ("config:\n  tpu-serving:tier: dev\n  tier: production\n", "Duplicate"),
        ("config:\n  tpu-serving:tier: {secure: v1:abc}\n", "encrypted"),
        ("config:\n  tpu_serving:network: {}\n", "does not belong to this project"),
        ("config:\n  my-project:models: []\n", "does not belong to this project"),
        ("config:\n\ttpu-serving:tier: dev\n", "Replace the tab by spaces"),
        ("config:\n  tpu-serving:models: [null]\n", "`models[0]` is a mapping"),
        ("project: {id: example-project}\nlocation: {zone: europe-west4-a}\n", "outside"),
        ("config:\n  tpu-serving:tier: dev\ntpu-serving:overrides: []\n", "outside"),
        ("config:\n  tpu-serving:gateway:\n", "mapping"),
        ("config: " + "[" * 3000, "deeper"),
        ("config:\n  a: " + "[" * 3000 + "]" * 3000, "deeper"),
        ("x: " + "[" * 30000 + "]" * 30000, "deeper"),
        (
            "config:\n  a: &a [x,x,x,x,x,x,x,x,x]\n"
            + "".join(f"  {b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi")),
            "more than",
        ),
    ],
)
def test_no_file_ends_in_a_traceback(tmp_path: Path, text: str, word: str) -> None:
    try:
        findings = check(written(tmp_path, text))[1]
    except RefusedError as refused:
        findings = refused.findings
    assert findings
    assert word in "\n".join(f"{render_path(f.path)} {f.message} {f.fix}" for f in findings)


def test_lines_are_those_of_the_file_also_through_aliases_and_flow_style(tmp_path: Path) -> None:
    text = (
        "# a comment\nconfig:\n  tpu-serving:models:\n    - &one {name: a,\n       source: x}\n    - *one\n"
        "  tpu-serving:cluster:\n    controlPlane:\n      authorizedNetworks: [{name: n, cidr: c}]\n"
    )
    document = written(tmp_path, text)
    assert document.line_of(("models", 0, "name")) == 4
    assert document.line_of(("models", 0, "source")) == 5
    assert document.line_of(("models", 1)) == 4, "an alias stands where its anchor is"
    assert document.line_of(("cluster", "controlPlane", "authorizedNetworks", 0, "cidr")) == 9
    assert document.line_of(("cluster", "cpuPool", "diskGib")) == 7, "what is a default is near its section"


def test_a_value_is_answered_with_the_nearest_choice(tmp_path: Path) -> None:
    text = (
        "config:\n  tpu-serving:tier: prod\n"
        "  tpu-serving:models: [{name: a, source: 'hf://a/b', tpu: {generation: v6e, topology: 2x2}, replicas: '3'}]\n"
    )
    fixes = {render_path(f.path): f.fix for f in check(written(tmp_path, text))[1]}
    assert fixes["tier"].startswith("Write tier: production.")
    assert fixes["models[0].replicas"].startswith("Write replicas: 3, without quotes.")


def test_what_an_empty_file_is_told_to_write_is_a_good_file(tmp_path: Path) -> None:
    lines = [f"  {f.fix.removeprefix('Write ')}\n" for f in check(written(tmp_path, ""))[1]]
    assert _refused(tmp_path, f"config:\n{''.join(lines)}") == []


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("tpu-serving:capacity: {purchase: flex-start, maxRunHours: 24}", "capacity.purchase"),
        ("tpu-serving:network: {mode: Existing, name: vpc, subnetwork: nodes, podsCidr: 10.0.0.0/8}", "network.mode"),
    ],
)
def test_what_depends_on_a_misspelt_choice_is_judged_by_what_was_meant(tmp_path: Path, text: str, path: str) -> None:
    refused = [(f.rule, render_path(f.path)) for f in check(written(tmp_path, f"{GOOD}  {text}\n"))[1] if not f.warning]
    assert refused == [("ST02", path)]


def test_a_region_is_not_measured_by_a_zone_that_is_none(tmp_path: Path) -> None:
    text = GOOD.replace("zone: europe-west4-a", "zone: us-east5, region: us-east5")
    assert _refused(tmp_path, text) == [("ST02", "location.zone")]


def test_an_unknown_environment_names_the_known_ones() -> None:
    with pytest.raises(RefusedError) as refused:
        find_environment("nowhere")
    assert "dev" in str(refused.value)


def test_provider_keys_and_secrets_are_not_settings(tmp_path: Path) -> None:
    text = "encryptionsalt: v1:x\nconfig:\n  gcp:project: p\n  tpu-serving:hfToken: {secure: v1:abc}\n"
    document = written(tmp_path, text)
    assert document.data == {}
    assert document.secrets == frozenset({"hfToken"})


@given(st.text(max_size=30))
def test_any_file_name_gives_a_name_fit_for_a_stack(stem: str) -> None:
    name = environment_name(Path(f"{stem or 'x'}.yaml".replace("/", "_").replace("\x00", "_")))
    assert name == name.strip("-").lower()
    assert name.isascii()
    assert name[:1].isalpha()


_yaml = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_sections = st.sampled_from(
    [
        "project",
        "location",
        "tier",
        "network",
        "cluster",
        "capacity",
        "platform",
        "gateway",
        "models",
        "prices",
        "overrides",
    ]
)


@given(st.dictionaries(_sections, _yaml, max_size=5))
def test_whatever_stands_in_a_section_is_answered_with_findings(data: dict[str, object]) -> None:
    document = Document("test", "test.yaml", dict(data))
    _, structural, _ = parse(document)
    assert structural  # project, location and models are never all right here
    check(document)


GOOD = """\
config:
  tpu-serving:project: {id: example-project}
  tpu-serving:location: {zone: europe-west4-a}
  tpu-serving:models:
    - &first {name: a, source: hf://Qwen/Qwen2.5-3B-Instruct, tpu: {generation: v6e, topology: 2x2}}
"""


def _refused(tmp_path: Path, text: str) -> list[tuple[str, str]]:
    path = tmp_path / "Pulumi.test.yaml"
    path.write_text(text)
    return [(finding.rule, render_path(finding.path)) for finding in check(read_document(path))[1]]


def test_a_merge_is_refused_at_its_line_and_hides_nothing(tmp_path: Path) -> None:
    assert _refused(tmp_path, f"{GOOD}    - {{<<: *first, name: b}}\n") == [("ST01", "models[1].<<")]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"config: &a\n  tpu-serving:models: *a\n", "never end"),
        (b"\xff\xfec\x00", "UTF-8"),
        (b"config: {a: \xe9}", "UTF-8"),
    ],
    ids=["inside itself", "UTF-16", "Latin-1"],
)
def test_what_is_no_such_text_is_refused_in_words(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "Pulumi.test.yaml"
    path.write_bytes(content)
    with pytest.raises(RefusedError, match=said):
        read_document(path)


def test_a_folder_is_no_environment(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="folder"):
        find_environment(str(tmp_path))


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("tpu-serving:prices: {clusterHour: .inf}", "prices.clusterHour"),
        ("tpu-serving:prices: {chipHour: .nan}", "prices.chipHour"),
        ("tpu-serving:gateway: {hostname: 'https://llm.example.com/v1'}", "gateway.hostname"),
        ("tpu-serving:gateway: {hostname: '*.example.com'}", "gateway.hostname"),
        ("tpu-serving:capacity: {purchase: reservation, reservation: my reservation}", "capacity.reservation"),
        ("tpu-serving:network: {hostProject: Our Host}", "network.hostProject"),
    ],
)
def test_values_that_nothing_could_take_are_refused(tmp_path: Path, text: str, path: str) -> None:
    assert _refused(tmp_path, f"{GOOD}  {text}\n") == [("ST02", path)]


# What is wrong is taken out before the rest is read, and must not make its neighbours wrong.
@pytest.mark.parametrize(
    ("models", "more", "path"),
    [
        (
            '{schedule: [{from: "*/5 7 * * *", to: "0 9 * * *", timezone: UTC, replicas: 1}], otherwise: 0}',
            "",
            "models[0].scaling.schedule[0].from",
        ),
        (
            '{schedule: [{from: "0 7 * * *", to: "0 9 * * *", timezone: UTC+1, replicas: 1}], otherwise: 0}',
            "",
            "models[0].scaling.schedule[0].timezone",
        ),
        (
            None,
            "tpu-serving:gateway: {gatewayClassName: gke-l7-regional-external-managed, "
            "waiver: {reason: internal test until Friday, until: 31.12.2999}}",
            "gateway.waiver.until",
        ),
    ],
)
def test_one_wrong_value_is_one_finding(tmp_path: Path, models: str | None, more: str, path: str) -> None:
    text = GOOD.replace("tpu:", f"scaling: {models}, tpu:") if models else GOOD
    assert _refused(tmp_path, f"{text}  {more}\n") == [("ST02", path)]


def test_an_override_with_a_wrong_day_still_counts(tmp_path: Path) -> None:
    text = GOOD.replace("Qwen2.5-3B-Instruct", "Qwen3-32B").replace("2x2", "4x4")
    assert _refused(tmp_path, text) == [("TP13", "models[0].tpu.topology")]
    more = "  tpu-serving:overrides: [{rule: TP13, reason: several hosts are being tried, until: soon}]\n"
    assert _refused(tmp_path, text + more) == [("ST02", "overrides[0].until")]


@pytest.mark.parametrize("models", ["", "[]", "{}"])
def test_a_file_without_models_is_told_what_one_looks_like(tmp_path: Path, models: str) -> None:
    text = f"{GOOD.partition('  tpu-serving:models')[0]}  tpu-serving:models: {models}\n"
    [finding] = check(written(tmp_path, text))[1]
    assert finding.fix.startswith("Write tpu-serving:models: [{name: qwen3-4b, ")


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("contextLength: 100000001", "Write contextLength: 100000000 or less."),
        ("replicas: 5000", "Write replicas: 1000 or less."),
        ("parametersBillion: 0", "Write a number above 0."),
        ("huggingFaceToken: {secretManager: {secret: projects/p/secrets/hf/versions/3}}", "Write secret: hf."),
    ],
)
def test_what_is_wanted_is_written_as_it_can_be_pasted(tmp_path: Path, text: str, fix: str) -> None:
    findings = check(written(tmp_path, GOOD.replace("tpu:", f"{text}, tpu:")))[1]
    assert fix in [finding.fix for finding in findings if finding.rule == "ST02"]


@pytest.mark.parametrize(
    "text", ["parametersBillion: .inf", "parametersBillion: 1.0e+300", "contextLength: 99999999999999999999999"]
)
def test_no_size_is_beyond_computing(tmp_path: Path, text: str) -> None:
    rules = [rule for rule, _ in _refused(tmp_path, GOOD.replace("tpu:", f"{text}, tpu:"))]
    assert rules == ["ST02"]


def test_a_token_that_the_file_does_not_have_is_asked_for(tmp_path: Path) -> None:
    text = GOOD.replace("tpu:", "huggingFaceToken: {pulumiConfig: hfToken}, tpu:")
    assert _refused(tmp_path, text) == [("SC05", "models[0].huggingFaceToken.pulumiConfig")]
    assert _refused(tmp_path, f"{text}  tpu-serving:hfToken: {{secure: v1:x}}\n") == []


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("tpu-serving:cluster: {privateNodes: yes}", ["cluster.privateNodes"]),
        ("tpu-serving:cluster: {privateNodes: False}", []),
        ("tpu-serving:platform: {leaderWorkerSet: off}", []),
        ("tpu-serving:platform: {monitoring: Off}", ["platform.monitoring"]),
    ],
)
def test_truth_values_are_those_of_the_engines_own_yaml(tmp_path: Path, text: str, refused: list[str]) -> None:
    assert [path for _, path in _refused(tmp_path, f"{GOOD}  {text}\n")] == refused


# As `pulumi config --json` of the CLI 3.259.0 shows these texts.
@pytest.mark.parametrize(
    ("text", "value"),
    [("10:00", "10:00"), ("1_0", 10), ("0x1000", 4096), ("0o17", 15), ("010", 8), ("1e3", 1000), ("0b11", 3)],
)
def test_numbers_are_those_of_the_engines_own_yaml(tmp_path: Path, text: str, value: object) -> None:
    assert written(tmp_path, f"config:\n  tpu-serving:tier: {text}\n").data["tier"] == value


def test_a_day_that_no_month_has_is_answered_at_its_line(tmp_path: Path) -> None:
    text = f"{GOOD}  tpu-serving:overrides:\n    - {{rule: TP13, reason: a reason of some length, until: 2027-02-30}}\n"
    [finding] = check(written(tmp_path, text))[1]
    assert (finding.rule, render_path(finding.path), finding.line) == ("ST02", "overrides[0].until", 7)


# As `pulumi config --json` of the CLI 3.259.0 shows a date with and without quotes.
@pytest.mark.parametrize("until", ["2999-01-31", "2999-01-31 00:00:00 +0000 UTC"])
def test_a_date_is_read_as_the_engine_hands_it_over(until: str) -> None:
    override = {"rule": "TP13", "reason": "a reason of some length", "until": until}
    config: dict[str, object] = {
        "project": {"id": "example-project"},
        "location": {"zone": "europe-west4-a"},
        "models": [{"name": "a", "source": "hf://a/b", "tpu": {"generation": "v6e", "topology": "2x2"}}],
        "overrides": [override],
    }
    deployment = load_deployment("a-stack-without-a-file", config.get, lambda _: None)
    assert deployment.settings.overrides[0].until == datetime.date(2999, 1, 31)
