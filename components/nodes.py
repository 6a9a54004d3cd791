"""What the nodes of every pool of a cluster have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi

from components.sdk import container
from manifests.compute_class import LABEL as COMPUTE_CLASS
from settings.capacity import CRITICAL_PODS_SECONDS

OAUTH_SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]


@dataclass(frozen=True)
class NodesOf:
    """The cluster that nodes join, and what they get of it.

    Attributes:
        project, region: the cluster's; a zone, where the cluster is zonal.
        cluster: its name; as an output of the cluster it makes the pool wait.
        service_account: e-mail of the nodes' identity.
        tag: network tag, which firewall rules name.
        labels: labels of what costs money.
    """

    project: str
    region: str
    cluster: pulumi.Input[str]
    service_account: pulumi.Input[str]
    tag: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


def node_config(
    nodes: NodesOf,
    machine_type: str,
    disk_gib: int,
    disk_type: str,
    *,
    compute_class: str | None = None,
    spot: bool | None = None,
    flex_start: bool | None = None,
    spot_grace_seconds: int | None = None,
    max_run_duration: str | None = None,
    reservation_affinity: container.NodePoolNodeConfigReservationAffinityArgs | None = None,
) -> container.NodePoolNodeConfigArgs:
    """Own identity, workload identity, secure boot and image streaming, with what a pool chooses itself.

    A pool of a ComputeClass has its label and its taint, both (Google "About custom compute classes").
    """
    taint = compute_class and container.NodePoolNodeConfigTaintArgs(
        key=COMPUTE_CLASS, value=compute_class, effect="NO_SCHEDULE"
    )
    grace = None
    if spot_grace_seconds is not None:
        grace = container.NodePoolNodeConfigKubeletConfigArgs(
            shutdown_grace_period_seconds=spot_grace_seconds,
            shutdown_grace_period_critical_pods_seconds=CRITICAL_PODS_SECONDS,
        )
    return container.NodePoolNodeConfigArgs(
        machine_type=machine_type,
        disk_size_gb=disk_gib,
        disk_type=disk_type,
        tags=[nodes.tag] if nodes.tag else None,
        resource_labels=nodes.labels,
        labels={COMPUTE_CLASS: compute_class} if compute_class else None,
        taints=[taint] if taint else None,
        spot=spot,
        flex_start=flex_start,
        max_run_duration=max_run_duration,
        kubelet_config=grace,
        reservation_affinity=reservation_affinity,
        service_account=nodes.service_account,
        oauth_scopes=OAUTH_SCOPES,
        workload_metadata_config=container.NodePoolNodeConfigWorkloadMetadataConfigArgs(mode="GKE_METADATA"),
        shielded_instance_config=container.NodePoolNodeConfigShieldedInstanceConfigArgs(
            enable_secure_boot=True, enable_integrity_monitoring=True
        ),
        gcfs_config=container.NodePoolNodeConfigGcfsConfigArgs(enabled=True),
    )
