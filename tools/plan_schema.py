"""JSON Schema of `python -m serving plan ENV --format json`: `Plan.as_json`, or what a refused file gives."""

from __future__ import annotations

from typing import Any

from settings.outputs import Outputs

_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT}
_TEXT_OR_NULL = {"type": ["string", "null"]}
_COUNT = {"type": "integer", "minimum": 0}
_USD_OR_NULL = {"type": ["number", "null"], "minimum": 0}


def _closed(properties: dict[str, Any], description: str) -> dict[str, Any]:
    """An object with exactly these keys, all of them always there."""
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _list(name: str) -> dict[str, Any]:
    return {"type": "array", "items": {"$ref": f"#/$defs/{name}"}}


def _definitions() -> dict[str, Any]:
    return (
        _environment_definitions()
        | _model_definition()
        | _scaling_definition()
        | _cost_definitions()
        | _estimate_definitions()
        | _maintenance_definitions()
    )


def _environment_definitions() -> dict[str, Any]:
    return {
        "Resource": _closed(
            {
                "name": _TEXT,
                "type": {**_TEXT, "description": "Pulumi type token."},
                "parent": {**_TEXT_OR_NULL, "description": "Name of the component it belongs to."},
                "dependsOn": {**_TEXTS, "description": "Names of what is created before it, sorted."},
                "provider": {**_TEXT_OR_NULL, "description": "Name of its provider."},
                "protect": {"type": "boolean"},
                "inputs": {"type": "object", "description": "What the program asks for."},
            },
            "One resource of the graph.",
        ),
        "Quota": _closed(
            {
                "metric": _TEXT,
                "region": _TEXT,
                "family": {**_TEXT, "description": "TPU family as Google's quota names it."},
                "needed": {**_COUNT, "description": "Chips of all replicas."},
                "duringUpdate": {**_COUNT, "description": "Chips during rolling updates of every model."},
            },
            "Quota of one TPU family.",
        ),
    }


def _model_definition() -> dict[str, Any]:
    return {
        "Model": _closed(
            {
                "name": _TEXT,
                "servedNames": {**_TEXTS, "minItems": 1},
                "url": {**_TEXT, "description": "Base URL; an address that is not known yet stands in angle brackets."},
                "replicas": {"type": "integer", "minimum": 1, "description": "The most, where they are scaled."},
                "scaling": {"anyOf": [{"$ref": "#/$defs/Scaling"}, {"type": "null"}]},
                "chips": {**_COUNT, "description": "Chips of all replicas."},
                "machineType": _TEXT,
                "topology": _TEXT,
                "hosts": {"type": "integer", "minimum": 1, "description": "Hosts of one slice."},
                "devices": {
                    "type": "integer",
                    "minimum": 1,
                    "description": "Devices of one slice, over which the server spreads the model; two a chip of a TPU7x.",
                },
                "task": {"enum": ["chat", "embed", "rerank", "score"]},
                "requestPath": {**_TEXT, "description": "Where clients ask, below the base URL."},
                "backend": {
                    "enum": ["flax_nnx", "vllm", None],
                    "description": "The runtime's backend that serves it; null where its architecture is not known.",
                },
                "weightsBytes": {"type": ["integer", "null"], "minimum": 0, "description": "Null where not known."},
                "revision": {**_TEXT, "description": "Of the Hub, as the source names it; empty where it names none."},
                "weights": {
                    **_TEXT,
                    "description": "gs:// address that weights are read from; empty where there is none.",
                },
                "memoryGib": {"type": ["integer", "null"], "minimum": 1, "description": "Host memory of a server."},
                "startSeconds": {
                    "type": ["array", "null"],
                    "items": _COUNT,
                    "minItems": 2,
                    "maxItems": 2,
                    "description": "From an empty pool to Ready: as fast as measured, as slow as reported; null for unknown size.",
                },
                "laterStartSeconds": {
                    "type": ["array", "null"],
                    "items": _COUNT,
                    "minItems": 2,
                    "maxItems": 2,
                    "description": "The same with compiled programs in the bucket; equal where there is none.",
                },
                "startupBudgetSeconds": _COUNT,
            },
            "A model that is served.",
        ),
    }


def _scaling_definition() -> dict[str, Any]:
    span = {"items": _COUNT, "minItems": 2, "maxItems": 2}
    time = {"from": _TEXT, "to": _TEXT, "timezone": _TEXT, "replicas": _COUNT}
    asked = {**_TEXT, "description": "Cron at which chips are asked for: a slow start before `from`."}
    return {
        "Scaling": _closed(
            {
                "by": {"enum": ["load", "clock"]},
                "fewest": _COUNT,
                "most": _COUNT,
                "startSeconds": {"type": "array", **span, "description": "Of a further replica, fast and slow."},
                "burstSeconds": {
                    "type": ["array", "null"],
                    **span,
                    "description": "What a burst waits for a further replica, fast and slow; null by the clock.",
                },
                "times": _list("ScheduledReplicas"),
            },
            "Replicas that follow load or clock.",
        ),
        "ScheduledReplicas": _closed({**time, "askedFor": asked}, "Replicas from one time to another, cron."),
    }


