"""What follows from the settings: slices, node pools, budgets, limits. Each value is decided here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC
from functools import cached_property

from catalog.gke import facts, inference_pool_floor, parse_gke_version
from catalog.tpu import SliceShape, find_shape, generations
from settings import names
from settings.cpu_pool import Room, most_nodes, room
from settings.environment import Environment
from settings.model import Model
from settings.purchases import Kind, Purchase, purchases
from settings.served import GIB as GIB
from settings.served import MIB as MIB
from settings.served import NODE_BUDGET_SECONDS as NODE_BUDGET_SECONDS
from settings.served import ServedModel as ServedModel
from settings.store import Store, store_of
from settings.windows import PRODUCTION, Window

# The server's HTTP endpoint: probes, policies, Service check and verify all read it here (HC05).
SERVER_PORT = 8000
HEALTH_PATH = "/health"
SERVER_SCHEME = "HTTP"

PODS_PER_TPU_NODE = 32
CPU_POOL_DISK = "pd-balanced"
SHUTDOWN_SECONDS = 45
GRACE_SECONDS = 90
_LONGEST_ACCOUNT_NAME = 24  # and `-nodes`


def pool_name(shape: SliceShape) -> str:
    """Node pool of a slice shape: `tpu-v6e-2x4-8t`; at most 40 characters, GKE's limit."""
    return f"tpu-{shape.generation}-{shape.topology}-{shape.machine_type.rsplit('-', 1)[-1]}"


@dataclass(frozen=True)
class TpuPool:
    """A node pool: all models of one slice shape share it. `compute_class` is the class that orders it, None for an only one."""

    shape: SliceShape
    models: tuple[ServedModel, ...]
    name: str
    replica_slices: int
    update_slices: int
    purchase: Purchase
    compute_class: str | None = None

    @property
    def max_nodes(self) -> int:
        """Upper bound of the autoscaler: replicas and their updates (TP11)."""
        return (self.replica_slices + self.update_slices) * self.shape.hosts

    @property
    def min_nodes(self) -> int:
        """Lower bound of the autoscaler: the slices that are always on."""
        return min(self.purchase.keep * self.shape.hosts, self.max_nodes)

    @property
    def disk_gib(self) -> int:
        """The largest disk that one of its models needs."""
        return max(m.disk_gib for m in self.models)


