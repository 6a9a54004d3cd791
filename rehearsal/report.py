"""What `make rehearse` prints when it is done: what came up, what is real, and how to look at it."""

from __future__ import annotations

import json
import shlex
from importlib.metadata import version
from urllib.parse import urlsplit

from rich.console import Console
from rich.table import Table

from rehearsal import assets, parts
from rehearsal.directory import RehearsalDirectory
from rehearsal.engine.display import duration
from rehearsal.engine.plugins import KUBERNETES
from rehearsal.engine.workspace import ordinary_cli
from rehearsal.load_balancer import report as load_balancer
from rehearsal.run import Outcome
from settings.derive import Deployment


def print_counts(console: Console, deployment: Deployment, outcome: Outcome) -> None:
    """What was done, how long it took, and what else is worth knowing."""
    counted = ", ".join(f"{count} {operation}" for operation, count in outcome.summary.items())
    console.print(f"[bold]{deployment.name}[/bold]: {counted or 'nothing to do'}", highlight=False)
    times = ", ".join(f"{phase} {duration(seconds)}" for phase, seconds in outcome.seconds.items())
    console.print(f"Time: {times}", highlight=False)
    for note in outcome.notes:
        console.print(f"  note: {note}", highlight=False)


def print_access(console: Console, deployment: Deployment, outcome: Outcome) -> None:
    """What is real, how to talk to the models, how to look inside, how to stop."""
    console.print(_parts(deployment, outcome.directory))
    gateway = load_balancer.read(outcome.directory)["gateway"]
    for model in outcome.outputs["models"] if gateway else []:
        # The path of the outputs, behind the address that the load balancer listens on here.
        url = gateway["url"].rstrip("/") + urlsplit(str(model["url"])).path.rstrip("/")
        body = json.dumps({"model": model["servedNames"][0], "messages": [{"role": "user", "content": "Hello"}]})
        console.print(f"To talk to {model['name']}:")
        authority = load_balancer.authority(outcome.directory)
        trust = f"--cacert {shlex.quote(str(authority))} " if authority and url.startswith("https:") else ""
        headers = f"{trust}-H 'content-type: application/json'"
        console.print(
            f"  curl {url}/v1/chat/completions {headers} -d {shlex.quote(body)}", markup=False, highlight=False
        )
    console.print("To look at it with the ordinary CLI and kubectl:")
    for name, value in {"KUBECONFIG": str(outcome.directory.kubeconfig), **ordinary_cli(outcome.directory)}.items():
        console.print(f"  export {name}={shlex.quote(value)}", highlight=False, soft_wrap=True)
    console.print(f"  pulumi stack output --stack organization/tpu-serving/{deployment.name}", highlight=False)
    console.print(f"Logs: {outcome.directory.logs}", highlight=False, soft_wrap=True)
    console.print(f"To stop: make down ENV={deployment.name}", highlight=False)


def _parts(deployment: Deployment, directory: RehearsalDirectory) -> Table:
    table = Table("part", "version", "real or stand-in", "found", box=None, pad_edge=False)
    needed = list(parts.parts_of(deployment))
    found = assets.find([part.asset for part in needed if part.asset])
    plugin = directory.load_record().real_kubernetes_plugin
    for part in needed:
        binary = found.get(part.asset)
        if plugin and part.real_where:
            table.add_row(part.part, f"v{version(KUBERNETES)}", "real", plugin[0])
        else:
            table.add_row(part.part, binary.version if binary else "", part.kind, binary.how if binary else "")
    return table
