"""The GatewayClasses of GKE. Data: `classes.yaml`."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class GatewayClass(BaseModel):
    """What a class can do; the fields are described in the data file."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel)

    scope: str
    exposure: str
    inference_pool: bool
    rule_filters: bool

    @property
    def regional(self) -> bool:
        """Regional load balancers run on Envoys in the region's proxy-only subnet."""
        return self.scope == "regional"


@cache
def _data() -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("classes.yaml").read_text(encoding="utf-8"))
    return data


@cache
def gateway_classes() -> dict[str, GatewayClass]:
    """All classes by name."""
    return {name: GatewayClass.model_validate(row) for name, row in _data()["classes"].items()}


def controller_name() -> str:
    """What GKE writes into `controllerName`."""
    return str(_data()["controllerName"])
