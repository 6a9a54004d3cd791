"""One side of a comparison: what an environment serves, from a plan or from a stack's outputs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from catalog.gke import GatewayClass
from serving.plan.capacity_order import bought, quotas
from serving.plan.graph import Graph
from serving.plan.plan import SERVICE_TYPE, Plan
from settings.outputs import Outputs
from settings.refusal import Finding, Path, render_path

# (generation, purchase, place); what outputs don't say is None.
ChipKind = tuple[str | None, str | None, str]
NO_ADDRESS = "any that GKE picks"
_NOT_PODS = ("replicas", "router")  # KServe scales and routes without touching a server (kserve.md 1)


@dataclass(frozen=True)
class Model:
    """What clients and servers of a model depend on. `pods` and `router` are parts of its LLMInferenceService."""

    name: str
    url: str
    replicas: int
    chips: int
    facts: dict[str, Any]
    pods: dict[str, Any] | None = None
    router: dict[str, Any] | None = None
    pools: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Side:
    """What an environment serves. `graph` is None for outputs, which hold no resources."""

    environment: str
    place: dict[str, str]
    gateway: dict[str, str]
    models: dict[str, Model]
    chips: dict[ChipKind, int]
    currency: str
    per_hour: float
    unpriced: tuple[str, ...] = ()
    quota: dict[tuple[str, str, str], tuple[int, int]] = field(default_factory=dict)
    warnings: dict[tuple[str, str], str] = field(default_factory=dict)
    overrides: dict[str, str] = field(default_factory=dict)
    graph: Graph | None = None

    def as_outputs_tell(self) -> Side:
        """Only what a stack's outputs hold too, so that both sides speak of the same things."""
        models = {m.name: replace(m, pods=None, router=None, pools=frozenset()) for m in self.models.values()}
        chips: dict[ChipKind, int] = {(None, None, self.place["region"]): sum(self.chips.values())}
        place = {key: value for key, value in self.place.items() if key != "zone"}
        gateway = {key: value for key, value in self.gateway.items() if key in _OUTPUT_GATEWAY}
        return replace(
            self,
            models=models,
            chips=chips,
            place=place,
            gateway=gateway,
            unpriced=(),
            quota={},
            warnings={},
            graph=None,
        )


_OUTPUT_GATEWAY = ("exposure", "class", "name", "scheme", "port")


def of_plan(plan: Plan) -> Side:
    """The side of a planned environment."""
    deployment, gateway = plan.deployment, plan.deployment.settings.gateway
    services = {r.inputs["metadata"]["name"]: r.inputs["spec"] for r in plan.graph.order if r.type == SERVICE_TYPE}
    chips: Counter[ChipKind] = Counter()
    models: dict[str, Model] = {}
    for m in deployment.models:
        chips[(m.shape.generation, bought(deployment), ", ".join(deployment.zones))] += m.chips
        spec = services[m.name]
        models[m.name] = Model(
            m.name,
            plan.model_url(m),
            m.most_replicas,
            m.chips,
            {
                "context length": m.context_length,
                "served names": m.settings.names_for_clients,
                "chips of a replica": m.shape.chips,
                "longest answer": m.longest_answer_tokens,
                "request timeout": m.answer_seconds,
                "fewest replicas": _fewest(m.least_replicas, m.most_replicas),
            },
            {key: value for key, value in spec.items() if key not in _NOT_PODS},
            spec.get("router") or {},
            frozenset(pool.name for pool in deployment.pools if m in pool.models),
        )
    return Side(
        deployment.name,
        {
            "project": deployment.settings.project.id,
            "region": deployment.region,
            "zone": ", ".join(deployment.zones),
            "cluster": deployment.cluster_name,
            "namespace": deployment.namespace,
        },
        {
            "exposure": "external" if gateway.external else "internal",
            "class": gateway.gateway_class_name,
            "name": gateway.name,
            "scheme": gateway.scheme,
            "port": str(gateway.port),
            "host name": gateway.hostname or "none, clients use the address",
            "address": gateway.address.name if gateway.address else NO_ADDRESS,
            "authentication": _authentication(gateway.authentication),
            "consumers": "; ".join(f"{c.name} ({c.identity[1]}): {', '.join(c.models)}" for c in gateway.consumers)
            or "everybody",
            "client certificates": "required" if gateway.tls and gateway.tls.client_ca_certificate else "not asked for",
            "reachable from": "all regions of the VPC" if gateway.global_access else "its own region of the VPC",
            "waiver of GW03": f"until {gateway.waiver.until}: {gateway.waiver.reason}" if gateway.waiver else "none",
        },
        models,
        dict(chips),
        plan.cost.currency,
        plan.cost.per_hour,
        tuple(i.name for i in plan.cost.items if i.unit_price is None),
        {(q.metric, deployment.region, q.family): (q.steady, q.update) for q in quotas(deployment)},
        {(f.rule, _place(f, plan)): f.said for f in plan.warnings},
        {o.rule: f"until {o.until}: {o.reason}" for o in deployment.settings.overrides},
        plan.graph,
    )


def of_outputs(outputs: Outputs) -> Side:
    """The side of a running stack."""
    gateway = outputs.gateway
    models = {
        m.name: Model(
            m.name,
            m.url,
            m.replicas,
            m.chips,
            {
                "context length": m.context_length,
                "served names": m.served_names,
                "chips of a replica": m.chips // max(m.replicas, 1),
                "longest answer": m.longest_answer_tokens,
                "request timeout": m.answer_timeout_seconds,
                "fewest replicas": _fewest(m.min_replicas, m.replicas),
            },
        )
        for m in outputs.models
    }
    return Side(
        outputs.environment,
        {
            "project": outputs.project,
            "region": outputs.region,
            "cluster": outputs.cluster,
            "namespace": outputs.namespace,
        },
        {
            "exposure": "external" if gateway.class_name == GatewayClass.EXTERNAL else "internal",
            "class": gateway.class_name,
            "name": gateway.name,
            "scheme": gateway.scheme,
            "port": str(gateway.port),
        },
        models,
        {(None, None, outputs.region): outputs.chips},
        outputs.currency,
        outputs.cost_per_hour,
        overrides={o["rule"]: f"until {o.get('until')}: {o.get('reason')}" for o in outputs.overrides},
    )


def _fewest(least: int | None, most: int) -> str:
    return "all" if least is None or least == most else str(least)


def same_url(before: str, after: str, whole: bool) -> bool:
    """Whether clients reach a model as before. Without `whole`, an address that only one side knows says nothing."""
    if whole:
        return before == after
    one, other = urlsplit(before), urlsplit(after)
    hosts = {one.netloc, other.netloc}
    unknown = any("<" in host or host.replace(".", "").replace(":", "").isdigit() for host in hosts)
    return (one.scheme, one.path) == (other.scheme, other.path) and (unknown or len(hosts) == 1)


def _authentication(authentication: Any) -> str:
    if authentication is None:
        return "none"
    said = [
        "Identity-Aware Proxy" if authentication.iap_client_id else "",
        f"security policy {authentication.security_policy}" if authentication.security_policy else "",
    ]
    return " and ".join(part for part in said if part) or "none"


def _place(finding: Finding, plan: Plan) -> str:
    """The path with models by name: their places in the file shift when one is added."""
    path: Path = finding.path
    models = plan.deployment.settings.models
    if len(path) > 1 and path[0] == "models" and isinstance(path[1], int) and path[1] < len(models):
        rest = render_path(path[2:]) if path[2:] else ""
        return f"models[{models[path[1]].name}]" + (f".{rest}" if rest else "")
    return render_path(path)
