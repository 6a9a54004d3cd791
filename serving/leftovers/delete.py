"""Deletion of what is left, kind by kind; what Google still needs for something else is tried again."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from cluster.errors import CannotAskError
from serving.google.client import GoogleClient
from serving.leftovers.kinds import KINDS, NETWORK, SUBNET, Leftover

# GKE and Google take parts away some time after what used them; seconds between two tries, and how many there are.
_PAUSE, _TRIES = 15.0, 20
_POLL = 2.0
_IN_USE = re.compile(r"already being used by|is not ready|RESOURCE_IN_USE|RESOURCE_NOT_READY")


def delete(
    google: GoogleClient,
    leftovers: Iterable[Leftover],
    progress: Callable[[str], None],
    pause: Callable[[float], None],
) -> dict[Leftover, str]:
    """Delete these, in the order of their kinds; what is gone already counts as deleted. What stayed, and why.

    Args:
        progress: gets a line for each that was deleted, and for each wait.
        pause: waits so many seconds.
    """
    left: dict[Leftover, str] = {}
    for kind in KINDS:
        batch = [item for item in leftovers if item.kind is kind]
        if kind in (SUBNET, NETWORK) and left and batch:
            # They can't go while these are there; asking for minutes would say the same.
            left |= dict.fromkeys(batch, f"not tried: {len(left)} of those above are still there")
        else:
            left |= _delete_all(google, batch, progress, pause)
    return left


def _delete_all(
    google: GoogleClient, batch: list[Leftover], progress: Callable[[str], None], pause: Callable[[float], None]
) -> dict[Leftover, str]:
    failed: dict[Leftover, str] = {}
    for attempt in range(1, _TRIES + 1):
        # All are begun before any is waited for: a group of VMs takes minutes.
        begun = {item: _begin(google, item) for item in batch}
        said = {item: _end(google, item, answer, pause) for item, answer in begun.items()}
        for item, why in said.items():
            if not why:
                progress(f"deleted {item.kind.title} {item.name}")
        failed |= {item: why for item, why in said.items() if why and not _IN_USE.search(why)}
        batch = [item for item, why in said.items() if why and _IN_USE.search(why)]
        if not batch:
            return failed
        if attempt < _TRIES:
            names = ", ".join(item.name for item in batch)
            progress(f"still in use, next try in {_PAUSE:.0f} s ({attempt} of {_TRIES}): {names}")
            pause(_PAUSE)
    return failed | {item: said[item] for item in batch}


def _begin(google: GoogleClient, item: Leftover) -> dict[str, Any] | CannotAskError | None:
    """The operation of a deletion; None where it is gone already."""
    try:
        return google.change("compute", item.method, **item.parameters)
    except CannotAskError as error:
        return error


def _end(
    google: GoogleClient, item: Leftover, answer: dict[str, Any] | CannotAskError | None, pause: Callable[[float], None]
) -> str:
    """Wait for an operation; why it failed, empty where it did not."""
    where = {key: value for key, value in item.parameters.items() if key != item.kind.parameter}
    method = f"{item.scope.partition('/')[0].removesuffix('s')}Operations.get"
    while isinstance(answer, dict) and answer.get("status") != "DONE":
        pause(_POLL)
        try:
            answer = google.change("compute", method, operation=answer["name"], **where)
        except CannotAskError as error:
            answer = error
    if isinstance(answer, CannotAskError):
        return answer.message
    errors = ((answer or {}).get("error") or {}).get("errors") or ()
    return "; ".join(f"{error.get('code')}: {error.get('message')}" for error in errors)
