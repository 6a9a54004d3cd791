"""The real Pulumi engine on the rehearsal's own state, driven by the Automation API with the program inline."""

from __future__ import annotations

import json
import re
import runpy
import signal
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pulumi import automation

from rehearsal.directory import RehearsalDirectory
from rehearsal.engine import recovery, workspace
from rehearsal.engine.changes import Changes
from settings.document import ROOT

Result = TypeVar("Result")

# Of the Automation API, where the engine ended; how it ended is in the error.
warnings.filterwarnings("ignore", "Error in event stream", UserWarning)


class EngineError(Exception):
    """The engine could not finish; the message is its own last words, without a traceback."""


def program() -> None:
    """`__main__.py` as it is."""
    runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__")


def link(binary: Path, name: Path) -> None:
    """Make `name` a symbolic link to a binary, in one step."""
    temporary = name.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(binary)
    temporary.replace(name)


class _Workspace(automation.LocalWorkspace):
    """The SDK asks for the outputs twice after every `up`, and each question starts the CLI and its decryption anew."""

    def stack_outputs(self, stack_name: str) -> automation.OutputMap:
        """None: `Engine.outputs` asks once, when somebody wants them."""
        return {}


class Engine:
    """One stack. Nothing is started before an operation is asked for.

    Args:
        binaries: at least `pulumi`.
        inline: what is run as the program.
    """

    def __init__(
        self,
        directory: RehearsalDirectory,
        stack: str,
        binaries: Mapping[str, Path],
        inline: Callable[[], None] = program,
    ) -> None:
        self._directory, self.name = directory, stack
        self._variables = workspace.variables(directory, binaries)
        link(binaries["pulumi"], directory.bin / "pulumi")
        # It looks for bin/pulumi below a root.
        self._command = automation.PulumiCommand(root=str(directory.root))
        made = _Workspace(
            work_dir=str(directory.pulumi_work),
            pulumi_home=str(directory.pulumi_home),
            env_vars=self._variables,
            pulumi_command=self._command,
            program=inline,
        )
        recovery.end_engines(directory)
        recovery.mend(directory.pulumi_backend)
        self._stack = _asked(lambda: automation.Stack.create_or_select(stack, made))

    def recover(self, *, restarted: bool) -> list[str]:
        """Make a stack whose last run was killed, or whose control plane was, usable again; what was done, in words."""
        return _asked(lambda: recovery.recover(self._stack, self._directory, self._run, restarted=restarted))

    def _run(self, *arguments: str) -> str:
        command = [*arguments, "--stack", self.name, "--non-interactive"]
        return self._command.run(command, str(self._directory.pulumi_work), self._variables).stdout

    def preview(self, changes: Changes) -> dict[str, int]:
        """What `up` would do: operation -> number of resources."""
        result = _asked(lambda: self._stack.preview(on_event=changes.on_event, color="never"))
        return {str(getattr(op, "value", op)): n for op, n in result.change_summary.items()}

    def up(self, changes: Changes) -> dict[str, int]:
        """Run the program; operation -> number of resources."""
        on_event = changes.on_event
        _asked(lambda: self._stack.up(on_event=on_event, color="never", suppress_outputs=True, show_secrets=False))
        return changes.summary

    def destroy(self, changes: Changes) -> dict[str, int]:
        """Delete everything; operation -> number of resources. What the environment protects goes too: it is a rehearsal."""
        _asked(lambda: recovery.unprotect(self._stack))
        _asked(lambda: self._stack.destroy(on_event=changes.on_event, color="never", show_secrets=False))
        return changes.summary

    def outputs(self) -> dict[str, Any]:
        """Stack outputs; secrets are masked."""
        outputs: dict[str, Any] = json.loads(_asked(lambda: self._run("stack", "output", "--json")))
        return outputs

    def export(self) -> dict[str, Any]:
        """The state as `pulumi stack export` gives it."""
        exported = _asked(self._stack.export_stack).deployment
        return dict(exported) if exported else {}


def _asked(call: Callable[[], Result]) -> Result:
    """The answer of the engine; what it refuses becomes one message.

    Raises:
        EngineError: with the engine's own words.
    """
    try:
        return call()
    except automation.CommandError as error:
        raise EngineError(last_words(str(error))) from None


def last_words(text: str) -> str:
    """The diagnostics of a failed command: what stands on standard error, or the lines that say `error`; one that was
    killed had no time to say any."""
    if killed := re.search(r"^\s*code: -(\d+)", text):
        name = signal.Signals(int(killed[1])).name
        return f"the engine was ended by {name}. Run the same command again: it goes on from there."
    said = text.split("stderr:", 1)[-1].strip()
    wrong = [line.strip() for line in text.splitlines() if line.strip().startswith("error:")]
    return said or "\n".join(dict.fromkeys(wrong)) or text.strip()
