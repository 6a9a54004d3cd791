"""Where the environment is found: a rehearsal's directory, or stack outputs and a kubeconfig. Nothing is guessed."""

from __future__ import annotations

import copy
import ipaddress
import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from settings.document import environment_name, find_environment
from settings.names import PROJECT_NAME
from settings.outputs import CONTRACT_VERSION, Outputs

if TYPE_CHECKING:
    from rehearsal.directory import RehearsalDirectory

LOAD_BALANCER = "load-balancer.json"
_PULUMI_SECONDS = 60


class TargetError(Exception):
    """The environment can't be found; the message says what to give."""


@dataclass(frozen=True)
class Target:
    """One environment. `where` says in words what is looked at.

    `load_balancer` is the rehearsal's own record of backends and None on the cloud; `url` replaces scheme and host of
    the outputs' URLs; `token` is sent as a bearer token; `ca_file` is trusted beside the well-known authorities.
    """

    where: str
    outputs: Outputs
    kubeconfig: Path | None = None
    load_balancer: Path | None = None
    url: str | None = None
    token: str | None = None
    ca_file: Path | None = None

    @property
    def rehearsal(self) -> bool:
        """Whether it is on this machine."""
        return self.load_balancer is not None

    def with_options(
        self, *, kubeconfig: Path | None, url: str | None, token: str | None, ca_file: Path | None
    ) -> Target:
        """The same target with what the caller named in place of what was found."""
        return replace(
            self,
            kubeconfig=kubeconfig or self.kubeconfig,
            url=_checked(url) if url else self.url,
            token=token or self.token,
            ca_file=ca_file or self.ca_file,
        )

    def model_url(self, declared: str) -> str | None:
        """Base URL of a model: the path as declared, behind the address to ask; None where nobody knows an address."""
        path = urlsplit(declared).path.rstrip("/")
        base = self.url or (self._of_load_balancer() if self.rehearsal else None)
        if base:
            return base.rstrip("/") + path
        if self.rehearsal or not urlsplit(declared).hostname:
            return None
        return declared.rstrip("/")

    @property
    def host(self) -> str | None:
        """The declared name of the Gateway where requests go to another address: routes and certificates are of that name.

        None where they go to the declared address, or where that is no name.
        """
        declared = urlsplit(self.outputs.base_url).hostname
        if not self.rehearsal or self.url or not declared or _is_address(declared):
            return None
        return declared

    def _of_load_balancer(self) -> str | None:
        try:
            return str(read_load_balancer(self.load_balancer)["gateway"]["url"]) or None
        except (TargetError, KeyError, TypeError):
            return None


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def read_load_balancer(path: Path | None) -> dict[str, Any]:
    """The rehearsal's record of Gateway and backends.

    Raises:
        TargetError: it is not there (no Gateway was programmed yet) or not readable.
    """
    assert path is not None
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TargetError(f"{path.name} is not there: the load balancer has nothing to send traffic to yet") from None
    except (OSError, ValueError) as error:
        raise TargetError(f"{path} can't be read: {error}") from None
    if not isinstance(data, dict):
        raise TargetError(f"{path} is no JSON object")
    return data


def rehearsal_target(directory: RehearsalDirectory, outputs: Mapping[str, Any]) -> Target:
    """A rehearsal, with the outputs its `up` ended with."""
    from rehearsal.load_balancer.report import authority

    where = f"rehearsal in {directory.path}"
    return Target(
        where,
        parse_outputs(outputs, where),
        directory.kubeconfig,
        directory.path / LOAD_BALANCER,
        ca_file=authority(directory),
    )


def find_target(environment: str, outputs_file: Path | None) -> Target:
    """An environment on the cloud where its stack outputs are given, else its running rehearsal.

    Raises:
        RefusedError, TargetError: as `find_rehearsal` and `cloud_target`.
    """
    return cloud_target(environment, outputs_file) if outputs_file is not None else find_rehearsal(environment)


