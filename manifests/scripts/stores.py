"""Cloud Storage and the Hugging Face Hub by their HTTP APIs, as a pod's account. Runs in pods; standard library only.

Both are asked patiently: a new node's metadata server has no token for seconds, and a new role works after minutes.
"""

import base64
import hashlib
import http.client
import json
import os
import sys
import threading
import time
import urllib.error
import urllib.request
from urllib.parse import quote, urlencode, urlsplit

# Of an upload, all but the last: a multiple of 256 KiB (Cloud Storage, "Resumable uploads").
CHUNK = 32 * 1024 * 1024
_PIECE = 1024 * 1024
_MOST_FAILURES, _LONGEST_PAUSE = 8, 30
_RENEW_SECONDS = 300
# What passes: no answer, one cut short, too many requests, a server's own trouble.
_PASSING = {408, 429, 500, 502, 503, 504}
_DENIED = {401, 403}
_BROKEN = (OSError, http.client.HTTPException, ValueError)


def say(text):
    """A line of the log, at once."""
    print(text, file=sys.stderr, flush=True)


class Refused(Exception):
    """An answer that waiting does not change. `code`: of HTTP, 0 where there was none."""

    def __init__(self, text, code=0):
        super().__init__(text)
        self.code = code


class Torn(Exception):
    """What arrived is not what was sent; the whole file is worth another try."""


class NoIdentity(Exception):
    """The metadata server gives no token yet."""


class Patience:
    """Tries again what may pass. Denials pass while roles and the metadata server come up: `denied_seconds` from now."""

    def __init__(self, denied_seconds, clock=time.monotonic, sleep=time.sleep):
        self._clock, self.sleep = clock, sleep
        self._until = clock() + denied_seconds

    def __call__(self, what, call, denials_pass=True):
        """What `call` returns; `Refused` names `what` was wanted and the last answer."""
        failures, pause = 0, 1
        while True:
            try:
                return call()
            except urllib.error.HTTPError as error:
                code, why = error.code, f"HTTP {error.code} {_words(error)}".strip()
                denied = code in _DENIED and denials_pass and self._clock() < self._until
                if code not in _PASSING and not denied:
                    raise Refused(f"{what}: {why}", code) from None
            except NoIdentity as error:
                code, why, denied = 401, str(error), self._clock() < self._until
            except _BROKEN as error:
                code, why, denied = 0, str(error) or type(error).__name__, False
            failures += not denied
            if failures >= _MOST_FAILURES:
                raise Refused(f"{what}: {why}, {failures} times", code)
            say(f"{what}: {why}; again in {pause} s")
            self.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)


def _words(error):
    """What an answer says of itself, in one line."""
    text = error.read(2000).decode(errors="replace")
    try:
        found = json.loads(text)["error"]
        text = found["message"] if isinstance(found, dict) else str(found)
    except (ValueError, KeyError, TypeError):
        pass
    return " ".join(text.split())[:300]


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Takes the token along on the same host only: a signed address of another one must not see it."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        new = super().redirect_request(req, fp, code, msg, headers, newurl)
        token = req.unredirected_hdrs.get("Authorization")
        if new is not None and token and urlsplit(newurl).netloc == urlsplit(req.full_url).netloc:
            new.add_unredirected_header("Authorization", token)
        return new


_WEB = urllib.request.build_opener(_Redirects)
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Identity:
    """The access token of the pod's account, from GKE's metadata server, renewed before it ends."""

    def __init__(self, clock=time.monotonic):
        self._clock, self._lock = clock, threading.Lock()
        self._token, self._ends = "", 0.0

    def token(self):
        """A token. Raises NoIdentity where there is none now."""
        with self._lock:
            if not self._token or self._clock() > self._ends - _RENEW_SECONDS:
                host = os.environ.get("GCE_METADATA_HOST", "metadata.google.internal")
                address = f"http://{host}/computeMetadata/v1/instance/service-accounts/default/token"
                request = urllib.request.Request(address, headers={"Metadata-Flavor": "Google"})
                try:
                    with _DIRECT.open(request, timeout=10) as answer:
                        found = json.load(answer)
                except _BROKEN as error:
                    raise NoIdentity(f"no token from the metadata server ({error})") from None
                self._token, self._ends = found["access_token"], self._clock() + found["expires_in"]
            return self._token


