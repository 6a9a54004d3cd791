"""What a new record says of the environment, the program and its versions."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Literal

from catalog.lock import load_lock
from serving.acceptance.record import STEPS, Cost, Environment, Model, Record, Step
from serving.plan.plan import Plan
from settings.document import ROOT
from settings.served import ServedModel


def new_record(plan: Plan, *, emulated: bool, consent: Literal["typed", "--yes"], cli: str) -> Record:
    """The record of a run that begins now. `cli`: version of the Pulumi CLI."""
    deployment, cost = plan.deployment, plan.cost
    settings = deployment.settings
    return Record(
        where="emulated cloud" if emulated else "Google Cloud",
        started=datetime.now(UTC).replace(microsecond=0),
        ended=None,
        consent=consent,
        commit=_commit(),
        versions=_versions(cli, [m.settings.image for m in deployment.models]),
        environment=Environment(
            tier=settings.tier,
            zone=deployment.zone,
            purchase=settings.capacity.purchase,
            exposure="external" if settings.gateway.external else "internal",
            models=tuple(map(_model, deployment.models)),
        ),
        cost=Cost(
            currency=cost.currency,
            per_hour=cost.per_hour,
            complete=all(item.unit_price is not None for item in cost.items),
            prices_as_of=cost.prices_as_of,
        ),
        steps=tuple(Step(name=name) for name in STEPS),
    )


def _model(model: ServedModel) -> Model:
    # The catalogue also finds a copy of a known model under an owner's own name.
    source = model.settings.source
    known = model.known is not None and source.removeprefix("hf://").partition(":")[0] == model.known.id
    return Model(
        source=source if known else None,
        generation=model.shape.generation,
        topology=model.shape.topology,
        machine_type=model.shape.machine_type,
        replicas=model.most_replicas,
        context_length=model.settings.context_length,
    )


def _versions(cli: str, images: list[str | None]) -> dict[str, str]:
    lock = load_lock()
    own = {"vllm-tpu": "an image of the environment's own"} if any(images) else {}
    return {
        "pulumi": cli,
        **{name: version(name) for name in ("pulumi-gcp", "pulumi-kubernetes")},
        **{key: chart.version for key, chart in lock.charts.items()},
        **{key: lock.images[key].tag for key in ("epp", "vllm-tpu")},
        **own,
    }


def _commit() -> str:
    """Empty outside of a git checkout."""
    try:
        commit, changed = (
            subprocess.run(
                ["git", *arguments], cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True
            ).stdout.strip()
            for arguments in (("rev-parse", "--short=12", "HEAD"), ("status", "--porcelain", "--untracked-files=no"))
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return commit + ("+" if changed else "")
