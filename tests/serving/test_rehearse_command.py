"""What keeps a rehearsal from starting is one clear message with the commands that help, exit 1, and no traceback."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cluster.target import rehearsal_folder
from rehearsal import run as run_module
from rehearsal.assets.table import table
from rehearsal.directory import RehearsalDirectory
from serving.cli import application
from settings.document import ROOT

REFUSED = "example.test/dep@v1.5.0: reading https://proxy.example/example.test/dep/@v/v1.5.0.zip: 403 Forbidden"


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    """An environment of the test's own; what its rehearsal leaves is removed."""
    path = tmp_path / "bare.yaml"
    path.write_bytes((ROOT / "Pulumi.dev.yaml").read_bytes())
    yield path
    RehearsalDirectory(rehearsal_folder(str(path))).remove()


def script(path: Path, lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{lines}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def bare(tmp_path: Path, **more: str) -> dict[str, str]:
    """A machine with nothing on it, whose network answers nothing."""
    installer = script(tmp_path / "uv", "echo 'error: connection refused' >&2; exit 2")
    proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TPU_SERVING_", "KUBEBUILDER_"))}
    return {
        **kept,
        **proxies,
        "GOPROXY": "off",
        "PATH": os.defpath,
        "UV": str(installer),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        **more,
    }


def rehearse(file: Path, environment: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    """A call, which must end with 1."""
    done = subprocess.run(
        [sys.executable, "-m", "serving", "rehearse", str(file), *options],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return done


def others(but: str) -> dict[str, str]:
    """Variables that name a program for every asset but one."""
    names = [name for name in table().binaries if name != but]
    return {f"TPU_SERVING_ASSET_{name.upper().replace('-', '_')}": "/bin/true" for name in names}


def test_a_refused_module_is_named_with_where_go_asked(file: Path, tmp_path: Path) -> None:
    go = script(
        tmp_path / "bin/go",
        f'[ "$1" = version ] && {{ echo "go version go1.99.0 linux/amd64"; exit 0; }}\necho "go: {REFUSED}" >&2; exit 1',
    )
    environment = bare(tmp_path, **others("epp"), PATH=f"{go.parent}{os.pathsep}{os.defpath}")
    said = rehearse(file, environment).stderr
    assert REFUSED in said
    assert "go env GOPROXY" in said
    error = json.loads(rehearse(file, environment, "--format", "json").stdout)["error"]
    assert error in said


def test_a_cache_that_can_not_be_written_is_said_with_another_place(file: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").touch()
    said = rehearse(file, bare(tmp_path)).stderr
    assert f"the cache {tmp_path / 'cache/tpu-serving/assets'}: Not a directory" in said
    assert "export XDG_CACHE_HOME=DIRECTORY" in said


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_directory_that_can_not_be_written_any_more_is_said(
    number: int, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number), "/state/rehearsal.json")

    monkeypatch.setattr(run_module, "rehearse", full)
    done = CliRunner().invoke(application(["rehearse"]), ["rehearse", str(file)])
    assert done.exit_code == 1
    assert f"failed: /state/rehearsal.json: {os.strerror(number)}. A rehearsal needs about 1 GB of disk" in done.output


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--drain", "gpt"], "has no model 'gpt'. Its models: qwen2-5-3b."),
        (["--drain", "qwen2-5-3b", "--undo", "RT01"], "--undo"),
        (["--drain", "qwen2-5-3b", "--preview"], "--preview"),
    ],
)
def test_a_drain_that_can_not_be_is_rejected_before_anything_runs(file: Path, options: list[str], said: str) -> None:
    done = CliRunner().invoke(application(), ["rehearse", str(file), *options])
    assert done.exit_code == 2
    assert said in done.stderr
    assert not RehearsalDirectory(rehearsal_folder(str(file))).path.exists()
