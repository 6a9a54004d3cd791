"""The real Pulumi engine on the rehearsal's own state, driven by the Automation API with the program inline."""

from __future__ import annotations

import re
import runpy
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pulumi import automation

from rehearsal.directory import RehearsalDirectory
from rehearsal.engine import workspace
from settings.document import ROOT

# Of the Automation API, where the engine ended; how it ended is in the error.
warnings.filterwarnings("ignore", "Error in event stream", UserWarning)

OnEvent = Callable[[automation.EngineEvent], None]


class EngineError(Exception):
    """The engine could not finish; the message is its own last words, without a traceback."""


def program() -> None:
    """`__main__.py` as it is."""
    runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__")


class Engine:
    """One stack.

    Args:
        pulumi: the CLI; without it the one that the rehearsal began with.
        inline: what is run as the program.
    """

    def __init__(
        self,
        directory: RehearsalDirectory,
        stack: str,
        pulumi: Path | None = None,
        inline: Callable[[], None] = program,
    ) -> None:
        self._directory = directory
        if pulumi is not None:
            link = directory.bin / "pulumi"
            link.unlink(missing_ok=True)
            link.symlink_to(pulumi)
        with _errors():
            made = automation.LocalWorkspace(
                work_dir=str(directory.pulumi_work),
                pulumi_home=str(directory.pulumi_home),
                env_vars=workspace.variables(directory),
                # It looks for bin/pulumi below a root.
                pulumi_command=automation.PulumiCommand(root=str(directory.root)),
                program=inline,
            )
            self._stack = automation.Stack.create_or_select(stack, made)

    def preview(self, on_event: OnEvent) -> dict[str, int]:
        """What `up` would do: operation -> number of resources."""
        with _errors():
            return _counts(self._stack.preview(on_event=on_event, color="never").change_summary)

    def up(self, on_event: OnEvent) -> dict[str, int]:
        """Run the program; operation -> number of resources."""
        with self._writing():
            done = self._stack.up(on_event=on_event, color="never", suppress_outputs=True, show_secrets=False)
        return _counts(done.summary.resource_changes)

    def destroy(self, on_event: OnEvent) -> None:
        """Delete everything, also a cluster with GKE's deletion protection: it is a rehearsal."""
        with self._writing():
            exported = self._stack.export_stack()
            for resource in (exported.deployment or {}).get("resources") or ():
                for part in (resource.get("inputs"), resource.get("outputs")):
                    if (part or {}).get("deletionProtection"):
                        part["deletionProtection"] = False
            self._stack.import_stack(exported)
            self._stack.destroy(on_event=on_event, color="never", show_secrets=False)

    def outputs(self) -> dict[str, Any]:
        """Stack outputs; secrets are masked."""
        with _errors():
            found = self._stack.outputs()
        return {name: "[secret]" if output.secret else output.value for name, output in found.items()}

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Leave a mark where the engine is killed while it writes, or this command."""
        self._directory.interrupted.touch()
        with _errors(on_end=lambda: self._directory.interrupted.unlink(missing_ok=True)):
            yield


@contextmanager
def _errors(on_end: Callable[[], None] = lambda: None) -> Iterator[None]:
    """What the engine refuses becomes one message; `on_end` is called where it came to its end, well or not.

    Raises:
        EngineError: with the engine's own words.
    """
    try:
        yield
        on_end()
    except automation.CommandError as error:
        if killed := re.search(r"^\s*code: -(\d+)", str(error)):
            name = signal.Signals(int(killed[1])).name
            raise EngineError(
                f"the engine was ended by {name}. Run the same command again: it starts from nothing."
            ) from None
        on_end()
        raise EngineError(last_words(str(error))) from None


def last_words(text: str) -> str:
    """The diagnostics of a failed command: what stands on standard error, or the lines that say `error`."""
    said = text.split("stderr:", 1)[-1].strip()
    wrong = [line.strip() for line in text.splitlines() if line.strip().startswith("error:")]
    return said or "\n".join(dict.fromkeys(wrong)) or text.strip()


def _counts(summary: Any) -> dict[str, int]:
    return {str(getattr(op, "value", op)): count for op, count in (summary or {}).items()}
