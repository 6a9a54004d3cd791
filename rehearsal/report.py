"""What `serving rehearse` prints when it is done: what came up, what is real, and how to inspect it."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rich.console import Console
from rich.table import Table

from cluster.load_balancer import Listener, RecordError, read_record
from rehearsal import assets, parts
from rehearsal.directory import write_private
from rehearsal.engine.display import duration
from rehearsal.engine.workspace import ordinary_cli
from rehearsal.run import Outcome
from settings.derive import Deployment
from settings.document import ROOT
from settings.outputs import ModelOutput

_QUESTIONS: dict[str, dict[str, Any]] = {
    "chat": {"messages": [{"role": "user", "content": "Hello"}]},
    "embed": {"input": "Hello"},
    "rerank": {"query": "Hello", "documents": ["Hello!", "A fruit."]},
    "score": {"text_1": "Hello", "text_2": "Hello!"},
}


def print_counts(console: Console, deployment: Deployment, outcome: Outcome) -> None:
    """What was done, how long it took, and what else is worth knowing."""
    counted = ", ".join(f"{count} {operation}" for operation, count in outcome.summary.items())
    console.print(f"[bold]{deployment.name}[/bold]: {counted or 'nothing to do'}", highlight=False)
    times = ", ".join(f"{phase} {duration(seconds)}" for phase, seconds in outcome.seconds.items())
    console.print(f"Time: {times}", highlight=False)
    for note in outcome.notes:
        console.print(f"  note: {note}", highlight=False)


def print_access(console: Console, deployment: Deployment, outcome: Outcome, file: Path) -> None:
    """What is real, how to talk to the models, how to look inside, how to stop. `file` is the environment's."""

    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    assert outcome.target is not None
    console.print(_parts(deployment, metrics=outcome.target.prometheus is not None))
    for model, script in write_requests(outcome):
        say(f"To talk to {model} (sh {shlex.quote(str(script))}):\n  {script.read_text(encoding='utf-8').strip()}")
    say("To inspect it:")
    for name, value in {"KUBECONFIG": str(outcome.directory.kubeconfig), **ordinary_cli(outcome.directory)}.items():
        say(f"  export {name}={shlex.quote(value)}")
    say(f"  pulumi stack output --stack organization/tpu-serving/{deployment.name}")
    if shutil.which("kubectl"):
        say(f"  kubectl get pods --namespace {deployment.namespace}")
    if outcome.target.prometheus:
        say(f"Prometheus: {outcome.target.prometheus}/api/v1/")
    say(f"Logs: {outcome.directory.logs}")
    named = file.resolve() == ROOT / f"Pulumi.{deployment.name}.yaml"
    say(f"To stop: python -m serving down {shlex.quote(deployment.name if named else str(file))}")


def write_requests(outcome: Outcome) -> list[tuple[str, Path]]:
    """One script a model that asks it; each model's name and its script. None before there is an address."""
    listener, written = None, list[tuple[str, Path]]()
    assert outcome.target is not None
    with suppress(RecordError):
        listener = read_record(outcome.target.load_balancer).gateway
    if outcome.target.outputs is None or listener is None:
        return []
    for model in outcome.target.outputs.models:
        script = outcome.directory.root / f"ask-{model.name}.sh"
        write_private(script, curl(listener, outcome.target.ca_file, model) + "\n")
        written.append((model.name, Path(os.path.relpath(script)) if script.is_relative_to(Path.cwd()) else script))
    return written


def curl(listener: Listener, trusted: Path | None, model: ModelOutput) -> str:
    """A command that asks a model: the path of the outputs, behind the port that the load balancer listens on here; by its
    declared name, which routes and certificate are of, where it has one."""
    declared, here = urlsplit(model.url), urlsplit(listener.url)
    words, authority = ["curl", "-sS", "-w", r"\n"], here.netloc
    if listener.hostname:
        authority = f"{declared.hostname}:{here.port}"
        words += ["--resolve", f"{authority}:{here.hostname}"]
    if trusted and here.scheme == "https":
        words += ["--cacert", str(trusted)]
    body = json.dumps({"model": model.served_names[0], **_QUESTIONS[model.task]})
    url = f"{here.scheme}://{authority}{declared.path.rstrip('/')}{model.request_path}"
    return shlex.join([*words, url, "-H", "content-type: application/json", "-d", body])


def _parts(deployment: Deployment, *, metrics: bool) -> Table:
    table = Table("part", "version", "real or emulated", "found", box=None, pad_edge=False)
    needed = list(parts.parts_of(deployment, metrics=metrics))
    found = assets.find([part.asset for part in needed if part.asset])
    for part in needed:
        binary = found.get(part.asset)
        table.add_row(part.part, binary.version if binary else "", part.kind, binary.how if binary else "")
    return table
