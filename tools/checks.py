"""Lint, format, types and layers, and with `--tests` the tests: all of them are run, whatever an earlier one said.

`--without-rehearsal`: its programs are neither fetched nor built; tests that lack one skip themselves by name.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LINT = {
    "ruff check": ["ruff", "check", "."],
    "ruff format": ["ruff", "format", "--check", "."],
    "layers": ["lint-imports", "--no-cache", "--no-logo"],
    # Half a minute of one core without its cache: the tests run beside it.
    "mypy": ["mypy"],
}
# One more than processors: whole rehearsals wait as long as they work (ADR 32). tests/sharing.py says what one of them runs.
PROCESSES = min((os.cpu_count() or 1) + 1, 4)
TESTS = ["pytest", "-q", "-rs", "--durations=5", "-n", str(PROCESSES)]
# Compiling every file again in every process took five seconds of each (2026-11-30).
VARIABLES = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def run(name: str, tool: str, *arguments: str) -> tuple[bool, str]:
    """Whether a check passes, and what to print: one line when it does, its words as well when it does not."""
    start = time.monotonic()
    command = [str(Path(sys.executable).with_name(tool)), *arguments]
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    verdict = "FAILED" if done.returncode else "ok"
    line = f"{name:12} {verdict:7} {time.monotonic() - start:6.1f} s"
    return not done.returncode, f"{line}\n{done.stdout}{done.stderr}" if done.returncode else line


def failed_of(running: dict[str, Future[tuple[bool, str]]]) -> list[str]:
    """Wait for checks, print what each says, and name those that failed."""
    for future in running.values():
        print(future.result()[1], flush=True)
    return [name for name, future in running.items() if not future.result()[0]]


def prepare_rehearsal() -> None:
    """Have the rehearsal's programs in our cache, where tests take them from; tests that lack one skip by name."""
    ours = {**os.environ, "TPU_SERVING_ASSETS": "cache"}
    everything = ["--all"] if os.environ.get("TPU_SERVING_TEST_ALL") == "1" else []
    command = [sys.executable, "-m", "rehearsal.assets", *everything]
    done = subprocess.run(command, cwd=ROOT, env=ours, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        print("no programs for the rehearsal (see above): its tests are skipped by name", flush=True)


def main() -> int:
    """Exit code 1 when a check failed, and the names of those that did as the last line."""
    with ThreadPoolExecutor(1) as pool:
        running = {name: pool.submit(run, name, *command) for name, command in LINT.items()}
        types = {"mypy": running.pop("mypy")}
        failed = failed_of(running)
        if "--tests" in sys.argv[1:]:
            if "--without-rehearsal" not in sys.argv[1:]:
                prepare_rehearsal()
            command = [sys.executable, "-m", *TESTS]
            tests = subprocess.run(command, cwd=ROOT, env=VARIABLES, stdin=subprocess.DEVNULL, check=False)
            failed += ["pytest"] if tests.returncode else []
        failed += failed_of(types)
    if failed:
        print(f"failed: {', '.join(failed)}")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
