"""A resource's state: what the program sent, and what Google and the provider answer besides (`providers/google/answers.yaml`)."""

from __future__ import annotations

import copy
import hashlib
import ipaddress
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import yaml

from catalog.gke import parse_gke_version
from catalog.tpu import Generation, generations
from providers.base import UNKNOWN, ProviderError, Values
from providers.google.facts import TypeFacts, answers, channel_default, facts
from providers.google.trees import COMPUTE, get, merge, put, relative
from rehearsal import cloud
from rehearsal.cloud import CloudResource
from rehearsal.directory import RehearsalDirectory

SUBNETWORK = "gcp:compute/subnetwork:Subnetwork"
ADDRESS = "gcp:compute/address:Address"
POLICY = "gcp:compute/resourcePolicy:ResourcePolicy"
CLUSTER = "gcp:container/cluster:Cluster"
NODE_POOL = "gcp:container/nodePool:NodePool"
# RFC 5737: for documentation, routed nowhere.
EXTERNAL_RANGE = "203.0.113.0/24"


def identifier(known: TypeFacts, inputs: Values) -> str:
    """The id that a new resource gets; what Google assigns follows from the resource's name."""
    digest = hashlib.sha256(str(inputs[known.name]).encode()).hexdigest()
    return known.id.format_map({**inputs, "assigned": int(digest[:15], 16)})


def made(token: str, resource_id: str, inputs: Values, directory: RehearsalDirectory) -> Values:
    """The state of a new resource.

    Raises:
        ProviderError: there is no control plane.
    """
    return _answered(token, copy.deepcopy(inputs), inputs, _names(token, resource_id, inputs, directory), new=True)


def changed(
    token: str, resource_id: str, state: Values, old: Values, new: Values, directory: RehearsalDirectory
) -> Values:
    """The state after an update: what the program sets no more goes, unless the provider keeps it."""
    state = merge(_without(facts(token), state, old, new), new)
    names = _names(token, resource_id, {**new, "masterVersion": state.get("masterVersion")}, directory)
    return _answered(token, state, new, names, new=False)


def foreseen(token: str, inputs: Values) -> Values:
    """The state of a new resource in a preview: what is answered besides is unknown."""
    state = copy.deepcopy(inputs)
    for answer in answers(token):
        if get(state, answer.path) is None and _applies(answer.when, inputs):
            path, block = answer.path, answer.path.rpartition(".")[0]
            while block and not isinstance(get(state, block), Mapping):
                path, block = block, block.rpartition(".")[0]
            put(state, path, UNKNOWN)
    return state


def observed(inputs: Values, state: Values) -> Values:
    """The inputs as the resource has them, for a refresh."""
    seen: Values = {}
    for key, value in inputs.items():
        live = state.get(key, value)
        seen[key] = observed(value, live) if isinstance(value, dict) and isinstance(live, dict) else live
    return seen


def _without(known: TypeFacts, state: Values, old: Values, new: Values, path: str = "") -> Values:
    left = {}
    for key, value in state.items():
        here, one, other = f"{path}{key}", old.get(key), new.get(key)
        if isinstance(value, dict) and isinstance(one, dict) and isinstance(other, dict):
            left[key] = _without(known, value, one, other, f"{here}.")
        elif one is None or other is not None or here in known.kept:
            left[key] = value
    return left


def _answered(token: str, state: Values, inputs: Values, names: Mapping[str, Any], *, new: bool) -> Values:
    """The state with what is answered beyond the inputs, references as the compute API writes them: full self links."""
    for answer in answers(token):
        unsent = (new or answer.follows) and get(inputs, answer.path) is None
        value = _filled(answer.value, names)
        if (unsent or answer.forced) and value is not None and _applies(answer.when, inputs):
            put(state, answer.path, value)
    for key in facts(token).links if token.startswith("gcp:compute/") else ():
        if str(state.get(key)).startswith("projects/"):
            state[key] = COMPUTE + state[key]
    return state


def _applies(when: str, inputs: Values) -> bool:
    config = inputs.get("nodeConfig") or {}
    return bool(
        {
            "": True,
            "tpu": tpu_of(str(config.get("machineType"))),
            "flexStart": config.get("flexStart"),
            "reservation": get(config, "reservationAffinity.consumeReservationType") == "SPECIFIC_RESERVATION",
        }[when]
    )


def _filled(value: Any, names: Mapping[str, Any]) -> Any:
    """A value of the table with its names filled in; one that is a name alone keeps its type."""
    if isinstance(value, dict):
        return {key: _filled(inner, names) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, names) for inner in value]
    if not isinstance(value, str):
        return value
    return names[value[1:-1]] if value[1:-1] in names else value.format_map(names)


def _names(token: str, resource_id: str, inputs: Values, directory: RehearsalDirectory) -> dict[str, Any]:
    """What stands for the table's names."""
    digest = hashlib.sha256(resource_id.encode()).hexdigest()
    names = {
        "labels": {},
        "resourceLabels": {},
        **inputs,
        "id": resource_id,
        # A property value is a double, which keeps 15 digits.
        "number": int(digest, 16) % 9 * 10**14 + int(digest[:10], 16),
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "mark": hashlib.sha256(repr(sorted(inputs.items())).encode()).hexdigest()[:12],
    }
    more = _MORE.get(token)
    return {**names, **more(inputs, directory)} if more else names


