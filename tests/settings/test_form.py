"""The compiled validator reads what the pydantic models read, and no part of pydantic's models is loaded for it."""

from __future__ import annotations

import datetime
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from settings.declared import section_in
from settings.document import read_document
from settings.environment import Environment
from settings.form import key_at, read
from settings.values import as_data, is_written

ROOT = Path(__file__).resolve().parent.parent.parent
ENVIRONMENTS = [*sorted(ROOT.glob("Pulumi.*.yaml")), *sorted((ROOT / "examples").glob("*.yaml"))]
EVERYTHING: dict[str, Any] = {
    "project": {"id": "example-project", "number": "1"},
    "location": {"zone": "europe-west4-a"},
    "cluster": {
        "maintenance": {
            "window": {"start": "2026-01-03T01:00:00Z", "end": datetime.datetime(2026, 1, 3, 9, tzinfo=datetime.UTC)},
            "exclusions": [{"name": "a", "start": "2026-12-19 00:00:00 +0000 UTC", "end": "2027-01-04T00:00:00Z"}],
        }
    },
    "gateway": {
        "gatewayClassName": "gke-l7-regional-external-managed",
        "tls": {"certificateManagerCerts": ["c"]},
        "waiver": {"reason": "a reason of some length", "until": "2027-01-31"},
    },
    "models": [
        {
            "name": "m",
            "source": "hf://a/b",
            "tpu": {"generation": "v6e", "topology": "2x2"},
            "serverFlags": {"a": True, "b": 1, "c": 1.5, "d": "x"},
            "huggingFaceToken": {"secretManager": {"secret": "s"}},
        }
    ],
    "overrides": [{"rule": "TP13", "reason": "a reason", "until": datetime.date(2027, 1, 31)}],
}


def _attributes(section: Any, model: type[BaseModel]) -> dict[str, Any]:
    """Every attribute and property that the model declares, as the section has it."""
    properties = [name for c in model.__mro__ for name, v in vars(c).items() if isinstance(v, property)]
    own = [name for name in properties if not name.startswith(("model_", "__"))]
    found: dict[str, Any] = {name: getattr(section, name) for name in own}
    for name, field in model.model_fields.items():
        below, value = section_in(field.annotation), getattr(section, name)
        if below is not None and isinstance(value, list):
            found[name] = [_attributes(item, below) for item in value]
        elif below is not None and value is not None:
            found[name] = _attributes(value, below)
        else:
            found[name] = value
        found[f"{name} is written"] = is_written(section, name)
    return found


@pytest.mark.parametrize(
    "data",
    [EVERYTHING, *(read_document(path).data for path in ENVIRONMENTS)],
    ids=["everything", *(path.name for path in ENVIRONMENTS)],
)
def test_it_reads_what_the_models_read(data: dict[str, Any]) -> None:
    model = Environment.model_validate(data)
    assert _attributes(read(data), Environment) == _attributes(model, Environment)
    assert as_data(read(data)) == model.model_dump(by_alias=True, exclude_none=True)


@pytest.mark.parametrize(
    "change",
    [
        {"teir": "dev"},
        {"tier": "test"},
        {"models": []},
        {"models": [{"name": 1, "replicas": "3", "tpu": {"topology": "two", "more": 1}}]},
        {"network": {"nodesCidr": "10.0.0.0"}},
        {"gateway": {"waiver": {"reason": "short", "until": "tomorrow"}}},
        {"overrides": [{"until": 5}]},
        {"prices": {"chipHour": -1}},
        {"capacity": []},
        {"cluster": {"maintenance": {"window": {"start": "2026-01-03", "end": "noon", "recurrence": "FREQ=HOURLY"}}}},
    ],
    ids=str,
)
def test_it_refuses_what_the_models_refuse_with_the_same_words(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as by_models:
        Environment.model_validate(EVERYTHING | change)
    with pytest.raises(ValidationError) as by_form:
        read(EVERYTHING | change)
    assert str(by_form.value.errors(include_url=False)) == str(by_models.value.errors(include_url=False))


def test_settings_are_not_changed() -> None:
    with pytest.raises(AttributeError):
        read(EVERYTHING).tier = "production"  # type: ignore[misc]


def test_keys_are_found_by_their_path() -> None:
    key = key_at(("models", 0, "tpu", "generation"))
    assert key is not None and key.description == "v6e, v5e, v5p or tpu7x."
    assert key_at(("models", 0, "tpu", "generations")) is None
    assert key_at(("project", "id", "deeper")) is None


def test_a_refused_file_loads_no_pydantic_model_and_no_provider() -> None:
    code = (
        "import sys\nfrom serving.cli import main\n"
        "sys.argv = ['serving', 'plan', 'tests/field_report/ten_mistakes.yaml']\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert end.code == 2\n"
        "print([m for m in ('pydantic.main', 'pulumi', 'pulumi_gcp', 'pulumi_kubernetes') if m in sys.modules])"
    )
    variables = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    # The first run keeps what the second one reads.
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env=variables, capture_output=True, text=True, check=False
        )
    assert done.stdout.strip() == "[]", done.stderr
