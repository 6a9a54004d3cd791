"""What a server does with `gs://`: look for the weights to stream, and for programs that others have compiled."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from urllib.parse import quote, urlencode

_SECONDS = 10.0


def _ask(path: str, data: bytes | None = None) -> bytes:
    """Raises OSError where Cloud Storage, or the metadata server before it, does not answer as asked."""
    metadata = f"http://{os.environ['GCE_METADATA_HOST']}/computeMetadata/v1/instance/service-accounts/default/token"
    token = json.loads(_open(urllib.request.Request(metadata)))["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    return _open(urllib.request.Request(os.environ["STORAGE_EMULATOR_HOST"] + path, data, headers))  # noqa: S310


def _open(request: urllib.request.Request) -> bytes:
    with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310 - of the emulator, always http
        return bytes(answer.read())


def _parts(address: str) -> tuple[str, str]:
    bucket, _, path = address.removeprefix("gs://").partition("/")
    return bucket, path.rstrip("/") + "/"


def shards(address: str) -> list[str]:
    """The safetensors below a `gs://` address. The bucket's own entry is read first, as the streamer does.

    Raises:
        SystemExit: there are none, or they can't be listed.
    """
    bucket, folder = _parts(address)
    try:
        _ask(f"/storage/v1/b/{bucket}")
        listed = json.loads(_ask(f"/storage/v1/b/{bucket}/o?{urlencode({'prefix': folder})}"))
    except OSError as error:
        raise SystemExit(f"google.api_core.exceptions.Forbidden: {address}: {error}") from None
    found = [item["name"] for item in listed["items"] if item["name"].endswith(".safetensors")]
    if not found:
        raise SystemExit(f"RuntimeError: Cannot find any safetensors model weights with `{address}`")
    return found


def compiled(address: str, program: str) -> bool:
    """Whether a program is in the cache at a `gs://` address.

    Raises:
        OSError: the cache can't be read, which JAX warns of and goes on.
    """
    bucket, name = _entry(address, program)
    try:
        _ask(f"/storage/v1/b/{bucket}/o/{quote(name, safe='')}?alt=media")
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise
        return False
    return True


def keep(address: str, program: str) -> None:
    """Write a program that was compiled.

    Raises:
        OSError: the cache can't be written, likewise.
    """
    bucket, name = _entry(address, program)
    _ask(f"/upload/storage/v1/b/{bucket}/o?{urlencode({'uploadType': 'media', 'name': name})}", b"synthetic program")


def _entry(address: str, program: str) -> tuple[str, str]:
    bucket, folder = _parts(address)
    return bucket, f"{folder}jit_step_fun-{program}-cache"
