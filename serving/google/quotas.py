"""Limits from the Cloud Quotas API, and which of its entries counts for a region."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from catalog.preflight import QUOTA_SERVICE
from cluster.errors import CannotAskError
from serving.google.client import GoogleClient, quiet
from serving.google.errors import unanswered

# Google's names of the dimensions that are places.
_PLACES = ("region", "zone")


@dataclass(frozen=True)
class Limit:
    """An entry of a quota: `dimensions` it is for, `value` (below 0: unlimited), `locations` where it applies."""

    dimensions: Mapping[str, str]
    value: int
    locations: tuple[str, ...] = ()


@dataclass(frozen=True)
class Quota:
    """The limits of a quota id, and whether Google says that more can be asked for."""

    limits: tuple[Limit, ...]
    increasable: bool = True


def limit_for(limits: Iterable[Limit], wanted: Mapping[str, str]) -> int | None:
    """The limit that is in force for these dimensions; None where no entry speaks of them.

    An entry without a dimension is for all values of it that have no entry of their own, so the most specific one that
    fits counts (Cloud Quotas API, DimensionsInfo).
    """
    fitting = [limit for limit in limits if _fits(limit, wanted)]
    return max(fitting, key=lambda limit: len(limit.dimensions)).value if fitting else None


def _fits(limit: Limit, wanted: Mapping[str, str]) -> bool:
    said = {key.lower(): value.lower() for key, value in wanted.items()}
    if any(said.get(key.lower()) != value.lower() for key, value in limit.dimensions.items()):
        return False
    place = next((said[key] for key in _PLACES if key in said), None)
    unplaced = not any(key in limit.dimensions for key in _PLACES)
    everywhere = not limit.locations or "global" in limit.locations
    return place is None or not unplaced or everywhere or place in (name.lower() for name in limit.locations)


def find_quota(google: GoogleClient, quota_id: str) -> Quota | None:
    """A quota of the environment's project; None where the API knows no such id.

    Raises:
        CannotAskError: there is no answer.
    """
    found: Quota | None = google.once(("quota", quota_id), lambda: _ask(google, quota_id))
    return found


def _ask(google: GoogleClient, quota_id: str) -> Quota | None:
    credentials = google.credentials()
    try:
        client = google.once("cloudquotas", lambda: _client(google, credentials))
        name = f"projects/{google.project}/locations/global/services/{QUOTA_SERVICE}/quotaInfos/{quota_id}"
        answer = client.get_quota_info(name=name, retry=_retry(google), timeout=google.seconds)
    except CannotAskError:
        raise
    except Exception as error:
        cannot = unanswered(error, f"cloudquotas {quota_id}", google.project)
        if cannot is None:
            return None
        raise cannot from error
    limits = (
        Limit(dict(entry.dimensions), int(entry.details.value), tuple(entry.applicable_locations))
        for entry in answer.dimensions_infos
    )
    return Quota(tuple(limits), not answer.is_fixed)


def _client(google: GoogleClient, credentials: Any) -> Any:
    quiet()
    from google.api_core.client_options import ClientOptions
    from google.cloud.cloudquotas_v1 import CloudQuotasClient

    options = ClientOptions(api_endpoint=google.endpoints.get("cloudquotas"))
    return CloudQuotasClient(credentials=credentials, transport="rest", client_options=options)


def _retry(google: GoogleClient) -> Any:
    from google.api_core import exceptions
    from google.api_core.retry import Retry, if_exception_type

    again = if_exception_type(exceptions.TooManyRequests, exceptions.ServerError)
    # As patient as the other client is with its number of retries.
    return Retry(predicate=again, initial=1.0, multiplier=2.0, timeout=float(2 ** (google.retries + 1)))
