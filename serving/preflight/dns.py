"""The public DNS, asked over HTTPS: Google Public DNS, "JSON API for DNS over HTTPS" (read 2026-12-01).

A resolver of this machine may answer from a private zone of the same name, which those who issue certificates never see.
"""

from __future__ import annotations

from cluster.errors import CannotAskError

_ENDPOINT = "https://dns.google/resolve"
# RFC 1035: type NS; no error, SERVFAIL, NXDOMAIN.
_NS, _SAYS = 2, (0, 2, 3)


class PublicDns:
    """One run's view of the public DNS.

    Args:
        seconds: time limit of one request.
        endpoint: in place of Google's.
    """

    def __init__(self, seconds: float, endpoint: str = _ENDPOINT) -> None:
        self._seconds, self._endpoint = seconds, endpoint

    def name_servers(self, domain: str) -> frozenset[str]:
        """Name servers of a domain, in small letters with their last dot; empty where it has none or they don't answer.

        Raises:
            CannotAskError: no answer, or one that is not of the DNS.
        """
        import httpx

        try:
            answer = httpx.get(self._endpoint, params={"name": domain, "type": "NS"}, timeout=self._seconds)
            found = answer.raise_for_status().json()
            if found["Status"] not in _SAYS:
                raise ValueError(f"DNS status {found['Status']}")
            rows = [(row["name"], row["data"]) for row in found.get("Answer") or () if row["type"] == _NS]
        except (httpx.HTTPError, httpx.InvalidURL, LookupError, TypeError, ValueError, AttributeError) as error:
            raise CannotAskError("dns-not-reachable", f"{self._endpoint}: {type(error).__name__}: {error}") from error
        return frozenset(absolute(server) for name, server in rows if absolute(name) == absolute(domain))


def absolute(name: str) -> str:
    """A domain in small letters, with its last dot."""
    return name.lower().rstrip(".") + "."
