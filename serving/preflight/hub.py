"""The Hugging Face Hub: whether a model is there, gated, and open to a token. API: huggingface_hub's HfApi."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from urllib.parse import quote

from cluster.errors import CannotAskError

_ENDPOINT = "https://huggingface.co"
# The names under which Hugging Face's own library looks for a token, and for another address of the Hub.
TOKEN_VARIABLE = "HF_TOKEN"
_OLD_TOKEN_VARIABLE = "HUGGING_FACE_HUB_TOKEN"
_ENDPOINT_VARIABLE = "HF_ENDPOINT"
# The Hub answers 401 for a name that it does not know, so that nobody learns of private ones.
_NOT_SHOWN = (401, 403, 404)


@dataclass(frozen=True)
class Repository:
    """A model as the Hub tells everybody: `gated` is "" where anybody may load it.

    `weights_bytes`: of its safetensors, from the count of parameters by their type; None where the Hub counts none.
    """

    id: str
    gated: str = ""
    weights_bytes: int | None = None


def _bytes(safetensors: object) -> int | None:
    """Bytes behind `{parameters: {BF16: 32762123264}}`; the digits of a type's name are its bits (`F8_E4M3`, `I32`)."""
    counts = safetensors.get("parameters") if isinstance(safetensors, dict) else None
    if not isinstance(counts, dict) or not counts:
        return None
    total = 0.0
    for kind, count in counts.items():
        bits = re.search(r"\d+", str(kind))
        if not isinstance(count, int) or (bits is None and kind != "BOOL"):
            return None
        total += count * (int(bits[0]) if bits else 8) / 8
    return round(total)


class Hub:
    """One run's view of the Hub.

    Args:
        seconds: time limit of one request.
        endpoint: in place of the Hub's own address.
        token: never shown.
    """

    def __init__(self, seconds: float, endpoint: str = _ENDPOINT, token: str = "") -> None:
        self._seconds = seconds
        self._endpoint = endpoint.rstrip("/")
        self._token = token

    @classmethod
    def of_environment(cls, seconds: float) -> Hub:
        """With token and address of the environment's variables."""
        token = (os.environ.get(TOKEN_VARIABLE) or os.environ.get(_OLD_TOKEN_VARIABLE) or "").strip()
        # What can't stand in a header is no token; the HTTP library would repeat it in its complaint.
        usable = token.isascii() and token.isprintable() and " " not in token
        return cls(seconds, os.environ.get(_ENDPOINT_VARIABLE) or _ENDPOINT, token if usable else "")

    @property
    def has_token(self) -> bool:
        """Whether there is a token to ask with."""
        return bool(self._token)

    def page(self, model: str) -> str:
        """Where its licence can be read and accepted."""
        return f"{_ENDPOINT}/{model}"

    def find(self, model: str, revision: str = "") -> Repository | None:
        """A model (at a revision); None where the Hub shows none: not there, private, or a misspelt name.

        Raises:
            CannotAskError: no answer, or one that is none of the Hub's.
        """
        path = f"/api/models/{quote(model)}" + (f"/revision/{quote(revision, safe='')}" if revision else "")
        # First as anybody: a token that is none (any more) makes the Hub refuse what is open to all.
        status, data = self._get(path, "")
        if status in _NOT_SHOWN and self._token:
            status, data = self._get(path, self._token)
        if status in _NOT_SHOWN:
            return None
        if status != 200 or not isinstance(data, dict):
            raise CannotAskError("hub-not-reachable", f"{path}: HTTP {status} and no model")
        return Repository(model, str(data.get("gated") or ""), _bytes(data.get("safetensors")))

    def may_load(self, model: str) -> bool:
        """Whether the token may load the files of a model.

        Raises:
            CannotAskError: no answer.
        """
        path = f"/api/models/{quote(model)}/auth-check"
        status, _ = self._get(path, self._token)
        if status in _NOT_SHOWN:
            return False
        if status != 200:
            raise CannotAskError("hub-not-reachable", f"{path}: HTTP {status}")
        return True

    def _get(self, path: str, token: str) -> tuple[int, object]:
        import httpx

        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            answer = httpx.get(self._endpoint + path, headers=headers, timeout=self._seconds, follow_redirects=True)
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError, ValueError) as error:
            raise CannotAskError("hub-not-reachable", f"{self._endpoint}: {type(error).__name__}: {error}") from error
        try:
            return answer.status_code, answer.json()
        except ValueError:
            return answer.status_code, None
