"""Reading what `pulumi stack export` writes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from checks.objects import Resource
from checks.objects.dependencies import Dependencies
from checks.objects.values import UNKNOWN

# Marks of Pulumi's own wire format (pulumi/pulumi sdk/go/common/resource/properties.go, plugin/rpc.go).
_SIGNATURE = "4dabf18193072939515e22adb298388d"
_UNKNOWN_TEXTS = frozenset(
    {
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)


class StateError(Exception):
    """The text is no exported state; the message says what is missing."""


def read_state(text: str) -> list[Resource]:
    """The resources of an exported stack, with their inputs; secrets are never looked into.

    Raises:
        StateError: the text is no export of a stack.
    """
    try:
        data = json.loads(text)
    except ValueError as error:
        raise StateError(f"not valid JSON: {error}") from None
    except RecursionError:
        raise StateError("nested too deep to be a stack") from None
    deployment = data.get("deployment") if isinstance(data, Mapping) else None
    entries = deployment.get("resources", []) if isinstance(deployment, Mapping) else None
    if not isinstance(entries, list) or not all(isinstance(e, Mapping) and "urn" in e and "type" in e for e in entries):
        raise StateError("no deployment.resources with urn and type: write it with `pulumi stack export --file FILE`")
    # Deleted ones wait for their end; what is only read belongs to somebody else.
    living = [e for e in entries if not e.get("delete") and not e.get("external")]
    needs = Dependencies({str(e["urn"]): [str(u) for u in _part(e, "dependencies", list)] for e in living})
    judged = [e for e in living if e.get("custom") and not str(e["type"]).startswith("pulumi:")]
    try:
        return [_resource(e, needs) for e in judged]
    except RecursionError:
        raise StateError("nested too deep to be a stack") from None


def _part(entry: Mapping[str, Any], key: str, kind: type) -> Any:
    """A part of a resource, empty where it is left out.

    Raises:
        StateError: the part has another shape.
    """
    value = entry.get(key)
    if value is None:
        return kind()
    if not isinstance(value, kind):
        raise StateError(f"{entry['urn']}: {key} is not what `pulumi stack export` writes")
    return value


def _resource(entry: Mapping[str, Any], needs: Dependencies) -> Resource:
    urn = str(entry["urn"])
    seconds = _part(entry, "customTimeouts", dict).get("create")
    return Resource(
        str(entry["type"]),
        _known(_part(entry, "inputs", dict)),
        urn,
        urn.rpartition("::")[2],
        needs,
        float(seconds) if isinstance(seconds, int | float) else 0.0,
    )


def _known(value: Any) -> Any:
    if isinstance(value, Mapping):
        return UNKNOWN if _SIGNATURE in value else {key: _known(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_known(inner) for inner in value]
    return UNKNOWN if isinstance(value, str) and value in _UNKNOWN_TEXTS else value
