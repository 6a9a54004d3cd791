"""Where a deployed environment is: a rehearsal's target file, or stack outputs and a kubeconfig. Nothing is guessed."""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import os
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from cluster.load_balancer import RecordError, read_record
from cluster.outputs import OutputsError, read_outputs
from settings.document import ROOT, environment_name, find_environment
from settings.outputs import Outputs
from settings.refusal import RefusedError

HOME = ROOT / ".state" / "rehearsal"
_FILE = "target.json"


class TargetError(Exception):
    """The environment can't be found; the message says what to give."""


class TargetFile(BaseModel):
    """What a rehearsal says of itself; it is there as long as its control plane runs.

    `file` is the environment's; `phase` is `ready` once an `up` has come to its end, and `outputs` are those of that `up`;
    `load_balancer` is the path of the load balancer's record, `ca_file` of the authority to trust, None without TLS.
    `project` is the folder in which the Pulumi CLI with `variables` works on the rehearsal's stack; `prometheus` the URL of
    its Prometheus, None where it has none.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)

    environment: str
    file: Path
    phase: Literal["starting", "ready"]
    kubeconfig: Path
    load_balancer: Path
    ca_file: Path | None = None
    outputs: Outputs | None = None
    project: Path | None = None
    prometheus: str | None = None
    variables: dict[str, str] = Field(default_factory=dict)

    def target(self, planned: Callable[[Path], Outputs]) -> Target:
        """The rehearsal as commands see it; before its first `up` has ended with the outputs that are planned."""
        return Target(
            f"rehearsal in {self.kubeconfig.parent}",
            self.outputs or planned(self.file),
            self.kubeconfig,
            self.load_balancer,
            ca_file=self.ca_file,
            prometheus=self.prometheus,
        )


@dataclass(frozen=True)
class Target:
    """One environment. `where` says in words what is looked at.

    `load_balancer` is the rehearsal's own record of backends and None on the cloud; `url` replaces scheme and host of
    the outputs' URLs; `token` is sent as a bearer token; `ca_file` is trusted beside the well-known authorities;
    `client_certificate` is shown to a Gateway that asks for one: PEM, its chain and its key. `prometheus` is the URL of a
    rehearsal's Prometheus, None where it has none.
    """

    where: str
    outputs: Outputs
    kubeconfig: Path | None = None
    load_balancer: Path | None = None
    url: str | None = None
    token: str | None = None
    ca_file: Path | None = None
    client_certificate: Path | None = None
    prometheus: str | None = None

    @property
    def rehearsal(self) -> bool:
        """Whether it is on this machine."""
        return self.load_balancer is not None

    def with_options(
        self, *, kubeconfig: Path | None, url: str | None, token: str | None, ca_file: Path | None
    ) -> Target:
        """The same target with what the caller named in place of what was found.

        Raises:
            TargetError: the URL has no scheme or host.
        """
        return replace(
            self,
            kubeconfig=kubeconfig or self.kubeconfig,
            url=checked_url(url) if url else self.url,
            token=token or self.token,
            ca_file=ca_file or self.ca_file,
        )

    def model_url(self, declared: str) -> str | None:
        """Base URL of a model: the path as declared, behind the address to ask; None where nobody knows an address."""
        path = urlsplit(declared).path.rstrip("/")
        base = self.url or self._of_load_balancer()
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
        if self.load_balancer is None:
            return None
        try:
            listener = read_record(self.load_balancer).gateway
        except RecordError:
            return None
        return listener.url if listener else None


def rehearsal_folder(environment: str, home: Path = HOME) -> Path:
    """The folder of a named environment's rehearsal, or of a file's anywhere: two files of one name don't share one.

    Raises:
        RefusedError: there is neither such an environment nor a rehearsal of that name.
    """
    try:
        path = find_environment(environment).resolve()
    except RefusedError:
        # The file may be gone while its rehearsal still runs.
        if re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", environment) and (home / environment).is_dir():
            return home / environment
        raise
    stem = re.sub(r"[^A-Za-z0-9._-]", "-", path.stem.removeprefix("Pulumi."))
    if path == ROOT / f"Pulumi.{stem}.yaml":
        return home / stem
    return home / f"{stem}-{hashlib.sha256(str(path).encode()).hexdigest()[:6]}"


def write_target(folder: Path, target: TargetFile) -> None:
    """Replace a rehearsal's target file in one step; only its owner may read it."""
    descriptor, name = tempfile.mkstemp(prefix=f".{_FILE}.", dir=folder)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(target.model_dump_json(by_alias=True, indent=2) + "\n")
        Path(name).replace(folder / _FILE)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def remove_target(folder: Path) -> None:
    """Say that the rehearsal no longer runs."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        (folder / _FILE).unlink()


def read_target(folder: Path) -> TargetFile | None:
    """A rehearsal's target file; None where none is running.

    Raises:
        TargetError: the file is not such a file.
    """
    path = folder / _FILE
    try:
        return TargetFile.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValidationError) as error:
        said = error.strerror if isinstance(error, OSError) else f"{error.error_count()} errors"
        raise TargetError(f"{path} is not a target file ({said}). Start the rehearsal again.") from None


def find_rehearsal(environment: str, planned: Callable[[Path], Outputs]) -> Target:
    """The running rehearsal of an environment.

    Args:
        planned: the outputs that an environment's file leads to, for a rehearsal whose first `up` has not ended.

    Raises:
        RefusedError: there is no such environment.
        TargetError: it does not run.
    """
    folder = rehearsal_folder(environment)
    found = read_target(folder)
    if found is None:
        raise TargetError(
            f"no rehearsal of {environment} is running (looked in {folder}).\n"
            f"Start one: python -m serving rehearse {environment}\n"
            "For the cloud: --outputs FILE (pulumi stack output --json > FILE) and\n--kubeconfig FILE."
        )
    return found.target(planned)


def cloud_target(environment: str, outputs_file: Path) -> Target:
    """An environment on the cloud, by its stack outputs as `pulumi stack output --json` prints them.

    Raises:
        TargetError: no outputs in the file, or those of another environment.
    """
    try:
        outputs = read_outputs(outputs_file.read_text(encoding="utf-8"), str(outputs_file))
    except OSError as error:
        raise TargetError(f"{outputs_file} can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise TargetError(
            f"{outputs_file} is not a text file (UTF-8); name the output of `pulumi stack output --json`"
        ) from None
    except OutputsError as error:
        raise TargetError(str(error)) from None
    if outputs.environment not in (environment, environment_name(Path(environment))):
        raise TargetError(f"{outputs_file} holds the outputs of {outputs.environment}, {environment} was asked")
    return Target(
        f"cloud: cluster {outputs.cluster}, project {outputs.project}, by the outputs in {outputs_file}", outputs
    )


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def checked_url(url: str) -> str:
    """A URL as the caller gave it.

    Raises:
        TargetError: it has no scheme or host.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise TargetError(f"--url {url}: give scheme and host, for example http://10.0.0.7 or https://llm.example.com")
    return url
