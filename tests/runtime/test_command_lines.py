"""The table and the validators written here say of a command line what the wheel's own say of it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import NamedTuple

from checks.objects import on_objects
from settings.refusal import refusals

FILE = Path(__file__).parent / "command_lines.tsv"
# What is refused here although the wheel takes it: a policy of this program (VL02), said so in the rule.
OWN_RULES = {"VL02"}


class Line(NamedTuple):
    """A command line, and what the wheel says of it."""

    accepted: bool
    by: str
    words: tuple[str, ...]


def read() -> list[Line]:
    rows = [row.split("\t") for row in FILE.read_text(encoding="utf-8").splitlines() if not row.startswith("#")]
    return [Line(verdict == "ok", by, tuple(flags.split(" "))) for verdict, by, flags in rows]


LINES = read()


def rules_against(words: tuple[str, ...]) -> set[str]:
    """The rules that refuse a server with these flags on a v6e."""
    pod = {
        "nodeSelector": {"cloud.google.com/gke-tpu-accelerator": "tpu-v6e-slice"},
        "containers": [
            {
                "name": "main",
                "image": "docker.io/vllm/vllm-tpu:v0.32.0",
                "command": ["vllm", "serve", "/mnt/models"],
                "args": ["--max-model-len=4096", *words],
            }
        ],
    }
    server = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "server", "namespace": "models"}, "spec": pod}
    return {f.rule for f in refusals(on_objects([server])) if f.rule.startswith("VL")}


def test_the_corpus_is_large_and_of_both_kinds() -> None:
    counts = Counter((line.accepted, line.by) for line in LINES)
    assert len(LINES) >= 150 and len({line.words for line in LINES}) == len(LINES)
    assert counts[(True, "run")] >= 80
    assert sum(count for (accepted, _), count in counts.items() if not accepted) >= 60


def test_a_command_line_is_refused_exactly_where_the_wheel_refuses_it() -> None:
    assert [line for line in LINES if bool(rules_against(line.words) - OWN_RULES) == line.accepted] == []
