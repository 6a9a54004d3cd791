"""What Google refuses of what an environment can ask for. Words and their sources: `behaviour.yaml`."""

from __future__ import annotations

import re

from catalog.files import read_yaml
from catalog.tpu import generations
from providers.base import ProviderError, Values
from providers.google.facts import facts
from providers.google.trees import get
from rehearsal import cloud
from rehearsal.directory import RehearsalDirectory
from rehearsal.plugins.gcp.state import CLUSTER, NODE_POOL, zones_of

# Families of machines without accelerators that GKE makes nodes of; sizes are not looked at.
_GENERAL = re.compile(
    r"^(e2|n1|n2|n2d|n4|c2|c2d|c3|c3d|c4|c4a|c4d|t2a|t2d)-(standard|highmem|highcpu)-\d+$|^e2-(small|medium)$"
)


class CloudError(ProviderError):
    """What Google's API answers."""

    def __init__(self, code: int, message: str, reason: str) -> None:
        super().__init__(f"googleapi: Error {code}: {message}, {reason}")


def refuse_create(token: str, resource_id: str, inputs: Values, directory: RehearsalDirectory) -> None:
    """Raise what the provider would report of such a creation.

    Raises:
        ProviderError: it is refused.
    """
    prefix = {CLUSTER: "", NODE_POOL: "error creating NodePool: "}.get(token, f"Error creating {facts(token).title}: ")
    try:
        # A member that is there already, or an API that is on, is made again without an error.
        if not token.endswith((":IAMMember", ":BucketIAMMember", ":SecretIamMember", ":Service")):
            _refuse_taken(token, resource_id, directory)
        _refuse_region(inputs)
        if token == NODE_POOL:
            _refuse_machines(inputs)
    except ProviderError as error:
        raise ProviderError(prefix + str(error)) from None


def refuse_delete(token: str, state: Values) -> None:
    """Raise where a cluster is protected.

    Raises:
        ProviderError: it is.
    """
    if token == CLUSTER and state.get("deletionProtection"):
        raise ProviderError(
            "Cannot destroy cluster because deletion_protection is set to true. "
            "Set it to false to proceed with cluster deletion."
        )


def _refuse_taken(token: str, resource_id: str, directory: RehearsalDirectory) -> None:
    if cloud.find(directory.cloud, token, resource_id) is not None:
        raise CloudError(409, f"The resource '{resource_id}' already exists", "alreadyExists")


def _refuse_region(inputs: Values) -> None:
    region = inputs.get("region") or inputs.get("location")
    if region is not None and region.lower() not in read_yaml("regions.yaml")["regions"]:
        raise CloudError(400, f"Invalid value for field 'resource.region': '{region}'. Unknown region.", "invalid")


def _refuse_machines(inputs: Values) -> None:
    """TPU machine types exist in the listed zones, those for AI workloads included; the general ones everywhere."""
    machine_type = get(inputs, "nodeConfig.machineType")
    name = next((key for key, g in generations().items() if machine_type in g.machines), None)
    rows = read_yaml("zones.yaml")["generations"].get(name, {}) if name else {}
    offered = {row["zone"] for key in ("zones", "aiZones") for row in rows.get(key, [])}
    for zone in inputs.get("nodeLocations") or zones_of(inputs["location"]):
        if zone not in offered if name else not _GENERAL.match(machine_type):
            raise CloudError(
                400, f'Invalid machine type "{machine_type}" in zone "{zone}": GCE_NOT_FOUND', "badRequest"
            )
