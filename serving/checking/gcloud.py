"""Commands to paste: `gcloud` lines, broken where a terminal of 100 columns would break them."""

from __future__ import annotations

_WIDEST = 78


def gcloud(*words: str, say: str = "Run:") -> str:
    """A sentence, and below it a gcloud command; options after the first line are indented."""
    lines, line = [], "gcloud"
    for word in words:
        if len(line) + len(word) + 1 > _WIDEST:
            lines.append(line)
            line = f"  {word}"
        else:
            line += f" {word}"
    return f"{say}\n" + " \\\n".join([*lines, line])
