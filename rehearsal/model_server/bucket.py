"""What a server does with `gs://`: look for the weights to stream, and for programs that others have compiled."""

from __future__ import annotations

import json
import os
import urllib.request
from urllib.parse import urlencode


def _ask(path: str, data: bytes | None = None, **query: str) -> bytes:
    """Raises OSError where Cloud Storage, or the metadata server before it, does not answer as asked."""
    metadata = f"http://{os.environ['GCE_METADATA_HOST']}/computeMetadata/v1/instance/service-accounts/default/token"
    with urllib.request.urlopen(metadata) as answer:
        headers = {"Authorization": f"Bearer {json.load(answer)['access_token']}"}
    address = f"{os.environ['STORAGE_EMULATOR_HOST']}{path}?{urlencode(query)}"
    with urllib.request.urlopen(urllib.request.Request(address, data, headers)) as answer:  # noqa: S310 - likewise
        return bytes(answer.read())


def listed(address: str, ending: str) -> list[str]:
    """The objects below a `gs://` address whose names end so. The bucket is read first, as Google's clients do.

    Raises:
        OSError: not allowed, or no such bucket.
    """
    bucket, _, folder = address.removeprefix("gs://").partition("/")
    _ask(f"/storage/v1/b/{bucket}")
    found = json.loads(_ask(f"/storage/v1/b/{bucket}/o", prefix=f"{folder}/"))
    return [item["name"] for item in found["items"] if item["name"].endswith(ending)]


def keep(address: str, program: str) -> None:
    """Write a program that was compiled. Raises OSError, likewise."""
    bucket, _, folder = address.removeprefix("gs://").partition("/")
    _ask(f"/upload/storage/v1/b/{bucket}/o", b"synthetic program", uploadType="media", name=f"{folder}/{program}")
