"""The engine's files: the environment's configuration as it is, nothing that needs a key of the cloud."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from rehearsal.directory import RehearsalDirectory
from rehearsal.engine import workspace

CLOUD_KEY = "secretsprovider: gcpkms://projects/p/locations/l/keyRings/r/cryptoKeys/k\nencryptedkey: abc\n"
CONFIG = "config:\n  tpu-serving:token:\n    secure: v1:abc\n  tpu-serving:tier: dev\n"


@pytest.fixture
def directory(tmp_path: Path) -> RehearsalDirectory:
    made = RehearsalDirectory(tmp_path / "dev")
    made.create()
    return made


def prepared(directory: RehearsalDirectory, text: str) -> tuple[list[str], dict[str, object]]:
    environment = directory.path.parent / "Pulumi.dev.yaml"
    environment.write_text(text, encoding="utf-8")
    replaced = workspace.prepare(directory, "dev", environment)
    path = directory.pulumi_work / "Pulumi.dev.yaml"
    assert path.stat().st_mode & 0o077 == 0
    return replaced, yaml.safe_load(path.read_text(encoding="utf-8"))


def test_what_is_encrypted_with_a_key_of_the_cloud_becomes_a_placeholder_and_is_named(
    directory: RehearsalDirectory,
) -> None:
    replaced, written = prepared(directory, CLOUD_KEY + CONFIG)
    assert replaced == ["tpu-serving:token"]
    assert written == {"config": {"tpu-serving:token": workspace.PLACEHOLDER, "tpu-serving:tier": "dev"}}


def test_the_engine_fetches_nothing_and_takes_nothing_of_the_users(
    directory: RehearsalDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "the user's")
    variables = workspace.variables(directory)
    assert variables["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] == "true"
    assert variables["PATH"].split(os.pathsep)[0] == str(directory.bin)
    assert workspace.ordinary_cli(directory).items() <= variables.items()
    assert variables["PULUMI_IGNORE_AMBIENT_PLUGINS"] == "true"
    assert variables["PULUMI_CONFIG_PASSPHRASE"] == ""
    assert variables["PULUMI_BACKEND_URL"] == directory.pulumi_backend.as_uri()
