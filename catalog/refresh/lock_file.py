"""Writes digests into the lock file: only those lines change, comments and order stay."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

import yaml

_KEY = re.compile(r"(?P<indent> *)(?P<key>[A-Za-z0-9_.-]+):(?P<rest>.*)")


class LockFileError(Exception):
    """The lock file does not have the form that can be rewritten line by line."""


def with_digests(text: str, digests: Mapping[str, str]) -> str:
    """The lock file's text with `images.<key>.digest` replaced for every key given.

    Raises:
        LockFileError: an image or its `digest:` line is not where the form of the file has it.
    """
    lines = text.splitlines(keepends=True)
    section = image = ""
    done: set[str] = set()
    for number, line in enumerate(lines):
        match = _KEY.match(line)
        if match is None or line.lstrip().startswith("#"):
            continue
        depth, key = len(match["indent"]), match["key"]
        if depth == 0:
            section, image = key, ""
        elif depth == 2:
            image = key
        elif depth == 4 and section == "images" and key == "digest" and image in digests:
            comment = re.search(r"\s+#.*", match["rest"])
            lines[number] = f"    digest: {digests[image]}{comment[0] if comment else ''}\n"
            done.add(image)
    if missing := sorted(set(digests) - done):
        raise LockFileError(f"no line `digest:` to rewrite for {', '.join(missing)}")
    result = "".join(lines)
    _insist_that_only_digests_changed(text, result, digests)
    return result


def _insist_that_only_digests_changed(before: str, after: str, digests: Mapping[str, str]) -> None:
    expected = yaml.safe_load(before)
    for key, digest in digests.items():
        expected["images"][key]["digest"] = digest
    try:
        same = yaml.safe_load(after) == expected
    except yaml.YAMLError:
        same = False
    if not same:
        raise LockFileError("rewriting the digests would change something else too; nothing was written")


def write_whole(path: Path, text: str) -> None:
    """Replace the content of `path` in one step, so that a reader sees the old file or the new one."""
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as out:
        out.write(text)
    os.chmod(out.name, mode)
    os.replace(out.name, path)
