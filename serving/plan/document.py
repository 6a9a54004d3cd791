"""From a plan to its data (`serving.plan.contract`)."""

from __future__ import annotations

from serving.plan import contract
from serving.plan.capacity_order import Entry, entries, longest_wait, quotas
from serving.plan.plan import Plan
from serving.program.record import Resource
from settings.cost import monthly_range
from settings.outputs import Outputs
from settings.refusal import render_path
from settings.scheduled import asked_for
from settings.served import ServedModel
from settings.start import added_seconds, burst_seconds, start_seconds
from settings.windows import utc


def document(plan: Plan) -> contract.Planned:
    """Everything that the plan says."""
    deployment = plan.deployment
    longest, serial, path = plan.time
    return contract.Planned(
        environment=deployment.name,
        resources=[_resource(plan, r) for r in plan.graph.tree],
        models=[_model(plan, m) for m in deployment.models],
        chips=deployment.chips,
        quota=[
            contract.Quota(
                metric=q.metric, region=deployment.region, family=q.family, needed=q.steady, during_update=q.update
            )
            for q in quotas(deployment)
        ],
        order=[_entry(entry) for entry in entries(deployment)],
        cost=_cost(plan),
        time=contract.Time(
            critical_path_seconds=round(longest),
            slowest_seconds=round(plan.slowest),
            serial_seconds=round(serial),
            chips_wait_seconds=longest_wait(deployment),
            path=[r.name for r in path],
        ),
        start_figures=[contract.Figure(**figure._asdict()) for figure in plan.figures],
        maintenance=_maintenance(plan),
        outputs=Outputs.model_validate(plan.graph.recording.outputs),
        warnings=[contract.Warned(rule=f.rule, path=render_path(f.path), message=f.said) for f in plan.warnings],
        refusals=[],
    )


def _resource(plan: Plan, r: Resource) -> contract.Resource:
    everything = plan.graph.everything

    def label(urn: str | None) -> str | None:
        return everything[urn].name if urn in everything else None

    needs = plan.graph.dependencies.get(r.urn) or r.depends_on
    return contract.Resource(
        name=r.name,
        type=r.type,
        parent=label(r.parent),
        depends_on=sorted(everything[u].name for u in needs if u in everything),
        provider=label(r.provider),
        protect=r.protect,
        inputs=r.inputs,
    )


def _model(plan: Plan, model: ServedModel) -> contract.Model:
    return contract.Model(
        name=model.name,
        served_names=model.settings.names_for_clients,
        url=plan.model_url(model),
        replicas=model.most_replicas,
        scaling=_scaling(model),
        chips=model.chips,
        machine_type=model.shape.machine_type,
        topology=model.shape.topology,
        hosts=model.shape.hosts,
        devices=model.shape.devices,
        task=model.task,
        request_path=model.request_path,
        backend=model.backend,
        weights_bytes=model.weights_bytes,
        revision=model.revision.name if model.revision else "",
        weights=model.weights_address,
        memory_gib=model.memory_gib,
        start_seconds=_rounded(start_seconds(model)),
        later_start_seconds=_rounded(start_seconds(model, later=True)),
        startup_budget_seconds=model.startup_budget_seconds,
    )


def _rounded(seconds: tuple[float, float] | None) -> contract.Span | None:
    return seconds and (round(seconds[0]), round(seconds[1]))


def _scaling(model: ServedModel) -> contract.Scaling | None:
    scaling = model.settings.scaling
    if scaling is None:
        return None
    return contract.Scaling(
        by="clock" if scaling.by_clock else "load",
        fewest=model.least_replicas,
        most=model.most_replicas,
        start_seconds=added_seconds(model),
        burst_seconds=None if scaling.by_clock else burst_seconds(model),
        times=[
            contract.ScheduledReplicas(
                from_=window.from_,
                to=window.to,
                timezone=window.timezone,
                replicas=window.replicas,
                asked_for=asked_for(model, window.from_),
            )
            for window in scaling.schedule
        ],
    )


def _entry(entry: Entry) -> contract.Entry:
    bought = entry.purchase
    return contract.Entry(
        purchase=bought.kind,
        zone=bought.zone,
        reservation=bought.reservation,
        max_run_hours=bought.hours,
        keep=bought.keep,
        per_hour=entry.per_hour,
        unlisted_generations=list(entry.unlisted),
    )


def _cost(plan: Plan) -> contract.Cost:
    cost, range_ = plan.cost, monthly_range(plan.deployment)
    return contract.Cost(
        currency=cost.currency,
        per_hour=cost.per_hour,
        per_month=cost.per_month,
        budget_per_month=plan.deployment.settings.monitoring.budget_per_month,
        per_month_range=range_ and (range_.least, range_.most),
        items=[contract.CostItem.model_validate(item, from_attributes=True, by_name=True) for item in cost.items],
        prices_as_of=cost.prices_as_of,
    )


def _maintenance(plan: Plan) -> contract.Maintenance:
    window = plan.deployment.maintenance_window
    return contract.Maintenance(
        window=window and contract.Window(start=utc(window.start), end=utc(window.end), recurrence=window.recurrence),
        exclusions=[
            contract.Exclusion(name=one.name, start=utc(one.start), end=utc(one.end), scope=one.scope)
            for one in plan.deployment.settings.cluster.maintenance.exclusions
        ],
    )
