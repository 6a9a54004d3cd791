"""What `make rehearse` prints when it is done: what came up, what is real, and how to look at it."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rich.console import Console
from rich.table import Table

from rehearsal import assets, parts
from rehearsal.directory import RehearsalDirectory
from rehearsal.engine.display import duration
from rehearsal.engine.workspace import ordinary_cli
from rehearsal.load_balancer import report as load_balancer
from rehearsal.run import Outcome
from settings.derive import Deployment
from settings.document import ROOT


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
    console.print(_parts(deployment))
    gateway = load_balancer.read(outcome.directory)["gateway"]
    for model in outcome.outputs["models"] if gateway else []:
        console.print(f"To talk to {model['name']}:")
        console.print(f"  {curl(outcome.directory, gateway, model)}", markup=False, highlight=False)
        if not gateway["hostname"]:  # only curl can be told where a name is
            console.print(f"  {with_openai(outcome.directory, gateway, model)}", markup=False, highlight=False)
    console.print("To look at it:")
    for name, value in {"KUBECONFIG": str(outcome.directory.kubeconfig), **ordinary_cli(outcome.directory)}.items():
        console.print(f"  export {name}={shlex.quote(value)}", highlight=False, soft_wrap=True)
    console.print(f"  pulumi stack output --stack organization/tpu-serving/{deployment.name}", highlight=False)
    if shutil.which("kubectl"):
        console.print(f"  kubectl get pods --namespace {deployment.namespace}", highlight=False)
    console.print(f"Logs: {outcome.directory.logs}", highlight=False, soft_wrap=True)
    named = file.resolve() == ROOT / f"Pulumi.{deployment.name}.yaml"
    environment = deployment.name if named else str(file)
    console.print(f"To stop: make down ENV={shlex.quote(environment)}", markup=False, highlight=False, soft_wrap=True)


def curl(directory: RehearsalDirectory, gateway: Mapping[str, Any], model: Mapping[str, Any]) -> str:
    """A command that asks a model: the path of the outputs, behind the port that the load balancer listens on here; by its
    declared name, which routes and certificate are of, where it has one."""
    declared, here = urlsplit(str(model["url"])), urlsplit(gateway["url"])
    words = ["curl"]
    authority = here.netloc
    if gateway["hostname"]:
        authority = f"{declared.hostname}:{here.port}"
        words += ["--resolve", f"{authority}:{here.hostname}"]
    trusted = load_balancer.authority(directory)
    if trusted and here.scheme == "https":
        words += ["--cacert", str(trusted)]
    body = json.dumps({"model": model["servedNames"][0], "messages": [{"role": "user", "content": "Hello"}]})
    url = f"{here.scheme}://{authority}{declared.path.rstrip('/')}/v1/chat/completions"
    return shlex.join([*words, url, "-H", "content-type: application/json", "-d", body])


def with_openai(directory: RehearsalDirectory, gateway: Mapping[str, Any], model: Mapping[str, Any]) -> str:
    """The same with the official client, for a Gateway that has no host name of its own."""
    url = gateway["url"].rstrip("/") + urlsplit(str(model["url"])).path.rstrip("/")
    # Double quotes only: the shell's are single ones.
    name, messages = json.dumps(model["servedNames"][0]), json.dumps([{"role": "user", "content": "Hello"}])
    code = (
        f'from openai import OpenAI; client = OpenAI(base_url="{url}/v1", api_key="none"); '
        f"print(client.chat.completions.create(model={name}, messages={messages}).choices[0].message.content)"
    )
    trusted = load_balancer.authority(directory)
    variables = [f"SSL_CERT_FILE={trusted}"] if trusted and url.startswith("https:") else []
    return shlex.join(["env", *variables, "python", "-c", code] if variables else ["python", "-c", code])


def _parts(deployment: Deployment) -> Table:
    table = Table("part", "version", "real or stand-in", "found", box=None, pad_edge=False)
    needed = list(parts.parts_of(deployment))
    found = assets.find([part.asset for part in needed if part.asset])
    for part in needed:
        binary = found.get(part.asset)
        table.add_row(part.part, binary.version if binary else "", part.kind, binary.how if binary else "")
    return table