@dataclass(frozen=True)
class QuotaNeed:
    """Chips of a TPU family bought one way: of the replicas, and while every model is updated at once."""

    family: str
    purchase: Kind
    steady: int
    update: int


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
                served.append(ServedModel(model, shape, self.store))
        return tuple(served)

    @cached_property
    def _by_settings(self) -> dict[int, ServedModel]:
        return {id(model.settings): model for model in self.models}

    def served(self, model: Model) -> ServedModel | None:
        """What follows from a model's settings; None for one of an unknown shape."""
        return self._by_settings.get(id(model))

    @cached_property
    def store(self) -> Store | None:
        """The bucket that replicas start from; None where there is none."""
        return store_of(self.name, self.settings, self.cluster_name)

    @cached_property
    def purchases(self) -> tuple[Purchase, ...]:
        """Purchases in order of preference; one, in the environment's zone, without an order."""
        return purchases(self.settings.capacity, self.zone)

    @property
    def zones(self) -> tuple[str, ...]:
        """Zones of the TPU pools, in order of preference."""
        return tuple(dict.fromkeys(bought.zone for bought in self.purchases))

    def compute_class(self, shape: SliceShape) -> str | None:
        """Name of the ComputeClass of a slice shape; None without an order."""
        return pool_name(shape) if self.settings.capacity.order else None

    def slices(self, shape: SliceShape) -> tuple[int, int]:
        """Slices of a shape: of the replicas, and beside them while every model is updated at once."""
        models = [m for m in self.models if m.shape == shape]
        spare = self.settings.capacity.spare_slices
        update = sum(m.surge_slices for m in models) if spare is None else spare
        return sum(m.most_replicas for m in models), update

    @cached_property
    def pools(self) -> tuple[TpuPool, ...]:
        """By shape, then by purchase in order: one pool, of which a multi-host one *is* one slice (TP08)."""
        shapes = dict.fromkeys(m.shape for m in self.models)
        return tuple(pool for shape in shapes for bought in self.purchases for pool in self._pools(shape, bought))

    def _pools(self, shape: SliceShape, bought: Purchase) -> Iterator[TpuPool]:
        models = tuple(m for m in self.models if m.shape == shape)
        name = "-".join(filter(None, (pool_name(shape), bought.tag)))
        replicas, update = self.slices(shape)
        ordered = self.compute_class(shape)
        if not shape.multi_host:
            yield TpuPool(shape, models, name, replicas, update, bought, ordered)
            return
        for index in range(replicas + update):
            one = replace(bought, keep=int(index < bought.keep))
            steady = int(index < replicas)
            yield TpuPool(shape, models, f"{name}-{index}", steady, 1 - steady, one, ordered)

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

    def base_url(self, host: str) -> str:
        """Scheme and host of all models' URLs; `host` is the Gateway's address, for where no name is given."""
        gateway = self.settings.gateway
        return f"{gateway.scheme}://{gateway.hostname or host}"

    def model_url(self, model: str, host: str) -> str:
        """Where clients find a model, without a slash at its end."""
        return self.base_url(host) + names.base_path(self.namespace, model)

    @property
    def region(self) -> str:
        """Region of network and cluster."""
        return self.settings.location.region or self.zone.rsplit("-", 1)[0]

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
        return f"{names.shortened(self.cluster_name, _LONGEST_ACCOUNT_NAME)}-nodes"

    @cached_property
    def version_floor(self) -> tuple[str, str]:
        """The GKE version that Gateway and TPU generations need (CL02), and what needs it."""
        floors = [(inference_pool_floor(), "the InferencePool CRD")]
        used = dict.fromkeys(m.shape.generation for m in self.models)
        floors += [(floor, name) for name in used if (floor := generations()[name].min_gke_version) is not None]
        if self.settings.capacity.order:
            floors.append((str(facts()["computeClassFloor"]), "an order of purchases (ComputeClass)"))
        if any(bought.grace_seconds for bought in self.purchases):
            floors.append((str(facts()["spotGraceFloor"]), "spotGraceSeconds"))
        gateway = self.settings.gateway
        if gateway.tls and gateway.tls.client_ca_certificate:
            floors.append((str(facts()["clientCertificateFloor"]), "the validation of client certificates"))
        if gateway.consumers:
            floors.append((str(facts()["authzPolicyFloor"]), "the check of consumers (GCPAuthzPolicy)"))
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
    def network_mark(self) -> str:
        """The description of a network that the program makes: by it `leftovers` knows that it may delete there."""
        return f"tpu-serving, environment {self.name}"

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

    @property
    def proxy_range(self) -> str | None:
        """Addresses of the load balancer's proxies; None for an existing subnet of which nobody said it."""
        subnet = self.settings.network.proxy_only_subnet
        return subnet.cidr if subnet.mode == "create" or "cidr" in subnet.model_fields_set else None

    @property
    def router_name(self) -> str:
        """Name of the router with the NAT, in a network of ours."""
        return f"{self.network_name}-router"

    @property
    def webhook_firewall_name(self) -> str:
        """Name of the firewall rule for webhooks, in a network of ours."""
        return f"{self.network_name}-webhooks"

    def workload_principal(self, account: str, namespace: str | None = None) -> str:
        """IAM member of a Kubernetes service account, of the models' namespace (workload identity federation)."""
        project = self.settings.project
        pool = f"projects/{project.number}/locations/global/workloadIdentityPools/{self.workload_pool}"
        return f"principal://iam.googleapis.com/{pool}/subject/ns/{namespace or self.namespace}/sa/{account}"

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
    def cpu_pool_most_nodes(self) -> int:
        """Maximum of the CPU pool: as written, else what its pods need, and never below the minimum."""
        pool = self.settings.cluster.cpu_pool
        return pool.max_nodes or max(pool.min_nodes, most_nodes(self.cpu_pool_room))

    @property
    def cpu_pool_room(self) -> Room | None:
        """What controllers, pickers and filling Jobs need of the CPU pool; None where its machine's size is not known."""
        fillings = sum(model.streamed is not None for model in self.models)
        machine = self.settings.cluster.cpu_pool.machine_type
        return room(machine, len(self.models), fillings=fillings, keda=self.scales)

    @property
    def scales(self) -> bool:
        """Whether a model's replicas follow load or clock, which KEDA does."""
        return any(model.settings.scaling is not None for model in self.models)

    @property
    def scales_by_load(self) -> bool:
        """Whether a model's replicas follow the load, which KEDA reads from Cloud Monitoring."""
        return any(m.settings.scaling is not None and not m.settings.scaling.by_clock for m in self.models)

    @property
    def called_ports(self) -> list[int]:
        """Ports of pods that the control plane calls: webhooks, and KEDA's metrics (CL03)."""
        keda = [facts()["kedaMetricsPort"]] if self.scales else []
        return [*facts()["webhookPorts"], *keda]

    @property
    def mounts_claims(self) -> bool:
        """Whether a model reads its weights from a volume claim, which may be a bucket mounted by Cloud Storage FUSE."""
        return any(model.settings.source.startswith("pvc://") for model in self.models)

    @property
    def needs_secret_sync(self) -> bool:
        """Whether a model takes its token from Secret Manager, which GKE's secret sync brings into the cluster."""
        tokens = (model.settings.hugging_face_token for model in self.models)
        return any(token is not None and token.secret_manager is not None for token in tokens)

    @property
    def alerted(self) -> bool:
        """Whether alerts and the dashboard are made: somebody is told, or something was promised, and metrics are collected."""
        monitoring, objectives = self.settings.monitoring, self.settings.monitoring.objectives
        wanted = (monitoring.notify, objectives.availability, objectives.time_to_first_token_p95_ms)
        return self.settings.platform.monitoring and any(wanted)

    @property
    def labels(self) -> dict[str, str]:
        """Labels of everything that costs money."""
        return {"managed-by": "tpu-serving", "environment": self.name, "tier": self.settings.tier}

    @property
    def apis(self) -> list[str]:
        """Google APIs that the environment uses."""
        certificate = self.settings.gateway.managed_certificate
        used = {
            "secretmanager": self.needs_secret_sync,
            "storage": self.store is not None,
            "certificatemanager": certificate is not None,
            "dns": certificate is not None and certificate.dns_zone is not None,
            "monitoring": self.scales_by_load or self.alerted,
        }
        return [*facts()["apis"], *(f"{api}.googleapis.com" for api, needed in used.items() if needed)]

    @property
    def workload_pool(self) -> str:
        """Workload identity pool of the cluster."""
        return f"{self.settings.project.id}.svc.id.goog"

    @property
    def deletion_protection(self) -> bool:
        """Whether the cluster refuses to be deleted (CL05)."""
        chosen = self.settings.cluster.deletion_protection
        return self.settings.tier == "production" if chosen is None else chosen

    @property
    def maintenance_window(self) -> Window | None:
        """When GKE may upgrade by itself: as written, in production else on weekends; None for any time."""
        window = self.settings.cluster.maintenance.window
        if window is not None:
            return Window(window.start.astimezone(UTC), window.end.astimezone(UTC), window.recurrence)
        return PRODUCTION if self.settings.tier == "production" else None

    def quota(self) -> list[QuotaNeed]:
        """Chips of each TPU family and purchase model, which one zone may have to hold all of.

        None for a reservation: its chips came off the quota when it was made (Google "Troubleshoot TPU in GKE").
        """
        needed: dict[tuple[str, Kind], tuple[int, int]] = {}
        kinds = [kind for kind in dict.fromkeys(bought.kind for bought in self.purchases) if kind != "reservation"]
        for shape in dict.fromkeys(m.shape for m in self.models):
            replicas, update = self.slices(shape)
            for kind in kinds:
                key = generations()[shape.generation].quota_family, kind
                steady, most = needed.get(key, (0, 0))
                needed[key] = steady + replicas * shape.chips, most + (replicas + update) * shape.chips
        return [
            QuotaNeed(family, kind, *needed[family, kind]) for family, kind in sorted(needed, key=lambda key: key[0])
        ]
