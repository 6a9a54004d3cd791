"""SC03: tokens recognised by their published form."""

from __future__ import annotations

import re

# Hugging Face, GitHub, Google API keys, AWS, OpenAI-like; private keys, but no certificates.
_TOKEN = re.compile(
    r"\b(hf_[A-Za-z0-9]{20,}|gh[pousr]_[A-Za-z0-9]{20,}|AIza[\w-]{30,}|AKIA[A-Z0-9]{12,}|sk-[\w-]{20,})"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY"
)


def holds_token(text: str) -> bool:
    """True if the text contains something of the form of a token. It is never repeated in a message."""
    return _TOKEN.search(text) is not None
