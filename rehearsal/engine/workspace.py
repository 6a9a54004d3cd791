"""The engine's files of a rehearsal: project, stack configuration, and the variables that lead there."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import yaml

from rehearsal.directory import RehearsalDirectory, write_private
from settings.document import ROOT

# Stands where the environment file has an encrypted value: its key is not on this machine, and need not be.
PLACEHOLDER = "rehearsal-placeholder"
_ENCRYPTION = ("secretsprovider", "encryptedkey", "encryptionsalt")


def prepare(directory: RehearsalDirectory, stack: str, environment: Path) -> list[str]:
    """Write project and stack configuration anew; keys of encrypted values that got a placeholder are returned."""
    shutil.copyfile(ROOT / "Pulumi.yaml", directory.pulumi_work / "Pulumi.yaml")
    settings: dict[str, Any] = yaml.safe_load(environment.read_text(encoding="utf-8")) or {}
    config = settings.get("config") or {}
    # The engine treats what the program asks for as a secret as one all the same.
    replaced = [key for key, value in config.items() if isinstance(value, dict) and set(value) == {"secure"}]
    settings["config"] = {**config, **dict.fromkeys(replaced, PLACEHOLDER)}
    kept = {key: value for key, value in settings.items() if key not in _ENCRYPTION}
    write_private(directory.pulumi_work / f"Pulumi.{stack}.yaml", yaml.safe_dump(kept, sort_keys=False))
    return replaced


def ordinary_cli(directory: RehearsalDirectory) -> dict[str, str]:
    """Variables with which anybody's `pulumi stack ...` works on the rehearsal's stack."""
    return {
        "PULUMI_BACKEND_URL": directory.pulumi_backend.as_uri(),
        # Only the user can read the state, and the tokens and keys beside it.
        "PULUMI_CONFIG_PASSPHRASE": "",
        "PULUMI_HOME": str(directory.pulumi_home),
        # A pulumi-resource-gcp on PATH would come before the emulator, and touch a cloud.
        "PULUMI_IGNORE_AMBIENT_PLUGINS": "true",
    }


def variables(directory: RehearsalDirectory) -> dict[str, str]:
    """The environment of the engine and its plugins: everything below the rehearsal's directory, nothing fetched."""
    return {
        **ordinary_cli(directory),
        **directory.environment,
        "PATH": os.pathsep.join([str(directory.bin), os.environ.get("PATH", os.defpath)]),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "SSL_CERT_FILE": str(directory.certs / "ca.crt"),
    }
