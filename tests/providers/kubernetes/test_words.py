"""What the real provider says on a real API server, where it waits in vain or may not, is what the runbook is searched by."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
import yaml

import cluster as kube
from tests.providers.kubernetes.real import Json, Provider, running, urn_of
from tests.rehearsal.plane import Plane
from tests.words import not_printed


@pytest.fixture(scope="module")
def provider(program: Path, api_server: Plane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with running(program, tmp_path_factory.mktemp("provider"), api_server.directory.kubeconfig) as channel:
        yield Provider(channel)


def thing(name: str, **metadata: object) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "default", **metadata},
        "data": {"one": "1"},
    }


def test_a_wait_that_is_over(provider: Provider) -> None:
    """As a model that does not become ready in its time."""
    waits = thing("words-wait", annotations={"pulumi.com/waitFor": "condition=Ready"})
    with pytest.raises(grpc.RpcError) as raised:
        provider.create(waits, timeout=2)
    said = str(raised.value.details())
    assert not_printed("wait-timed-out", "test_a_wait_that_is_over", said) == [], said


def test_an_account_that_may_not_read(program: Path, api_server: Plane, provider: Provider, tmp_path: Path) -> None:
    made, state = provider.create(thing("words-forbidden"))
    kubeconfig = yaml.safe_load(api_server.directory.kubeconfig.read_text(encoding="utf-8"))
    for user in kubeconfig["users"]:
        user["user"]["as"] = "nightly"
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(kubeconfig), encoding="utf-8")
    inputs = thing("words-forbidden")
    with running(program, tmp_path, path) as channel, pytest.raises(grpc.RpcError) as raised:
        Provider(channel).read(urn_of(inputs), made, state, inputs)
    said = str(raised.value.details())
    assert not_printed("object-forbidden", "test_an_account_that_may_not_read", said) == [], said


def test_a_field_that_somebody_else_owns(api_server: Plane, provider: Provider) -> None:
    inputs = thing("words-conflict")
    made, state = provider.create(inputs)
    kube.apply(api_server.client, {**inputs, "data": {"one": "2"}}, manager="some-operator")
    with pytest.raises(grpc.RpcError) as raised:
        provider.update(urn_of(inputs), made, state, {**inputs, "data": {"one": "3"}})
    said = str(raised.value.details())
    assert not_printed("field-conflict", "test_a_field_that_somebody_else_owns", said) == [], said
