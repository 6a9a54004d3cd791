"""The whole environment file as YAML, each key with its default or an example and its description; top of `docs/settings.md`."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from settings.environment import Environment
from settings.form import section_in
from settings.names import PROJECT_NAME

_WIDTH, _COLUMN = 110, 44
# Values of keys without a default. A key that is not here is shown without one.
_EXAMPLES: dict[str, Any] = {
    "project.id": "my-project",
    "project.number": "123456789012",
    "location.zone": "europe-west4-a",
    "location.region": "europe-west4",
    "network.name": "my-vpc",
    "network.subnetwork": "my-nodes",
    "network.hostProject": "my-host-project",
    "network.proxyOnlySubnet.name": "my-proxy-only-subnet",
    "cluster.name": "my-cluster",
    "cluster.minVersion": "1.36",
    "cluster.cpuPool.maxNodes": 3,
    "cluster.deletionProtection": True,
    "capacity.reservation": "my-reservation",
    "capacity.maxRunHours": 168,
    "capacity.spareSlices": 1,
    "platform.kserveVersion": "0.20.0",
    "gateway.hostname": "llm.example.com",
    "gateway.address.name": "models",
    "gateway.tls.secretName": "models-tls",
    "gateway.tls.sslPolicy": "modern",
    "gateway.authentication.securityPolicy": "my-allow-list",
    "gateway.consumers[].name": "search",
    "gateway.consumers[].models": ["qwen2-5-3b"],
    "gateway.consumers[].serviceAccount": "search@my-project.iam.gserviceaccount.com",
    "gateway.consumers[].tags": [281484836404786],
    "gateway.consumers[].certificate.uriSan": "spiffe://example.com/search",
    "gateway.waiver.reason": "internal test, closed on Friday",
    "gateway.waiver.until": "2027-01-31",
    "models[].name": "qwen2-5-3b",
    "models[].source": "hf://Qwen/Qwen2.5-3B-Instruct",
    "models[].tpu.generation": "v6e",
    "models[].tpu.topology": "2x2",
    "models[].tpu.machineType": "ct6e-standard-4t",
    "models[].contextLength": 32768,
    "models[].longestAnswerTokens": 8192,
    "models[].longestAnswerSeconds": 600,
    "models[].startupBudgetSeconds": 3600,
    "models[].task": "chat",
    "models[].parametersBillion": 3,
    "models[].bitsPerWeight": 16,
    "models[].image": "docker.io/vllm/vllm-tpu:v0.32.0",
    "models[].diskGib": 100,
    "models[].resources.cpu": 90,
    "models[].resources.memoryGib": 360,
    "models[].huggingFaceToken.kubernetesSecret.name": "hf-token",
    "models[].huggingFaceToken.pulumiConfig": "hfToken",
    "models[].huggingFaceToken.secretManager.secret": "hf-token",
    "monitoring.notify": ["projects/my-project/notificationChannels/1234567890123456789"],
    "monitoring.objectives.availability": 99.5,
    "monitoring.objectives.timeToFirstTokenP95Ms": 2500,
    "monitoring.budgetPerMonth": 40000,
    "overrides[].rule": "TP13",
    "overrides[].reason": "tried in staging for a week",
    "overrides[].until": "2027-01-31",
    "prices.chipHour": 1.5,
}


# Says nothing without its first key, and is rejected then (WT01).
_ONLY_TOGETHER = {"weights"}


def annotated() -> str:
    """The file. What has no default and is not required is commented out."""
    return "\n".join(["config:", *_keys(Environment, "", "  ", off=False)]) + "\n"


def _keys(model: type[BaseModel], path: str, indent: str, *, off: bool, item: bool = False) -> Iterator[str]:
    """Lines of a section; as an item of a list its first key has the dash. `off`: all of it is commented out."""
    for index, (name, field) in enumerate(model.model_fields.items()):
        key = field.alias or name
        where, shown = (f"{path}.{key}", key) if path else (key, f"{PROJECT_NAME}:{key}")
        at, dash = (indent[:-2], "- ") if item and index == 0 else (indent, "")
        section = section_in(field.annotation)
        if section is None:
            value, hidden = _value(field, where)
            yield from _line(at, f"{dash}{shown}: {value}", field.description or "", off=off or hidden)
            continue
        described = field.description or (section.__doc__ or "").strip().splitlines()[0]
        listed = "list[" in str(field.annotation)
        hidden = (
            off
            or where in _ONLY_TOGETHER
            or (not field.is_required() and field.get_default(call_default_factory=True) in (None, []))
        )
        further = indent + ("    " if listed else "  ")
        below = list(_keys(section, f"{where}[]" if listed else where, further, off=hidden, item=listed))
        hidden = hidden or all(line.lstrip().startswith("#") for line in below)
        yield from _line(at, f"{dash}{shown}:", described, off=hidden)
        yield from below


def _value(field: FieldInfo, where: str) -> tuple[str, bool]:
    """The value as YAML, and whether the line is commented out."""
    if not field.is_required():
        default = field.get_default(call_default_factory=True)
        if default not in (None, "", [], {}):
            return _plain(default), False
    value = _EXAMPLES.get(where)
    return ("" if value is None else _plain(value)), not field.is_required()


def _plain(value: Any) -> str:
    return str(yaml.safe_dump(value, default_flow_style=True, width=1000)).removesuffix("...\n").strip()


def _line(indent: str, written: str, described: str, *, off: bool) -> Iterator[str]:
    text = f"{indent}{'# ' if off else ''}{written}".rstrip()
    beside = f"{text:<{_COLUMN}} # {described}"
    if described and len(beside) > _WIDTH:
        yield from (f"{indent}# {line}" for line in textwrap.wrap(described, _WIDTH - len(indent) - 2))
        yield text
    else:
        yield beside if described else text
