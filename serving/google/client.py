"""Questions to Google's APIs: each asked once in a run, from any thread, with a time limit and retries.

google-api-python-client reads the discovery documents that it brings, so one library covers every API asked here, and
no field is known from our memory. Cloud Quotas is in none of them: it has Google's own client (quotas.py).
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cluster.errors import CannotAskError
from serving.google.credentials import default_credentials
from serving.google.errors import unanswered

# API -> version of its discovery document.
_VERSIONS = {
    "certificatemanager": "v1",
    "cloudresourcemanager": "v3",
    "compute": "v1",
    "container": "v1",
    "dns": "v1",
    "secretmanager": "v1",
    "serviceusage": "v1",
    "storage": "v1",
}
# The library waits 2, 4, 8 ... seconds at most before it asks again after 429, 5xx and lost connections.
RETRIES = 3


class GoogleClient:
    """One run's view of Google: answers are kept, so that what two checks need is asked once. Safe for threads.

    Args:
        project: the environment's project.
        credentials: finds credentials with a good token; may raise CannotAskError, which then ends every question.
        seconds: time limit of one request.
        endpoints: API -> base URL in place of Google's own.
    """

    def __init__(
        self,
        project: str,
        credentials: Callable[[], Any],
        seconds: float,
        *,
        endpoints: Mapping[str, str] | None = None,
        retries: int = RETRIES,
    ) -> None:
        self.project = project
        self.seconds = seconds
        self.retries = retries
        self.endpoints = dict(endpoints or {})
        self._find_credentials = credentials
        self._apis: dict[str, Any] = {}
        self._answers: dict[Any, Any] = {}
        self._locks: dict[Any, threading.Lock] = {}
        self._guard = threading.Lock()
        self._threads = threading.local()

    def once(self, key: Any, ask: Callable[[], Any]) -> Any:
        """The answer of `ask`, from the first time it was asked; an error is an answer too.

        Raises:
            CannotAskError: what the first time ended with.
        """
        with self._guard:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if key not in self._answers:
                try:
                    self._answers[key] = ask()
                except CannotAskError as error:
                    self._answers[key] = error
        answer = self._answers[key]
        if isinstance(answer, CannotAskError):
            raise answer
        return answer

    def find(self, api: str, method: str, **parameters: Any) -> dict[str, Any] | None:
        """The answer of a method such as `zones.get`; None where what it names does not exist.

        Raises:
            CannotAskError: there is no answer.
        """
        key = (api, method, repr(sorted(parameters.items())))
        found: dict[str, Any] | None = self.once(key, lambda: self._ask(api, method, parameters))
        return found

    def change(self, api: str, method: str, **parameters: Any) -> dict[str, Any] | None:
        """As `find`, asked anew each time: a method that changes something, or the state of such a change.

        Raises:
            CannotAskError: there is no answer, or it is a refusal.
        """
        return self._ask(api, method, parameters)

    def listed(self, api: str, method: str, **parameters: Any) -> Iterator[dict[str, Any]]:
        """The items of a list, of all pages.

        Raises:
            CannotAskError: there is no answer, or what is listed from does not exist.
        """
        for page in self._pages(api, method, parameters):
            yield from page.get("items", ())

    def aggregated(self, collection: str, **parameters: Any) -> Iterator[tuple[str, dict[str, Any]]]:
        """The items of a collection of Compute Engine, each with its scope ("zones/ZONE", "regions/REGION", "global").

        Raises:
            CannotAskError: as `listed`, or a scope gave no answer.
        """
        method = f"{collection}.aggregatedList"
        for page in self._pages("compute", method, parameters):
            if missing := page.get("unreachables"):
                raise CannotAskError("google-error", f"compute {method}: no answer from {', '.join(missing)}")
            for scope, inside in page.get("items", {}).items():
                yield from ((scope, item) for item in inside.get(collection, ()))

    def _pages(self, api: str, method: str, parameters: dict[str, Any]) -> Iterator[dict[str, Any]]:
        token = None
        while True:
            page = self.find(api, method, **parameters, **({"pageToken": token} if token else {}))
            if page is None:
                raise CannotAskError("google-error", f"{api} {method}: 404, nothing to list from")
            yield page
            if not (token := page.get("nextPageToken")):
                return

    def credentials(self) -> Any:
        """The run's credentials.

        Raises:
            CannotAskError: there are none that work.
        """
        return self.once("credentials", self._find_credentials)

    def _ask(self, api: str, method: str, parameters: Mapping[str, Any]) -> dict[str, Any] | None:
        credentials = self.credentials()
        try:
            resource = self.once(("api", api), lambda: self._build(api))
            *path, last = method.split(".")
            for part in path:
                resource = getattr(resource, part)()
            request = getattr(resource, last)(**parameters)
            answer = request.execute(http=self._http(credentials), num_retries=self.retries)
        except CannotAskError:
            raise
        except Exception as error:
            cannot = unanswered(error, f"{api} {method}", self.project)
            if cannot is None:
                return None
            raise cannot from error
        if not isinstance(answer, dict):
            raise CannotAskError("google-answer-not-json", f"{api} {method}: no JSON object: {answer!r}")
        return answer

    def _build(self, api: str) -> Any:
        quiet()
        from googleapiclient.discovery import build
        from httplib2 import Http

        options = {"api_endpoint": self.endpoints[api]} if api in self.endpoints else None
        return build(
            api, _VERSIONS[api], http=Http(), static_discovery=True, cache_discovery=False, client_options=options
        )

    def _http(self, credentials: Any) -> Any:
        """A connection for this thread: httplib2's are not to be shared."""
        if not hasattr(self._threads, "http"):
            from google_auth_httplib2 import AuthorizedHttp
            from httplib2 import Http

            self._threads.http = AuthorizedHttp(credentials, http=Http(timeout=self.seconds))
        return self._threads.http


def default_client(project: str, seconds: float) -> GoogleClient:
    """A client with application default credentials; `seconds` is the time limit of one request."""
    return GoogleClient(project, lambda: default_credentials(project, seconds), seconds)


def last_part(url: Any) -> str:
    """The name at the end of a resource's URL; empty where there is none."""
    return str(url or "").rpartition("/")[2]


def quiet() -> None:
    """Google's libraries announce on standard error, at import, until when they support this Python."""
    warnings.filterwarnings("ignore", message="You are using a Python version", category=FutureWarning)
