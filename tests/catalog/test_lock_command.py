"""`serving lock` fills digests from a registry that speaks the real protocol, alters nothing else, and says what failed."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer
import yaml
from typer.testing import CliRunner, Result

from catalog import files
from catalog.refresh import wheel as wheel_module
from catalog.refresh.lock_file import LockFileError, with_digests, write_whole
from catalog.refresh.registry import RegistryError, RegistryUnreachableError, digest_of, split_repository
from serving.commands.lock import lock
from tools.runtime_tables.__main__ import main

from .test_runtimes import RUNTIME_TREE
from .test_vllm_extractor import TREE

MANIFEST = b'{"schemaVersion": 2, "manifests": []}'
DIGEST = f"sha256:{hashlib.sha256(MANIFEST).hexdigest()}"
TOKEN = "anonymous-1"
APP = typer.Typer()
APP.command()(lock)


class Registry(BaseHTTPRequestHandler):
    """What a registry answers, by the first part of the image's path."""

    asked: list[str] = []  # noqa: RUF012 - one list a server class, emptied by the fixture

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is http.server's
        pass

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.asked.append(f"{self.command} {self.path}")
        host = self.headers["Host"]
        if self.path.startswith("/token"):
            good = f"service={host.split(':')[0]}" in self.path and "scope=repository" in self.path
            self._answer(200 if good else 400, json.dumps({"token": TOKEN}).encode())
            return
        kind = self.path.split("/")[2]
        if kind == "moved":
            self._answer(307, Location=f"http://{host}{self.path.replace('/moved/', '/open/')}")
        elif kind == "private" and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            service = f'service="{host.split(":")[0]}",scope="repository:private/a:pull"'
            self._answer(401, WWW_Authenticate=f'Bearer realm="http://{host}/token",{service}')
        elif kind == "basic":
            self._answer(401, WWW_Authenticate='Basic realm="x"')
        elif kind == "absent":
            self._answer(404)
        elif kind == "broken":
            self._answer(503)
        elif kind == "wrong":
            self._answer(200, MANIFEST, Docker_Content_Digest="md5:1")
        elif kind == "bare":  # the header is optional
            self._answer(200, MANIFEST)
        elif "image.index" not in self.headers.get("Accept", ""):
            self._answer(406)
        else:
            self._answer(200, MANIFEST, Docker_Content_Digest=DIGEST)


