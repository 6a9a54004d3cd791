"""Application default credentials: found and made good once, before anything is asked."""

from __future__ import annotations

import functools
from typing import Any

from cluster.errors import CannotAskError
from serving.checking.gcloud import gcloud

_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
LOGIN = gcloud("auth", "application-default", "login")


def default_credentials(project: str, seconds: float) -> Any:
    """Credentials with a token that is good now.

    Args:
        project: pays for questions asked as a person, whose credentials name no project of their own.
        seconds: time limit of one request.

    Raises:
        CannotAskError: there are none, they are refused (expired, revoked), or nobody could be asked.
    """
    import google.auth

    try:
        found, _ = google.auth.default(scopes=_SCOPES)
    except Exception as error:
        # Beside its own exceptions the library raises whatever it trips over in a file that holds something else.
        raise CannotAskError("no-credentials", f"{type(error).__name__}: {error}", LOGIN) from error
    return refreshed(_with_quota_project(found, project), seconds)


def refreshed(credentials: Any, seconds: float) -> Any:
    """The same credentials with a token; nothing is asked where they have one that is good.

    Raises:
        CannotAskError: as `default_credentials`.
    """
    import google.auth.transport.requests
    from google.auth.exceptions import GoogleAuthError, TransportError

    if credentials.valid:
        return credentials
    request = google.auth.transport.requests.Request()
    try:
        credentials.refresh(functools.partial(request, timeout=seconds))
    except TransportError as error:
        raise CannotAskError("google-not-reachable", str(error)) from error
    except GoogleAuthError as error:
        raise CannotAskError("credentials-refused", str(error), LOGIN) from error
    return credentials


def _with_quota_project(credentials: Any, project: str) -> Any:
    from google.oauth2.credentials import Credentials

    # A person's token names no project, and several of the APIs refuse a question that nobody is charged for.
    if isinstance(credentials, Credentials) and credentials.quota_project_id is None:
        return credentials.with_quota_project(project)
    return credentials
