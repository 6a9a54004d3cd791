"""Decides, in process, whether the API server would accept an object: structure, metadata and validation rules.

    problems = validate(obj)            # [] where every published variant of the kind accepts it

The schemas are those of `shared/crds` beside the project (`TPU_SERVING_SCHEMAS` names another folder); built-in kinds
need no folder. What needs a cluster is not decided here: references, webhooks, quotas, the namespace's existence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import builtin, cel, metadata, structural
from .cel import UnsupportedRuleError
from .issues import Issue
from .store import LOCATION_VARIABLE, Entry, SchemaError, entries, location

__all__ = [
    "LOCATION_VARIABLE",
    "Problem",
    "SchemaError",
    "UnsupportedRule",
    "UnsupportedRuleError",
    "available",
    "location",
    "schemas_for",
    "unsupported_rules",
    "validate",
]

NO_VARIANT = "none"


@dataclass(frozen=True)
class Problem:
    """One reason to refuse an object. `variant` is the schema's folder, or the Kubernetes version of a built-in one."""

    variant: str
    path: str
    message: str

    def __str__(self) -> str:
        return f"[{self.variant}] {self.path or '.'}: {self.message}"


@dataclass(frozen=True)
class UnsupportedRule:
    """A validation rule of a schema that the engine cannot evaluate, and why."""

    variant: str
    api_version: str
    kind: str
    path: str
    rule: str
    reason: str


def available() -> bool:
    """Whether the schema folder is there."""
    return location().is_dir()


def schemas_for(api_version: str, kind: str) -> list[str]:
    """Variants that have a schema for the kind; empty for built-in kinds and where the folder is absent."""
    return [entry.variant for entry in entries().get((api_version, kind), ())]


def validate(obj: Mapping[str, Any]) -> list[Problem]:
    """Refusals of the object on create, from every variant that has its kind; its defaults are filled in on a copy.

    A kind without any schema is itself a problem. Raises UnsupportedRuleError where a rule cannot be evaluated, and
    SchemaError on an unreadable schema file.
    """
    plain = dict(obj)
    api_version, kind = plain.get("apiVersion"), plain.get("kind")
    if not isinstance(api_version, str) or not isinstance(kind, str):
        return [Problem(NO_VARIANT, "", "apiVersion and kind must be strings")]
    if found := entries().get((api_version, kind), ()):
        return [
            Problem(entry.variant, issue.path, issue.message) for entry in found for issue in _validate(plain, entry)
        ]
    if builtin.schema(api_version, kind) is not None:
        return [Problem(builtin.VARIANT, issue.path, issue.message) for issue in builtin.validate(plain)]
    return [Problem(NO_VARIANT, "", f"no schema for {api_version} {kind} in {location()}")]


def _validate(obj: dict[str, Any], entry: Entry) -> list[Issue]:
    schema = entry.schema()
    issues = list(metadata.check(obj.get("metadata"), "metadata", metadata.dns_subdomain))
    if not issues and entry.scope == "Cluster" and obj["metadata"].get("namespace"):
        issues.append(Issue("metadata.namespace", "not allowed on this type"))
    complete = structural.with_defaults(obj, schema)
    # The root's type and metadata are checked above; a schema says no more of them than their type.
    own = {name: value for name, value in complete.items() if name not in ("apiVersion", "kind", "metadata")}
    issues.extend(structural.check(own, {**schema, "required": _required(schema)}))
    if not any(issue.blocking for issue in issues):
        issues.extend(cel.check(complete, schema))
    return issues


def _required(schema: dict[str, Any]) -> list[str]:
    return [name for name in schema.get("required", ()) if name not in ("apiVersion", "kind", "metadata")]


def unsupported_rules() -> list[UnsupportedRule]:
    """Every rule of every schema that the engine cannot evaluate."""
    return [
        UnsupportedRule(entry.variant, api_version, kind, path, rule, reason)
        for (api_version, kind), found in entries().items()
        for entry in found
        for path, part in structural.subschemas(entry.schema())
        for rule, reason in cel.unsupported(part.get("x-kubernetes-validations", []))
    ]
