"""What must hold of the order in any environment. Deletion runs against the dependencies: what an object still needs to
go cleanly must be among what it depends on. Each invariant yields one line per breach."""

from __future__ import annotations

from collections.abc import Iterator

from catalog.gke import facts
from providers.google.facts import facts as facts_of_type
from providers.google.facts import tokens
from serving.plan.plan import Plan
from serving.program.record import Resource
from tests.graph.planning import kind, of_kind

MODEL, CPU_POOL, GATE, GATEWAY = "LLMInferenceService", "cluster-cpu-pool", "gate-job", "gateway-object"
WEBHOOKS = "kserve-webhooks-job"
# Components without a part outside of the cluster.
_PLATFORM = ("gate", "cert-manager", "lws", "keda", "kserve")
# GKE's Gateway controller takes the load balancer apart only while these are deleted one by one.
BY_THE_GATEWAY_CONTROLLER = ("Gateway", "HTTPRoute", "HealthCheckPolicy", "GCPBackendPolicy", "GCPGatewayPolicy")


class Order:
    """Names of everything that each resource depends on, by its name."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        graph = plan.graph
        self.needs = {r.name: {graph.resources[u].name for u in graph.before.of(r.urn)} for r in graph.order}

    def names(self, *kinds: str) -> set[str]:
        """Names of the resources of these kinds."""
        return {r.name for r in of_kind(self.plan, *kinds)}

    def lacking(self, later: str, earlier: set[str]) -> Iterator[str]:
        """One line for each of `earlier` that `later` does not depend on, and so might outlive."""
        for name in sorted(earlier - self.needs.get(later, set()) - {later}):
            yield f"{name} may be deleted before {later}"


def a_model_goes_before_every_controller_it_is_made_of(order: Order) -> Iterator[str]:
    controllers = (order.names("Release", "Job", "Cluster", "Gateway") | {CPU_POOL}) - {"keda-release"}
    for model in order.names(MODEL):
        yield from order.lacking(model, controllers)


def a_model_goes_before_each_pool_of_its_slice(order: Order) -> Iterator[str]:
    deployment = order.plan.deployment
    for model in deployment.models:
        pools = {f"{p.name}-pool" for p in deployment.pools if p.shape == model.shape}
        if not pools <= order.names("NodePool"):
            yield f"{model.name} has no pool"
        yield from order.lacking(f"model-{model.name}-service", pools)


def a_model_goes_before_its_route_policies_account_and_token(order: Order) -> Iterator[str]:
    for model in order.plan.deployment.models:
        own = {f"{model.name}-{b}-policy-{p}" for b in ("pool", "service") for p in ("backend", "health-check")}
        own |= {f"model-{model.name}-{part}" for part in ("route", "account")}
        own |= {f"model-{model.name}-token"} & set(order.needs)
        yield from order.lacking(f"model-{model.name}-service", own)


def no_model_waits_for_another(order: Order) -> Iterator[str]:
    services = order.names(MODEL)
    routes = {f"model-{m.name}-route" for m in order.plan.deployment.models}
    for model in services:
        own = model.removesuffix("-service") + "-route"
        yield from (f"{model} waits for {other}" for other in order.needs[model] & (services | routes) - {own})


def what_keda_finalizes_goes_before_it_and_before_its_workload(order: Order) -> Iterator[str]:
    release = {"keda-release"} & set(order.needs)
    for part in order.names("ScaledObject", "ClusterTriggerAuthentication"):
        yield from order.lacking(part, release)
    for scaled in order.names("ScaledObject"):
        yield from order.lacking(scaled, {scaled.removesuffix("-replicas") + "-service"})


def load_balancer_parts_go_before_controller_and_proxy_only_subnet(order: Order) -> Iterator[str]:
    below = order.names("Subnetwork", "Cluster", "Address", "Network") | {CPU_POOL, GATE}
    for part in order.names(*BY_THE_GATEWAY_CONTROLLER):
        yield from order.lacking(part, below)


def routes_and_policies_go_before_the_gateway(order: Order) -> Iterator[str]:
    for part in order.names(*BY_THE_GATEWAY_CONTROLLER[1:]):
        yield from order.lacking(part, {GATEWAY})


def kserve_goes_from_presets_to_crds_and_before_what_it_watches(order: Order) -> Iterator[str]:
    if "kserve-controller" in order.needs:
        yield from order.lacking("kserve-presets", {"kserve-controller", WEBHOOKS})
        watched = {"kserve-issuer", "lws-release", "cert-manager-release"} & set(order.needs)
        yield from order.lacking("kserve-controller", {"kserve-crds", GATE} | watched)


def no_namespace_goes_before_what_is_in_it(order: Order) -> Iterator[str]:
    ours = {r.inputs["metadata"]["name"]: r.name for r in of_kind(order.plan, "Namespace")}
    for r, where in _namespaced(order.plan):
        if where not in ours:
            yield f"{r.name} lies in {where}, which nobody makes"
        else:
            yield from order.lacking(r.name, {ours[where]})


def nodes_keep_their_way_out_and_webhooks_their_firewall_rule(order: Order) -> Iterator[str]:
    roles = {name for name in order.names("IAMMember") if name.startswith("cluster-")}
    for pool in order.names("NodePool"):
        yield from order.lacking(pool, order.names("RouterNat", "Cluster") | roles)
    for release in order.names("Release") - {"kserve-crds"}:  # the one chart without a pod
        yield from order.lacking(release, order.names("Firewall") | {CPU_POOL})


def objects_of_kserve_wait_for_its_webhooks(order: Order) -> Iterator[str]:
    for r in order.plan.graph.order:
        if r.inputs.get("apiVersion", "").startswith("serving.kserve.io/"):
            yield from order.lacking(r.name, {WEBHOOKS})


def everything_on_kubernetes_goes_before_the_cluster(order: Order) -> Iterator[str]:
    for r in order.plan.graph.order:
        if r.type.startswith("kubernetes:"):
            yield from order.lacking(r.name, order.names("Cluster"))


def kinds_that_gke_brings_late_wait_for_the_gate(order: Order) -> Iterator[str]:
    brought = [*facts()["crds"], *(crd for crds in facts()["featureCrds"].values() for crd in crds)]
    groups = {crd.split(".", 1)[1] for crd in brought}
    for r in order.plan.graph.order:
        if r.inputs.get("apiVersion", "").split("/")[0] in groups:
            yield from order.lacking(r.name, {GATE})


def a_token_secret_waits_for_its_account(order: Order) -> Iterator[str]:
    for r in of_kind(order.plan, "Secret"):
        if r.inputs.get("type") == "kubernetes.io/service-account-token":
            account = (r.inputs["metadata"]["annotations"])["kubernetes.io/service-account.name"]
            accounts = {
                a.name for a in of_kind(order.plan, "ServiceAccount") if a.inputs["metadata"]["name"] == account
            }
            yield from order.lacking(r.name, accounts)


def everything_of_google_waits_for_its_api(order: Order) -> Iterator[str]:
    """Run side by side, a resource without that dependency is rejected on some days only."""
    enabled = {r.inputs["service"]: r.name for r in order.plan.graph.order if r.type == "gcp:projects/service:Service"}
    for r in order.plan.graph.order:
        if enabled and r.type in tokens() and (service := facts_of_type(r.type).service):
            yield from order.lacking(r.name, {enabled.get(service, service)})


def of_all_custom_resources_only_models_are_awaited(order: Order) -> Iterator[str]:
    for r in order.plan.graph.order:
        annotations = (r.inputs.get("metadata") or {}).get("annotations") or {}
        if ("pulumi.com/waitFor" in annotations) != (kind(r) == MODEL):
            yield f"{r.name}: {annotations}"


def controllers_see_their_objects_go(order: Order) -> Iterator[str]:
    """Only what leaves nothing outside of the cluster goes with it: its platform, where nothing protects it (ADR 43)."""
    protected = order.plan.deployment.deletion_protection
    [cluster] = [r for r in order.plan.graph.order if kind(r) == "Cluster"]
    for r in order.plan.graph.order:
        platform = (r.parent or "").rpartition("::")[2] in _PLATFORM
        wanted = cluster.urn if platform and not protected else None
        if r.deleted_with != wanted or (r.protect and r.type.startswith("kubernetes:")):
            yield f"{r.name} is deleted with {r.deleted_with}"


INVARIANTS = (
    objects_of_kserve_wait_for_its_webhooks,
    a_model_goes_before_every_controller_it_is_made_of,
    a_model_goes_before_each_pool_of_its_slice,
    a_model_goes_before_its_route_policies_account_and_token,
    no_model_waits_for_another,
    what_keda_finalizes_goes_before_it_and_before_its_workload,
    load_balancer_parts_go_before_controller_and_proxy_only_subnet,
    routes_and_policies_go_before_the_gateway,
    kserve_goes_from_presets_to_crds_and_before_what_it_watches,
    no_namespace_goes_before_what_is_in_it,
    nodes_keep_their_way_out_and_webhooks_their_firewall_rule,
    everything_on_kubernetes_goes_before_the_cluster,
    kinds_that_gke_brings_late_wait_for_the_gate,
    a_token_secret_waits_for_its_account,
    everything_of_google_waits_for_its_api,
    of_all_custom_resources_only_models_are_awaited,
    controllers_see_their_objects_go,
)


def breaches(plan: Plan) -> list[str]:
    """Every breach of every invariant."""
    order = Order(plan)
    return [f"{invariant.__name__}: {breach}" for invariant in INVARIANTS for breach in invariant(order)]


def _namespaced(plan: Plan) -> Iterator[tuple[Resource, str]]:
    """Everything that lies in a namespace, and which: releases say it beside their chart."""
    for r in plan.graph.order:
        where = r.inputs.get("namespace") if kind(r) == "Release" else (r.inputs.get("metadata") or {}).get("namespace")
        if r.type.startswith("kubernetes:") and where:
            yield r, where