def _subnetwork_names(inputs: Values, _: RehearsalDirectory) -> Values:
    return {"gateway": str(next(ipaddress.ip_network(inputs["ipCidrRange"]).hosts()))}


def _address_names(inputs: Values, directory: RehearsalDirectory) -> Values:
    """The first address nobody has reserved; of a subnetwork the first two and the last two are Google's own."""
    if inputs.get("address"):
        return {}
    taken = {r.state.get("address") for r in cloud.read_all(directory.cloud, ADDRESS, provisioning=True)}
    subnetwork = linked(directory, SUBNETWORK, inputs.get("subnetwork"))
    range_ = ipaddress.ip_network(EXTERNAL_RANGE if subnetwork is None else subnetwork.state["ipCidrRange"])
    candidates = (str(range_[index]) for index in range(2, range_.num_addresses - 2))
    return {"address": next(address for address in candidates if address not in taken)}


def _cluster_names(inputs: Values, directory: RehearsalDirectory) -> Values:
    endpoint, authority = control_plane(directory)
    subnetwork = linked(directory, SUBNETWORK, inputs.get("subnetwork"))
    ranges = (
        {r["rangeName"]: r["ipCidrRange"] for r in (subnetwork.state.get("secondaryIpRanges") or [])}
        if subnetwork
        else {}
    )
    policy = inputs.get("ipAllocationPolicy") or {}
    # A lower minimum is no downgrade.
    wanted = (inputs.get("masterVersion"), inputs.get("minMasterVersion"))
    versions = sorted((v for v in wanted if v), key=lambda v: parse_gke_version(v) or ())
    return {
        "endpoint": endpoint,
        "authority": authority,
        "pods": ranges.get(policy.get("clusterSecondaryRangeName")),
        "services": ranges.get(policy.get("servicesSecondaryRangeName")),
        "version": versions[-1] if versions else channel_default(),
        "zones": zones_of(inputs["location"]),
    }


def _pool_names(inputs: Values, directory: RehearsalDirectory) -> Values:
    parent = linked(directory, CLUSTER, cluster_id(inputs))
    cluster = parent.state if parent else {}
    zones = inputs.get("nodeLocations") or cluster.get("nodeLocations") or zones_of(inputs["location"])
    name = f"gke-{inputs['cluster'][:16]}-{inputs['name'][:14]}-{hashlib.sha256(inputs['name'].encode()).hexdigest()[:8]}-grp"
    urls = [f"{COMPUTE}projects/{inputs['project']}/zones/{zone}/KIND/{name}" for zone in zones]
    policy = linked(directory, POLICY, get(inputs, "placementPolicy.policyName"))
    return {
        "zones": zones,
        "managers": [url.replace("KIND", "instanceGroupManagers") for url in urls],
        "groups": [url.replace("KIND", "instanceGroups") for url in urls],
        "nodeCount": inputs.get("initialNodeCount", 0),
        "version": cluster.get("masterVersion"),
        "pods": cluster.get("clusterIpv4Cidr"),
        "podRange": get(cluster, "ipAllocationPolicy.clusterSecondaryRangeName"),
        "subnetwork": cluster.get("subnetwork"),
        "private": get(cluster, "privateClusterConfig.enablePrivateNodes"),
        "diskType": get(inputs, "nodeConfig.diskType"),
        "diskSizeGb": get(inputs, "nodeConfig.diskSizeGb"),
        "topology": get(policy.state, "workloadPolicy.acceleratorTopology") if policy else None,
    }


_MORE: Mapping[str, Callable[[Values, RehearsalDirectory], Values]] = {
    SUBNETWORK: _subnetwork_names,
    ADDRESS: _address_names,
    CLUSTER: _cluster_names,
    NODE_POOL: _pool_names,
}


def control_plane(directory: RehearsalDirectory) -> tuple[str, str]:
    """`host:port` of the local control plane and its CA, base64, from the rehearsal's kubeconfig.

    Raises:
        ProviderError: no control plane has been started in this directory.
    """
    if not directory.kubeconfig.exists():
        raise ProviderError("the rehearsal's control plane has not been started: there is no kubeconfig.")
    entry = yaml.safe_load(directory.kubeconfig.read_text(encoding="utf-8"))["clusters"][0]["cluster"]
    return entry["server"].removeprefix("https://"), entry["certificate-authority-data"]


def linked(directory: RehearsalDirectory, token: str, link: Any) -> CloudResource | None:
    """The resource that a self link, a path or a bare name means; None where there is none."""
    path = relative(str(link))
    everything = cloud.read_all(directory.cloud, token, provisioning=True)
    return next((r for r in everything if path in (r.id, r.name)), None)


def cluster_id(inputs: Values) -> str:
    """The id of the cluster of a node pool."""
    return (
        f"projects/{inputs['project']}/locations/{inputs['location']}/clusters/{inputs['cluster'].rsplit('/', 1)[-1]}"
    )


def tpu_of(machine_type: str) -> Generation | None:
    """The TPU generation of a machine type; None where it has no TPU."""
    return next((g for g in generations().values() if machine_type in g.machines), None)


def zones_of(region: str) -> list[str]:
    """The three zones in which GKE makes nodes where none are named; which three is not verified.

    us-east1 and europe-west1 have no zone a.
    """
    letters = "bcd" if region in ("us-east1", "europe-west1") else "abc"
    return [f"{region}-{letter}" for letter in letters]
