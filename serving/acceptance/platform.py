"""Where an acceptance run happens: Google Cloud with this checkout as project, or a rehearsal by its target file."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cluster.outputs import parse_outputs
from cluster.target import Target, TargetError, TargetFile, cloud_target
from settings.document import ROOT


@dataclass(frozen=True)
class Platform:
    """One place.

    Attributes:
        emulated: nothing of it is Google's.
        project: the folder with `Pulumi.yaml`.
        stack_file: the settings that the engine gets.
        variables: those of the Pulumi CLI beside this shell's.
        find: stack outputs -> what to ask. Raises TargetError.
    """

    emulated: bool
    project: Path
    stack_file: Path
    find: Callable[[dict[str, Any]], Target]
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def where(self) -> str:
        """For people."""
        return "the emulated cloud of the running rehearsal" if self.emulated else "Google Cloud"


def cloud(environment: str, file: Path, folder: Path, kubeconfig: Path | None) -> Platform:
    """Google Cloud. Without a kubeconfig gcloud writes one into `folder`, where the outputs are kept as well."""

    def find(outputs: dict[str, Any]) -> Target:
        kept = folder / "outputs.json"
        kept.write_text(json.dumps(outputs), encoding="utf-8")
        target = cloud_target(environment, kept)
        if kubeconfig is not None:
            return replace(target, kubeconfig=kubeconfig)
        own = folder / "kubeconfig"
        _get_credentials(target, own)
        return replace(target, kubeconfig=own)

    return Platform(False, ROOT, file, find)


def emulated(target: TargetFile, stack: str) -> Platform:
    """The emulated cloud of a rehearsal.

    Raises:
        TargetError: the rehearsal is of a version without a project in its target file.
    """
    project = target.project
    if project is None:
        raise TargetError(
            "The rehearsal was started by an older version. Run it again: serving down, serving rehearse."
        )

    def find(outputs: dict[str, Any]) -> Target:
        known = target.model_copy(update={"outputs": parse_outputs(outputs, stack)})
        return known.target(lambda _file: parse_outputs(outputs, stack))

    return Platform(True, project, project / f"Pulumi.{stack}.yaml", find, target.variables)


def _get_credentials(target: Target, kubeconfig: Path) -> None:
    outputs = target.outputs
    command = [
        "gcloud", "container", "clusters", "get-credentials", outputs.cluster,
        "--location", outputs.region, "--project", outputs.project, "--dns-endpoint",
    ]  # fmt: skip
    try:
        done = subprocess.run(
            command,
            # gcloud's only way to choose its file.
            env={**os.environ, "KUBECONFIG": str(kubeconfig)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        raise TargetError(f"gcloud can't be run ({error.strerror}). Install it, or give --kubeconfig FILE.") from None
    if done.returncode:
        raise TargetError(f"gcloud container clusters get-credentials failed: {done.stderr.strip()}")
