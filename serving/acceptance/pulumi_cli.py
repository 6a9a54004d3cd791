"""The Pulumi CLI on one stack, as the guide calls it, and what its event log says of a run."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from serving.acceptance.platform import Platform
from settings.document import ROOT

_POLICY = ("--policy-pack", str(ROOT / "policy"))
_QUIET = "--non-interactive"
# Without a terminal each change is a line; dots would be more of them, and outputs name what is private.
_PLAIN = ("--suppress-progress", "--suppress-outputs", "--color", "never", _QUIET)
_COLOUR = re.compile(r"<\{%[^%]*%\}>")
_ENDED = ("resOutputsEvent", "resOpFailedEvent")


class PulumiError(Exception):
    """The CLI can't be run, or can't say what is asked of it; the message is its own."""


@dataclass(frozen=True)
class ResourceTime:
    """Seconds that the engine worked on a resource."""

    type: str
    name: str
    operation: str
    seconds: float


@dataclass(frozen=True)
class PulumiResult:
    """How a command ended. `errors`: (resource's type or nothing, message); `changes`: operation -> resources."""

    code: int
    changes: dict[str, int] = field(default_factory=dict)
    errors: tuple[tuple[str, str], ...] = ()
    took: tuple[ResourceTime, ...] = ()


class PulumiCli:
    """One stack.

    Args:
        folder: where event logs go; they are private.
        say: gets each line that the CLI prints.
    """

    def __init__(self, platform: Platform, stack: str, folder: Path, say: Callable[[str], None]) -> None:
        self._platform, self._stack, self._folder, self._say = platform, stack, folder, say

    def version(self) -> str:
        """Of the CLI.

        Raises:
            PulumiError: there is none.
        """
        return self._asked("version").strip()

    def resources(self) -> int | None:
        """How many resources the stack has; None where there is no such stack.

        Raises:
            PulumiError: the CLI can't say.
        """
        try:
            exported: dict[str, Any] = json.loads(self._asked("stack", "export", *self._named))
        except PulumiError as error:
            if "no stack named" in str(error):
                return None
            raise
        found: list[dict[str, Any]] = (exported.get("deployment") or {}).get("resources") or []
        return len([resource for resource in found if resource.get("type") != "pulumi:pulumi:Stack"])

    def init(self) -> None:
        """Make the stack.

        Raises:
            PulumiError: it could not be made.
        """
        self._asked("stack", "init", *self._named, "--no-select", _QUIET)

    def remove(self, *, keep_file: bool) -> None:
        """Remove the stack, and where it was made for it the file with its key.

        Raises:
            PulumiError: it has resources, or could not be removed.
        """
        self._asked("stack", "rm", *self._named, "--yes", _QUIET, *(["--preserve-config"] if keep_file else []))

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs.

        Raises:
            PulumiError: the CLI can't say.
        """
        outputs: dict[str, Any] = json.loads(self._asked("stack", "output", "--json", *self._named, _QUIET))
        return outputs

    def preview(self, settings: Path) -> PulumiResult:
        """What `up` would do."""
        return self._run("preview", settings, *_POLICY, "--expect-no-changes")

    def up(self, settings: Path) -> PulumiResult:
        """Create or change everything, under the policy pack."""
        return self._run("up", settings, *_POLICY, "--yes", "--skip-preview")

    def destroy(self, settings: Path) -> PulumiResult:
        """Delete everything."""
        return self._run("destroy", settings, "--yes", "--skip-preview")

    @property
    def _named(self) -> tuple[str, str]:
        return "--stack", self._stack

    @property
    def _variables(self) -> dict[str, str]:
        # Without it the CLI has no --event-log; the Automation API sets it for the same reason.
        return {**os.environ, **self._platform.variables, "PULUMI_DEBUG_COMMANDS": "true"}

    def _asked(self, *arguments: str) -> str:
        try:
            done = subprocess.run(
                [self._program, *arguments],
                cwd=self._platform.project,
                env=self._variables,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
        except OSError as error:
            raise PulumiError(f"pulumi can't be run ({error.strerror}): https://www.pulumi.com/docs/install/") from None
        if done.returncode:
            raise PulumiError(done.stderr.strip() or f"pulumi {arguments[0]} ended with {done.returncode}")
        return done.stdout

    @property
    def _program(self) -> str:
        return shutil.which("pulumi", path=self._variables.get("PATH")) or "pulumi"

    def _run(self, command: str, settings: Path, *options: str) -> PulumiResult:
        log = self._folder / f"{command}.events.json"
        log.unlink(missing_ok=True)
        arguments = [command, *self._named, "--config-file", str(settings), *options, *_PLAIN, "--event-log", str(log)]
        # In a session of its own: a terminal's interrupt reaches this command alone, which passes it on once. The engine
        # takes a second one as "stop at once", and then nobody knows what was made.
        process = subprocess.Popen(
            [self._program, *arguments],
            cwd=self._platform.project,
            env=self._variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        said: dict[str, None] = {}
        try:
            self._follow(process, said)
        except KeyboardInterrupt:
            self._say("Interrupted; the engine finishes what it has begun. Interrupt again to stop it at once.")
            process.send_signal(signal.SIGINT)
            try:
                self._follow(process, said)
            except KeyboardInterrupt:
                process.send_signal(signal.SIGINT)
                process.wait()
            raise
        return _read(log, process.returncode, list(said))

    def _follow(self, process: subprocess.Popen[str], said: dict[str, None]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            # A resource that waits is said again and again in the same words.
            if line.strip() and line not in said:
                said[line] = None
                self._say(line.rstrip())
        process.wait()


def _read(log: Path, code: int, said: list[str]) -> PulumiResult:
    """An event log's counts, times and errors; without any the CLI's own last words."""
    changes: dict[str, int] = {}
    began: dict[tuple[str, str], int] = {}
    took: list[ResourceTime] = []
    errors: list[tuple[str, str]] = []
    for event in _events(log):
        at = event.get("timestamp", 0)
        if "resourcePreEvent" in event:
            metadata = event["resourcePreEvent"]["metadata"]
            began[metadata["urn"], metadata["op"]] = at
        for ended in _ENDED:
            if ended in event:
                metadata = event[ended]["metadata"]
                urn, operation = metadata["urn"], metadata["op"]
                start = began.get((urn, operation), at)
                if operation != "same":
                    took.append(ResourceTime(metadata["type"], urn.rpartition("::")[2], operation, float(at - start)))
        if "summaryEvent" in event:
            changes = event["summaryEvent"].get("resourceChanges") or {}
        said_of = event.get("diagnosticEvent")
        if (
            said_of
            and said_of.get("severity") == "error"
            and (message := _COLOUR.sub("", said_of.get("message", "")).strip())
        ):
            errors.append((_type_of(said_of.get("urn", "")), message))
    if code and not errors:
        errors = [("", line.strip()) for line in said if "error:" in line] or [("", line.strip()) for line in said[-1:]]
    return PulumiResult(code, changes, tuple(dict.fromkeys(errors)), tuple(took))


def _events(log: Path) -> Iterator[dict[str, Any]]:
    """What was written; a line that a kill cut off is left out."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            yield event


def _type_of(urn: str) -> str:
    """`urn:pulumi:dev::tpu-serving::parent$gcp:container/cluster:Cluster::name` -> `Cluster`."""
    parts = urn.split("::")
    return parts[2].rpartition("$")[2].rpartition(":")[2] if len(parts) > 3 else ""
