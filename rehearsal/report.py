"""What `make rehearse` prints when it is done: what came up, what is real, and how to look at it."""

from __future__ import annotations

import shlex

from rich.console import Console
from rich.table import Table

from rehearsal import assets, parts
from rehearsal.engine.display import duration
from rehearsal.engine.workspace import ordinary_cli
from rehearsal.run import Outcome
from settings.derive import Deployment


def print_outcome(console: Console, deployment: Deployment, outcome: Outcome) -> None:
    """In the order a reader asks: did it work, how long, what is real, what can I do now."""
    counted = ", ".join(f"{count} {operation}" for operation, count in outcome.summary.items())
    console.print(f"[bold]{deployment.name}[/bold]: {counted or 'nothing to do'}", highlight=False)
    times = ", ".join(f"{phase} {duration(seconds)}" for phase, seconds in outcome.seconds.items())
    console.print(f"Time: {times}", highlight=False)
    for note in outcome.notes:
        console.print(f"  note: {note}", highlight=False)
    if not outcome.outputs:
        return
    console.print(_parts(deployment))
    console.print("To look at it with the ordinary CLI and kubectl:")
    for name, value in {"KUBECONFIG": str(outcome.directory.kubeconfig), **ordinary_cli(outcome.directory)}.items():
        console.print(f"  export {name}={shlex.quote(value)}", highlight=False, soft_wrap=True)
    console.print(f"  pulumi stack output --stack organization/tpu-serving/{deployment.name}", highlight=False)
    console.print(f"Logs: {outcome.directory.logs}", highlight=False, soft_wrap=True)


def _parts(deployment: Deployment) -> Table:
    table = Table("part", "version", "real or stand-in", "found", box=None, pad_edge=False)
    needed = list(parts.parts_of(deployment))
    found = assets.find([part.asset for part in needed if part.asset])
    for part in needed:
        binary = found.get(part.asset)
        table.add_row(part.part, binary.version if binary else "", part.kind, binary.how if binary else "")
    return table
