"""What the command says of leftovers: for people, and for machines."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from serving.leftovers.find import SearchResult
from serving.leftovers.kinds import Leftover
from settings.derive import Deployment

_PLACE, _WIDTH = 14, 79


def lines(found: SearchResult) -> Iterator[str]:
    """What is left, kind by kind in the order of deletion; what stays, and why; commands for what is not deleted here."""
    mine = [item for item in found.leftovers if not item.foreign and not item.kind.kept]
    if found.refused:
        yield from _commands(f"Nothing is deleted here: {found.refused} Look at each before you delete it:", mine)
    else:
        yield from _listed("Deleted by --delete, in this order:", found.deletable)
        foreign = [item for item in found.leftovers if item.foreign]
        yield from _listed("Made by neither GKE nor this program:", foreign)
        yield from _listed("Stays as long as those are in it:", [item for item in mine if item not in found.deletable])
    disks = [item for item in found.leftovers if item.kind.kept]
    yield from _commands("Disks of claims hold data. To delete them:", disks)


def as_json(
    deployment: Deployment, found: SearchResult | None, left: Mapping[Leftover, str] | None, why: str
) -> dict[str, Any]:
    """The shape that `--format json` prints. `left`: what a deletion left, None where nothing was deleted."""
    leftovers = found.leftovers if found else ()
    return {
        "environment": deployment.name,
        "project": deployment.settings.project.id,
        "network": deployment.network_name,
        "cluster": deployment.cluster_name,
        "verdict": why,
        "refused": (found.refused if found else "") or None,
        "leftovers": [
            {
                "kind": item.kind.title,
                "name": item.name,
                "place": item.place,
                "project": item.project,
                "deletable": not found.refused and item in found.deletable,
                "deleted": left is not None and item in found.deletable and item not in left,
                "message": (left or {}).get(item),
                "command": item.command,
            }
            for item in leftovers
            if found
        ],
    }


def _listed(heading: str, items: Sequence[Leftover]) -> Iterator[str]:
    if not items:
        return
    yield heading
    for title, group in groupby(items, lambda item: item.kind.title):
        yield f"  {title}"
        yield from (f"    {item.place.ljust(_PLACE)}  {item.name}" for item in group)
    yield ""


def _commands(heading: str, items: Sequence[Leftover]) -> Iterator[str]:
    if not items:
        return
    yield from textwrap.wrap(heading, _WIDTH)
    yield ""
    yield from (item.command for item in items)
    yield ""
