"""What ends a command from outside: one line, the documented exit code, no traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from settings.document import ROOT

COMMANDS = [["plan", "dev"], ["plan", "dev", "--format", "json"], ["rules"], ["versions"], ["--help"]]
REFUSED = "config:\n  tpu-serving:tier: none\n"


def run(arguments: list[str], redirect: str) -> subprocess.CompletedProcess[str]:
    command = f'exec "$@" {redirect}'
    return subprocess.run(
        ["bash", "-c", command, "bash", sys.executable, "-m", "serving", *arguments],
        cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("redirect", [">/dev/full", ">&-"])
def test_output_that_cannot_be_written_is_one_line_and_exit_code_1(arguments: list[str], redirect: str) -> None:
    done = run(arguments, redirect)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert "space left" in done.stderr or "closed" in done.stderr


def test_a_closed_error_stream_changes_nothing(tmp_path: Path) -> None:
    refused = tmp_path / "Pulumi.bad.yaml"
    refused.write_text(REFUSED)
    assert run(["plan", "dev"], "2>&-").returncode == 0
    assert run(["plan", str(refused)], "2>&-").returncode == 2


# The moment differs: while it imports, and while the program runs under the monitor.
@pytest.mark.parametrize("moment", ["import pulumi", "run_path"])
def test_an_interrupt_is_one_line_and_exit_code_130(moment: str) -> None:
    at = {
        "import pulumi": "import serving.plan.build as m, os, signal\n"
        "m.planned = m.plan_checked = lambda *a: os.kill(os.getpid(), signal.SIGINT)\n",
        "run_path": "import runpy, os, signal\nreal = runpy.run_path\n"
        "def run(*a, **k):\n    real(*a, **k)\n    os.kill(os.getpid(), signal.SIGINT)\nrunpy.run_path = run\n",
    }[moment]
    script = f"{at}import sys\nsys.argv = ['serving', 'plan', 'dev']\nfrom serving.cli import main\nmain()\n"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler), env=os.environ,
    )  # fmt: skip
    assert (done.returncode, done.stderr, done.stdout) == (130, "interrupted\n", "")
