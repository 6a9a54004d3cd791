"""A program of another team: its own network, cluster and server, and of tpu-serving a node pool, a Gateway and policies."""

import pulumi
import pulumi_gcp as gcp
import pulumi_kubernetes as kubernetes

from catalog.tpu import find_shape
from components.cluster import render_kubeconfig
from components.gateway import Gateway
from components.health_check_policy import HealthCheckPolicy
from components.nodes import NodesOf
from components.tpu_node_pool import TpuNodePool, TpuPoolArgs
from manifests.backend import Backend, backend_policies
from manifests.gateway import HTTP_LISTENER, gateway_objects, parent_ref
from settings.gateway import Gateway as GatewaySettings
from settings.purchases import Purchase

NAMESPACE, SERVER, PORT = "search", "reranker", 8080


def program() -> None:
    """Everything of the team."""
    config = pulumi.Config()
    project, zone = config.require("project"), config.require("zone")
    region = zone.rsplit("-", 1)[0]
    google = gcp.Provider("google", project=project, region=region)
    ours = pulumi.ResourceOptions(provider=google)

    vpc = gcp.compute.Network("vpc", name="search", project=project, auto_create_subnetworks=False, opts=ours)
    proxies = gcp.compute.Subnetwork(
        "proxies",
        name="search-proxies",
        project=project,
        region=region,
        network=vpc.id,
        ip_cidr_range="10.1.0.0/23",
        purpose="REGIONAL_MANAGED_PROXY",
        role="ACTIVE",
        opts=ours,
    )
    account = gcp.serviceaccount.Account("identity", account_id="search-nodes", project=project, opts=ours)
    role = gcp.projects.IAMMember(
        "role", project=project, role="roles/container.defaultNodeServiceAccount", member=account.member, opts=ours
    )
    cluster = own_cluster(project, region, vpc, account, ours)
    kubeconfig = pulumi.Output.all(cluster.endpoint, cluster.master_auth.cluster_ca_certificate).apply(
        lambda known: render_kubeconfig("search", *known)
    )
    provider = kubernetes.Provider("cluster", kubeconfig=kubeconfig, cluster_identifier=f"{project}/{region}/search")
    both = pulumi.ResourceOptions(providers=[google, provider])

    shape = find_shape("v6e", "2x2")
    assert shape is not None
    pool = TpuNodePool(
        "tpu-v6e-2x2",
        TpuPoolArgs(shape, Purchase("spot", zone), max_nodes=2, disk_gib=200),
        NodesOf(project, region, cluster.name, account.email),
        runnable=[role],
        opts=both,
    )
    settings = GatewaySettings(name="search")
    gateway = Gateway(gateway_objects(settings, NAMESPACE), [proxies], opts=both)
    backend = Backend("", "Service", SERVER, policy=SERVER, timeout_seconds=120, port=PORT, path="/ready")
    policies = HealthCheckPolicy(backend_policies(NAMESPACE, backend), [gateway.gateway], both).policies
    own_server(settings, pulumi.ResourceOptions(provider=provider, depends_on=[gateway.gateway, *policies]))
    pulumi.export("pool", pool.pool.name)


def own_cluster(
    project: str,
    region: str,
    vpc: gcp.compute.Network,
    account: gcp.serviceaccount.Account,
    opts: pulumi.ResourceOptions,
) -> gcp.container.Cluster:
    """A cluster with the Gateway channel, which brings GatewayClasses and the CRDs of policies."""
    nodes = gcp.compute.Subnetwork(
        "nodes",
        name="search-nodes",
        project=project,
        region=region,
        network=vpc.id,
        ip_cidr_range="10.0.0.0/20",
        opts=opts,
    )
    return gcp.container.Cluster(
        "cluster",
        name="search",
        project=project,
        location=region,
        network=vpc.id,
        subnetwork=nodes.id,
        networking_mode="VPC_NATIVE",
        ip_allocation_policy={},
        gateway_api_config={"channel": "CHANNEL_STANDARD"},
        workload_identity_config={"workload_pool": f"{project}.svc.id.goog"},
        initial_node_count=1,
        node_config={"service_account": account.email},
        deletion_protection=False,
        opts=opts,
    )


def own_server(settings: GatewaySettings, opts: pulumi.ResourceOptions) -> None:
    """The way to the team's server, whose pods come with a chart of theirs."""
    named = {"name": SERVER, "namespace": NAMESPACE}
    kubernetes.core.v1.Service(
        "server",
        metadata={**named, "annotations": {"pulumi.com/skipAwait": "true"}},
        spec={"selector": {"app": SERVER}, "ports": [{"port": PORT}]},
        opts=opts,
    )
    kubernetes.apiextensions.CustomResource(
        "route",
        api_version="gateway.networking.k8s.io/v1",
        kind="HTTPRoute",
        metadata=named,
        spec={
            "parentRefs": [parent_ref(settings, NAMESPACE, HTTP_LISTENER)],
            "rules": [{"backendRefs": [{"name": SERVER, "port": PORT}]}],
        },
        opts=opts,
    )
