"""GKE's own custom resource definitions, written from the documented fields and rules: they are in no public module.

The fields and rules are those that a real cluster serves; a test holds them against schemas taken from one.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

GATEWAY = ("healthcheckpolicies", "gcpbackendpolicies", "gcpgatewaypolicies", "gcpauthzpolicies")
MANAGED_PROMETHEUS = ("podmonitorings",)
COMPUTE_CLASSES = ("computeclasses",)
SECRET_SYNC = ("secretproviderclasses", "secretsyncs")

_HERE = Path(__file__).parent


def path(plural: str) -> Path:
    """The file of a definition."""
    return _HERE / f"{plural}.yaml"


@cache
def definition(plural: str) -> dict[str, Any]:
    """One CustomResourceDefinition. Callers must not change it."""
    document: dict[str, Any] = yaml.safe_load(path(plural).read_text(encoding="utf-8"))
    return document
