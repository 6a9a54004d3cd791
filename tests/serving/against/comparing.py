"""Comparing environments that are made of dev by editing its text."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from serving.plan.against.contract import Difference
from serving.plan.against.run import against
from serving.plan.against.source import Source
from serving.plan.build import planned
from serving.plan.plan import Plan
from settings.document import ROOT, Document, read_document

DEV = (ROOT / "Pulumi.dev.yaml").read_text(encoding="utf-8")
SECOND = """\
    - name: qwen3-8b
      source: hf://Qwen/Qwen3-8B
      tpu: {generation: v6e, topology: 2x2}
"""
EXTERNAL = """\
  tpu-serving:gateway:
    gatewayClassName: gke-l7-regional-external-managed
    hostname: models.example.com
    address: {name: models, create: true}
    tls: {certificateManagerCerts: [models-example-com]}
    authentication: {securityPolicy: partners}
"""


@cache
def plan_of(text: str, name: str = "dev") -> Plan:
    """The plan of an environment by its text."""
    return planned(document_of(text, name))


def document_of(text: str, name: str = "dev") -> Document:
    """The document of a text, as if it were in a file of that name."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"Pulumi.{name}.yaml"
        path.write_text(text, encoding="utf-8")
        return read_document(path)


def compared(before: str, after: str, other: str = "dev") -> Difference:
    """What becomes of one text when another takes its place."""
    source = Source("file", "before.yaml", document_of(before, other))
    return against(plan_of(after), source)


def edited(old: str, new: str, text: str = DEV) -> str:
    """The text with one part changed, which has to be in it."""
    assert old in text, old
    return text.replace(old, new, 1)
