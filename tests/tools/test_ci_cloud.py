"""The steps of a pipeline: the commands they print are those they run, with programs that only note how they were called."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tools.ci.cloud import STEPS, main


@pytest.fixture
def called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with a line for each call of `pulumi` and `gcloud`; `pulumi refresh` finds something."""
    log = tmp_path / "called"
    for name in ("pulumi", "gcloud"):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(
            f'#!/bin/sh\necho "{name} $*" >> "{log}"\necho "said by {name}"\n[ "$1" != refresh ]\n', encoding="utf-8"
        )
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return log


def printed(step: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    assert main([step, "dev", "--dry-run"]) == 0
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("step", STEPS)
def test_a_dry_run_runs_nothing(step: str, called: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(step, capsys) and not called.exists()


def test_what_writes_is_under_the_policy_pack_and_followed_by_verify(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed("up", capsys) == [
        "pulumi up --stack dev --policy-pack policy --yes --skip-preview --non-interactive"
    ]
    deploy = printed("deploy", capsys)
    assert deploy == [*printed("up", capsys), *printed("verify", capsys)]
    assert deploy[-1].startswith("python -m serving verify dev --outputs ")


@pytest.mark.parametrize("step", ["preview", "nightly"])
def test_what_looks_writes_nothing(step: str, capsys: pytest.CaptureFixture[str]) -> None:
    for command in printed(step, capsys):
        if command.startswith("pulumi"):
            assert command.startswith(
                ("pulumi preview", "pulumi stack output", "pulumi refresh --stack dev --preview-only")
            )


def test_a_step_runs_what_it_prints_and_ends_with_the_first_failure(
    called: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["preview", "dev"]) == 0
    assert called.read_text(encoding="utf-8").splitlines() == printed("preview", capsys)
    assert main(["up", "dev"]) == 0
    (called.parent / "bin/pulumi").write_text("#!/bin/sh\nexit 255\n", encoding="utf-8")
    assert main(["deploy", "dev"]) == 1


def test_a_night_looks_at_everything_and_reports_what_it_found(called: Path, tmp_path: Path) -> None:
    report = tmp_path / "findings.md"
    assert main(["nightly", "dev", "--output", str(report)]) == 1
    text = report.read_text(encoding="utf-8")
    assert text.startswith("**dev**: ") and "`pulumi refresh --stack dev" in text and "    said by pulumi" in text
    assert [line.split()[1] for line in called.read_text(encoding="utf-8").splitlines()] == [
        "refresh",
        "stack",
        "container",
    ]


def test_a_missing_program_and_a_missing_environment_are_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent / "nothing"))
    assert main(["preview", "dev"]) == 2 and "not on the PATH: pulumi" in capsys.readouterr().err
    assert main(["preview", "no-such"]) == 2 and "no-such" in capsys.readouterr().err
