"""The emulated bucket, by Google's own client and by what the model server's emulator does with it."""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from rehearsal import cloud
from rehearsal.cloud import CloudResource
from rehearsal.directory import RehearsalDirectory
from rehearsal.model_server import bucket as streaming
from rehearsal.model_server.options import options_of, parse
from rehearsal.model_server.server import run
from rehearsal.storage.__main__ import BUCKET, GRANT, judge
from rehearsal.storage.buckets import Buckets
from rehearsal.storage.serve import Services, server

_MEMBER = (
    "principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p.svc.id.goog/subject/ns/llm/sa/"
)


class Place:
    """A bucket `b` of a rehearsal's cloud behind a server."""

    def __init__(self, path: Path) -> None:
        directory = RehearsalDirectory(path)
        directory.create()
        self.folder = directory.cloud
        self.buckets = Buckets(partial(judge, self.folder))
        cloud.write(self.folder, CloudResource(BUCKET, "b", "b", "p", "europe-west4", {"name": "b"}))
        self.address = ""

    def grant(self, account: str, role: str, folder: str = "") -> None:
        """A role on the bucket for an account of the namespace `llm`."""
        expression = f'resource.name.startsWith("projects/_/buckets/b/objects/{folder}")'
        state: dict[str, Any] = {"bucket": "b", "role": f"roles/storage.{role}", "member": _MEMBER + account}
        state |= {"condition": {"title": "t", "expression": expression}} if folder else {}
        cloud.write(self.folder, CloudResource(GRANT, account, f"{account}/{role}", "", None, state))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    made = Place(tmp_path / "rehearsal")
    with server(Services(made.buckets), "127.0.0.1", 0) as http:
        threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        made.address = f"127.0.0.1:{http.server_address[1]}"
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://{made.address}")
        monkeypatch.setenv("GCE_METADATA_HOST", f"{made.address}/node/llm/server")
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.delenv(name, raising=False)
        yield made
        http.shutdown()


def test_googles_own_client_writes_and_reads(place: Place) -> None:
    """Resumable in chunks, listed, changed only in the version that was meant, and read back."""
    from google.oauth2.credentials import Credentials
    from googleapiclient.discovery import build
    from googleapiclient.errors import HttpError
    from googleapiclient.http import MediaIoBaseUpload

    place.grant("server", "legacyBucketReader")
    place.grant("server", "objectUser")
    credentials = Credentials(token="llm/server")  # type: ignore[no-untyped-call]
    endpoint = {"api_endpoint": f"http://{place.address}/storage/v1/"}
    api = build("storage", "v1", credentials=credentials, client_options=endpoint, static_discovery=True)
    content = bytes(range(256)) * 3000
    media = MediaIoBaseUpload(io.BytesIO(content), "application/octet-stream", chunksize=256 * 1024, resumable=True)
    request = api.objects().insert(bucket="b", name="a/b c", media_body=media, ifGenerationMatch="0")
    # The client's own upload address is Google's; everything else of the request is as it makes it.
    request.uri = re.sub("^https://[^/]+", f"http://{place.address}", request.uri)
    made = request.execute()
    assert made["size"] == str(len(content))
    assert [item["name"] for item in api.objects().list(bucket="b", prefix="a/").execute()["items"]] == ["a/b c"]
    named = {"bucket": "b", "object": "a/b c"}
    with pytest.raises(HttpError, match="412"):
        api.objects().patch(**named, ifGenerationMatch="77", body={"metadata": {"k": "v"}}).execute()
    changed = (
        api.objects().patch(**named, ifGenerationMatch=made["generation"], body={"metadata": {"k": "v"}}).execute()
    )
    assert changed["metadata"] == {"k": "v"}
    assert api.objects().get_media(**named).execute() == content
    with pytest.raises(HttpError, match="404"):
        api.buckets().get(bucket="another").execute()


def test_a_role_holds_below_its_folder_and_for_its_account_only(place: Place) -> None:
    place.grant("server", "objectUser", "xla-cache/dev/")
    place.grant("filler", "legacyBucketReader")

    def may(account: str, verb: str, name: str) -> bool:
        return judge(place.folder, f"llm/{account}", f"storage.{verb}", "b", name) == 200

    assert may("server", "objects.create", "xla-cache/dev/a")
    assert not may("server", "objects.create", "weights/a") and not may(
        "server", "objects.create", "xla-cache/development"
    )
    assert (
        not may("server", "objects.list", "") and may("filler", "objects.list", "") and may("filler", "buckets.get", "")
    )
    assert not may("other", "objects.get", "xla-cache/dev/a") and not may("filler", "objects.get", "xla-cache/dev/a")


def test_a_new_nodes_metadata_server_is_late_once(place: Place) -> None:
    with pytest.raises(OSError, match="504"):
        streaming.listed("gs://b/weights", "")
    with pytest.raises(OSError, match="403"):
        streaming.listed("gs://b/weights", "")


def test_programs_that_one_server_compiled_are_read_by_the_next(place: Place) -> None:
    cache = "gs://b/xla-cache/dev/0.32.0/v6e-2x2"
    place.grant("server", "legacyBucketReader")
    with pytest.raises(OSError, match="504"):
        streaming.listed(cache, "k")
    with pytest.raises(OSError, match="403"):
        streaming.keep(cache, "k")
    place.grant("server", "objectUser", "xla-cache/dev/")
    assert not streaming.listed(cache, "k")
    streaming.keep(cache, "k")
    assert streaming.listed(cache, "k") == ["xla-cache/dev/0.32.0/v6e-2x2/k"]
    assert not streaming.listed("gs://b/xla-cache/dev/0.32.0/v6e-2x4", "k")
    with pytest.raises(OSError, match="404"):
        streaming.listed("gs://another/xla-cache", "k")


def test_a_server_streams_only_what_is_there(place: Place) -> None:
    arguments = ["serve", "gs://b/weights/files/o/n/r", "--load-format=runai_streamer"]
    options = options_of(parse(arguments), {"REHEARSAL_SPEED": "1e6"})
    for said in ("504", "403"):  # the metadata server of a new node, and no role
        with pytest.raises(SystemExit, match=f"Forbidden: .*{said}"):
            run(options)
    place.grant("server", "legacyBucketReader")
    place.buckets.put("b", "weights/files/o/n/other/model.safetensors", b"x")
    with pytest.raises(SystemExit, match="Cannot find any safetensors"):
        run(options)
    place.buckets.put("b", "weights/files/o/n/r/model.safetensors", b"x")
    assert streaming.listed(options.model, ".safetensors") == ["weights/files/o/n/r/model.safetensors"]
