"""A control plane with the real definitions: Gateway API, InferencePool, KServe's and cert-manager's from their Go
modules, GKE's own as written for the rehearsal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from http import HTTPStatus
from typing import Any

import pytest
import yaml

import cluster as kube
from rehearsal import assets
from rehearsal.gke import addons
from tests.rehearsal.plane import Plane, until

Object = dict[str, Any]
# Module -> the folder of its definitions.
_FOLDERS = {"kserve": "config/crd/full/llmisvc", "cert-manager": "deploy/crds", "keda": "config/crd/bases"}
_FEATURES = ("compute_classes", "gateway", "managed_prometheus", "secret_sync")


def definitions() -> Iterator[Object]:
    """Every CustomResourceDefinition that the environments' objects need."""
    for feature in _FEATURES:
        yield from addons.definitions(feature)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    for module, folder in _FOLDERS.items():
        for path in sorted((assets.module_dir(module) / folder).glob("*.*_*.yaml")):
            yield from yaml.load_all(path.read_text(encoding="utf-8"), Loader=loader)


@cache
def _serving_all(plane: Plane) -> Plane:
    """Once for a control plane, whichever folder's tests ask for it."""
    documents = list(definitions())
    for document in documents:
        kube.apply(plane.client, document, manager="test")
    for document in documents:
        until(partial(kube.serves, plane.client, document["metadata"]["name"]))
    return plane


@pytest.fixture(scope="session")
def defined(api_server: Plane) -> Plane:
    """The control plane, which serves every definition."""
    try:
        return _serving_all(api_server)
    except assets.AssetError as error:
        pytest.skip(f"{error}; `python -m rehearsal.assets` gets it")


@pytest.fixture(scope="session")
def refusal(defined: Plane) -> Callable[[Object], str | None]:
    """What the API server says against creating an object as it is written; None where it takes it. Nothing is kept."""
    client = defined.client

    def ask(obj: Object) -> str | None:
        path = kube.path_of(client, obj["apiVersion"], obj["kind"], obj["metadata"].get("namespace"))
        try:
            client.request("post", f"{path}?dryRun=All&fieldValidation=Strict", body=obj, serialize=False)
        except kube.ApiException as error:
            # An object of that name is looked for after everything else: nothing else is wrong with this one.
            return None if error.status == HTTPStatus.CONFLICT else str(error.body)
        return None

    return ask
