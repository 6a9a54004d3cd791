"""From an exception of Google's clients to the error of a question without an answer. Shapes: Google's error model (google.rpc.Status)."""

from __future__ import annotations

import json
import re
import socket
import ssl
from typing import Any

from cluster.errors import CannotAskError, causes
from serving.checking.gcloud import gcloud
from serving.google.credentials import LOGIN

# What any question to Google can end with.
GOOGLE_FAILURES = (
    "no-credentials",
    "credentials-refused",
    "no-quota-project",
    "google-not-reachable",
    "google-no-answer-in-time",
    "google-too-many-requests",
    "google-error",
    "google-answer-not-json",
    "api-off",
    "billing-off",
    "not-allowed-to-ask",
    "project-not-found",
)
# "The resource 'projects/x' was not found": the project itself, not something in it.
_NO_PROJECT = re.compile(r"projects/[^/'\"]+['\"] was not found")
_OFF = ("SERVICE_DISABLED", "accessNotConfigured")
_RATE = ("rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED", "quotaExceeded")


def unanswered(error: Exception, what: str, project: str) -> CannotAskError | None:
    """The error behind an exception; None where it only says that something does not exist.

    Args:
        what: what was asked, for people.
        project: in which something is to be changed.
    """
    # Who gave up asking again says why it did so the last time.
    error = getattr(error, "cause", None) or error
    status, body = _status_and_body(error)
    if status is None:
        return _without_answer(error, what)
    message, reasons, service = _read(body)
    said = f"{what}: {status} {message}"
    if status == 404:
        return CannotAskError("project-not-found", said) if _NO_PROJECT.search(message) else None
    if status == 401:
        return CannotAskError("credentials-refused", said, LOGIN)
    if status == 429 or (status == 403 and reasons.intersection(_RATE)):
        return CannotAskError("google-too-many-requests", said)
    if status == 403:
        return _refused(said, message, reasons, service, project)
    return CannotAskError("google-error", said)


def _refused(said: str, message: str, reasons: set[str], service: str, project: str) -> CannotAskError:
    if reasons.intersection(_OFF) or "has not been used in project" in message:
        api = service or "SERVICE"
        return CannotAskError("api-off", said, gcloud("services", "enable", api, f"--project={project}"))
    if "BILLING_DISABLED" in reasons or "requires billing" in message.lower():
        return CannotAskError("billing-off", said)
    if "quota project" in message:
        fix = gcloud("auth", "application-default", "set-quota-project", project)
        return CannotAskError("no-quota-project", said, fix)
    return CannotAskError("not-allowed-to-ask", said)


def _without_answer(error: Exception, what: str) -> CannotAskError:
    from google.auth.exceptions import RefreshError

    kinds = list(causes(error))
    said = f"{what}: {type(error).__name__}: {error}"
    if any(isinstance(kind, RefreshError) for kind in kinds):
        return CannotAskError("credentials-refused", said, LOGIN)
    if any(isinstance(kind, ValueError) and not isinstance(kind, ssl.SSLError) for kind in kinds[:2]) or any(
        type(kind).__name__ == "ParseError" for kind in kinds
    ):
        return CannotAskError("google-answer-not-json", said)
    if any(isinstance(kind, TimeoutError | socket.timeout) or "Timeout" in type(kind).__name__ for kind in kinds):
        return CannotAskError("google-no-answer-in-time", said)
    return CannotAskError("google-not-reachable", said)


def _status_and_body(error: Exception) -> tuple[int | None, Any]:
    """HTTP status and body, parsed where it is JSON: of googleapiclient's HttpError, or of google.api_core's exceptions."""
    answer, other = getattr(error, "resp", None), getattr(error, "response", None)
    if answer is not None:
        return int(answer.status), _parsed(getattr(error, "content", b""))
    if getattr(other, "status_code", None) is not None:
        return int(other.status_code), _parsed(other.content)  # type: ignore[union-attr]
    return None, None


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return content.decode("utf-8", "replace")


def _read(body: Any) -> tuple[str, set[str], str]:
    """Message, reasons and service of an error; a body that is not of Google's form is the message."""
    inside = body.get("error") if isinstance(body, dict) else None
    if not isinstance(inside, dict):
        return str(body), set(), ""
    details = [item for item in inside.get("details") or [] if isinstance(item, dict)]
    legacy = [item for item in inside.get("errors") or [] if isinstance(item, dict)]
    reasons = {str(item["reason"]) for item in (*details, *legacy) if item.get("reason")}
    services = [str(item["metadata"]["service"]) for item in details if "service" in (item.get("metadata") or {})]
    return str(inside.get("message", "")), reasons, services[0] if services else ""