def cloud_target(environment: str, outputs_file: Path) -> Target:
    """An environment on the cloud, by its stack outputs as `pulumi stack output --json` prints them.

    Raises:
        TargetError: no outputs in the file, or those of another environment.
    """
    try:
        data = json.loads(outputs_file.read_text(encoding="utf-8"))
    except OSError as error:
        raise TargetError(f"{outputs_file} can't be read: {error.strerror}") from None
    except ValueError:
        raise TargetError(
            f"{outputs_file} is not JSON. Write it with: pulumi stack output --json > {outputs_file}"
        ) from None
    outputs = parse_outputs(data, str(outputs_file))
    if outputs.environment not in (environment, environment_name(Path(environment))):
        raise TargetError(f"{outputs_file} holds the outputs of {outputs.environment}, {environment} was asked")
    return Target(
        f"cloud: cluster {outputs.cluster}, project {outputs.project}, by the outputs in {outputs_file}", outputs
    )


def find_rehearsal(environment: str) -> Target:
    """The running rehearsal of an environment.

    Raises:
        RefusedError: there is no such environment.
        TargetError: it does not run, or its outputs can't be read.
    """
    from rehearsal.locate import directory_of

    directory = directory_of(environment)
    if not directory.record.exists() or directory.load_record().phase == "ended":
        raise TargetError(
            f"no rehearsal of {environment} is running (looked in {directory.path}). Start one: "
            f"python -m serving rehearse {environment}. For the cloud say where: --outputs FILE "
            "(pulumi stack output --json > FILE) and --kubeconfig FILE."
        )
    path = find_environment(environment)
    outputs = _engine_outputs(directory, environment_name(path))
    return rehearsal_target(directory, outputs or planned_outputs(path))


def planned_outputs(environment: Path) -> dict[str, Any]:
    """What the stack will export, for a rehearsal whose first `up` has not come to its end. No address is known yet."""
    from serving.plan.record import record
    from settings import names
    from settings.document import read_document

    outputs = record(read_document(environment)).outputs
    base = f"{outputs['gateway']['scheme']}://unknown"
    models = [
        {**model, "url": base + names.base_path(outputs["namespace"], model["name"])} for model in outputs["models"]
    ]
    return {**outputs, "baseUrl": base, "models": models}


def _engine_outputs(directory: RehearsalDirectory, stack: str) -> Any:
    from rehearsal.engine.workspace import ordinary_cli

    command = [str(directory.bin / "pulumi"), "stack", "output", "--json", "--stack", stack]
    command += ["--cwd", str(directory.pulumi_work), "--non-interactive"]
    variables = {**os.environ, **ordinary_cli(directory), "PULUMI_SKIP_UPDATE_CHECK": "true"}
    variables.pop("PULUMI_CONFIG_PASSPHRASE", None)  # the user's own would be taken before that of the file
    try:
        done = subprocess.run(command, env=variables, capture_output=True, check=False, timeout=_PULUMI_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TargetError(f"the stack outputs can't be read: {error}") from None
    if done.returncode != 0:
        raise TargetError(f"the stack outputs can't be read: {done.stderr.decode(errors='replace').strip()}")
    try:
        return json.loads(done.stdout)
    except ValueError:
        raise TargetError("the stack outputs can't be read: the engine's answer is no JSON") from None


def parse_outputs(data: Any, origin: str) -> Outputs:
    """The outputs, checked against the contract; a field that a later minor version adds is passed over.

    Raises:
        TargetError: not the outputs of this program, or another major version.
    """
    from pydantic import ValidationError

    if not isinstance(data, Mapping) or not data:
        raise TargetError(f"{origin}: no stack outputs. Has `pulumi up` of {PROJECT_NAME} ended once?")
    major = str(data.get("contractVersion", "")).split(".")[0]
    if major != CONTRACT_VERSION.split(".")[0]:
        raise TargetError(
            f"{origin}: contractVersion is {data.get('contractVersion')!r}, this program reads {CONTRACT_VERSION}"
        )
    known = copy.deepcopy(dict(data))
    while True:
        try:
            return Outputs.model_validate(known)
        except ValidationError as error:
            wrong = error.errors()
            first = next((item for item in wrong if item["type"] != "extra_forbidden"), None)
            if first is not None:
                place = ".".join(str(part) for part in first["loc"])
                text = f"{origin}: not the outputs of {PROJECT_NAME}: {place}: {first['msg']}"
                raise TargetError(text) from None
            for item in wrong:
                _remove(known, item["loc"])


def _remove(data: Any, place: tuple[int | str, ...]) -> None:
    for part in place[:-1]:
        data = data[part]
    del data[place[-1]]


def _checked(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise TargetError(f"--url {url}: give scheme and host, for example http://10.0.0.7 or https://llm.example.com")
    return url
