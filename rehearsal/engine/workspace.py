"""The engine's files of a rehearsal: project, stack configuration, passphrase, and the variables that lead there."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Mapping
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
    for folder in (directory.pulumi_home, directory.pulumi_backend, directory.pulumi_work):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not directory.passphrase.exists():
        write_private(directory.passphrase, secrets.token_urlsafe(32))
    shutil.copyfile(ROOT / "Pulumi.yaml", directory.pulumi_work / "Pulumi.yaml")
    target = directory.pulumi_work / f"Pulumi.{stack}.yaml"
    settings = yaml.safe_load(environment.read_text(encoding="utf-8")) or {}
    config, replaced = _without_ciphertext(settings.get("config") or {})
    data = {key: value for key, value in settings.items() if key not in (*_ENCRYPTION, "config")}
    write_private(target, yaml.safe_dump({**_encryption(target), **data, "config": config}, sort_keys=False))
    return replaced


def _without_ciphertext(config: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Top-level `secure:` values become placeholders: the engine treats what the program asks as secret all the same."""
    replaced = [key for key, value in config.items() if isinstance(value, dict) and set(value) == {"secure"}]
    return {key: PLACEHOLDER if key in replaced else value for key, value in config.items()}, replaced


def _encryption(target: Path) -> dict[str, str]:
    """The salt of the rehearsal's own passphrase, which state written earlier was encrypted with."""
    if not target.exists():
        return {}
    earlier = yaml.safe_load(target.read_text(encoding="utf-8")) or {}
    return {key: earlier[key] for key in _ENCRYPTION if key in earlier}


def ordinary_cli(directory: RehearsalDirectory) -> dict[str, str]:
    """Variables with which anybody's `pulumi stack ...` works on the rehearsal's stack."""
    return {
        "PULUMI_BACKEND_URL": directory.pulumi_backend.as_uri(),
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(directory.passphrase),
        "PULUMI_HOME": str(directory.pulumi_home),
        # A pulumi-resource-gcp on PATH would come before the stand-in, and touch a cloud.
        "PULUMI_IGNORE_AMBIENT_PLUGINS": "true",
    }


def variables(directory: RehearsalDirectory, binaries: Mapping[str, Path]) -> dict[str, str]:
    """The environment of the engine and its plugins: everything below the rehearsal's directory, nothing fetched."""
    folders = [str(directory.bin), *dict.fromkeys(str(path.parent) for path in binaries.values())]
    return {
        **ordinary_cli(directory),
        "PATH": os.pathsep.join([*folders, os.environ.get("PATH", os.defpath)]),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        # The user's own passphrase would be taken before that of the file.
        "PULUMI_CONFIG_PASSPHRASE": directory.passphrase.read_text(encoding="utf-8"),
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "SSL_CERT_FILE": str(directory.certs / "ca.crt"),
        "TPU_SERVING_REHEARSAL": str(directory.root),
    }
