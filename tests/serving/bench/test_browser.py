"""The report in a real browser: no error, no request, every plot drawn."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from serving.bench.run import report
from serving.bench.run_file import read_run
from tests.serving.bench.made import write_run

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
BROWSER = next((found for name in _NAMES if (found := shutil.which(name))), None)
pytestmark = pytest.mark.skipif(
    BROWSER is None, reason="no Chromium on PATH; it is enabled by: apt-get install chromium"
)
# A browser that takes longer hangs, seconds.
_HANGS = 240


def opened(page: Path, folder: Path) -> tuple[str, list[str]]:
    """The document as the browser has it in the end, and what it says on its console."""
    assert BROWSER is not None
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    options += ["--disable-component-update", "--enable-logging=stderr", "--virtual-time-budget=10000", "--dump-dom"]
    done = subprocess.run(
        [BROWSER, *options, f"--user-data-dir={folder / 'profile'}", page.as_uri()],
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=_HANGS,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def test_the_report_opens_without_errors_and_every_plot_is_drawn(tmp_path: Path) -> None:
    earlier = read_run(write_run(tmp_path / "earlier.jsonl", (1, 2, 4), jitter=1))
    page = report(write_run(tmp_path / "run.jsonl", (1, 2, 4, 8, 16), jitter=2), earlier).page
    document, said = opened(page, tmp_path)
    assert said == []
    drawn = document.split('<div id="plot-')[1:]
    assert len(drawn) == 7
    for part in drawn:
        lines = re.findall(r'class="js-line"[^>]* d="M[^"]+L[^"]+"', part)
        bars = re.findall(r'class="point"><path d="M[^"]+"', part)
        assert lines or bars, part[:200]


@pytest.mark.parametrize(
    "spoilt",
    [
        "<img src='http://127.0.0.1:9/x.png'>",
        "<script>fetch('http://127.0.0.1:9/')</script>",
        "<script>throw new Error('broken')</script>",
    ],
)
def test_a_request_or_an_error_would_be_noticed(tmp_path: Path, spoilt: str) -> None:
    page = report(write_run(tmp_path / "run.jsonl", ()), None).page
    page.write_text(page.read_text().replace("</body>", f"{spoilt}</body>"))
    _, said = opened(page, tmp_path)
    assert said
