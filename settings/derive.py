"""What follows from the settings: slices, node pools, budgets, limits. Each value is decided here and nowhere else."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from catalog.gke import facts, inference_pool_floor, parse_gke_version
from catalog.models import KnownModel, find_model
from catalog.tpu import SliceShape, find_shape, generations

if TYPE_CHECKING:
    from settings.environment import Environment
    from settings.model import Model

# The server's HTTP endpoint: probes, policies, Service check and verify all read it here (HC05).
SERVER_PORT = 8000
HEALTH_PATH = "/health"
SERVER_SCHEME = "HTTP"

DEFAULT_CONTEXT_LENGTH = 4096
BYTES_PER_PARAMETER = 2  # bfloat16
# Field report, issue 8: about 6.2 GB in 35 s from the Hub, 94 s to compile; doubled, then trebled for a bad day.
_DOWNLOAD_BYTES_PER_SECOND = 100e6
_SERVER_AND_COMPILE_SECONDS = 300
_SAFETY = 3
_MIN_STARTUP_BUDGET = 900
_MAX_STARTUP_BUDGET = 7200
# A TPU stock-out hides for about 35 minutes before GKE gives up (gke.md 4.4); then the node boots and pulls the image.
NODE_BUDGET_SECONDS = 3600
# The slowest answer we plan for; one request alone ran at about 105 tokens/s in the field report.
_SLOWEST_TOKENS_PER_SECOND = 10
_MIN_ANSWER_SECONDS = 300
PODS_PER_TPU_NODE = 32
SHUTDOWN_SECONDS = 45
GRACE_SECONDS = 90
# KServe 0.20 has no rollout field: a Deployment rolls with Kubernetes' default of 25 % surge, rounded up.
_SURGE_SHARE = 0.25
_LONGEST_ACCOUNT_NAME = 24  # and `-nodes`
MIB = 1024 * 1024
GIB = 1024 * MIB


@dataclass(frozen=True)
class ServedModel:
    """A model with everything derived from its settings. Raises nothing: the rules have refused what can't be."""

    settings: Model
    shape: SliceShape

    @property
    def name(self) -> str:
        """Name of the LLMInferenceService."""
        return self.settings.name

    @cached_property
    def known(self) -> KnownModel | None:
        """The catalogue's entry, where the source is one."""
        return find_model(self.settings.source)

    @property
    def chips(self) -> int:
        """Chips of all replicas."""
        return self.shape.chips * self.settings.replicas

    @property
    def surge_slices(self) -> int:
        """Slices an update needs beside the replicas; LeaderWorkerSet replaces in place."""
        return 0 if self.shape.multi_host else math.ceil(_SURGE_SHARE * self.settings.replicas)

    @property
    def tensor_parallel_size(self) -> int:
        """Chips of one host (TP04)."""
        return self.shape.chips_per_host

    @property
    def cpu(self) -> int | None:
        """CPUs that the server asks for: half of its machine where nobody says it; None where that is not known."""
        machine = generations()[self.shape.generation].machines[self.shape.machine_type]
        return self.settings.resources.cpu or (machine.vcpus and machine.vcpus // 2)

    @property
    def memory_gib(self) -> int | None:
        """Memory that the server asks for, likewise."""
        machine = generations()[self.shape.generation].machines[self.shape.machine_type]
        return self.settings.resources.memory_gib or (machine.memory_gib and machine.memory_gib // 2)

    @property
    def context_length(self) -> int:
        """Longest prompt and answer together, in tokens."""
        if self.settings.context_length is not None:
            return self.settings.context_length
        return min(DEFAULT_CONTEXT_LENGTH, self.known.max_context if self.known else DEFAULT_CONTEXT_LENGTH)

    @property
    def longest_answer_tokens(self) -> int:
        """Longest answer in tokens."""
        return self.settings.longest_answer_tokens or self.context_length

    @property
    def answer_seconds(self) -> int:
        """Time limit of the load balancer for one answer (decision 4); its own default of 30 s cuts long answers."""
        if self.settings.longest_answer_seconds is not None:
            return self.settings.longest_answer_seconds
        return max(_MIN_ANSWER_SECONDS, math.ceil(self.longest_answer_tokens / _SLOWEST_TOKENS_PER_SECOND) + 60)

    @property
    def weights_bytes(self) -> int | None:
        """Size of the weights; None where neither catalogue nor settings know the model."""
        if self.settings.parameters_billion is not None:
            return round(self.settings.parameters_billion * 1e9 * BYTES_PER_PARAMETER)
        return self.known.weights_bytes() if self.known else None

    @property
    def download_seconds(self) -> int:
        """A slow day's download of the weights."""
        return math.ceil((self.weights_bytes or 0) / _DOWNLOAD_BYTES_PER_SECOND)

    @property
    def startup_budget_seconds(self) -> int:
        """How long the server container may take until it answers (KS11), its download of the weights not counted."""
        if self.settings.startup_budget_seconds is not None:
            return self.settings.startup_budget_seconds
        if self.weights_bytes is None:
            return 3600
        load = self.download_seconds // 4  # reading from disk into the chips
        return min(_MAX_STARTUP_BUDGET, max(_MIN_STARTUP_BUDGET, _SAFETY * (_SERVER_AND_COMPILE_SECONDS + load)))

    @property
    def ready_timeout_seconds(self) -> int:
        """How long the engine waits for the service: node, download and start together (KS11)."""
        return NODE_BUDGET_SECONDS + _SAFETY * self.download_seconds + self.startup_budget_seconds

    @property
    def disk_gib(self) -> int:
        """Boot disk of its nodes: weights twice (download cache and copy), image and system."""
        if self.settings.disk_gib is not None:
            return self.settings.disk_gib
        return max(100, math.ceil(2 * (self.weights_bytes or 50e9) / GIB) + 60)


def pool_name(shape: SliceShape) -> str:
    """Node pool of a slice shape: `tpu-v6e-2x4-8t`; at most 40 characters, GKE's limit."""
    return f"tpu-{shape.generation}-{shape.topology}-{shape.machine_type.rsplit('-', 1)[-1]}"


@dataclass(frozen=True)
class TpuPool:
    """A node pool: all models of one slice shape share it."""

    shape: SliceShape
    models: tuple[ServedModel, ...]
    name: str
    replica_slices: int
    update_slices: int

    @property
    def max_nodes(self) -> int:
        """Upper bound of the autoscaler: replicas and their updates (TP11)."""
        return (self.replica_slices + self.update_slices) * self.shape.hosts

    @property
    def disk_gib(self) -> int:
        """The largest disk that one of its models needs."""
        return max(m.disk_gib for m in self.models)


@dataclass(frozen=True)
class Deployment:
    """The environment with everything derived: what manifests and components read."""

    name: str
    settings: Environment

    @cached_property
    def models(self) -> tuple[ServedModel, ...]:
        """Models in the order of the file; those of an unknown shape are left out (TP01 has refused them)."""
        served = []
        for model in self.settings.models:
            shape = find_shape(model.tpu.generation, model.tpu.topology, model.tpu.machine_type)
            if shape is not None:
                served.append(ServedModel(model, shape))
        return tuple(served)

    @cached_property
    def pools(self) -> tuple[TpuPool, ...]:
        """One pool per single-host shape; a multi-host pool *is* one slice (TP08), so there is one per slice."""
        by_shape: dict[SliceShape, list[ServedModel]] = {}
        for model in self.models:
            by_shape.setdefault(model.shape, []).append(model)
        pools: list[TpuPool] = []
        for shape, models in by_shape.items():
            replicas = sum(m.settings.replicas for m in models)
            spare = self.settings.capacity.spare_slices
            update = sum(m.surge_slices for m in models) if spare is None else spare
            if shape.multi_host:
                names = [f"{pool_name(shape)}-{index}" for index in range(replicas + update)]
                pools += [
                    TpuPool(shape, tuple(models), n, int(i < replicas), int(i >= replicas)) for i, n in enumerate(names)
                ]
            else:
                pools.append(TpuPool(shape, tuple(models), pool_name(shape), replicas, update))
        return tuple(pools)

    @property
    def multi_host(self) -> bool:
        """True where a model spans nodes, and so needs LeaderWorkerSet."""
        return any(m.shape.multi_host for m in self.models)

    @property
    def chips(self) -> int:
        """Chips of all replicas of all models."""
        return sum(m.chips for m in self.models)

    @property
    def namespace(self) -> str:
        """Namespace of Gateway, routes, policies and models."""
        return self.settings.platform.models_namespace

    @property
    def region(self) -> str:
        """Region of network and cluster."""
        return self.settings.location.region_name

    @property
    def zone(self) -> str:
        """Zone of the TPU pools."""
        return self.settings.location.zone

    @property
    def cluster_name(self) -> str:
        """Name of the cluster."""
        return self.settings.cluster.name or f"tpu-serving-{self.name}"

    @property
    def node_account_id(self) -> str:
        """Id of the nodes' service account: within Google's 30 characters, and of no other cluster of the project."""
        name = self.cluster_name
        if len(name) > _LONGEST_ACCOUNT_NAME:
            import hashlib  # only a long name needs it

            told_apart = hashlib.sha256(name.encode()).hexdigest()[:6]
            name = f"{name[: _LONGEST_ACCOUNT_NAME - 7].rstrip('-')}-{told_apart}"
        return f"{name}-nodes"

    @cached_property
    def version_floor(self) -> tuple[str, str]:
        """The GKE version that Gateway and TPU generations need (CL02), and what needs it."""
        floors = [(inference_pool_floor(), "the InferencePool CRD")]
        used = dict.fromkeys(m.shape.generation for m in self.models)
        floors += [(floor, name) for name in used if (floor := generations()[name].min_gke_version) is not None]
        return max(floors, key=lambda floor: parse_gke_version(floor[0]) or ())

    @property
    def cluster_identifier(self) -> str:
        """What the kubernetes provider knows the cluster by: static, so that no preview replaces everything."""
        return f"{self.settings.project.id}/{self.region}/{self.cluster_name}"

    @property
    def network_name(self) -> str:
        """Name of the VPC, ours or existing."""
        return self.settings.network.name or f"tpu-serving-{self.name}"

    @property
    def nodes_subnet_name(self) -> str:
        """Name of the node subnet, ours or existing."""
        existing = self.settings.network.subnetwork if self.settings.network.mode == "existing" else None
        return existing or f"{self.network_name}-nodes"

    @property
    def proxy_only_subnet_name(self) -> str:
        """Name of the proxy-only subnet, ours or existing."""
        subnet = self.settings.network.proxy_only_subnet
        return (subnet.name if subnet.mode == "existing" else None) or f"{self.network_name}-proxy-only"

    def workload_principal(self, account: str) -> str:
        """IAM member of a Kubernetes service account of the models' namespace (workload identity federation)."""
        project = self.settings.project
        pool = f"projects/{project.number}/locations/global/workloadIdentityPools/{self.workload_pool}"
        return f"principal://iam.googleapis.com/{pool}/subject/ns/{self.namespace}/sa/{account}"

    @property
    def node_tag(self) -> str:
        """Network tag of the environment's nodes, which the firewall rule for webhooks names."""
        return f"{self.cluster_name}-node"

    @property
    def existing_network(self) -> tuple[str, str]:
        """Resource paths of an existing VPC and node subnet."""
        network, project = self.settings.network, self.network_project
        return (
            f"projects/{project}/global/networks/{network.name}",
            f"projects/{project}/regions/{self.region}/subnetworks/{network.subnetwork}",
        )

    @property
    def network_project(self) -> str:
        """The project that everything below the VPC belongs to: of a Shared VPC the host project."""
        return self.settings.network.host_project or self.settings.project.id

    @property
    def needs_secret_sync(self) -> bool:
        """Whether a model takes its token from Secret Manager, which GKE's secret sync brings into the cluster."""
        tokens = (model.settings.hugging_face_token for model in self.models)
        return any(token is not None and token.secret_manager is not None for token in tokens)

    @property
    def labels(self) -> dict[str, str]:
        """Labels of everything that costs money."""
        return {"managed-by": "tpu-serving", "environment": self.name, "tier": self.settings.tier}

    @property
    def apis(self) -> list[str]:
        """Google APIs that the environment uses."""
        return [*facts()["apis"], *(["secretmanager.googleapis.com"] if self.needs_secret_sync else [])]

    @property
    def workload_pool(self) -> str:
        """Workload identity pool of the cluster."""
        return f"{self.settings.project.id}.svc.id.goog"

    @property
    def deletion_protection(self) -> bool:
        """Whether the cluster refuses to be deleted (CL05)."""
        chosen = self.settings.cluster.deletion_protection
        return self.settings.tier == "production" if chosen is None else chosen

    def quota(self) -> list[tuple[str, int, int]]:
        """Per TPU family: chips of the replicas, and chips while every model is updated at once.

        None for a reservation: its chips came off the quota when it was made (Google "Troubleshoot TPU in GKE").
        """
        if self.settings.capacity.purchase == "reservation":
            return []
        needed: dict[str, tuple[int, int]] = {}
        for pool in self.pools:
            family = generations()[pool.shape.generation].quota_family
            steady, update = needed.get(family, (0, 0))
            chips = pool.replica_slices * pool.shape.chips
            needed[family] = (steady + chips, update + pool.max_nodes * pool.shape.chips_per_host)
        return [(family, steady, update) for family, (steady, update) in sorted(needed.items())]
