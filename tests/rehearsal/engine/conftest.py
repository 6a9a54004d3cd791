"""A stack of the ordinary CLI, and the real engine on it."""

from __future__ import annotations

import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from rehearsal import assets
from rehearsal.directory import RehearsalDirectory
from rehearsal.engine import workspace
from rehearsal.engine.engine import Engine
from rehearsal.engine.plugins import KUBERNETES, install_kubernetes
from rehearsal.plugins.install import install
from settings.document import ROOT


class Cli:
    """The ordinary CLI on a stack of its own."""

    def __init__(self, folder: Path) -> None:
        found = assets.find(["pulumi"]).get("pulumi")
        if found is None:
            pytest.skip("pulumi not found; `python -m rehearsal.assets` gets it")
        self.program = found.path
        self.directory = RehearsalDirectory(folder / "dev")
        self.directory.create()
        workspace.prepare(self.directory, "dev", ROOT / "Pulumi.dev.yaml")

    def up(self, program: Any) -> None:
        """Run a program without providers."""
        Engine(self.directory, "dev", self.program, program).up(lambda _: None)

    def call(self, *words: str, given: str | None = None, **variables: str) -> tuple[int, str]:
        """Exit code of a command, and everything that it prints."""
        done = subprocess.run(
            [str(self.directory.bin / "pulumi"), *words, "--stack", "dev"],
            cwd=self.directory.pulumi_work,
            env={**workspace.variables(self.directory), "HOME": str(self.directory.root), "NO_COLOR": "1", **variables},
            input=given,
            stdin=None if given is not None else subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return Cli(tmp_path)


@pytest.fixture
def cli_with_providers(cli: Cli) -> Cli:
    """The rehearsal's two plugins are installed."""
    found = assets.find([KUBERNETES])
    if not found:
        pytest.skip("programs not found: `python -m rehearsal.assets` gets them")
    (cli.directory.bin / "pulumi").symlink_to(cli.program)
    install(cli.directory.pulumi_home, version("pulumi-gcp"), cli.directory.root)
    install_kubernetes(cli.directory, found[KUBERNETES].path)
    return cli
