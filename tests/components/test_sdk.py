"""What we register is what the classes of the pinned pulumi_gcp and pulumi_kubernetes would register."""

from __future__ import annotations

import importlib
import inspect
import sys
from typing import Any

import pulumi_gcp
import pulumi_kubernetes
import pulumi_kubernetes.helm.v3
import pytest
from google.protobuf import json_format

from catalog.records import camel
from components import chart, cluster, environment, sdk
from serving.program.monitor import RecordingMonitor
from serving.program.record import record
from settings.document import ROOT, read_document
from tests.graph.planning import ENVIRONMENTS

# Where the registration was written, which differs between ours and theirs.
_PLACE = ("sourcePosition", "stackTrace")


def registered(name: str) -> dict[str, Any]:
    """Everything that the engine is told of each resource of an environment that an SDK has a class for, and of providers."""
    seen: dict[str, Any] = {}
    register = RecordingMonitor.RegisterResource

    def spy(self: RecordingMonitor, request: Any) -> Any:
        if request.type.startswith(("gcp:", "pulumi:providers:", "kubernetes:helm.sh/")):
            said = _sorted(json_format.MessageToDict(request))
            seen[request.name] = {key: value for key, value in said.items() if key not in _PLACE}
        return register(self, request)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(RecordingMonitor, "RegisterResource", spy)
        record(read_document(ROOT / name))
    return seen


def _sorted(value: Any) -> Any:
    """Dependencies are sets: their order means nothing."""
    if isinstance(value, dict):
        return {key: _sorted(inner) for key, inner in value.items()}
    return sorted(value) if isinstance(value, list) and all(isinstance(one, str) for one in value) else value


# Each component with the modules of pulumi_gcp that it takes from ours.
USED = [
    (module, service)
    for name, module in list(sys.modules.items())
    for service, value in list(vars(module).items())
    if name.startswith("components.") and isinstance(value, sdk._Module) and service != "helm"
]


@pytest.fixture
def classes_of_the_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    """In every component, the modules of the SDKs in place of ours: names and what is required are theirs to check."""
    for module, service in USED:
        monkeypatch.setattr(module, service, importlib.import_module(f"pulumi_gcp.{service}"))
    monkeypatch.setattr(chart, "helm", pulumi_kubernetes.helm.v3)
    monkeypatch.setattr(environment, "google_provider", pulumi_gcp.Provider)
    monkeypatch.setattr(cluster, "kubernetes_provider", pulumi_kubernetes.Provider)
    monkeypatch.setattr(cluster, "dns_name", str)  # an output, of whose keys their class makes attributes


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_the_engine_is_told_the_same_as_by_the_classes_of_the_sdk(name: str, request: pytest.FixtureRequest) -> None:
    ours = registered(name)
    request.getfixturevalue("classes_of_the_sdk")
    theirs = registered(name)
    assert len(ours) > 5
    assert ours == theirs


def test_every_output_that_is_listed_is_one_of_the_class() -> None:
    for kind, outputs in sdk._OUTPUTS.items():
        services = {service for _, service in USED}
        classes = [getattr(importlib.import_module(f"pulumi_gcp.{s}"), kind, None) for s in services]
        [cls] = filter(inspect.isclass, classes)
        assert set(outputs) <= {camel(name) for name, value in vars(cls).items() if isinstance(value, property)}


def test_an_output_that_is_not_listed_is_an_error_that_says_where() -> None:
    resource = object.__new__(sdk.SdkResource)
    with pytest.raises(AttributeError, match=r"no output self_link; components/sdk\.py"):
        _ = resource.self_link
