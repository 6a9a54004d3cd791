"""Buckets in memory, by the part of Cloud Storage's JSON API that the programs in pods use. Sources: `behaviour.yaml`."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Json = dict[str, Any]
_PAGE = 1000
_SPAN = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+)")
_OPERATION = {"GET": "get", "PUT": "create", "POST": "create", "PATCH": "update", "DELETE": "delete"}


class Request(NamedTuple):
    """What came in: `path` in its decoded parts, `caller` as the token names it."""

    method: str
    path: tuple[str, ...]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    caller: str


class Answer(NamedTuple):
    """What goes out; a body is JSON unless it is bytes."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = {}


def error(status: int, message: str) -> Answer:
    """An error in Google's form."""
    return Answer(status, {"error": {"code": status, "message": message}})


@dataclass
class _Upload:
    bucket: str
    name: str
    match: str | None
    content: bytearray = field(default_factory=bytearray)
    made: Json | None = None


class Buckets:
    """All buckets.

    Args:
        exists: whether there is a bucket of a name.
        allowed: whether a caller has a permission on an object of a bucket (on the bucket itself for an empty name).
    """

    def __init__(self, exists: Callable[[str], bool], allowed: Callable[[str, str, str, str], bool]) -> None:
        self._exists, self._allowed = exists, allowed
        self._lock = threading.RLock()
        self._numbers = itertools.count(1)
        self._uploads: dict[str, _Upload] = {}
        self.objects: dict[tuple[str, str], tuple[Json, bytes]] = {}

    def answer(self, request: Request) -> Answer:
        """The answer to a request below /storage/v1 or /upload/storage/v1."""
        with self._lock:
            match request.path:
                case ("storage", "v1", "b", bucket):
                    return self._guarded(request, bucket, "", "storage.buckets.get") or Answer(200, {"name": bucket})
                case ("storage", "v1", "b", bucket, "o"):
                    return self._guarded(request, bucket, "", "storage.objects.list") or self._list(bucket, request)
                case ("storage", "v1", "b", bucket, "o", name):
                    permission = f"storage.objects.{_OPERATION[request.method]}"
                    return self._guarded(request, bucket, name, permission) or self._object(bucket, name, request)
                case ("upload", "storage", "v1", "b", bucket, "o"):
                    return self._upload(bucket, request)
        return error(404, "Not Found")

    def _guarded(self, request: Request, bucket: str, name: str, permission: str) -> Answer | None:
        if not self._exists(bucket):
            return error(404, "The specified bucket does not exist.")
        if not request.caller:
            return error(401, "Anonymous caller does not have access.")
        if not self._allowed(request.caller, permission, bucket, name):
            return error(
                403, f"{request.caller} does not have {permission} access to the Google Cloud Storage {bucket}."
            )
        return None

    def _list(self, bucket: str, request: Request) -> Answer:
        prefix, after = request.query.get("prefix", ""), request.query.get("pageToken", "")
        names = sorted(n for b, n in self.objects if b == bucket and n.startswith(prefix) and n > after)
        page: Json = {"items": [self.objects[bucket, name][0] for name in names[:_PAGE]]}
        return Answer(200, page | ({"nextPageToken": names[_PAGE - 1]} if len(names) > _PAGE else {}))

    def _object(self, bucket: str, name: str, request: Request) -> Answer:
        if (bucket, name) not in self.objects:
            return error(404, f"No such object: {bucket}/{name}")
        entry, content = self.objects[bucket, name]
        if request.query.get("ifGenerationMatch", entry["generation"]) != entry["generation"]:
            return error(412, "At least one of the pre-conditions you specified did not hold.")
        if request.method == "PATCH":
            entry |= {"metadata": json.loads(request.body)["metadata"]}
        if request.query.get("alt") == "media":
            return Answer(200, content)
        return Answer(200, entry)

    def _upload(self, bucket: str, request: Request) -> Answer:
        if (session := request.query.get("upload_id")) is not None:
            return self._chunk(self._uploads.get(session), request)
        name = request.query["name"]
        refused = self._guarded(request, bucket, name, "storage.objects.create")
        if refused is None and (bucket, name) in self.objects:  # what is replaced is deleted
            refused = self._guarded(request, bucket, name, "storage.objects.delete")
        if refused is not None:
            return refused
        upload = _Upload(bucket, name, request.query.get("ifGenerationMatch"))
        if (changed := self._changed(upload)) is not None:
            return changed
        if request.query["uploadType"] == "media":
            return Answer(200, self.put(bucket, name, request.body))
        session = str(next(self._numbers))
        self._uploads[session] = upload
        path = f"/upload/storage/v1/b/{bucket}/o?uploadType=resumable&upload_id={session}"
        return Answer(200, None, {"Location": f"http://{request.headers['Host']}{path}"})

    def _chunk(self, upload: _Upload | None, request: Request) -> Answer:
        span = _SPAN.fullmatch(request.headers.get("Content-Range", ""))
        if upload is None or span is None:
            return error(410 if upload is None else 400, "no such upload, or no range")
        if upload.made is not None:
            return Answer(200, upload.made)
        first, total = span[1], int(span[2])
        if first is not None:
            if int(first) != len(upload.content):
                return error(400, f"Invalid request: {len(upload.content)} bytes are there.")
            upload.content += request.body
        if len(upload.content) == total:
            if (changed := self._changed(upload)) is not None:
                return changed
            upload.made = self.put(upload.bucket, upload.name, bytes(upload.content))
            return Answer(200, upload.made)
        kept = {"Range": f"bytes=0-{len(upload.content) - 1}"} if upload.content else {}
        return Answer(308, None, kept)

    def _changed(self, upload: _Upload) -> Answer | None:
        there = self.objects.get((upload.bucket, upload.name))
        generation = there[0]["generation"] if there else "0"
        if upload.match in (None, generation):
            return None
        return error(412, "At least one of the pre-conditions you specified did not hold.")

    def put(self, bucket: str, name: str, content: bytes) -> Json:
        """A new version of an object: its entry."""
        digest = hashlib.md5(content, usedforsecurity=False).digest()
        entry: Json = {
            "name": name,
            "bucket": bucket,
            "size": str(len(content)),
            "generation": str(next(self._numbers)),
        }
        entry |= {"md5Hash": base64.b64encode(digest).decode()}
        self.objects[bucket, name] = entry, content
        return entry

    def names(self, bucket: str, prefix: str = "") -> Iterator[str]:
        """Names of objects."""
        return (name for owner, name in list(self.objects) if owner == bucket and name.startswith(prefix))
