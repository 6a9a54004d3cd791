"""Secrets in clear anywhere in an environment file, also in keys and under unknown keys (SC03, SC06)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from settings.document import Document
from settings.refusal import Finding, Path
from settings.secrets import HIDDEN, holds_secret, looks_random

_REFER = (
    "Revoke it, then refer to a new one:\n"
    "pulumi config set --secret tpu-serving:hfToken\n"
    "huggingFaceToken: {pulumiConfig: hfToken}"
)


def secrets_in_clear(document: Document) -> Iterator[Finding]:
    """A finding at each place; the text itself is not repeated."""
    for path, text in _texts((), document.data):
        line = document.line_of(path)
        if holds_secret(text):
            yield Finding("SC03", path, HIDDEN, "This looks like a secret in clear.", _REFER, line=line)
        elif looks_random(text):
            said = "This looks random, as secrets do; it is not shown."
            fix = "If it is a secret, revoke it and refer to a new one; if not, nothing needs to change."
            yield Finding("SC06", path, HIDDEN, said, fix, line=line)


def _texts(path: Path, value: Any) -> Iterator[tuple[Path, str]]:
    """Every text below a value, keys included, with its path."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield (*path, key), str(key)
            yield from _texts((*path, key), inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _texts((*path, index), inner)
