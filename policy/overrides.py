"""Overrides and waiver as the stack's configuration has them; what is not valid there counts for nothing here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from settings.environment import Override
from settings.gateway import Waiver


def stack_overrides(overrides: Any, gateway: Any) -> tuple[list[Override], Waiver | None]:
    """The valid ones; the program itself refuses the others (OV01, GW03)."""
    valid: list[Override] = []
    for entry in overrides if isinstance(overrides, list) else []:
        try:
            valid.append(Override.model_validate(entry))
        except ValidationError:
            continue
    written = gateway.get("waiver") if isinstance(gateway, Mapping) else None
    try:
        return valid, Waiver.model_validate(written) if written is not None else None
    except ValidationError:
        return valid, None
