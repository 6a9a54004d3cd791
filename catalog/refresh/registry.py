"""Asks a container registry which image a tag names now, and which tags there are (OCI distribution API, anonymous).

The protocol: HEAD on the manifest; a 401 names a token service; a token from there; HEAD again.
Source: OCI distribution specification 1.1, and Docker's token authentication specification.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx

# Docker Hub is the one registry whose API is not at the name that image references carry.
API_HOSTS = {"docker.io": "registry-1.docker.io"}
# An index first: its digest is the one that is right on every machine type.
_ACCEPT = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
_TAGS_A_PAGE = 1000
# A repository with more tags than this many pages hold is not looked through to its end.
_MOST_PAGES = 20
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_LOOPBACK = re.compile(r"(localhost|127(\.\d+){3}|\[::1\])(:\d+)?")


class RegistryError(Exception):
    """A registry could not be asked, or did not answer as it should; the message names it and says what to do."""


class RegistryUnreachableError(RegistryError):
    """The registry did not answer at all: asking it for the next image is no use."""


def split_repository(repository: str) -> tuple[str, str]:
    """`ghcr.io/llm-d/x` -> (`ghcr.io`, `llm-d/x`); a name without a host is on Docker Hub."""
    host, slash, path = repository.partition("/")
    if slash and ("." in host or ":" in host or host == "localhost"):
        return host, path
    return "docker.io", repository if slash else f"library/{repository}"


def digest_of(client: httpx.Client, repository: str, tag: str) -> str:
    """The digest that `repository:tag` has now.

    Raises:
        RegistryUnreachableError: no answer from the registry.
        RegistryError: it refuses, does not know the tag, or answers something else.
    """
    import httpx

    host, path = split_repository(repository)
    url = f"{_api(host)}/v2/{path}/manifests/{tag}"
    try:
        answer, headers = _ask(client, "HEAD", host, url)
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise RegistryError(f"{host} has no {path}:{tag}")
        if answer.is_error:
            raise RegistryError(f"{host} answered {answer.status_code} for {path}:{tag}")
        digest = str(answer.headers.get("docker-content-digest", ""))
        if not digest:  # optional in the specification: then it is the hash of the manifest itself
            body = client.get(url, headers=headers).raise_for_status().content
            digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
    except httpx.HTTPError as error:
        raise _unreachable(host, error) from error
    if not _DIGEST.fullmatch(digest):
        raise RegistryError(f"{host} answered the digest {digest!r} for {path}:{tag}, which is not a SHA-256")
    return digest


def tags_of(client: httpx.Client, repository: str) -> list[str]:
    """Every tag of a repository, as the registry lists them, page by page.

    Raises:
        RegistryUnreachableError: no answer from the registry.
        RegistryError: it refuses, does not know the repository, or answers something else.
    """
    import httpx

    host, path = split_repository(repository)
    url: str | None = f"{_api(host)}/v2/{path}/tags/list?n={_TAGS_A_PAGE}"
    found: list[str] = []
    try:
        for _ in range(_MOST_PAGES):
            if url is None:
                break
            answer, _ = _ask(client, "GET", host, url)
            if answer.is_error:
                raise RegistryError(f"{host} answered {answer.status_code} for the tags of {path}")
            tags = answer.json().get("tags") or []
            found += [str(tag) for tag in tags]
            following = answer.links.get("next", {}).get("url")
            url = str(answer.url.join(following)) if following else None
    except httpx.HTTPError as error:
        raise _unreachable(host, error) from error
    except (ValueError, AttributeError, TypeError):
        raise RegistryError(f"{host} did not answer a list of tags for {path}") from None
    return found


def charts_of(client: httpx.Client, repository: str, chart: str) -> list[str]:
    """Every version of a chart, as the index of its chart repository lists them.

    Raises:
        RegistryUnreachableError: no answer from the repository.
        RegistryError: it answers something else.
    """
    import httpx
    import yaml

    host = repository.partition("://")[2]
    try:
        answer = client.get(f"{repository}/index.yaml").raise_for_status().text
        loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        return [str(row["version"]) for row in yaml.load(answer, Loader=loader)["entries"][chart]]  # noqa: S506 - a safe loader
    except httpx.HTTPStatusError as error:
        raise RegistryError(f"{host} answered {error.response.status_code}") from None
    except httpx.HTTPError as error:
        raise _unreachable(host, error) from error
    except (KeyError, TypeError, yaml.YAMLError):
        raise RegistryError(f"{host} did not answer an index with {chart}") from None


def _api(host: str) -> str:
    """As container tools do: plain HTTP for a registry on this very machine, TLS for any other."""
    scheme = "http" if _LOOPBACK.fullmatch(host) else "https"
    return f"{scheme}://{API_HOSTS.get(host, host)}"


def _ask(client: httpx.Client, method: str, host: str, url: str) -> tuple[httpx.Response, dict[str, str]]:
    """The answer, with an anonymous token where the registry wants one, and the headers it was got with."""
    import httpx

    headers = {"Accept": _ACCEPT}
    answer = client.request(method, url, headers=headers)
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        token = _token(client, host, answer.headers.get("www-authenticate", ""))
        headers["Authorization"] = f"Bearer {token}"
        answer = client.request(method, url, headers=headers)
    return answer, headers


def _unreachable(host: str, error: httpx.HTTPError) -> RegistryUnreachableError:
    reason = str(error) or type(error).__name__
    return RegistryUnreachableError(f"{host} can't be reached ({reason}); check the network or the proxy settings")


def _token(client: httpx.Client, host: str, challenge: str) -> str:
    """An anonymous token from the service that a `WWW-Authenticate: Bearer ...` header names."""
    import httpx

    kind, _, rest = challenge.partition(" ")
    fields = dict(re.findall(r'(\w+)="([^"]*)"', rest))
    realm = fields.pop("realm", "")
    if kind.lower() != "bearer" or not realm:
        raise RegistryError(f"{host} asks for a way to log in that is not anonymous ({challenge or 'none named'})")
    answer = client.get(realm, params={key: fields[key] for key in ("service", "scope") if key in fields})
    if answer.is_error:
        raise RegistryError(f"{host} gives no anonymous token (its token service answered {answer.status_code})")
    try:
        content = answer.json()
    except ValueError as error:
        raise RegistryError(f"{host} gives no anonymous token (its token service did not answer JSON)") from error
    token = content.get("token") or content.get("access_token") if isinstance(content, dict) else None
    if not isinstance(token, str):
        raise RegistryError(f"{host} gives no anonymous token (status {int(httpx.codes.OK)}, but no token in it)")
    return token
