"""The Gateway in the models' namespace. Nobody waits for its address here: a model's readiness includes it.

Waiting here would put minutes of load balancer programming before the first model; the model's node, image and weights
take longer and need none of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components.base import Component, Dependencies
from components.sdk import compute
from manifests.gateway import GatewayObjects


@dataclass(frozen=True)
class NewAddress:
    """A regional address to create for a Gateway. `subnetwork`: the nodes', for an internal one; None for an external one."""

    name: str
    project: str
    region: str
    subnetwork: pulumi.Input[str] | None
    depends_on: Dependencies = ()


class Gateway(Component):
    """Namespace, Gateway, redirect and policies (`manifests.gateway.gateway_objects`), and an address where one is asked for.

    Creates neither routes nor the policies of backends, no certificate, no DNS record, no proxy-only subnet, and no
    GatewayClass: GKE brings those with the Gateway channel.

    Args:
        programmable: what GKE needs before it can program a Gateway: its classes, the region's proxy-only subnet.

    Attributes:
        namespace: the models' namespace.
        gateway: the Gateway object, on which every route depends.
        closed: the policies that let in consumers only, on which every route depends too; empty without consumers.
        address: the address, where it is ours; None where GKE picks one.
    """

    def __init__(
        self,
        objects: GatewayObjects,
        programmable: Dependencies = (),
        *,
        name: str = "gateway",
        address: NewAddress | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("tpu-serving:gateway:Gateway", name, opts)
        self.namespace = self.object(f"{name}-namespace", objects.namespace)
        self.address: pulumi.Output[str] | None = None
        before = [self.namespace, *programmable]
        if address is not None:
            made = self._address(name, address)
            self.address = made.address
            before.append(made)
        if objects.client_authority is not None:
            before.append(self.object(f"{name}-client-authority", objects.client_authority, [self.namespace]))
        self.gateway = self.object(f"{name}-object", objects.gateway, before)
        # Routes depend on `closed`: no model is reachable before the policies are there.
        self.closed = [
            self.object(f"{name}-{policy['spec']['action'].lower().replace('_', '-')}", policy, [self.gateway])
            for policy in objects.consumers
        ]
        if objects.redirect is not None:
            self.object(f"{name}-redirect", objects.redirect, [self.gateway])
        if objects.policy is not None:
            self.object(f"{name}-policy", objects.policy, [self.gateway])
        self.register_outputs({})

    def _address(self, name: str, address: NewAddress) -> compute.Address:
        internal = address.subnetwork is not None
        return compute.Address(
            f"{name}-address",
            name=address.name,
            project=address.project,
            region=address.region,
            address_type="INTERNAL" if internal else "EXTERNAL",
            # Shared by the forwarding rules of one Gateway, in the nodes' subnet (GW04).
            purpose="SHARED_LOADBALANCER_VIP" if internal else None,
            subnetwork=address.subnetwork,
            opts=self.child(address.depends_on),
        )
