"""What other teams are told of an environment, in the shape of `settings.outputs`."""

from __future__ import annotations

from manifests.scheduler import picker_config
from settings import console, names
from settings.cost import estimate
from settings.derive import Deployment
from settings.outputs import ConsumerOutput, Dashboard, GatewayOutput, ModelOutput, Outputs
from settings.start import start_seconds


def contract(deployment: Deployment, host: str) -> Outputs:
    """The contract with a given host."""
    gateway, cost = deployment.settings.gateway, estimate(deployment)
    return Outputs(
        environment=deployment.name,
        project=deployment.settings.project.id,
        region=deployment.region,
        cluster=deployment.cluster_name,
        namespace=deployment.namespace,
        base_url=deployment.base_url(host),
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
                url=deployment.model_url(m.name, host),
                task=m.task,
                request_path=m.request_path,
                served_names=m.settings.names_for_clients,
                revision=m.revision.name if m.revision else "",
                weights=m.weights_address,
                start_seconds=_rounded(start_seconds(m)),
                later_start_seconds=_rounded(start_seconds(m, later=True)),
                context_length=m.context_length,
                longest_answer_tokens=m.longest_answer_tokens,
                answer_timeout_seconds=m.answer_seconds,
                replicas=m.most_replicas,
                min_replicas=m.least_replicas,
                chips=m.chips,
                inference_pool=names.inference_pool(m.name),
                service=names.workload_service(m.name),
                scheduler=picker_config(m),
            )
            for m in deployment.models
        ],
        chips=deployment.chips,
        cost_per_hour=cost.per_hour,
        currency=cost.currency,
        prices_as_of=cost.prices_as_of,
        consumers=[
            ConsumerOutput(name=c.name, models=c.models, known_by=c.identity[0], identity=c.identity[1])
            for c in gateway.consumers
        ],
        dashboards=[Dashboard(name=name, url=url) for name, url in console.pages(deployment).items()],
        overrides=[{"rule": o.rule, "reason": o.reason, "until": str(o.until)} for o in deployment.settings.overrides],
    )


def _rounded(seconds: tuple[float, float] | None) -> list[float] | None:
    return seconds and [round(value) for value in seconds]
