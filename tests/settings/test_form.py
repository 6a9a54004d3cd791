"""Settings do not change, keys are found by their path, and a refused file costs no provider."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError

from settings.document import ROOT, read_document
from settings.environment import Environment
from settings.form import key_at


def test_settings_are_not_changed() -> None:
    settings = Environment.model_validate(read_document(ROOT / "Pulumi.dev.yaml").data)
    with pytest.raises(ValidationError, match="frozen"):
        settings.tier = "production"  # type: ignore[misc]


def test_keys_are_found_by_their_path() -> None:
    key = key_at(("models", 0, "tpu", "generation"))
    assert key is not None and key.description == "v6e, v5e, v5p or tpu7x."
    assert key_at(("models", 0, "tpu", "generations")) is None
    assert key_at(("project", "id", "deeper")) is None


def test_a_refused_file_loads_no_provider() -> None:
    code = (
        "import sys\nfrom serving.cli import main\n"
        "sys.argv = ['serving', 'plan', 'tests/field_report/ten_mistakes.yaml']\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert end.code == 2\n"
        "print([m for m in ('pulumi', 'pulumi_gcp', 'pulumi_kubernetes') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stderr
