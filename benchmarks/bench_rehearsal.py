"""What a rehearsal of an environment takes: seconds by part, and memory (`make bench-rehearsal`).

The programs must be there already (`make rehearse` or `python -m serving rehearse dev --prepare`). It runs a copy of the
environment from nothing to its first answer, again without a change, and takes it down. The targets are for a quiet
machine with two cores; each figure is also given as a multiple of a floor of the same run, a bare interpreter that
imports what the program imports, so that two machines can be compared.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from benchmarks.bench_self import PYTHON, ROOT, floor_of
from cluster.target import rehearsal_folder
from rehearsal import assets, parts
from rehearsal.control_plane.processes import marked
from rehearsal.directory import RehearsalDirectory

ENVIRONMENT = "Pulumi.dev.yaml"
# Seconds on two quiet cores; GiB.
FIRST_UP, FIRST_ANSWER, SECOND_UP, SECOND_ANSWER, MEMORY = 75.0, 90.0, 20.0, 25.0, 3.0
# `     4.1 s  created      lws-namespace (Namespace), 0.2 s`
_STEP = re.compile(r"^ +(?P<end>[\d.]+) s +\S.*? +(?P<name>\S+) \((?P<kind>\S+)\), (?P<took>.+)$", re.MULTILINE)
_PARTS = {
    "charts (Helm, with the controllers they start)": ("Release",),
    "readiness of kinds and webhooks": ("Job",),
    "model: start of server and picker, status": ("LLMInferenceService",),
}


@dataclass(frozen=True)
class Figure:
    """One measured figure; `floors` is how often the floor fits into it. A target of None is information."""

    name: str
    value: float
    unit: str
    floors: float | None = None
    target: float | None = None

    @property
    def verdict(self) -> str:
        """ok, OVER, or nothing."""
        return "" if self.target is None else "ok" if self.value <= self.target else "OVER"


def serving(*arguments: str) -> tuple[float, subprocess.CompletedProcess[str]]:
    """Seconds of a command that must go well, and how it ended."""
    began = time.monotonic()
    done = subprocess.run(
        [PYTHON, "-m", "serving", *arguments, "--format", "json"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"serving {' '.join(arguments)}: exit {done.returncode}\n{done.stderr[-3000:]}\n{done.stdout[-3000:]}")
    return time.monotonic() - began, done


def covered(spans: Iterable[tuple[float, float]]) -> float:
    """Seconds in which at least one span runs."""
    total, until = 0.0, 0.0
    for begin, end in sorted(spans):
        total += max(0.0, end - max(begin, until))
        until = max(until, end)
    return total


def of_steps(text: str) -> dict[str, float]:
    """Seconds of `up` in which each part was at work, from the command's own lines. Parts run side by side."""
    steps = [(step["kind"], float(step["end"]), _seconds(step["took"])) for step in _STEP.finditer(text)]
    found = {"program: until its first resource": min((end - took for _, end, took in steps), default=0.0)}
    for part, kinds in _PARTS.items():
        found[part] = covered((end - took, end) for kind, end, took in steps if kind in kinds)
    rest = [(end - took, end) for kind, end, took in steps if not any(kind in kinds for kinds in _PARTS.values())]
    return {**found, "all other resources": covered(rest)}


def _seconds(text: str) -> float:
    minutes, _, seconds = text.removesuffix(" s").rpartition(" min ")
    return 60 * float(minutes or 0) + float(seconds)


def memory(directory: RehearsalDirectory) -> dict[str, float]:
    """Proportional set size (PSS) of every process of a rehearsal, GiB by program: pages that several share count once."""
    found: dict[str, float] = {}
    for process in marked(directory):
        with contextlib.suppress(psutil.Error, OSError):
            name = Path(process.exe()).name
            words = process.cmdline()
            module = words[words.index("-m") + 1] if name.startswith("python") and "-m" in words else name
            found[module] = found.get(module, 0.0) + process.memory_full_info().pss / 2**30
    return found


def measure(environment: Path) -> list[Figure]:
    """Up, again, down."""
    bare = floor_of(str(environment))
    floor = min(_seconds_of(bare) for _ in range(3))
    figures = [Figure("floor: an interpreter that imports the same Pulumi modules", floor, "s")]
    first, done = serving("rehearse", str(environment))
    first_seconds = json.loads(done.stdout)["seconds"]
    held = memory(RehearsalDirectory(rehearsal_folder(str(environment))))
    second, again = serving("rehearse", str(environment))
    second_seconds = json.loads(again.stdout)["seconds"]
    last, _ = serving("down", str(environment))

    def timed(name: str, value: float, target: float | None = None) -> Figure:
        return Figure(name, value, "s", value / floor, target)

    figures += [
        timed("first `rehearse`, to the answer", first, FIRST_ANSWER),
        timed("  of it without verify", first - first_seconds["verify"], FIRST_UP),
        *(timed(f"  {phase}", value) for phase, value in first_seconds.items()),
        *(timed(f"    up, {part}", value) for part, value in of_steps(done.stderr).items()),
        timed("second `rehearse`, to the answer", second, SECOND_ANSWER),
        timed("  of it without verify", second - second_seconds["verify"], SECOND_UP),
        *(timed(f"  {phase}", value) for phase, value in second_seconds.items()),
        timed("`down`", last),
        Figure("memory of everything (PSS)", sum(held.values()), "GiB", target=MEMORY),
        *(Figure(f"  {name}", value, "GiB") for name, value in _largest(held).items()),
    ]
    return figures


def _seconds_of(command: list[str]) -> float:
    began = time.monotonic()
    subprocess.run(command, cwd=ROOT, check=True)
    return time.monotonic() - began


def _largest(held: Mapping[str, float]) -> dict[str, float]:
    return dict(sorted(held.items(), key=lambda item: -item[1])[:8])


def main() -> None:
    """Measure, print a table, write `.state/bench-rehearsal.json`; exit code 1 where a figure is over its target."""
    needed = [part.asset for part in parts.all_parts() if part.asset]
    if missing := sorted(set(needed) - set(assets.find(needed))):
        sys.exit(f"not here: {', '.join(missing)}. `python -m serving rehearse dev --prepare` gets them.")
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(shutil.copy(ROOT / ENVIRONMENT, folder)))
    print(f"{'':58} {'':>11} {'floors':>7} {'target':>7}")
    for item in figures:
        floors = f"{item.floors:.1f}" if item.floors is not None else ""
        target = f"{item.target:g}" if item.target is not None else ""
        print(f"{item.name:58} {item.value:7.2f} {item.unit:3} {floors:>7} {target:>7} {item.verdict}")
    state = ROOT / ".state"
    state.mkdir(exist_ok=True)
    (state / "bench-rehearsal.json").write_text(json.dumps([asdict(item) for item in figures], indent=2) + "\n")
    sys.exit(any(item.verdict == "OVER" for item in figures))


if __name__ == "__main__":
    main()
