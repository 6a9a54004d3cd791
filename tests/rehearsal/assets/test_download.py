"""A download is taken only where the publisher's checksum file confirms it; otherwise the program is built."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from collections.abc import Callable, Iterator

import pytest

from rehearsal.assets.fetch import listed
from rehearsal.assets.table import this_platform
from tests.rehearsal.assets.conftest import BUILDS, HELLO, Said, had
from tests.serving.verify.web import Reply, serving

CONTENT = b"#!/bin/sh\necho hello v1.2.3, downloaded\n"


class Publisher:
    """Serves files from memory on loopback, and remembers what was asked for."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.url = ""

    def answer(self, _method: str, path: str, _body: object) -> Reply:
        self.asked.append(path)
        return Reply(body=self.files[path]) if path in self.files else Reply(404)

    def row(self, file: str, checksums: str = "{file}.sha256") -> dict[str, object]:
        """A row of the table that names a file of this publisher."""
        return {**HELLO, "checksums": checksums, "files": {this_platform(): f"{self.url}/{file}"}}


@pytest.fixture
def publisher(monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    made = Publisher()
    with serving(made.answer) as server:
        made.url = server.url
        yield made


def _tar(folder: str) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in ((f"{folder}/hello-language", b"no"), (f"{folder}/hello", CONTENT)):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def _zip() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("hello-v1/hello", CONTENT)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("hello", CONTENT),
        ("hello-{version}.tar.gz", _tar("hello-v1")),
        ("hello-{number}.zip", _zip()),
    ],
    ids=["plain", "tar", "zip"],
)
def test_a_confirmed_download_is_taken_and_nothing_is_built(
    file: str, content: bytes, publisher: Publisher, rows: Callable[..., None], fake_go: Callable[[str], object]
) -> None:
    rows(hello=publisher.row(file))
    fake_go("exit 1\n")
    served = "/" + file.format(version="v1.2.3", number="1.2.3")
    publisher.files = {served: content, f"{served}.sha256": hashlib.sha256(content).hexdigest().encode()}
    said = Said()
    asset = had("hello", said)
    assert (asset.how, asset.path.read_bytes()) == ("downloaded", CONTENT)
    assert said.lines == ["downloading hello"]


@pytest.mark.parametrize(
    "files",
    [
        {"/hello": CONTENT, "/sums": f"{'0' * 64}  hello\n".encode()},
        {"/hello": CONTENT, "/sums": f"{hashlib.sha256(CONTENT).hexdigest()}  other\n".encode()},
        {"/hello": CONTENT},
        {"/sums": f"{hashlib.sha256(CONTENT).hexdigest()}  hello\n".encode()},
        None,
    ],
    ids=["another sum", "not listed", "no sums", "no file", "no answer"],
)
def test_what_is_not_confirmed_is_built(
    files: dict[str, bytes] | None, publisher: Publisher, rows: Callable[..., None], fake_go: Callable[[str], object]
) -> None:
    if files is None:
        publisher.url = "http://127.0.0.1:9"  # nobody listens on the discard port
    rows(hello=publisher.row("hello", publisher.url + "/sums"))
    fake_go(BUILDS)
    publisher.files = files or {}
    assert had("hello").how == "built"
    assert ("/sums" in publisher.asked) is (files is not None)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a" * 64, True),
        ("a" * 64 + "\n", True),
        (f"{'b' * 64}  other\n{'a' * 64}  hello\n", True),
        (f"{'A' * 64} *hello\n", True),
        (f"{'a' * 64}  ./hello\n", True),
        (f"{'a' * 64}  hello.sig\n", False),
        (f"{'a' * 64}\n{'b' * 64}\n", False),
        ("<html>hello</html>", False),
    ],
)
def test_checksum_files_of_every_publisher_are_read(text: str, found: bool) -> None:
    assert ("a" * 64 in listed(text, "hello")) is found
