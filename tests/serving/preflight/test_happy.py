"""Where Google has what an environment needs, every check passes, for every environment of the repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from checks.environment import require
from serving.checking.findings import Verdict
from settings.document import read_document
from tests.serving.preflight.conftest import Scene

ROOT = Path(__file__).resolve().parents[3]
ENVIRONMENTS = sorted([*ROOT.glob("Pulumi.*.yaml"), *(ROOT / "examples").glob("*.yaml")])


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.name)
def test_every_environment_passes_where_google_is_ready(scene: Scene, path: Path) -> None:
    scene.use(require(read_document(path))[0])
    gated = [m.known.id for m in scene.deployment.models if m.known is not None and m.known.gated]
    scene.hub.gated |= dict.fromkeys(gated, "manual")
    scene.hub.tokens, scene.token = {model: {"t"} for model in gated}, "t"
    report = scene.ask(strict=True)
    wrong = [r for outcome in report.outcomes for r in outcome.findings if r.verdict is not Verdict.PASS]
    assert wrong == []
    assert report.line == "ready"
    assert report.exit_code == 0


def test_every_answer_is_asked_for_once(scene: Scene) -> None:
    scene.ask()
    assert scene.google.asked
    repeated = {item for item in scene.google.asked if scene.google.asked.count(item) > 1}
    # Two machines (TPU and CPU) are two questions.
    assert repeated <= {
        ("compute", "machineTypes.aggregatedList"),
        ("compute", "machineTypes.get"),
        ("cloudquotas", "quotaInfos.get"),
    }
