"""SC03: tokens recognised by their published form."""

from __future__ import annotations

import json
import re
from typing import Any

# Hugging Face, GitHub, Google API keys, AWS, OpenAI-like; private keys, but no certificates.
_TOKEN = re.compile(
    r"\b(hf_[A-Za-z0-9]{20,}|gh[pousr]_[A-Za-z0-9]{20,}|AIza[\w-]{30,}|AKIA[A-Z0-9]{12,}|sk-[\w-]{20,})"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY"
)


def holds_token(text: str) -> bool:
    """True if the text contains something of the form of a token. It is never repeated in a message."""
    return _TOKEN.search(text) is not None


def hidden(value: Any) -> Any:
    """A value to be shown: what has the form of a token is left out of a text, anything else that holds one altogether."""
    if isinstance(value, str):
        return _TOKEN.sub("(hidden)", value)
    if isinstance(value, (int, float, type(None))):
        return value
    return "(hidden)" if holds_token(json.dumps(value, default=str)) else value
