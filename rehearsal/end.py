"""The end of a rehearsal: destroy the stack, stop every process, and look whether anything is left."""

from __future__ import annotations

from rich.console import Console

from rehearsal import assets, control_plane
from rehearsal.directory import RehearsalDirectory
from rehearsal.engine.display import Screen, progress
from rehearsal.engine.engine import Engine, EngineError
from rehearsal.guard import Guard


class LeftoverError(Exception):
    """Something of the rehearsal is still there; the message lists it."""


def end(directory: RehearsalDirectory, console: Console) -> list[str]:
    """Destroy, stop, remove; what could not be done the orderly way, in words.

    A stack that can't be destroyed any more does not keep the rehearsal alive: its control plane is ended and its
    directory removed all the same, for nothing outside of it was ever created.

    Raises:
        LeftoverError: processes, ports or files of ours are left.
    """
    notes = []
    with directory.locked():
        stacks = sorted(directory.pulumi_backend.glob(".pulumi/stacks/tpu-serving/*.json"))
        for stack in stacks:
            try:
                destroy(directory, stack.stem, console)
            except (EngineError, assets.AssetError, control_plane.ControlPlaneError) as error:
                notes.append(f"the stack could not be destroyed, its control plane is ended as it is: {error}")
        control_plane.stop(directory)
        control_plane.release(directory)
    directory.remove()
    if left := control_plane.leftovers(directory):
        raise LeftoverError("still there: " + "; ".join(left))
    return notes


def destroy(directory: RehearsalDirectory, stack: str, console: Console) -> None:
    """Delete everything that a stack made; the control plane is brought up where it does not run, and stays.

    Raises:
        EngineError, assets.AssetError, control_plane.ControlPlaneError: in words for a person.
    """
    names = list(directory.load_record().binaries)
    binaries = assets.ensure([*names, "pulumi"], assets.Progress(console))
    plane = control_plane.start(directory, binaries, progress=progress(console))
    engine = Engine(directory, stack, binaries)
    engine.recover(restarted=not plane.reused)
    screen = Screen(console, f"Destroy of {stack}")
    with Guard(directory), screen.showing() as changes:
        engine.destroy(changes)
