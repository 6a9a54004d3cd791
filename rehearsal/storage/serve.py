"""One HTTP server in front of buckets, metadata server and Hub: what is asked is told by the path."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit

from rehearsal.storage.buckets import Answer, Buckets, Json, Request, error

Files = dict[str, bytes]


def synthetic(repository: str, revision: str) -> Files:
    """A checkpoint of two shards without a model in it, the same for the same revision."""
    shards = [f"model-{number:05}-of-00002.safetensors" for number in (1, 2)]
    files = {name: f"{name} of {repository} at {revision}, synthetic (rehearsal)".encode() * 1000 for name in shards}
    index = json.dumps({"weight_map": {f"layer.{n}": name for n, name in enumerate(shards)}}).encode()
    return files | {"model.safetensors.index.json": index, "config.json": b"{}", "README.md": b"#", "a.pth": b"no"}


class Services:
    """All three. A token is the name of its account, `NAMESPACE/NAME`; `files` of a repository and revision, if any."""

    def __init__(self, buckets: Buckets, files: Callable[[str, str], Files | None] = synthetic) -> None:
        self.buckets, self._files, self._awake = buckets, files, set[str]()

    def answer(self, request: Request) -> Answer:
        """The answer to any request. The metadata server's address names node and account before the path."""
        match request.path:
            case ("storage" | "upload", *_):
                return self.buckets.answer(request)
            case (node, *account, "computeMetadata", _, _, _, _, _) if node in self._awake:
                return Answer(200, {"access_token": "/".join(account), "expires_in": 3600})
            case (node, *_, "computeMetadata", _, _, _, _, _):  # a new node's is late: its first question has no answer
                self._awake.add(node)
                return error(504, "the metadata server is not ready")
            case ("api", "models", owner, name, "revision", revision):
                if (files := self._files(f"{owner}/{name}", revision)) is not None:
                    return Answer(200, {"sha": revision, "siblings": [_listed(*file) for file in files.items()]})
            case (owner, name, "resolve", revision, *path):
                if (content := (self._files(f"{owner}/{name}", revision) or {}).get("/".join(path))) is not None:
                    first = int(request.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
                    return Answer(206 if first else 200, content[first:])
        return error(404, "Not Found")


def _listed(name: str, content: bytes) -> Json:
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    large = {"lfs": {"sha256": hashlib.sha256(content).hexdigest()}} if name.endswith(".safetensors") else {}
    return {"rfilename": name, "size": len(content), "blobId": blob, **large}


def server(services: Services, host: str, port: int) -> ThreadingHTTPServer:
    """An HTTP server, bound and not yet running."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body are two writes: the second would wait 40 ms for the client's delayed acknowledgement.
        disable_nagle_algorithm = True

        def handle(self) -> None:
            # A pod that ends amid its request is nothing to report.
            with contextlib.suppress(ConnectionError):
                super().handle()

        def _answer(self) -> None:
            parts = urlsplit(self.path)
            path = tuple(unquote(part) for part in parts.path.strip("/").split("/"))
            query = dict(parse_qsl(parts.query, keep_blank_values=True))
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            caller = self.headers.get("Authorization", "").removeprefix("Bearer ")
            answer = services.answer(Request(self.command, path, query, self.headers, body, caller))
            text = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
            self.send_response(answer.status)
            for name, value in {"Content-Length": str(len(text)), **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)
            self.close_connection = answer.headers.get("Connection") == "close"

        do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = _answer  # noqa: N815

        def log_message(self, *_arguments: object) -> None:
            """Nothing: pods have logs of their own."""

    made = ThreadingHTTPServer((host, port), Handler)
    made.daemon_threads = True
    return made
