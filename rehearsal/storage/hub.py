"""Files of repositories as the Hugging Face Hub serves them: small, synthetic, and the same for the same revision."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from rehearsal.storage.buckets import Answer, Request, error

Files = dict[str, bytes]


def synthetic(repository: str, revision: str) -> Files:
    """A checkpoint of two shards without a model in it."""
    shards = [f"model-{number:05}-of-00002.safetensors" for number in (1, 2)]
    files = {name: f"{name} of {repository} at {revision}, synthetic (rehearsal)".encode() * 1000 for name in shards}
    index = {"metadata": {"total_size": 0}, "weight_map": {f"layer.{n}": name for n, name in enumerate(shards)}}
    return files | {
        "config.json": json.dumps({"architectures": ["Synthetic"], "_name_or_path": repository}).encode(),
        "model.safetensors.index.json": json.dumps(index).encode(),
        "README.md": b"# synthetic\n",
        "original/consolidated.00.pth": b"not read",
    }


class Hub:
    """The list of a revision's files with their digests, and the files. `find` gives None where there is no revision."""

    def __init__(self, find: Callable[[str, str], Files | None] = synthetic) -> None:
        self._find = find

    def answer(self, request: Request) -> Answer | None:
        """The answer to a request; None where it is no path of the Hub."""
        match request.path:
            case ("api", "models", owner, name, "revision", revision):
                files = self._find(f"{owner}/{name}", revision)
                return error(404, "Revision not found") if files is None else self._list(revision, files)
            case (owner, name, "resolve", revision, *path):
                content = (self._find(f"{owner}/{name}", revision) or {}).get("/".join(path))
                return error(404, "Entry not found") if content is None else self._content(content, request)
        return None

    def _list(self, revision: str, files: Files) -> Answer:
        return Answer(200, {"sha": revision, "siblings": [self._entry(name, files[name]) for name in sorted(files)]})

    @staticmethod
    def _entry(name: str, content: bytes) -> dict[str, Any]:
        blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
        entry: dict[str, Any] = {"rfilename": name, "size": len(content), "blobId": blob}
        if name.endswith((".safetensors", ".bin", ".pth")):
            entry["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
        return entry

    @staticmethod
    def _content(content: bytes, request: Request) -> Answer:
        first = int(request.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        return Answer(206 if first else 200, content[first:])
