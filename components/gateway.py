"""The Gateway in the models' namespace. Nobody waits for its address here: a model's readiness includes it.

Waiting here would put minutes of load balancer programming before the first model; the model's node, image and weights
take longer and need none of it.
"""

from __future__ import annotations

import pulumi

from components.base import Component, Dependencies
from components.cluster import Cluster
from components.project_services import ProjectServices
from manifests import gateway
from manifests.namespace import namespace
from settings.derive import Deployment


class Gateway(Component):
    """Namespace, address, Gateway, redirect and policy.

    Attributes:
        namespace: the models' namespace.
        gateway: the Gateway object, on which every route depends.
        address: the address, where it is ours; None where GKE picks one.
    """

    def __init__(
        self,
        deployment: Deployment,
        provider: pulumi.ProviderResource,
        cluster: Cluster,
        *,
        services: ProjectServices,
        classes: Dependencies,
        subnet: Dependencies,
        nodes_subnetwork: pulumi.Input[str],
    ) -> None:
        super().__init__("tpu-serving:gateway:Gateway", "gateway", cluster.kubernetes)
        settings = deployment.settings.gateway
        self.namespace = self.object("gateway-namespace", namespace(deployment.namespace))
        self.address: pulumi.Output[str] | None = None
        before = [self.namespace, *classes, *subnet]
        if settings.address and settings.address.create:
            before.append(self._address(deployment, provider, services, nodes_subnetwork))
        self.gateway = self.object("gateway-object", gateway.gateway(deployment), before)
        if (redirect := gateway.redirect_route(deployment)) is not None:
            self.object("gateway-redirect", redirect, [self.gateway])
        if (policy := gateway.gateway_policy(deployment)) is not None:
            self.object("gateway-policy", policy, [self.gateway])
        self.register_outputs({})

    def _address(
        self,
        deployment: Deployment,
        provider: pulumi.ProviderResource,
        services: ProjectServices,
        subnetwork: pulumi.Input[str],
    ) -> pulumi.Resource:
        from pulumi_gcp import compute

        settings = deployment.settings.gateway
        assert settings.address is not None
        external = settings.external
        address = compute.Address(
            "gateway-address",
            name=settings.address.name,
            project=deployment.settings.project.id,
            region=deployment.region,
            address_type="EXTERNAL" if external else "INTERNAL",
            # Shared by the forwarding rules of one Gateway, in the nodes' subnet (GW04).
            purpose=None if external else "SHARED_LOADBALANCER_VIP",
            subnetwork=None if external else subnetwork,
            opts=self.child(services.service("compute"), provider=provider),
        )
        self.address = address.address
        return address
