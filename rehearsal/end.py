"""The end of a rehearsal: destroy the stack, end every process, and look whether anything is left."""

from __future__ import annotations

from rich.console import Console

from rehearsal import control_plane
from rehearsal.directory import RehearsalDirectory
from rehearsal.engine.display import Screen
from rehearsal.engine.engine import Engine, EngineError
from rehearsal.existing_platform import STACK
from rehearsal.run import watched


class LeftoverError(Exception):
    """Something of the rehearsal is still there; the message lists it."""


def end(directory: RehearsalDirectory, console: Console) -> list[str]:
    """Destroy, stop, remove; what could not be done the orderly way, in words.

    A stack that can't be destroyed does not keep the rehearsal alive: nothing outside of its directory was ever created.

    Raises:
        ControlPlaneError, LeftoverError: processes or files of ours are left.
    """
    notes = []
    with directory.locked():
        stacks = [path.stem for path in directory.pulumi_backend.glob(".pulumi/stacks/tpu-serving/*.json")]
        if stacks and not control_plane.is_whole(directory):
            notes.append("the rehearsal was cut off before: its stack is thrown away, not destroyed")
            stacks = []
        for stack in stacks:
            try:
                destroy(directory, stack, console)
            except (EngineError, control_plane.ControlPlaneError) as error:
                notes.append(f"the stack could not be destroyed and is thrown away: {error}")
        control_plane.stop(directory)
    directory.remove()
    if left := control_plane.leftovers(directory):
        raise LeftoverError("still there: " + "; ".join(left))
    return notes


def destroy(directory: RehearsalDirectory, stack: str, console: Console) -> None:
    """Delete everything that a stack of the running rehearsal made. What others installed stays.

    Raises:
        EngineError, control_plane.ControlPlaneError: in words for a person.
    """
    if stack != STACK:
        screen = Screen(console, f"Destroy of {stack}")
        with watched(directory), screen.showing() as on_event:
            Engine(directory, stack).destroy(on_event)
