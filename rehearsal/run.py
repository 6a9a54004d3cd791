"""`up` of an environment on this machine, from nothing to ready, and what was used for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from cluster.outputs import parse_outputs
from cluster.target import TargetError, TargetFile, read_target, write_target
from rehearsal import assets, control_plane, parts
from rehearsal.control_plane.names import COLLECTOR, CONTROLLERS, KEDA, PROMETHEUS
from rehearsal.control_plane.processes import kill_marked
from rehearsal.directory import RehearsalDirectory
from rehearsal.engine import workspace
from rehearsal.engine.display import Screen, progress
from rehearsal.engine.engine import Engine, EngineError, program
from rehearsal.engine.plugins import KUBERNETES, install_plugins
from rehearsal.existing_cloud import seed_cloud
from rehearsal.existing_platform import STACK as EXISTING
from rehearsal.existing_platform import ExistingPlatform
from rehearsal.load_balancer.record import authority
from rehearsal.undo import Undo, undone
from settings.derive import Deployment

_PERIOD_SECONDS = 1.0


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
    metrics: bool = False,
) -> Outcome:
    """Bring an environment up (or preview it) on its own control plane, which stays running.

    A rehearsal that was cut off, in whatever state, is thrown away first. One that has `metrics` (a real Prometheus) keeps
    them, and one whose models scale has them.

    Raises:
        assets.AssetError, control_plane.ControlPlaneError, DirectoryError, EngineError: in words for a person.
    """
    outcome = Outcome(directory)
    # With a purchase left that has chips, a model comes up: its wait is the whole one.
    stuck = bool(stockouts) and all({bought.zone, bought.kind} & {*stockouts} for bought in deployment.purchases)
    to_fail = bool(undos) or stuck
    with directory.locked():
        with outcome.timed("binaries"):
            controllers = directory.load_record().controllers if control_plane.is_whole(directory) else ()
            metrics = metrics or deployment.scales or COLLECTOR in controllers
            binaries = assets.ensure(parts.assets_of(deployment, metrics=metrics), assets.Progress(console))
            assets.ensure_modules(assets.Progress(console))
        with outcome.timed("control plane"):
            fresh = any(undo.fresh for undo in undos)
            controllers = _controllers(deployment, metrics=metrics)
            control_plane.start(directory, binaries, progress=progress(console), controllers=controllers, fresh=fresh)
            outcome.target = _publish(directory, deployment, environment)
        with outcome.timed("engine"):
            seed_cloud(deployment, directory.cloud)
            (directory.path / "stockout.txt").write_text("".join(f"{what}\n" for what in stockouts), encoding="utf-8")
            workspace.prepare(directory, EXISTING, environment)
            outcome.notes += _placeholders(workspace.prepare(directory, deployment.name, environment))
            install_plugins(directory, binaries[KUBERNETES])
            ids = [undo.id for undo in undos]
            inline = undone(program, ids, stockout=stuck) if to_fail else program
            engine = Engine(directory, deployment.name, binaries["pulumi"], inline)
        with outcome.timed("preview" if preview else "up"), ExitStack() as stack:
            screen = Screen(console, f"{'Preview' if preview else 'Up'} of {deployment.name}", planned=preview)
            if not preview:  # a preview writes nothing, and so does nobody else on its behalf
                stack.enter_context(ExistingPlatform(deployment, directory, progress(console)))
            stack.enter_context(watched(directory))
            on_event = stack.enter_context(screen.showing())
            try:
                outcome.summary = engine.preview(on_event) if preview else engine.up(on_event)
            except EngineError as error:
                if preview or not to_fail or directory.interrupted.exists():
                    raise
                outcome.failure = screen.errors() or str(error)
        if not preview:
            outcome.outputs = engine.outputs()
            outcome.target = _publish(directory, deployment, environment, outcome.outputs)
            outcome.notes += unknown_images(directory)
    return outcome


def _controllers(deployment: Deployment, *, metrics: bool) -> tuple[str, ...]:
    return (*CONTROLLERS, *([COLLECTOR] if metrics else ()), *([KEDA] if deployment.scales else ()))


def _publish(
    directory: RehearsalDirectory, deployment: Deployment, environment: Path, outputs: dict[str, Any] | None = None
) -> TargetFile:
    """Write what other commands find this rehearsal by; without outputs those of an earlier `up` stay."""
    earlier = None
    with suppress(TargetError):  # written by another version: it is replaced
        earlier = read_target(directory.root)
    record = directory.load_record()
    known = parse_outputs(outputs, deployment.name) if outputs else earlier and earlier.outputs
    target = TargetFile(
        environment=deployment.name,
        file=environment.resolve(),
        phase="ready" if known else "starting",
        kubeconfig=directory.kubeconfig,
        load_balancer=directory.root / "load-balancer.json",
        ca_file=authority(directory),
        outputs=known or None,
        project=directory.pulumi_work,
        prometheus=f"http://127.0.0.1:{record.ports[PROMETHEUS]}" if COLLECTOR in record.controllers else None,
        variables=workspace.variables(directory),
    )
    write_target(directory.root, target)
    return target


@contextmanager
def watched(directory: RehearsalDirectory) -> Iterator[None]:
    """End the engine within the block once its control plane has ended: it would wait until its longest time limit.

    Raises:
        control_plane.ControlPlaneError: the control plane has ended within the block; it says why.
    """
    over, reasons = threading.Event(), list[str]()

    def watch() -> None:
        while not over.wait(_PERIOD_SECONDS) and not reasons:
            if reason := control_plane.why_ended(directory):
                reasons.append(reason)
                kill_marked(directory)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        if reasons:
            again = "Run the same command again: it starts from nothing."
            raise control_plane.ControlPlaneError(f"the control plane ended meanwhile. {again} {reasons[0]}") from None


def unknown_images(directory: RehearsalDirectory) -> list[str]:
    """Images that nothing here stands for, in words."""
    path = directory.unknown_images
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    images = dict.fromkeys(line.rpartition(" ")[2] for line in lines)
    return [f"nothing here stands for the image {image}: its containers are Ready and do nothing" for image in images]


def _placeholders(keys: list[str]) -> list[str]:
    return [f"{key} is encrypted in the environment's file; a placeholder stands for it here" for key in keys]
