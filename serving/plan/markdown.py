"""The plan as a comment: what it serves, takes and costs in a table or two, the resources folded away."""

from __future__ import annotations

from serving.checking.render import cell, folded
from serving.plan import scaling
from serving.plan.capacity_order import entries, order_line, quotas
from serving.plan.plan import Plan
from settings.cost import monthly_range
from settings.text import count


def render_markdown(plan: Plan) -> str:
    """The whole comment."""
    deployment, cost = plan.deployment, plan.cost
    exposure = "external" if deployment.settings.gateway.external else "internal"
    lines = [
        f"### `{deployment.name}`: {count(len(deployment.models), 'model')}, "
        f"{count(deployment.chips, 'chip')} in {', '.join(deployment.zones)}, "
        f"{'' if cost.complete else 'at least '}${cost.per_hour * 24:,.2f}/day, {exposure}",
        "",
        "| model | slice | replicas | chips | URL |",
        "| --- | --- | ---: | ---: | --- |",
    ]
    for m in deployment.models:
        shape = f"{m.shape.generation} {m.shape.topology}, {m.shape.machine_type}"
        lines.append(
            f"| {cell(m.name)} | {shape} | {scaling.replicas(m).split(' replica')[0]} | {m.chips} | {_code(plan.model_url(m))} |"
        )
    lines += ["", f"| cost ({cost.currency}, prices of {cost.prices_as_of}) | per hour | per day | per month |"]
    lines += ["| --- | ---: | ---: | ---: |"]
    for item in cost.items:
        each = item.per_hour
        shown = "no price known | | " if each is None else f"{each:,.2f} | {each * 24:,.2f} | {each * 730:,.2f}"
        lines.append(f"| {item.quantity} x {cell(item.name)} | {shown} |")
    lines.append(
        f"| **{'sum' if cost.complete else 'total unknown; known items'}** | {cost.per_hour:,.2f} | {cost.per_hour * 24:,.2f} | {cost.per_month:,.2f} |"
    )
    lines += ["", *_closing(plan)]
    created = plan.graph.order
    rows = [f"- {r.type.rsplit(':', 1)[-1]} {cell(r.name)}" for r in created]
    return "\n".join([*lines, *folded(f"{len(created)} resources", rows)]) + "\n"


def _code(text: str) -> str:
    """A span of code, to be copied as it is."""
    return "`" + text.replace("`", "").replace("|", "") + "`"


def _closing(plan: Plan) -> list[str]:
    lines = [
        f"- Quota {q.title} in {plan.deployment.region}: {count(q.steady, 'chip')}; {q.update} during rolling updates"
        for q in quotas(plan.deployment)
    ]
    if (found := monthly_range(plan.deployment)) is not None:
        lines.append(f"- Cost as scaled: {scaling.cost_line(found, plan.cost.currency)}")
    lines += [f"- {cell(m.name)}: {cell(said.strip())}" for m in plan.deployment.models for said in scaling.lines(m)]
    if plan.deployment.settings.capacity.order:
        lines += [f"- Order {place}: {said}" for place, said in enumerate(map(order_line, entries(plan.deployment)), 1)]
    lines += [f"- Override of {o.rule} until {o.until}: {cell(o.reason)}" for o in plan.deployment.settings.overrides]
    lines += [f"- **Warning {f.rule}**: {cell(f.said)} Fix: {cell(f.fix)}" for f in plan.warnings]
    if not plan.warnings:
        lines.append("- No warnings")
    return [*lines, ""]
