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


def provider_modules(environment: str) -> list[str]:
    """The modules of Pulumi and its providers that planning an environment imports."""
    code = (
        "import io, sys, contextlib\nfrom serving.cli import app\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        f"    app(['plan', {environment!r}, '--format', 'json'])\n"
        "roots = ('pulumi', 'pulumi_gcp', 'pulumi_kubernetes')\n"
        "print(' '.join(m for m in sys.modules if m.split('.')[0] in roots and m.count('.') <= 2 and '._' not in m))"
    )
    done = subprocess.run([PYTHON, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.split()


def provider_floor(environment: str) -> list[str]:
    """A bare interpreter that imports the Pulumi modules which planning the environment imports, and nothing else."""
    return [PYTHON, "-c", "\n".join(f"import {m}" for m in provider_modules(environment) if hasattr_path(m))]


def existing_network_imports_no_compute(folder: Path) -> bool:
    """Whether planning into a network that is there leaves the slowest provider module alone."""
    document = yaml.safe_load((ROOT / "Pulumi.dev.yaml").read_text(encoding="utf-8"))
    document["config"]["tpu-serving:network"] = {
        "mode": "existing",
        "name": "shared",
        "subnetwork": "nodes",
        "proxyOnlySubnet": {"mode": "existing", "name": "proxies"},
    }
    path = folder / "existing-network.yaml"
    path.write_text(yaml.safe_dump(document))
    modules = provider_modules(str(path))
    # The package itself is only named until it is used; then its modules appear. Without the provider the file was
    # refused, and the answer would mean nothing.
    return "pulumi_gcp" in modules and not any(m.startswith("pulumi_gcp.compute.") for m in modules)


def hasattr_path(module: str) -> bool:
    """Modules that can be imported by themselves (a lazy provider package lists names that are none)."""
    import importlib.util

    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


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
        for label, command, floor, target, runs in (
            ("plan dev / importing the same Pulumi modules", plan("dev"), provider_floor("dev"), 1.5, 7),
            ("plan of 100 models / of one", plan(many_models(100, folder)), plan(many_models(1, folder)), 3.0, 5),
            ("--help / importing pydantic and typer", [PYTHON, "-m", "serving", "--help"], _LIGHT_FLOOR, 2.0, 15),
            ("a refused file / importing pydantic and typer", plan(refused), _LIGHT_FLOOR, 2.0, 15),
            ("ten mistakes / importing pydantic and typer", plan(_TEN_MISTAKES), _LIGHT_FLOOR, 2.0, 15),
        ):
            sys.stderr.write(f"measuring: {label} ...\n")
            results.append(compare(label, command, floor, target, runs))
        lean = existing_network_imports_no_compute(folder)
    print(f"{'':48} {'ours':>7} {'floor':>7} {'ratio':>6} {'min-max':>11} {'target':>6}")
    for r in results:
        span = f"{r.lowest:.2f}-{r.highest:.2f}"
        print(
            f"{r.name:48} {r.command_seconds:6.2f}s {r.floor_seconds:6.2f}s {r.ratio:6.2f} {span:>11} {r.target:6.1f} {r.verdict}"
        )
    print(f"{'an existing network imports no pulumi_gcp.compute':88} {'ok' if lean else 'NOT SO'}")
    state = ROOT / ".state"
    state.mkdir(exist_ok=True)
    measured = {"ratios": [asdict(r) for r in results], "existingNetworkImportsNoCompute": lean}
    (state / "bench-self.json").write_text(json.dumps(measured, indent=2) + "\n")
    sys.exit(not lean or any(r.verdict != "ok" for r in results))


if __name__ == "__main__":
    main()
