"""The Gateway in the models' namespace. Nobody waits for its address here: a model's readiness includes it.

Waiting here would put minutes of load balancer programming before the first model; the model's node, image and weights
take longer and need none of it.
"""

from __future__ import annotations

import pulumi

from components.base import Component, Dependencies
from components.cluster import Cluster
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
        classes: Dependencies,
        subnet: Dependencies,
    ) -> None:
        super().__init__("tpu-serving:gateway:Gateway", "gateway", cluster.kubernetes)
        settings = deployment.settings.gateway
        self.namespace = self.object("gateway-namespace", namespace(deployment.namespace))
        self.address: pulumi.Output[str] | None = None
        before = [self.namespace, *classes, *subnet]
        if settings.address and settings.address.create:
            before.append(self._address(deployment, provider))
        self.gateway = self.object("gateway-object", gateway.gateway(deployment), before)
        if (redirect := gateway.redirect_route(deployment)) is not None:
            self.object("gateway-redirect", redirect, [self.gateway])
        if (policy := gateway.gateway_policy(deployment)) is not None:
            self.object("gateway-policy", policy, [self.gateway])
        self.register_outputs({})

    def _address(self, deployment: Deployment, provider: pulumi.ProviderResource) -> pulumi.Resource:
        from pulumi_gcp import compute

        settings = deployment.settings.gateway
        assert settings.address is not None
        kind: dict[str, pulumi.Input[str]] = {"address_type": "EXTERNAL"}
        if not settings.external:
            # An internal address shared by the forwarding rules of one Gateway (GW04).
            kind = {"address_type": "INTERNAL", "purpose": "SHARED_LOADBALANCER_VIP"}
        if not settings.external and deployment.settings.network.mode == "existing":
            kind["subnetwork"] = deployment.existing_network[1]
        elif not settings.external:
            kind["subnetwork"] = deployment.nodes_subnetwork
        address = compute.Address(
            "gateway-address",
            name=settings.address.name,
            project=deployment.settings.project.id,
            region=deployment.region,
            opts=self.child(provider=provider),
            **kind,
        )
        self.address = address.address
        return address