class Bucket:
    """A bucket of Cloud Storage by its JSON API. Every method raises `Refused`."""

    def __init__(self, name, patience, identity=None):
        self.name, self._patience, self._identity = name, patience, identity or Identity()
        self._server = os.environ.get("STORAGE_EMULATOR_HOST", "https://storage.googleapis.com").rstrip("/")

    def _open(self, path, query=None, data=None, method="GET", headers=None):
        address = path if "://" in path else f"{self._server}{path}"
        address += f"?{urlencode(query)}" if query else ""
        request = urllib.request.Request(address, data=data, method=method, headers=headers or {})
        request.add_unredirected_header("Authorization", f"Bearer {self._identity.token()}")
        return _WEB.open(request, timeout=120)

    def _json(self, what, *arguments, **options):
        def call():
            with self._open(*arguments, **options) as answer:
                return json.load(answer)

        return self._patience(f"gs://{self.name}: {what}", call)

    def _object(self, name):
        return f"/storage/v1/b/{self.name}/o/{quote(name, safe='')}"

    def look(self):
        """Read the bucket's own entry, as the model server's streamer does first (storage.buckets.get)."""
        return self._json("reading the bucket", f"/storage/v1/b/{self.name}")

    def list(self, prefix):
        """Objects below a prefix, by their names without it."""
        found, query = {}, {"prefix": prefix, "maxResults": "1000"}
        while True:
            page = self._json(f"listing {prefix}", f"/storage/v1/b/{self.name}/o", query)
            for item in page.get("items", []):
                found[item["name"][len(prefix) :]] = item
            if "nextPageToken" not in page:
                return found
            query["pageToken"] = page["nextPageToken"]

    def stat(self, name):
        """An object's entry, None where there is none."""
        try:
            return self._json(f"reading {name}", self._object(name))
        except Refused as error:
            if error.code == 404:
                return None
            raise

    def read(self, name):
        """A small object that holds JSON; None where there is none, {} where it holds something else."""

        def call():
            with self._open(self._object(name), {"alt": "media"}) as answer:
                return answer.read()

        try:
            text = self._patience(f"gs://{self.name}: reading {name}", call)
        except Refused as error:
            if error.code == 404:
                return None
            raise
        try:
            found = json.loads(text)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def write(self, name, data):
        """A small object, in one request."""
        query = {"uploadType": "media", "name": name}
        path, headers = f"/upload/storage/v1/b/{self.name}/o", {"Content-Type": "application/octet-stream"}
        return self._json(f"writing {name}", path, query, data=data, method="POST", headers=headers)

    def label(self, name, generation, labels):
        """Write custom metadata to exactly this version of an object; raises Torn where another one is there by now."""
        data = json.dumps({"metadata": labels}).encode()
        query, headers = {"ifGenerationMatch": generation}, {"Content-Type": "application/json"}
        try:
            self._json(f"labelling {name}", self._object(name), query, data=data, method="PATCH", headers=headers)
        except Refused as error:
            if error.code in (404, 412):
                raise Torn(f"{name}: {error}") from None
            raise

    def upload(self, name, size, chunks):
        """A large object from its chunks. It appears whole with the last one, in place of exactly the version there now.

        Raises Torn where the bucket does not hold what was sent, or another writer was faster.
        """
        before, path = self.stat(name), f"/upload/storage/v1/b/{self.name}/o"
        generation = before["generation"] if before else "0"
        query = {"uploadType": "resumable", "name": name, "ifGenerationMatch": generation}
        headers = {"X-Upload-Content-Length": str(size), "Content-Type": "application/json"}

        def begin():
            with self._open(path, query, data=b"{}", method="POST", headers=headers) as answer:
                if not answer.headers["Location"]:
                    raise ValueError("no address to upload to")
                return answer.headers["Location"]

        digest, at, made = hashlib.md5(usedforsecurity=False), 0, None
        try:
            session = self._patience(f"gs://{self.name}: writing {name}", begin)
            for chunk in chunks:
                digest.update(chunk)
                made = self._put(session, chunk, at, size)
                at += len(chunk)
        except Refused as error:
            if error.code in (404, 410, 412):
                raise Torn(f"{name}: {error}") from None
            raise
        if made is None or made.get("md5Hash") != _base64(digest):
            raise Torn(f"{name}: the bucket holds something else than was sent")
        return made

    def _put(self, session, chunk, start, size):
        """Send a chunk, however often the connection breaks; the object's entry once it is complete, else None."""
        state = {"at": start, "lost": False}

        def call():
            if state["lost"]:
                made, state["at"] = self._send(session, b"", start, size)
                if made is not None:
                    return made
                if state["at"] < start:
                    raise Torn("the bucket lost what it had confirmed")
            while state["at"] < start + len(chunk) or not size:
                state["lost"] = True
                made, state["at"] = self._send(session, chunk[state["at"] - start :], state["at"], size)
                state["lost"] = False
                if made is not None:
                    return made
            return None

        return self._patience(f"gs://{self.name}: writing", call)

    def _send(self, session, data, first, size):
        span = f"{first}-{first + len(data) - 1}" if data else "*"
        try:
            with self._open(session, data=data, method="PUT", headers={"Content-Range": f"bytes {span}/{size}"}) as answer:
                return json.load(answer), size
        except urllib.error.HTTPError as error:
            if error.code != 308:  # Resume Incomplete
                raise
            kept = error.headers.get("Range")
            return None, int(kept.rpartition("-")[2]) + 1 if kept else 0


