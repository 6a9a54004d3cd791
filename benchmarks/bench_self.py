"""What a person feels: our commands against a floor of the same run, as ratios (`make bench-self`).

Command and floor run in turn, so a machine that changes its speed changes both. Medians are compared. Seconds are those
of the processor, so that what else the machine does counts little; byte code is kept between runs, as for any user.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
_TEN_MISTAKES = ROOT / "tests" / "field_report" / "ten_mistakes.yaml"
PYTHON = sys.executable
# Some machines forbid to keep byte code; then every start would compile our modules, and not those of the floor.
_VARIABLES = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
_LIGHT_FLOOR = [PYTHON, "-c", "import pydantic, typer"]
# What a program that uses Google's resources through their classes imports at least.
_SDK = "import pulumi\nfrom pulumi_gcp.compute import Network\nfrom pulumi_gcp.container import Cluster"
_SDK_FLOOR = [PYTHON, "-c", _SDK]


@dataclass
class Result:
    """A measured ratio and what it should be at most."""

    name: str
    command_seconds: float
    floor_seconds: float
    ratio: float
    lowest: float
    highest: float
    target: float

    @property
    def verdict(self) -> str:
        """ok or over."""
        return "ok" if self.ratio <= self.target else "OVER"


def timed(command: list[str]) -> float:
    """Processor seconds of a command whose output is thrown away."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    silent = subprocess.DEVNULL
    subprocess.run(command, cwd=ROOT, env=_VARIABLES, stdout=silent, stderr=silent, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def compare(name: str, command: list[str], floor: list[str], target: float, runs: int) -> Result:
    """Run both in turn after one warm-up each."""
    timed(command), timed(floor)
    pairs = [(timed(command), timed(floor)) for _ in range(runs)]
    ratios = [a / b for a, b in pairs]
    own, low = (statistics.median(side) for side in zip(*pairs, strict=True))
    return Result(name, own, low, statistics.median(ratios), min(ratios), max(ratios), target)


def further_model(one: list[str], hundred: list[str], runs: int) -> Result:
    """What each model beyond the first costs, against the import of the SDKs' modules."""
    timed(_SDK_FLOOR)
    found = [((timed(hundred) - timed(one)) / 99, timed(_SDK_FLOOR)) for _ in range(runs)]
    ratios = [each / floor for each, floor in found]
    own, low = (statistics.median(side) for side in zip(*found, strict=True))
    name = "each further model / importing the SDKs' modules"
    return Result(name, own, low, statistics.median(ratios), min(ratios), max(ratios), 0.012)


def modules_of(environment: str) -> list[str]:
    """The modules that planning an environment imports, ours and those of others."""
    code = (
        "import io, sys, contextlib\nbefore = set(sys.modules)\nfrom serving.cli import application\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        f"    application()(['plan', {environment!r}, '--format', 'json'])\n"
        "print(' '.join(m for m, made in sys.modules.items() if m not in before and getattr(made, '__spec__', None)))"
    )
    done = subprocess.run([PYTHON, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.split()


def floor_of(environment: str) -> list[str]:
    """A bare interpreter that imports what planning the environment imports, and does nothing else."""
    code = "import contextlib, importlib, sys\nfor name in sys.argv[1:]:\n    with contextlib.suppress(ImportError): importlib.import_module(name)"
    return [PYTHON, "-c", code, *modules_of(environment)]


def many_models(count: int, folder: Path) -> Path:
    """An environment file with that many models."""
    model = {"source": "hf://Qwen/Qwen2.5-3B-Instruct", "tpu": {"generation": "v6e", "topology": "2x2"}}
    config = {
        "tpu-serving:project": {"id": "example-project"},
        "tpu-serving:location": {"zone": "europe-west4-a"},
        "tpu-serving:models": [{"name": f"model-{index}", **model} for index in range(count)],
    }
    path = folder / f"models-{count}.yaml"
    path.write_text(yaml.safe_dump({"config": config}))
    return path


def main() -> None:
    """Measure, print a table, write `.state/bench-self.json`; exit code 1 where a median is over its target."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        refused = folder / "refused.yaml"
        refused.write_text((ROOT / "Pulumi.dev.yaml").read_text().replace("topology: 2x2", "topology: 2x2x1"))

        def plan(what: str | Path) -> list[str]:
            return [PYTHON, "-m", "serving", "plan", str(what), "--format", "json"]

        results = []
        one, fifty, hundred, thousand = (plan(many_models(count, folder)) for count in (1, 50, 100, 1000))
        for label, command, floor, target, runs in (
            ("plan dev / importing what it imports", plan("dev"), floor_of("dev"), 1.3, 7),
            ("plan dev / importing the SDKs' modules", plan("dev"), _SDK_FLOOR, 0.6, 7),
            ("plan of 1,000 models / of 50", thousand, fifty, 12.0, 1),
            ("--help / importing pydantic and typer", [PYTHON, "-m", "serving", "--help"], _LIGHT_FLOOR, 2.0, 15),
            ("a refused file / importing pydantic and typer", plan(refused), _LIGHT_FLOOR, 4.0, 15),
            ("ten mistakes / importing pydantic and typer", plan(_TEN_MISTAKES), _LIGHT_FLOOR, 4.0, 15),
        ):
            sys.stderr.write(f"measuring: {label} ...\n")
            results.append(compare(label, command, floor, target, runs))
        sys.stderr.write("measuring: each further model ...\n")
        results.append(further_model(one, hundred, runs=3))
    print(f"{'':48} {'ours':>7} {'floor':>7} {'ratio':>6} {'min-max':>13} {'target':>6}")
    for r in results:
        span = f"{r.lowest:.3f}-{r.highest:.3f}"
        print(
            f"{r.name:48} {r.command_seconds:6.3f}s {r.floor_seconds:6.2f}s {r.ratio:6.3f} {span:>13} {r.target:6} {r.verdict}"
        )
    state = ROOT / ".state"
    state.mkdir(exist_ok=True)
    (state / "bench-self.json").write_text(json.dumps({"ratios": [asdict(r) for r in results]}, indent=2) + "\n")
    sys.exit(any(r.verdict != "ok" for r in results))


if __name__ == "__main__":
    main()
