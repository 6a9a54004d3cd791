"""Setting up the state: what is printed is what is run, what exists is left, and a stack's own lines are no settings."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from settings.document import ROOT, read_document
from tools.ci.state import main

BUCKET = ("bucket", "dev", "--bucket", "example-state")


@pytest.fixture
def called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with a line for each call; nothing exists yet but the key ring."""
    log = tmp_path / "called"
    for name in ("gcloud", "pulumi"):
        program = tmp_path / name
        program.write_text(
            f'#!/bin/sh\necho "{name} $*" >> "{log}"\ncase "$*" in *keyrings*describe*) ;; *describe*|*select*) exit 1;; esac\n',
            encoding="utf-8",
        )
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return log


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    assert main([*arguments, "--dry-run"]) == 0
    return capsys.readouterr().out.splitlines()


def test_a_dry_run_prints_the_bucket_the_key_and_the_stack(called: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, *BUCKET)
    assert not called.exists()
    text = "\n".join(lines)
    assert "gs://example-state --location europe-west4" in text
    assert "--public-access-prevention" in text and "--versioning" in text
    key = "gcpkms://projects/example-project/locations/europe-west4/keyRings/pulumi/cryptoKeys/dev"
    assert lines[-2:] == [
        "pulumi login gs://example-state",
        "pulumi stack select dev --non-interactive || "
        f"pulumi stack init dev --secrets-provider {key} --non-interactive",
    ]


def test_what_is_there_is_left_and_the_rest_is_made_in_order(called: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, *BUCKET)
    assert main([*BUCKET]) == 0
    ran = called.read_text(encoding="utf-8").splitlines()
    made = [line.rpartition("|| ")[2] for line in lines if "keyrings create" not in line]
    assert [line for line in ran if "describe" not in line and "select" not in line] == made


def test_pulumi_cloud_names_the_stack_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, "pulumi-cloud", "staging", "--organization", "example")
    assert lines == [
        "pulumi login",
        "pulumi stack select example/tpu-serving/staging --non-interactive || "
        "pulumi stack init example/tpu-serving/staging --non-interactive",
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ("bucket", "dev"),
        ("bucket", "dev", "--bucket", "Example State"),
        ("bucket", "dev", "--bucket", "--x"),
        ("pulumi-cloud", "dev"),
        ("nowhere", "dev"),
    ],
)
def test_a_wrong_call_is_refused(arguments: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--dry-run"])
    assert ended.value.code == 2


def test_an_unknown_environment_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bucket", "no-such", "--bucket", "example-state"]) == 2
    assert "no-such" in capsys.readouterr().err


def test_what_pulumi_writes_about_the_key_is_no_setting(tmp_path: Path) -> None:
    text = (ROOT / "Pulumi.dev.yaml").read_text(encoding="utf-8")
    path = tmp_path / "Pulumi.dev.yaml"
    path.write_text(f"secretsprovider: gcpkms://projects/p\nencryptedkey: Q2lUVg==\n{text}", encoding="utf-8")
    assert read_document(path).data == read_document(ROOT / "Pulumi.dev.yaml").data
