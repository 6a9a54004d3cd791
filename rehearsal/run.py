"""`up` of an environment on this machine, from nothing to ready, and what was used for it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from cluster.outputs import parse_outputs
from cluster.target import TargetError, TargetFile, read_target, write_target
from rehearsal import assets, control_plane, existing, parts
from rehearsal.company import Company
from rehearsal.directory import RehearsalDirectory
from rehearsal.engine import workspace
from rehearsal.engine.display import Screen, progress
from rehearsal.engine.engine import Engine, EngineError, program
from rehearsal.engine.plugins import KUBERNETES, install_plugins
from rehearsal.guard import Guard
from rehearsal.load_balancer.report import authority
from rehearsal.undo import Undo, UndoError, undone
from settings.derive import Deployment


@dataclass
class Outcome:
    """What a run ended with. `seconds` holds the time of each phase, in the order they ran.

    `failure`: the engine's words, where something was to fail (an undo, a stock-out) and kept `up` from its end.
    """

    directory: RehearsalDirectory
    summary: dict[str, int] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    failure: str = ""
    target: TargetFile | None = None

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Add the time of a phase."""
        start = time.monotonic()
        try:
            yield
        finally:
            self.seconds[phase] = time.monotonic() - start


def rehearse(
    deployment: Deployment,
    environment: Path,
    directory: RehearsalDirectory,
    console: Console,
    *,
    stockouts: list[str],
    undos: list[Undo],
    preview: bool,
) -> Outcome:
    """Bring an environment up (or preview it) on its own control plane, which stays running.

    Raises:
        assets.AssetError, control_plane.ControlPlaneError, DirectoryError, EngineError, UndoError: in words
            for a person.
    """
    outcome = Outcome(directory)
    directory.create()
    with directory.locked():
        with outcome.timed("binaries"):
            binaries = assets.ensure(parts.assets_of(deployment), assets.Progress(console))
            assets.ensure_modules(assets.Progress(console))
        with outcome.timed("control plane"):
            restarted = not _start(directory, deployment, binaries, stockouts, console).reused
            outcome.target = _publish(directory, deployment, environment)
        with outcome.timed("engine"):
            outcome.notes += _placeholders(workspace.prepare(directory, deployment.name, environment))
            outcome.notes += install_plugins(directory, binaries[KUBERNETES])
            to_fail = bool(undos or stockouts)
            ids = [undo.id for undo in undos]
            inline = undone(program, ids, stockout=bool(stockouts)) if to_fail else program
            engine = Engine(directory, deployment.name, binaries, inline)
            outcome.notes += _said(console, engine.recover(restarted=restarted))
            _refuse_late(engine, undos)
        with outcome.timed("preview" if preview else "up"):
            screen = Screen(console, f"{'Preview' if preview else 'Up'} of {deployment.name}", planned=preview)
            with ExitStack() as stack:
                if not preview:  # a preview writes nothing, and so does nobody else on its behalf
                    stack.enter_context(Company(deployment, directory, binaries, progress(console)))
                stack.enter_context(Guard(directory))
                changes = stack.enter_context(screen.showing())
                try:
                    outcome.summary = (engine.preview if preview else engine.up)(changes)
                except EngineError as error:
                    if preview or not to_fail:
                        raise
                    outcome.failure = screen.errors() or str(error)
        if not preview:
            outcome.outputs = engine.outputs()
            outcome.target = _publish(directory, deployment, environment, outcome.outputs)
            outcome.notes += unknown_images(directory)
    return outcome


def _start(
    directory: RehearsalDirectory,
    deployment: Deployment,
    binaries: dict[str, Path],
    stockouts: list[str],
    console: Console,
) -> control_plane.ControlPlane:
    existing.seed_cloud(deployment, directory.cloud)
    (directory.path / "stockout.txt").write_text("".join(f"{zone}\n" for zone in stockouts), encoding="utf-8")
    return control_plane.start(directory, binaries, progress=progress(console))


def _publish(
    directory: RehearsalDirectory, deployment: Deployment, environment: Path, outputs: dict[str, Any] | None = None
) -> TargetFile:
    """Write what other commands find this rehearsal by; without outputs those of an earlier `up` stay."""
    earlier = None
    with suppress(TargetError):  # written by another version: it is replaced
        earlier = read_target(directory.path)
    known = parse_outputs(outputs, deployment.name) if outputs else earlier and earlier.outputs
    target = TargetFile(
        environment=deployment.name,
        file=environment.resolve(),
        phase="ready" if known else "starting",
        kubeconfig=directory.kubeconfig,
        load_balancer=directory.path / "load-balancer.json",
        ca_file=authority(directory),
        outputs=known or None,
    )
    write_target(directory.path, target)
    return target


def _refuse_late(engine: Engine, undos: list[Undo]) -> None:
    """GKE takes its definitions, and with them every Gateway, out of a cluster whose channel is switched off."""
    late = [undo.id for undo in undos if undo.fresh]
    if late and any(r["type"].endswith(":Gateway") for r in engine.export().get("resources") or ()):
        raise UndoError(
            f"{', '.join(late)} shows at the first `up` only, and this rehearsal has a Gateway already. End it first: "
            f"python -m serving down {engine.name}"
        )


def unknown_images(directory: RehearsalDirectory) -> list[str]:
    """Images that nothing here stands for, in words."""
    path = directory.unknown_images
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    images = dict.fromkeys(line.rpartition(" ")[2] for line in lines)
    return [f"nothing here stands for the image {image}: its containers are Ready and do nothing" for image in images]


def _said(console: Console, notes: list[str]) -> list[str]:
    """Notes that are also said at once: a run that fails later must not lose them."""
    for note in notes:
        progress(console)(note)
    return notes


def _placeholders(keys: list[str]) -> list[str]:
    return [f"{key} is encrypted in the environment's file; a placeholder stands for it here" for key in keys]
