"""What a pipeline does to one environment in the cloud, with the credentials it finds: `python -m tools.ci.cloud STEP ENV`.

Steps: `preview` what `up` would do, under the policy pack; `up` do it; `verify` whether it serves; `deploy` both;
`nightly` refresh without writing, drift and preflight, with a report. `--dry-run` prints the commands of a step.
Exit codes: 0 good, 1 a command failed or found something, 2 the call was wrong.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from settings.derive import Deployment
from settings.document import ROOT, environment_name, find_environment
from tools.ci.commands import Command, run_all, run_or_print

_SERVING = (sys.executable, "-m", "serving")
_QUIET = "--non-interactive"
# The report of a night is an issue's text, which has a limit of its own: the end of an output says how it went.
_LAST_LINES = 60


class Environment:
    """One environment and the commands on it; its files are below `.state/cloud`."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        folder = ROOT / ".state/cloud"
        self.outputs = folder / f"{deployment.name}.outputs.json"
        self.kubeconfig = folder / f"{deployment.name}.kubeconfig"

    def preview(self) -> list[Command]:
        """What `up` would do."""
        return [self._pulumi("preview", "--policy-pack", "policy", "--diff")]

    def up(self) -> list[Command]:
        """Create or change everything."""
        return [self._pulumi("up", "--policy-pack", "policy", "--yes", "--skip-preview")]

    def access(self) -> list[Command]:
        """Outputs and kubeconfig; gcloud's only way to choose its file is the variable."""
        d = self.deployment
        return [
            Command(("pulumi", "stack", "output", "--json", "--stack", d.name, _QUIET), self.outputs),
            Command(
                ("gcloud", "container", "clusters", "get-credentials",
                 d.cluster_name, "--location", d.region, "--project", d.settings.project.id),
                variable=("KUBECONFIG", str(self.kubeconfig)),
            ),
        ]  # fmt: skip

    def verify(self) -> list[Command]:
        """Whether it serves; backends of a new load balancer take minutes to be healthy."""
        where = ("--outputs", str(self.outputs), "--kubeconfig", str(self.kubeconfig))
        return [*self.access(), Command((*_SERVING, "verify", self.deployment.name, *where, "--wait", "15m"))]

    def deploy(self) -> list[Command]:
        """Create or change everything, and see whether it serves."""
        return [*self.up(), *self.verify()]

    def nightly(self) -> list[Command]:
        """What changed behind the program's back, and what a next `up` would meet."""
        where = ("--outputs", str(self.outputs), "--kubeconfig", str(self.kubeconfig))
        return [
            self._pulumi("refresh", "--preview-only", "--expect-no-changes"),
            *self.access(),
            Command((*_SERVING, "drift", self.deployment.name, *where)),
            Command((*_SERVING, "preflight", self.deployment.name)),
        ]

    def _pulumi(self, command: str, *options: str) -> Command:
        return Command(("pulumi", command, "--stack", self.deployment.name, *options, _QUIET))


STEPS = ("preview", "up", "verify", "deploy", "nightly")


def report(name: str, commands: list[Command], file: Path) -> int:
    """Run all of them, whatever an earlier one said, and write what they found as Markdown."""
    done = [(command, command.run(capture=True)) for command in commands]
    file.write_text("\n".join(_report(name, done)) + "\n", encoding="utf-8")
    return int(any(result.returncode for _, result in done))


def _report(name: str, done: list[tuple[Command, subprocess.CompletedProcess[str]]]) -> Iterator[str]:
    found = [pair for pair in done if pair[1].returncode]
    yield f"**{name}**: {len(found)} of {len(done)} looks found something."
    for command, result in found:
        yield ""
        yield f"`{command.shown}`: exit {result.returncode}"
        yield ""
        # An output may hold a fence; indented text can't be left.
        yield from (f"    {line}" for line in (result.stdout or "").splitlines()[-_LAST_LINES:])


def main(arguments: list[str] | None = None) -> int:
    """Run a step, or with `--dry-run` print its commands."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.ci.cloud",
        description=__doc__,
        epilog="example: python -m tools.ci.cloud preview dev",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("step", choices=STEPS)
    parser.add_argument("environment", metavar="ENV", help="name of an environment, which is the stack's")
    parser.add_argument("--dry-run", action="store_true", help="print the commands and run none")
    parser.add_argument("--output", type=Path, metavar="FILE", help="where `nightly` writes its report")
    options = parser.parse_args(arguments)

    def commands_of(deployment: Deployment) -> list[Command]:
        commands: list[Command] = getattr(Environment(deployment), options.step)()
        return commands

    def nightly(commands: list[Command]) -> int:
        name = environment_name(find_environment(options.environment))
        return report(name, commands, options.output or ROOT / f".state/cloud/{name}.nightly.md")

    run = nightly if options.step == "nightly" else run_all
    return run_or_print(options.environment, commands_of, dry_run=options.dry_run, run=run)


if __name__ == "__main__":
    sys.exit(main())