@pytest.fixture
def registry() -> Iterator[str]:
    Registry.asked.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(follow_redirects=True, timeout=5) as one:
        yield one


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the data folder which the command takes for the real one."""
    folder = tmp_path / "data"
    shutil.copytree(files.DATA_DIR, folder)
    monkeypatch.setattr(files, "DATA_DIR", folder)
    return folder


def _point_at(data: Path, registry: str, kind: str = "private", only: str | None = None) -> None:
    """Let every image, or only one, come from the fake registry."""
    path = data / "lock.yaml"
    text = path.read_text(encoding="utf-8")
    for key, image in yaml.safe_load(text)["images"].items():
        if only in (None, key):
            text = text.replace(f"repository: {image['repository']}\n", f"repository: {registry}/{kind}/{key}\n")
    path.write_text(text, encoding="utf-8")


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(APP, list(arguments), catch_exceptions=False)


# -- the protocol ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["open", "private", "moved", "bare"])
def test_a_digest_is_found_with_and_without_a_token_through_redirects_and_without_the_header(
    registry: str, client: httpx.Client, kind: str
) -> None:
    assert digest_of(client, f"{registry}/{kind}/a", "v1") == DIGEST


def test_an_anonymous_token_is_asked_for_only_when_the_registry_wants_one(registry: str, client: httpx.Client) -> None:
    digest_of(client, f"{registry}/open/a", "v1")
    assert Registry.asked == ["HEAD /v2/open/a/manifests/v1"]
    digest_of(client, f"{registry}/private/a", "v1")
    assert [line.partition("?")[0] for line in Registry.asked[1:]] == [
        "HEAD /v2/private/a/manifests/v1",
        "GET /token",
        "HEAD /v2/private/a/manifests/v1",
    ]


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("absent", "has no absent/a:v1"),
        ("broken", "answered 503"),
        ("basic", "not anonymous"),
        ("wrong", "not a SHA-256"),
    ],
)
def test_a_registry_that_does_not_help_is_named_with_the_reason(
    registry: str, client: httpx.Client, kind: str, says: str
) -> None:
    with pytest.raises(RegistryError, match=f"(?s){registry}.*{says}") as raised:
        digest_of(client, f"{registry}/{kind}/a", "v1")
    assert not isinstance(raised.value, RegistryUnreachableError)


def test_a_registry_that_is_not_there_is_unreachable(client: httpx.Client) -> None:
    with pytest.raises(RegistryUnreachableError, match="can't be reached"):
        digest_of(client, "127.0.0.1:1/a", "v1")


@pytest.mark.parametrize(
    ("repository", "expected"),
    [
        ("ghcr.io/llm-d/x", ("ghcr.io", "llm-d/x")),
        ("docker.io/library/python", ("docker.io", "library/python")),
        ("python", ("docker.io", "library/python")),
        ("vllm/vllm-tpu", ("docker.io", "vllm/vllm-tpu")),
        ("localhost/a", ("localhost", "a")),
        ("127.0.0.1:5000/a/b", ("127.0.0.1:5000", "a/b")),
    ],
)
def test_the_registry_of_a_repository(repository: str, expected: tuple[str, str]) -> None:
    assert split_repository(repository) == expected


# -- the file ----------------------------------------------------------------------------------------------------------


def test_filling_digests_alters_those_lines_and_no_other(data: Path) -> None:
    before = (data / "lock.yaml").read_text(encoding="utf-8")
    after = with_digests(before, {"epp": DIGEST, "lws": DIGEST})
    changed = [(a, b) for a, b in zip(before.splitlines(), after.splitlines(), strict=True) if a != b]
    assert changed == [("    digest: null", f"    digest: {DIGEST}")] * 2
    assert "#" in after


def test_a_comment_beside_a_digest_stays() -> None:
    text = "images:\n  a:\n    digest: null  # why\n"
    assert with_digests(text, {"a": DIGEST}) == f"images:\n  a:\n    digest: {DIGEST}  # why\n"


@pytest.mark.parametrize(
    "text",
    [
        "images:\n  a: {digest: null}\n",
        "charts:\n  a:\n    digest: null\n",
        "images: {}\n",
        'images:\n  a:\n    note: "one\n    digest: two"\n    digest: null\n',
        "images:\n  a:\n    digest: &x null\n    other: *x\n",
    ],
)
def test_a_file_of_another_form_is_left_alone(text: str) -> None:
    with pytest.raises(LockFileError):
        with_digests(text, {"a": DIGEST})


def test_writing_keeps_the_mode_and_leaves_no_other_file(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("old", encoding="utf-8")
    path.chmod(0o640)
    write_whole(path, "new")
    assert path.read_text(encoding="utf-8") == "new"
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]


# -- the command -------------------------------------------------------------------------------------------------------


def test_the_committed_lock_passes_its_own_check() -> None:
    result = _run()
    assert result.exit_code == 0, result.output
    assert "docker.io/vllm/vllm-tpu:v0.32.0" in result.output
    assert "oci://ghcr.io/kserve/charts/kserve-llmisvc-crd" in result.output
    assert max(map(len, result.output.splitlines())) <= 100


def test_json_names_every_image_and_what_lacks_a_digest(data: Path) -> None:
    content = json.loads(_run("--format", "json").output)
    assert {image["name"] for image in content["images"]} >= {"epp", "vllm-tpu", "lws", "readiness"}
    assert content["withoutDigest"] == [image["name"] for image in content["images"] if image["digest"] is None]
    assert content["errors"] == content["problems"] == []


def test_digests_are_filled_once_and_then_only_checked(data: Path, registry: str) -> None:
    _point_at(data, registry)
    result = _run("--update-digests")
    assert result.exit_code == 0, result.output
    images = yaml.safe_load((data / "lock.yaml").read_text(encoding="utf-8"))["images"]
    assert {image["digest"] for image in images.values()} == {DIGEST}
    once = (data / "lock.yaml").read_bytes()
    again = _run("--update-digests")
    assert again.exit_code == 0
    assert "have no digest" not in again.output
    assert (data / "lock.yaml").read_bytes() == once


def test_a_tag_that_was_moved_is_an_error_and_is_not_taken_over(data: Path, registry: str) -> None:
    _point_at(data, registry)
    path = data / "lock.yaml"
    old = "sha256:" + "0" * 64
    path.write_text(with_digests(path.read_text(encoding="utf-8"), {"epp": old}), encoding="utf-8")
    result = _run("--update-digests")
    assert result.exit_code == 1
    assert f"now names {DIGEST}, the lock has {old}" in result.output
    assert yaml.safe_load(path.read_text(encoding="utf-8"))["images"]["epp"]["digest"] == old


def test_registries_out_of_reach_are_an_error_each_and_what_could_be_asked_is_still_written(
    data: Path, registry: str
) -> None:
    _point_at(data, "127.0.0.1:1", kind="x")
    path = data / "lock.yaml"
    path.write_text(
        path.read_text(encoding="utf-8").replace(
            "repository: 127.0.0.1:1/x/lws\n", f"repository: {registry}/open/lws\n"
        ),
        encoding="utf-8",
    )
    result = _run("--update-digests")
    assert result.exit_code == 1
    assert "error: llmisvc-controller: 127.0.0.1:1 can't be reached" in result.output
    assert "error: epp: not asked, 127.0.0.1:1 did not answer before" in result.output
    assert f"wrote the digest of lws: {DIGEST}" in result.output
    assert "Traceback" not in result.output


def test_a_lock_that_contradicts_itself_fails_the_check(data: Path) -> None:
    path = data / "lock.yaml"
    text = (
        path.read_text(encoding="utf-8").replace("tag: v0.32.0", "tag: latest").replace("tag: v0.9.0", "tag: v0.10.0")
    )
    path.write_text(text, encoding="utf-8")
    result = _run("--check")
    assert result.exit_code == 1
    for problem in (
        "image vllm-tpu: the tag 'latest' moves",
        "not a combination that the lock lists",
        "no flag table for vllm-tpu latest",
        "no plugin table for the endpoint picker v0.10.0",
    ):
        assert problem in result.output


def test_looking_and_updating_at_once_is_a_wrong_call() -> None:
    assert _run("--check", "--update-digests").exit_code == 2
    assert _run("--format", "yaml").exit_code == 2


def test_the_flag_table_is_written_from_the_wheel_of_the_locked_version(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import zipfile

    asked: list[tuple[str, str]] = []

    def fake(package: str, version: str, into: Path) -> Path:
        asked.append((package, version))
        into.mkdir()
        wheel = into / f"{package.replace('-', '_')}-{version}-cp312-cp312-manylinux_2_24_x86_64.whl"
        with zipfile.ZipFile(wheel, "w") as out:
            for name, text in (TREE | RUNTIME_TREE).items():
                out.writestr(name, text)
        return wheel

    monkeypatch.setattr(wheel_module, "download", fake)
    assert main() == 0
    assert asked == [("vllm-tpu", "0.32.0"), ("tpu-inference", "0.32.0")]
    assert "wrote the flag table 0.32.0.json" in capsys.readouterr().out
    names = json.loads((data / "runtimes" / "0.32.0.json").read_text(encoding="utf-8"))
    assert names["toolParsers"] == ["hermes"]
    written = json.loads((data / "vllm_flags" / "0.32.0.json").read_text(encoding="utf-8"))
    assert {"--port", "--color"} <= {flag["name"] for flag in written["flags"]}


def test_a_wheel_that_can_not_be_had_is_an_error_and_the_old_table_stays(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = "import sys; sys.stderr.write('ERROR: Could not find a version\\n'); sys.exit(1)"
    monkeypatch.setattr(wheel_module, "pip", lambda: [sys.executable, "-c", script])
    before = (data / "vllm_flags" / "0.32.0.json").read_bytes()
    assert main() == 1
    assert "error: vllm-tpu 0.32.0 can't be downloaded: Could not find a version" in capsys.readouterr().err
    assert (data / "vllm_flags" / "0.32.0.json").read_bytes() == before


def test_the_command_imports_no_http_client_before_it_asks() -> None:
    """`--help` of any command pays for what this module imports."""
    code = "import serving.commands.lock, sys; print([m for m in ('httpx', 'yaml', 'pydantic') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
