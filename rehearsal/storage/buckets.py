"""Buckets in memory, by the part of Cloud Storage's JSON API that the programs in pods use. Sources: `behaviour.yaml`."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import re
import threading
from collections.abc import Callable, Mapping
from email.message import Message
from typing import Any, NamedTuple

Json = dict[str, Any]
_SPAN = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+)")
_VERBS = {"GET": "get", "POST": "create", "PATCH": "update", "DELETE": "delete"}


class Request(NamedTuple):
    """What came in: `path` in its decoded parts, `caller` as the token names it."""

    method: str
    path: tuple[str, ...]
    query: Mapping[str, str]
    headers: Message
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


class Buckets:
    """All buckets.

    Args:
        judge: 200, 403, or 404 without the bucket, for caller, permission, bucket and object ("" for the bucket itself).
    """

    def __init__(self, judge: Callable[[str, str, str, str], int]) -> None:
        self._judge, self._lock, self._numbers = judge, threading.RLock(), itertools.count(1)
        # What began it and what has come; the object's entry once it is complete.
        self._uploads: dict[str, tuple[Request, bytearray] | Json] = {}
        self.objects: dict[tuple[str, str], tuple[Json, bytes]] = {}

    def answer(self, request: Request) -> Answer:
        """The answer to a request below /storage/v1 or /upload/storage/v1."""
        with self._lock:
            if (session := request.query.get("upload_id")) is not None:
                return self._chunk(session, request)
            upload = request.path[0] == "upload"
            bucket, *rest = request.path[4 if upload else 3 :]
            name = request.query["name"] if upload else "".join(rest[1:])
            verb = f"objects.{_VERBS[request.method] if name else 'list'}" if rest else "buckets.get"
            # What is replaced is deleted.
            verbs = [verb, "objects.delete"] if upload and (bucket, name) in self.objects else [verb]
            for needed in (f"storage.{verb}" for verb in verbs):
                if (status := self._judge(request.caller, needed, bucket, name)) != 200:
                    return error(status, f"{request.caller} does not have {needed} access to gs://{bucket}.")
            if not rest:
                return Answer(200, {"name": bucket})
            done = self._begin if upload else self._object
            return self._changed(request, bucket, name) or done(request, bucket, name)

    def _changed(self, request: Request, bucket: str, name: str) -> Answer | None:
        there = self.objects.get((bucket, name))
        generation = there[0]["generation"] if there else "0"
        if request.query.get("ifGenerationMatch", generation) == generation:
            return None
        return error(412, "At least one of the pre-conditions you specified did not hold.")

    def _object(self, request: Request, bucket: str, name: str) -> Answer:
        if not name:
            prefix, after = request.query.get("prefix", ""), request.query.get("pageToken", "")
            names = sorted(n for b, n in self.objects if b == bucket and n.startswith(prefix) and n > after)
            names, more = names[:1000], names[1000:]
            page: Json = {"items": [self.objects[bucket, name][0] for name in names]}
            return Answer(200, page | ({"nextPageToken": names[-1]} if more else {}))
        if (bucket, name) not in self.objects:
            return error(404, f"No such object: {bucket}/{name}")
        entry, content = self.objects[bucket, name]
        if request.method == "DELETE":
            del self.objects[bucket, name]
        if request.method == "PATCH":
            entry |= {"metadata": json.loads(request.body)["metadata"]}
        return Answer(200, content if request.query.get("alt") == "media" else entry)

    def _begin(self, request: Request, bucket: str, name: str) -> Answer:
        if request.query["uploadType"] == "media":
            return Answer(200, self.put(bucket, name, request.body))
        session = str(next(self._numbers))
        self._uploads[session] = request, bytearray()
        path = f"/upload/storage/v1/b/{bucket}/o?uploadType=resumable&upload_id={session}"
        return Answer(200, None, {"Location": f"http://{request.headers['Host']}{path}"})

    def _chunk(self, session: str, request: Request) -> Answer:
        upload, span = self._uploads.get(session), _SPAN.fullmatch(request.headers.get("Content-Range", ""))
        if upload is None or span is None:
            return error(410 if upload is None else 400, "no such upload, or no range")
        if isinstance(upload, dict):
            return Answer(200, upload)
        begun, content = upload
        if span[1] is not None and int(span[1]) != len(content):
            return error(400, f"Invalid request: {len(content)} bytes are there.")
        content += request.body
        if len(content) < int(span[2]):
            return Answer(308, None, {"Range": f"bytes=0-{len(content) - 1}"} if content else {})
        bucket, name = begun.path[4], begun.query["name"]
        if (changed := self._changed(begun, bucket, name)) is None:
            self._uploads[session] = self.put(bucket, name, bytes(content))
        return changed or Answer(200, self._uploads[session])

    def put(self, bucket: str, name: str, content: bytes) -> Json:
        """A new version of an object: its entry."""
        digest = base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()
        entry = {"name": name, "bucket": bucket, "size": str(len(content)), "md5Hash": digest}
        self.objects[bucket, name] = entry | {"generation": str(next(self._numbers))}, content
        return self.objects[bucket, name][0]
