"""The GKE cluster, its node service account and its CPU pool.

The Gateway channel, HTTP load balancing and VPC-native are constants here, not inputs: switching one off is field
issue 3, in which no GatewayClass ever appears.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pulumi

from catalog.gke import facts
from components.base import Component
from components.network import Foundation
from components.nodes import OAUTH_SCOPES, NodesOf, node_config
from components.project_services import ProjectServices
from components.sdk import container, kubernetes_provider, projects, serviceaccount
from settings.derive import CPU_POOL_DISK, Deployment
from settings.windows import utc


class Cluster(Component):
    """Cluster, nodes' identity, CPU pool, and the one kubernetes provider.

    Attributes:
        nodes: what must be there before a pod can run (CPU pool and its way out).
        identity: the roles a node needs before it can pull an image or write a log line.
        joined: what a node pool needs of it.
    """

    def __init__(
        self,
        deployment: Deployment,
        services: ProjectServices,
        network: Foundation,
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("tpu-serving:cluster:Cluster", "cluster", opts)
        self._deployment = deployment
        self._project = deployment.settings.project.id
        self.service_account, self.identity = self._node_identity(services)
        self.cluster = self._cluster(services, network)
        self.joined = NodesOf(
            self._project,
            deployment.region,
            self.cluster.name,
            self.service_account.email,
            deployment.node_tag,
            deployment.labels,
        )
        cpu_pool = self._cpu_pool(network)
        self.nodes: list[pulumi.Resource] = [cpu_pool]
        self.kubernetes = self._kubernetes_provider()
        self.register_outputs({"name": self.cluster.name, "endpoint": self.cluster.endpoint})

    def _node_identity(self, services: ProjectServices) -> tuple[serviceaccount.Account, list[pulumi.Resource]]:
        account = serviceaccount.Account(
            "cluster-node-identity",
            account_id=self._deployment.node_account_id,
            project=self._project,
            display_name=f"Nodes of {self._deployment.cluster_name}",
            opts=self.child(services.service("iam")),
        )
        roles: list[pulumi.Resource] = [
            projects.IAMMember(
                f"cluster-node-{role.split('/')[-1].lower().replace('.', '-')}",
                project=self._project,
                role=role,
                member=account.member,
                opts=self.child(services.service("cloudresourcemanager")),
            )
            for role in facts()["nodeServiceAccountRoles"]
        ]
        return account, roles

    def _cluster(self, services: ProjectServices, network: Foundation) -> container.Cluster:
        deployment, settings = self._deployment, self._deployment.settings
        ranges = settings.network
        return container.Cluster(
            "cluster-control-plane",
            name=deployment.cluster_name,
            project=self._project,
            location=deployment.region,
            network=network.network,
            subnetwork=network.subnetwork,
            networking_mode="VPC_NATIVE",
            ip_allocation_policy=container.ClusterIpAllocationPolicyArgs(
                cluster_secondary_range_name=ranges.pods_range_name,
                services_secondary_range_name=ranges.services_range_name,
            ),
            datapath_provider="ADVANCED_DATAPATH",
            gateway_api_config=container.ClusterGatewayApiConfigArgs(channel="CHANNEL_STANDARD"),
            addons_config=container.ClusterAddonsConfigArgs(
                http_load_balancing=container.ClusterAddonsConfigHttpLoadBalancingArgs(disabled=False),
                gcs_fuse_csi_driver_config=container.ClusterAddonsConfigGcsFuseCsiDriverConfigArgs(
                    enabled=deployment.mounts_claims
                ),
            ),
            release_channel=container.ClusterReleaseChannelArgs(channel=settings.cluster.release_channel),
            # Only what was asked for: GKE refuses a version that it offers no more, and floors grow old (preflight).
            min_master_version=settings.cluster.min_version,
            workload_identity_config=container.ClusterWorkloadIdentityConfigArgs(
                workload_pool=deployment.workload_pool
            ),
            enable_shielded_nodes=True,
            monitoring_config=container.ClusterMonitoringConfigArgs(
                # With POD GKE says which pods find no node (kube state metrics).
                enable_components=["SYSTEM_COMPONENTS", *(["POD"] if deployment.alerted else [])],
                managed_prometheus=container.ClusterMonitoringConfigManagedPrometheusArgs(enabled=True),
            ),
            maintenance_policy=self._maintenance(),
            secret_sync_config=container.ClusterSecretSyncConfigArgs(enabled=True)
            if deployment.needs_secret_sync
            else None,
            remove_default_node_pool=True,
            initial_node_count=1,
            node_config=container.ClusterNodeConfigArgs(
                service_account=self.service_account.email, oauth_scopes=OAUTH_SCOPES
            ),
            deletion_protection=deployment.deletion_protection,
            resource_labels=deployment.labels,
            opts=self.child(
                services.service("container"),
                # The default pool is gone after creation; what the API says of its nodes is no change of ours.
                ignore_changes=["nodeConfig", "initialNodeCount"],
                custom_timeouts=pulumi.CustomTimeouts(create="45m", update="90m", delete="45m"),
            ),
            **self._access(),
        )

    def _maintenance(self) -> container.ClusterMaintenancePolicyArgs | None:
        window = self._deployment.maintenance_window
        if window is None:
            return None
        return container.ClusterMaintenancePolicyArgs(
            recurring_window=container.ClusterMaintenancePolicyRecurringWindowArgs(
                start_time=utc(window.start), end_time=utc(window.end), recurrence=window.recurrence
            ),
            maintenance_exclusions=[
                container.ClusterMaintenancePolicyMaintenanceExclusionArgs(
                    exclusion_name=exclusion.name,
                    start_time=utc(exclusion.start),
                    end_time=utc(exclusion.end),
                    exclusion_options=container.ClusterMaintenancePolicyMaintenanceExclusionExclusionOptionsArgs(
                        scope=exclusion.scope
                    ),
                )
                for exclusion in self._deployment.settings.cluster.maintenance.exclusions
            ],
        )

    def _access(self) -> dict[str, Any]:
        cluster = self._deployment.settings.cluster
        plane = cluster.control_plane
        arguments: dict[str, Any] = {
            "control_plane_endpoints_config": container.ClusterControlPlaneEndpointsConfigArgs(
                dns_endpoint_config=container.ClusterControlPlaneEndpointsConfigDnsEndpointConfigArgs(
                    allow_external_traffic=plane.dns_endpoint
                ),
                # enable_private_endpoint applies to private nodes only; the address would be open to the internet. Said
                # either way: the provider keeps what is left out.
                ip_endpoints_config=container.ClusterControlPlaneEndpointsConfigIpEndpointsConfigArgs(
                    enabled=cluster.private_nodes or bool(plane.authorized_networks)
                ),
            )
        }
        if cluster.private_nodes:
            arguments["private_cluster_config"] = container.ClusterPrivateClusterConfigArgs(
                enable_private_nodes=True,
                enable_private_endpoint=not plane.authorized_networks,
                master_ipv4_cidr_block=plane.cidr,
            )
        if cluster.private_nodes or plane.authorized_networks:
            arguments["master_authorized_networks_config"] = container.ClusterMasterAuthorizedNetworksConfigArgs(
                cidr_blocks=[
                    container.ClusterMasterAuthorizedNetworksConfigCidrBlockArgs(cidr_block=n.cidr, display_name=n.name)
                    for n in plane.authorized_networks
                ]
            )
        return arguments

    def _cpu_pool(self, network: Foundation) -> container.NodePool:
        settings = self._deployment.settings.cluster.cpu_pool
        return container.NodePool(
            "cluster-cpu-pool",
            name="cpu",
            project=self._project,
            location=self._deployment.region,
            cluster=self.cluster.name,
            initial_node_count=1,
            autoscaling=container.NodePoolAutoscalingArgs(
                total_min_node_count=settings.min_nodes,
                total_max_node_count=self._deployment.cpu_pool_most_nodes,
                location_policy="BALANCED",
            ),
            management=container.NodePoolManagementArgs(auto_repair=True, auto_upgrade=True),
            node_config=node_config(self.joined, settings.machine_type, settings.disk_gib, CPU_POOL_DISK),
            opts=self.child(
                [*self.identity, *network.egress],
                ignore_changes=["initialNodeCount"],
                custom_timeouts=pulumi.CustomTimeouts(create="30m", update="60m", delete="30m"),
            ),
        )

    def _kubernetes_provider(self) -> pulumi.ProviderResource:
        dns = self._deployment.settings.cluster.control_plane.dns_endpoint
        endpoint = self.cluster.control_plane_endpoints_config.apply(dns_name) if dns else self.cluster.endpoint
        authority = self.cluster.master_auth.apply(lambda auth: auth["clusterCaCertificate"])
        kubeconfig = pulumi.Output.all(endpoint, authority).apply(
            lambda known: render_kubeconfig(self._deployment.cluster_name, known[0], None if dns else known[1])
        )
        return kubernetes_provider(
            "cluster-kubernetes",
            kubeconfig=kubeconfig,
            # Static, or a preview in which the kubeconfig is unknown would replace every object (pulumi.md 3.4).
            cluster_identifier=self._deployment.cluster_identifier,
            opts=pulumi.ResourceOptions(parent=self),
        )


def dns_name(config: Mapping[str, Any]) -> str:
    """The control plane's DNS endpoint; a preview knows the rest of its configuration already."""
    return str(config["dnsEndpointConfig"].get("endpoint"))


def render_kubeconfig(name: str, endpoint: str, authority: str | None) -> str:
    """An exec-plugin kubeconfig: no token in it, so it never changes. Without `authority` the certificate is public."""
    cluster: dict[str, Any] = {"server": f"https://{endpoint}"}
    if authority:
        cluster["certificate-authority-data"] = authority
    user = {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1beta1",
            "command": "gke-gcloud-auth-plugin",
            "provideClusterInfo": True,
            "interactiveMode": "IfAvailable",
        }
    }
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": cluster}],
            "users": [{"name": name, "user": user}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "current-context": name,
        }
    )