def _cost_definitions() -> dict[str, Any]:
    return {
        "Entry": _closed(
            {
                "purchase": {"enum": ["onDemand", "spot", "flexStart", "reservation"]},
                "zone": _TEXT,
                "reservation": {"type": ["string", "null"]},
                "maxRunHours": {"type": ["integer", "null"], "description": "Flex-start: how long a node may run."},
                "keep": {**_COUNT, "description": "Slices that are always on."},
                "perHour": {
                    "type": ["number", "null"],
                    "description": "Cost of the environment with all replicas on it; null where a price is missing.",
                },
                "unlistedGenerations": {
                    "type": "array",
                    "items": _TEXT,
                    "description": "TPU generations that no list has in this zone.",
                },
            },
            "A way of buying chips, in order of preference; one without `capacity.order`.",
        ),
        "CostItem": _closed(
            {
                "name": _TEXT,
                "quantity": _COUNT,
                "unit": _TEXT,
                "unitPrice": {**_USD_OR_NULL, "description": "Per hour; null where no price is known."},
                "perHour": _USD_OR_NULL,
                "source": _TEXT,
            },
            "One line of the estimate.",
        ),
    }


def _estimate_definitions() -> dict[str, Any]:
    return {
        "Cost": _closed(
            {
                "currency": _TEXT,
                "perHour": {"type": "number", "minimum": 0, "description": "Sum of what has a price."},
                "perMonth": {"type": "number", "minimum": 0, "description": "730 hours."},
                "budgetPerMonth": {**_USD_OR_NULL, "description": "monitoring.budgetPerMonth; null where none is set."},
                "perMonthRange": {
                    "type": ["array", "null"],
                    "items": {"type": "number", "minimum": 0},
                    "minItems": 2,
                    "maxItems": 2,
                    "description": "With the fewest and the most replicas, schedules by their hours; null where none scale.",
                },
                "items": _list("CostItem"),
                "pricesAsOf": {**_TEXT, "format": "date"},
            },
            "Estimate with all replicas running; traffic is not in it.",
        ),
        "Time": _closed(
            {
                "criticalPathSeconds": {**_COUNT, "description": "A model of unknown size counts without its weights."},
                "slowestSeconds": {**_COUNT, "description": "The same with everything as slow as reported."},
                "serialSeconds": {**_COUNT, "description": "All steps one after the other."},
                "chipsWaitSeconds": {**_COUNT, "description": "Until GKE gives up on TPU nodes without an error."},
                "path": {**_TEXTS, "description": "Names of the resources on the critical path, in order."},
            },
            "Estimated time of the first `pulumi up`.",
        ),
        "Figure": _closed(
            {
                "name": {**_TEXT, "description": "What takes so long, and the unit."},
                "value": {"type": "number", "minimum": 0, "description": "As fast as measured."},
                "most": {"type": "number", "minimum": 0, "description": "As slow as reported."},
                "measured": {"type": "boolean", "description": "Measured by the source; false for an estimate."},
                "date": {**_TEXT, "format": "date"},
                "source": _TEXT,
            },
            "A published figure that starts are estimated from; none was measured on this environment.",
        ),
        "Warning": _closed(
            {"rule": _TEXT, "path": _TEXT, "message": _TEXT}, "A warning does not reject the environment."
        ),
        "Refusal": _closed(
            {
                "rule": _TEXT,
                "path": {**_TEXT, "description": "Path in the user's file."},
                "value": {"description": "What stands there."},
                "message": {**_TEXT, "description": "What is wrong."},
                "consequence": {**_TEXT, "description": "What happens otherwise."},
                "fix": {**_TEXT, "description": "What to write; lines after the first one are to be pasted."},
                "source": {**_TEXT, "description": "Where the fact is from, with dates."},
                "line": {"type": ["integer", "null"], "minimum": 1},
            },
            "Why the environment is rejected.",
        ),
    }


def _maintenance_definitions() -> dict[str, Any]:
    return {
        "Maintenance": _closed(
            {
                "window": {
                    **_closed(
                        {
                            "start": {**_TEXT, "format": "date-time"},
                            "end": {**_TEXT, "format": "date-time"},
                            "recurrence": {**_TEXT, "description": "RFC 5545, days in UTC."},
                        },
                        "Null where GKE may upgrade at any time.",
                    ),
                    "type": ["object", "null"],
                },
                "exclusions": _list("Exclusion"),
            },
            "When GKE may upgrade control plane and nodes by itself.",
        ),
        "Exclusion": _closed({"name": _TEXT, "start": _TEXT, "end": _TEXT, "scope": _TEXT}, "A time without upgrades."),
    }


def plan_schema() -> dict[str, Any]:
    """The schema, draft 2020-12."""
    outputs = Outputs.model_json_schema(by_alias=True, mode="serialization", ref_template="#/$defs/{model}")
    definitions = {**_definitions(), **outputs.pop("$defs", {}), "Outputs": outputs}
    planned = _closed(
        {
            "environment": _TEXT,
            "resources": _list("Resource"),
            "models": {**_list("Model"), "minItems": 1},
            "chips": _COUNT,
            "quota": _list("Quota"),
            "order": {**_list("Entry"), "minItems": 1},
            "cost": {"$ref": "#/$defs/Cost"},
            "time": {"$ref": "#/$defs/Time"},
            "startFigures": _list("Figure"),
            "maintenance": {"$ref": "#/$defs/Maintenance"},
            "outputs": {"$ref": "#/$defs/Outputs"},
            "warnings": _list("Warning"),
            "refusals": {"type": "array", "maxItems": 0},
        },
        "A planned environment (exit code 0).",
    )
    refused = _closed(
        {
            "environment": {"type": "null"},
            "warnings": _list("Warning"),
            "refusals": {**_list("Refusal"), "minItems": 1},
        },
        "A rejected environment (exit code 2).",
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "serving plan --format json",
        "oneOf": [{"$ref": "#/$defs/Planned"}, {"$ref": "#/$defs/Refused"}],
        "$defs": {"Planned": planned, "Refused": refused, **definitions},
    }
