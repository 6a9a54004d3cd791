"""SC03: secrets in clear, recognised by their published form or by their randomness. They are never repeated."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from functools import lru_cache
from typing import Any

from catalog.secret_forms import secret_forms

HIDDEN = "(hidden)"
# What has no known form: this long without punctuation, and alternating between letters and digits, small and capital,
# as words and versions joined together do not. Checksums are exempt: hexadecimal of 32, 40, 64 or 128 digits.
_RUN = re.compile(r"[A-Za-z0-9+=]{24,}")
_CHECKSUM = re.compile(r"[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}|[0-9a-f]{128}")
_CHANGE = re.compile(r"(?<=[a-z])(?=[^a-z])|(?<=[A-Z])(?=[^A-Z])|(?<=[0-9])(?=[^0-9])")
_WORD = re.compile(r"[A-Z][a-z]{2,}|[a-z]{3,}")
_LEAST_BITS = 3.5  # of a character, in its own run
_LEAST_CHANGES = 0.3  # of neighbours; random letters and digits have 0.62
_MOST_WORDS = 0.5  # of the characters; random ones have a quarter
_PART = 10  # letters and digits of a secret that are not repeated
# Public, and as random: certificates, and client ids of OAuth.
_PUBLIC = re.compile(
    r"-----BEGIN CERTIFICATE-----(?s:.*?)(?:-----END CERTIFICATE-----|\Z)|\d+-[a-z0-9]+\.apps\.googleusercontent\.com"
)


@lru_cache(maxsize=4096)  # the objects of many models have most of their texts in common
def holds_secret(text: str) -> bool:
    """True if the text contains something of a published form of secret."""
    return secret_forms().search(text) is not None


def looks_random(text: str) -> bool:
    """True if the text contains what no word, revision, digest or checksum looks like."""
    return any(_is_random(run.group()) for run in _RUN.finditer(_PUBLIC.sub(" ", text)))


def hidden(value: Any) -> Any:
    """A value to be shown: secrets are left out of a text; anything else that holds one is left out altogether."""
    if isinstance(value, str):
        known_left_out = secret_forms().sub(HIDDEN, value)
        if not looks_random(known_left_out):
            return known_left_out
        return _RUN.sub(lambda m: HIDDEN if _is_random(m.group()) else m.group(), known_left_out)
    if isinstance(value, (int, float, type(None))):
        return value
    text = json.dumps(value, default=str, ensure_ascii=False)
    return HIDDEN if holds_secret(text) or looks_random(text) else value


def repeats_secret(text: str, value: Any) -> bool:
    """True if the text has a part of a secret in `value` in another spelling: in small letters, with other punctuation."""
    if not isinstance(value, str) or hidden(value) == value:
        return False
    inside, plain = _letters(text), _letters(value)
    return any(plain[at : at + _PART] in inside for at in range(len(plain) - _PART + 1))


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.lower()))


def _is_random(run: str) -> bool:
    if _CHECKSUM.fullmatch(run) or not (re.search("[A-Z]", run) or len(run) >= 32):
        return False
    counts = Counter(run).values()
    bits = -sum(count / len(run) * math.log2(count / len(run)) for count in counts)
    changes = len(_CHANGE.findall(run)) / (len(run) - 1)
    words = sum(map(len, _WORD.findall(run))) / len(run)
    return bits >= _LEAST_BITS and changes >= _LEAST_CHANGES and words < _MOST_WORDS
