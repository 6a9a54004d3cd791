"""From an exception or an answer to the name of a failure. Texts are Envoy's, OpenSSL's and vLLM's own."""

from __future__ import annotations

import errno
import json
import socket
import ssl
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from cluster.errors import causes

# First bytes of a TLS alert (record type 21), which a client of plain HTTP shows as an illegal status line.
_TLS_ALERT = "\\x15\\x03"
_SHOWN = 300
_BY_ERRNO = {
    errno.ECONNREFUSED: "connection-refused",
    errno.EHOSTUNREACH: "no-connection",
    errno.ENETUNREACH: "no-connection",
    errno.ETIMEDOUT: "no-connection",
    errno.ECONNRESET: "connection-closed",
}
_BY_STATUS = {401: "not-authorised", 403: "not-authorised", 429: "too-many-requests", 502: "bad-gateway"}
_LOGIN = "accounts.google.com"


class RequestError(Exception):
    """A request did not end in a right answer; `failure` is its section of the runbook."""

    def __init__(self, failure: str, message: str = "") -> None:
        super().__init__(message)
        self.failure = failure
        self.message = message


def of_error(error: Exception) -> RequestError:
    """The name of what a request ended with instead of an answer."""
    text = _text(error)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return RequestError("certificate-not-trusted", text)
    if isinstance(error, httpx.UnsupportedProtocol | httpx.InvalidURL):
        return RequestError("wrong-url", text)
    for cause in causes(error):
        if isinstance(cause, ssl.SSLError):
            return RequestError("tls-mismatch", text)
        if isinstance(cause, socket.gaierror):
            return RequestError("name-not-resolved", text)
    if _TLS_ALERT in text:
        return RequestError("tls-mismatch", "the port answers with a TLS alert: it wants https")
    for cause in causes(error):
        for number in _errnos(cause):
            if number in _BY_ERRNO:
                return RequestError(_BY_ERRNO[number], text)
    if isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout | httpx.ConnectError):
        return RequestError("no-connection", text)
    if isinstance(error, httpx.TimeoutException):
        return RequestError("no-answer-in-time", text)
    if isinstance(error, httpx.RemoteProtocolError | httpx.ReadError | httpx.WriteError):
        return RequestError("connection-closed", text)
    return RequestError("request-failed", text)


def of_status(status: int, headers: Mapping[str, str], body: str) -> RequestError | None:
    """The name of an answer that is no success; None for 200."""
    if status == 200:
        return None
    said = f"HTTP {status}: {shown(body)}"
    lowered = body.lower()
    # Envoy's words for a failed handshake with the backend: field issues 6 and 15.
    if "wrong_version_number" in lowered or "tls_error" in lowered:
        return RequestError("backend-tls-mismatch", said)
    if status == 503:
        known = "no-healthy-upstream" if "no healthy upstream" in lowered else "service-unavailable"
        return RequestError(known, said)
    if status == 504 or "upstream request timeout" in lowered:
        return RequestError("gateway-timeout", said)
    if status == 404:
        return RequestError(_not_found(body), said)
    if status == 400 and "https port" in lowered:
        return RequestError("tls-mismatch", said)
    if status in (301, 302, 303, 307, 308):
        place = headers.get("location", "")
        return RequestError(
            "not-authorised" if _LOGIN in place else "redirected-elsewhere", f"HTTP {status} to {place}"
        )
    return RequestError(_BY_STATUS.get(status, "error-status"), said)


def _not_found(body: str) -> str:
    if "fault filter abort" in body:
        return "no-route"
    try:
        error = json.loads(body)["error"]
        named = error.get("type") == "NotFoundError" or "model" in str(error.get("message", ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        named = False
    return "wrong-model-name" if named else "not-found"


def document(headers: Mapping[str, str], body: str) -> dict[str, Any]:
    """The JSON object of a successful answer.

    Raises:
        RequestError: HTML, no JSON, no object, or an error inside.
    """
    kind = headers.get("content-type", "")
    if "html" in kind or body.lstrip()[:1] == "<":
        raise RequestError("html-instead-of-json", f"content type {kind or 'unknown'}: {shown(body)}")
    try:
        data = json.loads(body)
    except ValueError:
        raise RequestError("not-json", f"content type {kind or 'unknown'}: {shown(body)}") from None
    if not isinstance(data, dict):
        raise RequestError("wrong-shape", f"not a JSON object: {shown(body)}")
    raise_error_inside(data)
    return data


def raise_error_inside(data: Mapping[str, Any]) -> None:
    """Raise RequestError where an object is an error that came with status 200."""
    if data.get("error") or data.get("object") == "error":
        raise RequestError("error-in-success", shown(json.dumps(data)))


def shown(body: str) -> str:
    """The beginning of a body on one line."""
    text = " ".join(body.split())
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def _errnos(error: BaseException) -> Iterator[int | None]:
    """Error numbers of an exception; several addresses of one name fail as one group."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _errnos(inner)
    elif isinstance(error, OSError):
        yield error.errno


def _text(error: Exception) -> str:
    return shown(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)