def _base64(digest):
    return base64.b64encode(digest.digest()).decode()


class Hub:
    """Files of one revision of a repository of the Hugging Face Hub. Every method raises `Refused`."""

    def __init__(self, repository, revision, patience, token=None):
        self._repository, self._revision, self._patience, self._token = repository, revision, patience, token
        self._server = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")

    def _open(self, path, first=0):
        request = urllib.request.Request(self._server + path, headers={"Range": f"bytes={first}-"} if first else {})
        if self._token:
            request.add_unredirected_header("Authorization", f"Bearer {self._token}")
        return _WEB.open(request, timeout=120)

    def files(self):
        """Size and digest of every file, by name. The digest is `sha256:...`, or `git:...` for files kept in git itself."""
        path = f"/api/models/{self._repository}/revision/{self._revision}?blobs=true"

        def call():
            with self._open(path) as answer:
                return json.load(answer)

        found = self._patience(f"hf://{self._repository}", call, denials_pass=False)
        if found.get("sha") != self._revision:
            raise Refused(f"hf://{self._repository}: the Hub answers with {found.get('sha')}, not {self._revision}")
        try:
            return {file["rfilename"]: {"size": int(file["size"]), "digest": _digest(file)} for file in found["siblings"]}
        except (KeyError, TypeError) as error:
            raise Refused(f"hf://{self._repository}: the Hub's list of files has no {error}") from None

    def chunks(self, name, size):
        """The bytes of a file in chunks, taken up again where the connection broke; at least one chunk."""
        path = f"/{self._repository}/resolve/{self._revision}/{quote(name)}"
        held, at, failures = bytearray(), 0, 0
        while at < size or not size:
            before = at
            try:
                with self._patience(f"hf://{self._repository}: {name}", lambda: self._open(path, at), False) as answer:  # noqa: B023
                    if at and answer.status != 206:
                        raise Torn(f"{name}: the Hub does not go on at byte {at}")
                    while at < size and (piece := answer.read(min(_PIECE, size - at, CHUNK - len(held)))):
                        held += piece
                        at += len(piece)
                        if len(held) == CHUNK and at < size:
                            yield bytes(held)
                            held.clear()
            except _BROKEN as error:
                say(f"{name}: broken off at byte {at} of {size} ({error})")
            if at == size:
                break
            failures = 0 if at > before else failures + 1
            if failures >= _MOST_FAILURES:
                raise Refused(f"hf://{self._repository}: {name} ends at byte {at} of {size}")
            self._patience.sleep(1)
        yield bytes(held)


def _digest(file):
    return f"sha256:{file['lfs']['sha256']}" if file.get("lfs") else f"git:{file['blobId']}"


def checked(chunks, size, digest):
    """The same chunks. The last one comes only where all of them together have the digest; raises Torn otherwise."""
    kind, _, wanted = digest.partition(":")
    found = hashlib.sha256() if kind == "sha256" else hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)
    held = None
    for chunk in chunks:
        if held is not None:
            yield held
        found.update(chunk)
        held = chunk
    if found.hexdigest() != wanted:
        raise Torn(f"the Hub sent something else: {kind} {found.hexdigest()}, not {wanted}")
    yield held
