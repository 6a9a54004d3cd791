"""The annotations with which a program steers the provider, and the `waitFor` expressions in them.

Source: github.com/pulumi/pulumi-kubernetes provider/pkg/metadata/{annotations,overrides}.go,
provider/pkg/jsonpath/jsonpath.go, provider/pkg/await/condition/{custom,kubectl,jsonpath}.go.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from providers.base import ProviderError
from providers.kubernetes.jsonpath import JsonPath, JsonPathError
from providers.kubernetes.values import annotation, at

AUTONAMED = "pulumi.com/autonamed"
SKIP_AWAIT = "pulumi.com/skipAwait"
WAIT_FOR = "pulumi.com/waitFor"
TIMEOUT_SECONDS = "pulumi.com/timeoutSeconds"
REPLACE_UNREADY = "pulumi.com/replaceUnready"
PATCH_FORCE = "pulumi.com/patchForce"
PATCH_FIELD_MANAGER = "pulumi.com/patchFieldManager"
DELETION_PROPAGATION = "pulumi.com/deletionPropagationPolicy"

DEFAULT_TIMEOUT_SECONDS = 600.0
_DELETE_SKIPS = frozenset(
    {
        "v1/Namespace",
        "v1/Pod",
        "v1/ReplicationController",
        "apps/v1/DaemonSet",
        "apps/v1/Deployment",
        "apps/v1/StatefulSet",
        "batch/v1/Job",
    }
)


@dataclass(frozen=True)
class Wanted:
    """How far an object is from what is waited for; `message` says what is missing."""

    met: bool
    message: str = ""


Expression = Callable[[Mapping[str, Any]], Wanted]


def is_true(obj: Mapping[str, Any], key: str) -> bool:
    """Whether an annotation is exactly `true`."""
    return annotation(obj, key) == "true"


def timeout_of(obj: Mapping[str, Any], engine_seconds: float) -> float:
    """Seconds to wait: what the resource options say, else the annotation, else ten minutes."""
    if engine_seconds:
        return engine_seconds
    text = annotation(obj, TIMEOUT_SECONDS)
    return float(text) if re.fullmatch(r"[+-]?\d+", text) else DEFAULT_TIMEOUT_SECONDS


def propagation_of(obj: Mapping[str, Any]) -> str:
    """How a deletion treats dependents: Foreground unless the annotation says otherwise."""
    return {"orphan": "Orphan", "background": "Background"}.get(
        annotation(obj, DELETION_PROPAGATION).lower(), "Foreground"
    )


def skips_deletion_wait(obj: Mapping[str, Any]) -> bool:
    """`skipAwait` counts for deletion only with these kinds; every other one is always waited for."""
    return is_true(obj, SKIP_AWAIT) and f"{obj.get('apiVersion')}/{obj.get('kind')}" in _DELETE_SKIPS


def wait_for(obj: Mapping[str, Any]) -> list[Expression]:
    """The expressions of `waitFor`; empty where there are none.

    Raises:
        ProviderError: one can't be read.
    """
    text = annotation(obj, WAIT_FOR)
    if not text:
        return []
    try:
        values = json.loads(text)
    except ValueError:
        values = None
    if not isinstance(values, list) or not all(isinstance(v, str) for v in values):
        values = [text]
    if not values:
        raise ProviderError("at least one condition must be specified")
    return [_expression(value) for value in values]


def _expression(text: str) -> Expression:
    if text.startswith("jsonpath="):
        return _jsonpath(text.removeprefix("jsonpath="))
    if text.startswith("condition="):
        kind, found, status = text.removeprefix("condition=").partition("=")
        return _condition(kind, status if found else "True")
    raise ProviderError(f'expected a "jsonpath=" or "condition=" prefix, got "{text}"')


def _condition(kind: str, wanted: str) -> Expression:
    def check(obj: Mapping[str, Any]) -> Wanted:
        conditions = at(obj, "status", "conditions")
        if not isinstance(conditions, list):
            return Wanted(False, f"Has no .status.conditions (want {kind}={wanted})")
        for condition in conditions:
            if str(condition.get("type")).lower() != kind.lower() or "status" not in condition:
                continue
            seen = condition.get("observedGeneration", at(obj, "status", "observedGeneration"))
            generation = at(obj, "metadata", "generation")
            if isinstance(seen, int) and isinstance(generation, int) and seen < generation:
                return Wanted(False, f"Generation {seen} is less than expected {generation}")
            if str(condition["status"]).lower() == wanted.lower():
                return Wanted(True)
            return Wanted(
                False, f"Resource has condition {kind}={condition['status']} (want {wanted}){_why(condition)}"
            )
        return Wanted(False, f"Resource has no condition {kind} (want {wanted})")

    return check


def _jsonpath(text: str) -> Expression:
    path, wanted = _parse_jsonpath(text)
    query = _query(path)
    shown = f"{path}={wanted}" if wanted else path

    def check(obj: Mapping[str, Any]) -> Wanted:
        seen, generation = at(obj, "status", "observedGeneration"), at(obj, "metadata", "generation")
        if isinstance(seen, int) and isinstance(generation, int) and seen < generation:
            return Wanted(False, f"Generation {seen} is less than expected {generation}")
        results = query.select(obj)
        if not results:
            return Wanted(False, f"{path} selected nothing")
        if isinstance(results[0], list | dict):
            if wanted:
                raise ProviderError(f'"{path}" has a non-primitive value')
            return Wanted(True)
        found = _printed(results[0])
        if not wanted or wanted == found:
            return Wanted(True)
        return Wanted(False, f'Waiting for {shown} (found "{found}")')

    return check


def _parse_jsonpath(text: str) -> tuple[str, str]:
    """`{.path}=value` -> path with its braces, and value; a `==` inside the path separates nothing."""
    parts = [part.replace("\0", "==") for part in text.replace("==", "\0").split("=")]
    path = parts[0]
    if len(parts) > 2:
        raise ProviderError(f'format should be {{.path}}=value or {{.path}}, got "{text}"')
    if len(parts) == 2 and not parts[1]:
        raise ProviderError(f"{path}= requires a value")
    if path.startswith("'") and path.endswith("'"):
        raise ProviderError(f"{path} should omit shell quotes")
    return path, parts[1] if len(parts) == 2 else ""


def _query(path: str) -> JsonPath:
    inside = re.search(r"\{\s*(.*?)\s*\}", path)
    if inside is None:
        raise ProviderError(f"{path} should be wrapped in brackets {{ ... }}")
    text = inside.group(1)
    try:
        return JsonPath(text if text.startswith("$") else f"${text}")
    except JsonPathError as error:
        raise ProviderError(f'parsing "{path}": {error}') from None


def _printed(value: Any) -> str:
    """As Go prints it."""
    if value is None:
        return "<nil>"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _why(condition: Mapping[str, Any]) -> str:
    words = [str(condition[key]) for key in ("reason", "message") if condition.get(key)]
    return f": {': '.join(words)}" if words else ""
