"""A Google in which an environment could be built at once; a test takes away or changes one thing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from google.cloud.cloudquotas_v1.types import QuotaInfo

from catalog.preflight import disk_quota, quotas_of
from settings.derive import Deployment
from tests.serving.google.emulator import Answer, GoogleEmulator, Handler

_COMPUTE = "https://www.googleapis.com/compute/v1"
_ZONES = (
    *("europe-west4-a", "europe-west4-b", "europe-west4-c"),
    *("us-central1-b", "us-central1-c", "us-east5-a", "us-east5-b"),
)
Resource = dict[str, Any]


@dataclass
class FakeProject:
    """What there is. Resources are kept by the name under which their `get` finds them, as the API would answer."""

    project: str
    project_state: str = "ACTIVE"
    granted: set[str] | None = None
    apis: dict[str, str] = field(default_factory=dict)
    regions: dict[str, Resource] = field(default_factory=dict)
    zones: dict[str, Resource] = field(default_factory=dict)
    machines: dict[str, list[str]] = field(default_factory=dict)
    channels: dict[str, list[str]] = field(default_factory=dict)
    clusters: dict[str, Resource] = field(default_factory=dict)
    quotas: dict[str, list[tuple[dict[str, str], int, list[str]]]] = field(default_factory=dict)
    reservations: dict[str, Resource] = field(default_factory=dict)
    networks: dict[str, Resource] = field(default_factory=dict)
    subnets: dict[str, Resource] = field(default_factory=dict)
    peering_routes: list[str] = field(default_factory=list)
    allocations: list[Resource] = field(default_factory=list)
    addresses: dict[str, Resource] = field(default_factory=dict)
    ssl_certificates: dict[str, Resource] = field(default_factory=dict)
    ssl_policies: dict[str, Resource] = field(default_factory=dict)
    security_policies: dict[str, Resource] = field(default_factory=dict)
    certificates: dict[str, Resource] = field(default_factory=dict)
    zones_of_dns: dict[str, Resource] = field(default_factory=dict)
    secrets: dict[str, Resource] = field(default_factory=dict)
    buckets: dict[str, Resource] = field(default_factory=dict)
    fixed_quota: bool = False

    def url(self, path: str, project: str = "") -> str:
        """Full URL of a compute resource."""
        return f"{_COMPUTE}/projects/{project or self.project}/{path}"

    def bucket(self, name: str, region: str, uniform: bool = True) -> None:
        """Add a bucket, whose place Google writes in capitals."""
        access = {"uniformBucketLevelAccess": {"enabled": uniform}}
        self.buckets[name] = {"name": name, "location": region.upper(), "iamConfiguration": access}

    def subnet(self, name: str, network: str, region: str, cidr: str, **more: Any) -> None:
        """Add a subnet."""
        self.subnets[name] = {
            "name": name,
            "network": self.url(f"global/networks/{network}"),
            "region": self.url(f"regions/{region}"),
            "ipCidrRange": cidr,
            **more,
        }

    def serve(self, emulator: GoogleEmulator) -> None:
        """Let the emulator answer with it."""
        emulator.handlers = _handlers(self)
        emulator.quota = self._quota_info

    def _quota_info(self, quota_id: str) -> str | None:
        if quota_id not in self.quotas:
            return None
        entries = [
            {"dimensions": dimensions, "details": {"value": value}, "applicable_locations": locations}
            for dimensions, value, locations in self.quotas[quota_id]
        ]
        made = QuotaInfo(quota_id=quota_id, dimensions_infos=entries, is_fixed=self.fixed_quota)
        return str(QuotaInfo.to_json(made))


def happy(deployment: Deployment) -> FakeProject:
    """All that an environment needs, and nothing of its names."""
    settings, region = deployment.settings, deployment.region
    fake = FakeProject(settings.project.id)
    fake.apis = dict.fromkeys(deployment.apis, "ENABLED")
    for zone in _ZONES:
        name = zone.rpartition("-")[0]
        fake.regions[name] = {"name": name, "status": "UP"}
        fake.zones[zone] = {"name": zone, "status": "UP", "region": fake.url(f"regions/{name}")}
        shapes = [pool.shape.machine_type for pool in deployment.pools]
        fake.machines[zone] = [*shapes, settings.cluster.cpu_pool.machine_type]
    fake.channels = {
        name: ["1.36.2-gke.2154000", "1.35.2-gke.1842000", deployment.version_floor[0]]
        for name in ("RAPID", "REGULAR", "STABLE")
    }
    for generation in {pool.shape.generation for pool in deployment.pools}:
        kinds = dict.fromkeys(bought.kind for bought in deployment.purchases)
        for item in dict.fromkeys(item for kind in kinds for item in quotas_of(generation, kind)):
            fake.quotas.setdefault(item.id, []).append((item.dimensions(region), 512, [region]))
    for kind in ("pd-balanced", "hyperdisk-balanced"):
        fake.quotas[disk_quota(kind)] = [({"region": region}, 10_000, [region])]
    for bought in (bought for bought in deployment.purchases if bought.reservation):
        machine = {"machineType": deployment.pools[0].shape.machine_type}
        fake.reservations[str(bought.reservation)] = {
            "status": "READY",
            "specificReservationRequired": True,
            "specificReservation": {"instanceProperties": machine, "count": "64", "inUseCount": "0"},
        }
    _network(fake, deployment)
    _gateway(fake, deployment)
    if deployment.store is not None and not deployment.store.created:
        fake.bucket(deployment.store.bucket, region)
    for model in deployment.models:
        token = model.settings.hugging_face_token
        if token is not None and token.secret_manager is not None:
            path = f"{token.secret_manager.secret}/{token.secret_manager.version}"
            fake.secrets[path] = {
                "name": f"projects/1/secrets/{token.secret_manager.secret}/versions/3",
                "state": "ENABLED",
            }
    return fake


def _network(fake: FakeProject, deployment: Deployment) -> None:
    settings, region = deployment.settings.network, deployment.region
    if settings.mode == "existing":
        name = deployment.network_name
        fake.networks[name] = {"name": name}
        secondary = [
            {"rangeName": settings.pods_range_name, "ipCidrRange": "10.200.0.0/16"},
            {"rangeName": settings.services_range_name, "ipCidrRange": "10.201.0.0/20"},
        ]
        fake.subnet(
            deployment.nodes_subnet_name,
            name,
            region,
            "10.199.0.0/20",
            purpose="PRIVATE",
            secondaryIpRanges=secondary,
            privateIpGoogleAccess=True,
        )
        if settings.proxy_only_subnet.mode == "existing":
            kind = {"purpose": "REGIONAL_MANAGED_PROXY", "role": "ACTIVE"}
            fake.subnet(deployment.proxy_only_subnet_name, name, region, "10.198.0.0/23", **kind)


def _gateway(fake: FakeProject, deployment: Deployment) -> None:
    gateway = deployment.settings.gateway
    if gateway.address and not gateway.address.create:
        kind = {"addressType": "EXTERNAL"} if gateway.external else {"addressType": "INTERNAL"}
        purpose = {} if gateway.external else {"purpose": "SHARED_LOADBALANCER_VIP"}
        fake.addresses[gateway.address.name] = {"address": "10.0.0.9", "status": "RESERVED", **kind, **purpose}
    if (managed := gateway.managed_certificate) is not None and managed.dns_zone is not None:
        fake.zones_of_dns[managed.dns_zone] = {
            "dnsName": "example.com.",
            "visibility": "public",
            "nameServers": ["ns1."],
        }
    for name in gateway.tls.certificate_manager_certs if gateway.tls else ():
        fake.certificates[name] = {"managed": {"state": "ACTIVE"}, "expireTime": "2099-01-01T00:00:00Z"}
    for name in gateway.tls.pre_shared_certs if gateway.tls else ():
        fake.ssl_certificates[name] = {"name": name, "expireTime": "2099-01-01T00:00:00.000-07:00"}
    if gateway.tls and gateway.tls.ssl_policy:
        fake.ssl_policies[gateway.tls.ssl_policy] = {"name": gateway.tls.ssl_policy}
    if gateway.authentication and gateway.authentication.security_policy:
        armor = gateway.authentication.security_policy
        fake.security_policies[armor] = {"name": armor}


def _handlers(fake: FakeProject) -> dict[tuple[str, str], Handler]:
    def by_name(kept: Mapping[str, Resource], key: str) -> Handler:
        return lambda values, _query, _body: kept.get(values[key])

    def listed(items: Any) -> Handler:
        return lambda _values, _query, _body: items() or {}

    return {
        ("cloudresourcemanager", "projects.get"): lambda values, _query, _body: _project(fake, values),
        ("cloudresourcemanager", "projects.testIamPermissions"): lambda _values, _query, body: _tested(fake, body),
        ("serviceusage", "services.batchGet"): lambda _values, query, _body: _services(fake, query),
        ("dns", "managedZones.get"): by_name(fake.zones_of_dns, "managedZone"),
        ("compute", "regions.get"): by_name(fake.regions, "region"),
        ("compute", "zones.get"): by_name(fake.zones, "zone"),
        ("compute", "zones.list"): listed(lambda: {"items": list(fake.zones.values())}),
        ("compute", "machineTypes.get"): lambda values, _query, _body: _machine(fake, values),
        ("compute", "machineTypes.aggregatedList"): lambda _values, query, _body: _machines(fake, query),
        ("container", "projects.locations.getServerConfig"): listed(lambda: _server_config(fake)),
        ("container", "projects.locations.clusters.get"): by_name(fake.clusters, "clustersId"),
        ("compute", "reservations.get"): by_name(fake.reservations, "reservation"),
        ("compute", "networks.get"): by_name(fake.networks, "network"),
        ("compute", "networks.listPeeringRoutes"): listed(
            lambda: {"items": [{"destRange": cidr, "type": "SUBNET_PEERING_ROUTE"} for cidr in fake.peering_routes]}
        ),
        ("compute", "subnetworks.get"): by_name(fake.subnets, "subnetwork"),
        ("compute", "subnetworks.aggregatedList"): lambda _values, query, _body: _subnets(fake, query),
        ("compute", "globalAddresses.list"): listed(lambda: {"items": fake.allocations}),
        ("compute", "addresses.get"): by_name(fake.addresses, "address"),
        ("compute", "regionSslCertificates.get"): by_name(fake.ssl_certificates, "sslCertificate"),
        ("compute", "regionSslPolicies.get"): by_name(fake.ssl_policies, "sslPolicy"),
        ("compute", "regionSecurityPolicies.get"): by_name(fake.security_policies, "securityPolicy"),
        ("storage", "buckets.get"): by_name(fake.buckets, "bucket"),
        ("storage", "buckets.testIamPermissions"): lambda _values, query, _body: _tested(fake, query),
        ("certificatemanager", "projects.locations.certificates.get"): by_name(fake.certificates, "certificatesId"),
        ("secretmanager", "projects.secrets.versions.get"): lambda values, _query, _body: fake.secrets.get(
            f"{values['secretsId']}/{values['versionsId']}"
        ),
    }


def _project(fake: FakeProject, values: Mapping[str, str]) -> Answer:
    found = values["projectsId"]
    return {"name": "projects/123456789012", "projectId": found, "state": fake.project_state}


def _tested(fake: FakeProject, body: Any) -> Answer:
    asked = body["permissions"]
    granted = asked if fake.granted is None else [item for item in asked if item in fake.granted]
    return {"permissions": granted} if granted else {}


def _services(fake: FakeProject, query: Mapping[str, list[str]]) -> Answer:
    names = [name.rpartition("/")[2] for name in query["names"]]
    prefix = "projects/123456789012/services"
    return {"services": [{"name": f"{prefix}/{n}", "state": fake.apis.get(n, "DISABLED")} for n in names]}


def _machine(fake: FakeProject, values: Mapping[str, str]) -> Answer:
    name = values["machineType"]
    return {"name": name} if name in fake.machines.get(values["zone"], ()) else None


def _machines(fake: FakeProject, query: Mapping[str, list[str]]) -> Answer:
    """Scopes without an answer carry a warning, as Google's do."""
    wanted = query["filter"][0].removeprefix('name = "').removesuffix('"')
    empty = {"warning": {"code": "NO_RESULTS_ON_PAGE", "message": "There are no results."}}
    items = {
        f"zones/{zone}": {"machineTypes": [{"name": wanted, "zone": zone}]} if wanted in machines else empty
        for zone, machines in fake.machines.items()
    }
    return {"items": items}


def _server_config(fake: FakeProject) -> Answer:
    channels = [
        {"channel": name, "defaultVersion": versions[0], "validVersions": versions}
        for name, versions in fake.channels.items()
        if versions
    ]
    return {"channels": channels}


def _subnets(fake: FakeProject, query: Mapping[str, list[str]]) -> Answer:
    """One subnet a page, so that what reads only the first page is found out."""
    subnets, at = list(fake.subnets.values()), int(query.get("pageToken", ["0"])[0])
    if not subnets:
        return {}
    scope = "regions/" + str(subnets[at]["region"]).rpartition("/")[2]
    more = {"nextPageToken": str(at + 1)} if at + 1 < len(subnets) else {}
    return {"items": {scope: {"subnetworks": [subnets[at]]}}, **more}
