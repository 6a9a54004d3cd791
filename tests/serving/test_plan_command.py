"""`serving plan` as a person calls it: exit codes, streams, formats, imports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from settings.document import ROOT
from tests.commands import Done, run


def serving(*arguments: str) -> Done:
    return run("serving", *arguments)


@pytest.fixture(scope="module")
def dev() -> dict[str, object]:
    done = serving("plan", "dev", "--format", "json")
    assert done.code == 0, done.err
    document: dict[str, object] = done.document
    return document


def test_two_plans_of_one_file_are_the_same_to_the_letter(dev: dict[str, object]) -> None:
    assert serving("plan", "dev", "--format", "json").document == dev


def test_the_cost_of_dev_is_that_of_its_chips_and_the_fixed_rest(dev: dict[str, object]) -> None:
    cost = dev["cost"]
    assert isinstance(cost, dict)
    [chips] = [item for item in cost["items"] if item["unit"] == "chip"]
    assert (chips["quantity"], chips["unitPrice"]) == (4, 2.97)
    assert cost["perHour"] == pytest.approx(sum(i["perHour"] for i in cost["items"] if i["perHour"]))
    assert cost["pricesAsOf"]


def test_own_prices_replace_list_prices(tmp_path: Path) -> None:
    text = (ROOT / "Pulumi.dev.yaml").read_text() + "  tpu-serving:prices: {chipHour: 1.5}\n"
    (tmp_path / "cheap.yaml").write_text(text)
    done = serving("plan", str(tmp_path / "cheap.yaml"), "--format", "json")
    [chips] = [i for i in done.document["cost"]["items"] if i["unit"] == "chip"]
    assert chips["perHour"] == 6.0


def test_text_fits_a_terminal_of_100_columns() -> None:
    done = serving("plan", "prod")
    assert done.code == 0
    assert max(len(line) for line in done.out.splitlines()) <= 100
    assert "\x1b" not in done.out


def test_yaml_is_the_objects_in_an_order_that_can_be_applied() -> None:
    objects = list(yaml.safe_load_all(serving("plan", "dev", "--format", "yaml").out))
    kinds = [o["kind"] for o in objects]
    assert kinds.index("Gateway") < kinds.index("HTTPRoute") < kinds.index("LLMInferenceService")
    assert kinds[0] == "Namespace"


@pytest.mark.parametrize(("kind", "start"), [("mermaid", "flowchart"), ("svg", "<svg")])
def test_graph_formats(kind: str, start: str) -> None:
    done = serving("plan", "dev", "--format", kind)
    assert done.code == 0
    assert done.out.startswith(start)
    assert "KServe" in done.out


@pytest.mark.parametrize(
    "arguments", [("plan", "nowhere"), ("plan", "/"), ("plan",), ("plan", "dev", "--format", "pdf"), ("flan",)]
)
def test_a_wrong_call_exits_with_2(arguments: tuple[str, ...]) -> None:
    assert serving(*arguments).code == 2


def test_refusals_as_json_carry_rule_path_line_fix_and_source(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text((ROOT / "Pulumi.dev.yaml").read_text().replace("2x2", "2x2x1"))
    done = serving("plan", str(tmp_path / "bad.yaml"), "--format", "json")
    assert done.code == 2
    [refusal] = done.document["refusals"]
    assert set(refusal) == {"rule", "path", "value", "message", "consequence", "fix", "source", "line"}
    assert refusal["rule"] == "TP01"


@pytest.mark.parametrize("arguments", [["--help"], ["plan", "--help"], ["plan", "nowhere"]])
def test_help_and_refusals_import_neither_pulumi_nor_rich(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom serving.cli import application\n"
        f"try: application()({arguments!r})\nexcept SystemExit: pass\n"
        "heavy = sorted(m for m in sys.modules if m.split('.')[0] in {'pulumi', 'pulumi_gcp', 'pulumi_kubernetes', 'rich'})\n"
        "print('HEAVY', heavy)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "HEAVY []" in done.stdout
