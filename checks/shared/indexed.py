"""Models of a known shape, with their place in the file."""

from __future__ import annotations

from collections.abc import Iterator

from settings.derive import Deployment, ServedModel


def indexed(deployment: Deployment) -> Iterator[tuple[int, ServedModel]]:
    """(place, model) for each model whose slice is in the table (TP01 has refused the others)."""
    by_settings = {id(m.settings): m for m in deployment.models}
    for index, settings in enumerate(deployment.settings.models):
        if id(settings) in by_settings:
            yield index, by_settings[id(settings)]
