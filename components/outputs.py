"""The exports, in the shape of `settings.outputs`."""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pulumi

from components.environment import ServingEnvironment
from manifests.outputs import contract
from settings.derive import Deployment

_LATER = "known after up"


def export_outputs(deployment: Deployment, environment: ServingEnvironment) -> None:
    """Export every field of the contract. What only the cluster knows is filled in behind its outputs."""
    outputs = contract(deployment, _LATER).model_dump(by_alias=True)
    host = _host(deployment, environment)
    for key, value in outputs.items():
        pulumi.export(key, value)
    pulumi.export("baseUrl", host.apply(deployment.base_url))
    pulumi.export("gateway", {**outputs["gateway"], "address": deployment.settings.gateway.hostname or host})
    models: list[dict[str, Any]] = [
        {**model, "url": host.apply(partial(deployment.model_url, model["name"]))} for model in outputs["models"]
    ]
    pulumi.export("models", models)


def _host(deployment: Deployment, environment: ServingEnvironment) -> pulumi.Output[str]:
    """Host of the URLs: the name, our address, or what the first ready model says of its Gateway."""
    if deployment.settings.gateway.hostname:
        return pulumi.Output.from_input(deployment.settings.gateway.hostname)
    if environment.gateway.address is not None:
        return environment.gateway.address
    return environment.models[0].service.status.apply(lambda status: urlsplit(status["url"]).hostname or "")
