"""The exports, in the shape of `settings.outputs`."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pulumi

from components.environment import ServingEnvironment
from manifests.scheduler import picker_config
from settings import console, names
from settings.cost import estimate
from settings.derive import Deployment
from settings.outputs import Dashboard, GatewayOutput, ModelOutput, Outputs

_LATER = "known after up"


def export_outputs(deployment: Deployment, environment: ServingEnvironment) -> None:
    """Export every field of the contract. What only the cluster knows is filled in behind its outputs."""
    outputs = contract(deployment, _LATER).model_dump(by_alias=True)
    host = _host(deployment, environment)
    for key, value in outputs.items():
        pulumi.export(key, value)
    scheme, settings = deployment.settings.gateway.scheme, deployment.settings.gateway
    base = host.apply(lambda known: f"{scheme}://{known}")
    pulumi.export("baseUrl", base)
    pulumi.export("gateway", {**outputs["gateway"], "address": settings.hostname or host})
    models: list[dict[str, Any]] = [
        {**model, "url": pulumi.Output.concat(base, names.base_path(deployment.namespace, model["name"]))}
        for model in outputs["models"]
    ]
    pulumi.export("models", models)


def _host(deployment: Deployment, environment: ServingEnvironment) -> pulumi.Output[str]:
    """Host of the URLs: the name, our address, or what the first ready model says of its Gateway."""
    if deployment.settings.gateway.hostname:
        return pulumi.Output.from_input(deployment.settings.gateway.hostname)
    if environment.gateway.address is not None:
        return environment.gateway.address
    return environment.models[0].service.status.apply(lambda status: urlsplit(status["url"]).hostname or "")


def contract(deployment: Deployment, host: str) -> Outputs:
    """The contract with a given host."""
    gateway, cost = deployment.settings.gateway, estimate(deployment)
    base = f"{gateway.scheme}://{gateway.hostname or host}"
    return Outputs(
        environment=deployment.name,
        project=deployment.settings.project.id,
        region=deployment.region,
        cluster=deployment.cluster_name,
        namespace=deployment.namespace,
        base_url=base,
        gateway=GatewayOutput(
            name=gateway.name,
            namespace=deployment.namespace,
            class_name=gateway.gateway_class_name,
            address=gateway.hostname or host,
            scheme=gateway.scheme,
            port=gateway.port,
            ca_certificate=gateway.tls.ca_certificate if gateway.tls else None,
        ),
        models=[
            ModelOutput(
                name=m.name,
                url=base + names.base_path(deployment.namespace, m.name),
                task=m.task,
                request_path=m.request_path,
                served_names=m.settings.names_for_clients,
                context_length=m.context_length,
                longest_answer_tokens=m.longest_answer_tokens,
                answer_timeout_seconds=m.answer_seconds,
                replicas=m.settings.replicas,
                chips=m.chips,
                inference_pool=names.inference_pool(m.name),
                service=names.workload_service(m.name),
                scheduler=picker_config(m.settings.scheduler_profile),
            )
            for m in deployment.models
        ],
        chips=deployment.chips,
        cost_per_hour=cost.per_hour,
        currency=cost.currency,
        prices_as_of=cost.prices_as_of,
        dashboards=[Dashboard(name=name, url=url) for name, url in console.pages(deployment).items()],
        overrides=[{"rule": o.rule, "reason": o.reason, "until": str(o.until)} for o in deployment.settings.overrides],
    )
