"""A custom kind for the tests."""

from __future__ import annotations

import time
from typing import Any

import cluster as kube
from rehearsal.plugins.frame import Resource

API = "test.example.com/v1"
DEFINITION: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.test.example.com"},
    "spec": {
        "group": "test.example.com",
        "names": {"kind": "Widget", "plural": "widgets", "singular": "widget"},
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "properties": {
                                    "size": {"type": "integer", "maximum": 10},
                                    "colour": {"type": "string", "default": "grey"},
                                },
                            },
                            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                        },
                    }
                },
            }
        ],
    },
}


def widget(namespace: str, name: str, annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    """A Widget."""
    metadata = {"name": name, "namespace": namespace, **({"annotations": annotations} if annotations else {})}
    return {"apiVersion": API, "kind": "Widget", "metadata": metadata, "spec": spec}


def resource(api_version: str, kind: str) -> Resource:
    """A resource of this kind."""
    token = f"kubernetes:{api_version}:{kind}"
    return Resource(f"urn:pulumi:s::p::{token}::x", token, "x")


def await_served(client: kube.DynamicClient, api: str = API, kind: str = "Widget") -> None:
    """Return once the kind is served."""
    while True:
        try:
            kube.list_objects(client, api, kind)
        except (kube.ApiException, kube.ResourceNotFoundError):
            time.sleep(0.1)
        else:
            return
