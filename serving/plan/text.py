"""The plan for a terminal of 80 to 120 columns: models, cost, time, warnings; the resources where they are asked for."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator
from typing import TextIO

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from catalog.zones import nearest_zones
from serving.plan import scaling
from serving.plan.capacity_order import entries, longest_wait, quotas
from serving.plan.plan import Plan
from serving.program.record import Resource
from serving.refusals import describe
from settings.cost import cold_cost, commitments, monthly_range, reading_cost
from settings.derive import GIB, Deployment, ServedModel
from settings.start import start_seconds
from settings.text import count, duration

_NARROWEST, _WIDEST = 80, 120
# By MODEL_IMPL_TYPE: the runtime's own JAX models, or vLLM's through torchax.
_BACKENDS = {"flax_nnx": "jax", "vllm": "torchax", None: "?"}


def render_text(plan: Plan, stream: TextIO, resources: bool = False) -> str:
    """The whole text, the tree of `resources` last where it is asked for; colours only where the stream is a terminal."""
    console = Console(width=_width(), record=False, force_terminal=stream.isatty(), highlight=False, soft_wrap=False)
    with console.capture() as capture:
        deployment = plan.deployment
        console.print(
            f"[bold]{deployment.name}[/] ({deployment.settings.tier}): project {deployment.settings.project.id}, "
            f"region {deployment.region}, TPUs in {', '.join(deployment.zones)}"
        )
        console.print(f"{_size(plan)}, all to be created{'' if resources else ' (--resources lists them)'}")
        console.print()
        for line in _models(plan):
            console.print(line)
        for table in (*_order(plan), _cost(plan), _time(plan)):
            console.print()
            console.print(table)
        console.print()
        for number, line in enumerate(_figures(plan, console.width)):
            console.print(Text(line, "" if number else "bold"), soft_wrap=True)
        console.print()
        _closing(plan, console)
        if resources:
            console.print()
            console.print(_tree(plan))
    return "".join(f"{line.rstrip()}\n" for line in capture.get().splitlines())


def _width() -> int:
    return max(_NARROWEST, min(_WIDEST, shutil.get_terminal_size((_NARROWEST, 24)).columns))


def _size(plan: Plan) -> str:
    resources = plan.graph.tree
    created = sum(r.custom and not r.type.startswith("pulumi:providers:") for r in resources)
    return f"{count(created, 'resource')} in {sum(not r.custom for r in resources)} components"


def _tree(plan: Plan) -> Tree:
    below: dict[str | None, list[Resource]] = {}
    for r in plan.graph.tree:
        if not r.type.startswith("pulumi:providers:"):
            below.setdefault(r.parent if r.parent in plan.graph.everything else None, []).append(r)
    root = Tree(f"{_size(plan)}, by component; the order of creation is in --format svg")
    _grow(root, None, below)
    return root


def _grow(branch: Tree, parent: str | None, below: dict[str | None, list[Resource]]) -> None:
    for r in below.get(parent, []):
        kind = r.type.rsplit(":", 1)[-1]
        if r.custom:
            branch.add(f"{r.name}  [dim]{kind}[/]")
        else:
            _grow(branch.add(f"[bold]{kind}[/] {r.name}"), r.urn, below)


def _models(plan: Plan) -> Iterator[str]:
    yield "[bold]Models[/]"
    for m in plan.deployment.models:
        hosts = f" x {m.shape.hosts} hosts" if m.shape.multi_host else ""
        start = _start(m) or "unknown"
        size = ", ".join((scaling.replicas(m), count(m.shape.chips, "chip"), count(m.shape.devices, "device")))
        yield f"  {m.name}: {m.shape.generation} {m.shape.topology} ({m.shape.machine_type}{hosts}), {size} each"
        yield f"      backend {_BACKENDS[m.backend]}, startup {start} (timeout {duration(m.startup_budget_seconds)})"
        if m.store is not None:
            yield from _from_the_bucket(plan, m)
        yield f"      context {m.context_length:,} tokens, request timeout {m.answer_seconds} s"
        yield from (f"      {line}" for line in scaling.lines(m))


def _from_the_bucket(plan: Plan, model: ServedModel) -> Iterator[str]:
    if model.programs_folder is not None and (later := _start(model, later=True)) is not None:
        yield f"      later startup {later}, with programs that were compiled before"
        replicas = model.most_replicas
        each = f"; each of {replicas} replicas compiles" if replicas > 1 else ""
        if (cost := cold_cost(model, plan.cost)) is not None:
            yield "      compiling costs about ${:.2f} to ${:.2f} of chips".format(*cost) + each
    if model.streamed is not None and model.weights_bytes is not None:
        requests = reading_cost(model.weights_bytes)
        yield f"      weights {model.weights_bytes / GIB:.0f} GiB in the bucket, about ${requests:.3f} of requests a start"
        if model.memory_gib is not None:
            needed = model.streaming_memory_gib
            why = f"; the streamer may take {needed}, as seen in marin#3768" if needed is not None else ""
            yield f"      host memory {model.memory_gib} GiB asked for{why}"


def _order(plan: Plan) -> Iterator[Table]:
    """The entries of an order and what it costs while all replicas run on one; nothing without an order."""
    if not plan.deployment.settings.capacity.order:
        return
    title = "Order of purchase; GKE falls back to the next pool where there are no chips"
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for column in ("", "bought", "zone", "all on it per hour", "per month"):
        table.add_column(column, justify="right" if column.startswith(("all", "per")) else "left")
    for place, entry in enumerate(entries(plan.deployment), 1):
        hour, month = (
            ("unknown", "") if entry.per_hour is None else (f"{entry.per_hour:.2f}", f"{entry.per_hour * 730:,.0f}")
        )
        note = f" (not listed with {', '.join(entry.unlisted)})" if entry.unlisted else ""
        table.add_row(f"{place}", entry.text, entry.purchase.zone + note, hour, month)
    yield table


def _cost(plan: Plan) -> Table:
    cost = plan.cost
    title = f"Cost in {cost.currency} without traffic, list prices of {cost.prices_as_of}, all replicas running"
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for column in ("", "quantity", "each/h", "per hour", "per month"):
        table.add_column(column, justify="right" if column else "left")
    for item in cost.items:
        each = "no price known" if item.unit_price is None else _money(item.unit_price, 3)
        per_hour = "" if item.per_hour is None else _money(item.per_hour, 2)
        per_month = "" if item.per_hour is None else _money(item.per_hour * 730, 0)
        table.add_row(item.name, str(item.quantity), each, per_hour, per_month)
    table.add_row(
        "[bold]sum[/]" if cost.complete else "[bold]total unknown; known items[/]",
        "",
        "",
        f"[bold]{cost.per_hour:.2f}[/]",
        f"[bold]{cost.per_month:,.0f}[/]",
    )
    return table


def _money(amount: float, digits: int) -> str:
    """With so many digits, or as many as a small amount needs to be seen."""
    while 0 < amount < 10**-digits:
        digits += 1
    return f"{amount:,.{digits}f}"


def _time(plan: Plan) -> Table:
    _, serial, path = plan.time
    least = "at least " if plan.of_unknown_start else ""
    title = f"Time of the first up: {least}{about(plan)} (sequential: {serial / 60:.0f} min)"
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    table.add_column("on the critical path", min_width=48)
    table.add_column("takes", justify="right")
    table.add_column("done at", justify="right")
    at = 0.0
    for resource in path:
        at += plan.seconds(resource)
        table.add_row(resource.name, duration(plan.seconds(resource)), duration(at))
    table.add_row(
        "TPU nodes without chips, nor an error: GKE waits", f"up to {longest_wait(plan.deployment) / 3600:g} h"
    )
    return table


def _figures(plan: Plan, width: int) -> Iterator[str]:
    """What starts are estimated from."""
    yield "Starts are estimated from published figures; none was measured here"
    for figure in plan.figures:
        spread = f"{figure.value:g}" + (f" to {figure.most:g}" if figure.most > figure.value else "")
        said = (
            f"{figure.name}: {spread} ({'measured' if figure.measured else 'estimate'}, {figure.date}): {figure.source}"
        )
        yield from textwrap.wrap(said, width, initial_indent="  ", subsequent_indent="    ")


def _closing(plan: Plan, console: Console) -> None:
    deployment, gateway = plan.deployment, plan.deployment.settings.gateway
    console.print(f"[bold]URLs[/] ({gateway.gateway_class_name}, {'external' if gateway.external else 'internal'})")
    for m in deployment.models:
        url = deployment.model_url(m.name, f"<{gateway.name}-address>")
        console.print(f"  base URL  {url}/v1", soft_wrap=True)  # one line: a client takes it as it is
        console.print(f"            {m.request_path}, model: {', '.join(m.settings.names_for_clients)}", soft_wrap=True)
    for consumer in gateway.consumers:
        known_by = escape(consumer.identity[1])
        console.print(f"[bold]Consumer[/] {consumer.name}: {', '.join(consumer.models)}; {known_by}", soft_wrap=True)
    if gateway.consumers:
        console.print("  checked by the load balancer itself, without a further hop; all others: 403")
    console.print()
    if (budget := deployment.settings.monitoring.budget_per_month) is not None:
        share = f"{plan.cost.per_month / budget:.0%} of {budget:,.0f} {plan.cost.currency} a month"
        console.print(f"[bold]Budget[/] {'' if plan.cost.complete else 'at least '}{share}")
    for generation, (one, three) in commitments(deployment).items():
        said = f"{generation}: {one:.2f} a chip and hour for one year, {three:.2f} for three; not applied"
        console.print(f"[bold]Commitment[/] {said}")
    for q in quotas(deployment):
        said = f"{q.title} in {deployment.region}: {count(q.steady, 'chip')}; {q.update} during rolling updates"
        console.print(f"[bold]Quota[/] {said}")
    for line in certificate(deployment):
        console.print(f"[bold]Certificate[/] {line}", soft_wrap=True)
    if deployment.settings.capacity.order and any(not m.shape.multi_host for m in deployment.models):
        console.print("[bold]Fallback[/] at once after a stock-out error; without an error GKE may wait up to 10 h")
    for generation in dict.fromkeys(m.shape.generation for m in deployment.models):
        others = [zone for zone in nearest_zones(deployment.zone, generation, 4) if zone not in deployment.zones][:3]
        if others:
            console.print(f"[bold]Other zones[/] listed for {generation}: {', '.join(others)}")
    if (found := monthly_range(deployment)) is not None:
        console.print(f"[bold]Cost as scaled[/] {scaling.cost_line(found, plan.cost.currency)}")
    console.print(f"[bold]CPU pool[/] {cpu_pool(plan)}")
    if (store := deployment.store) is not None and store.created:
        end = (
            "deleted with everything in it" if deployment.settings.weights.delete_bucket else "left, with what is in it"
        )
        console.print(f"[bold]Bucket[/] gs://{store.bucket}; destroy: {end} (weights.deleteBucket)")
    console.print(f"[bold]Maintenance[/] {maintenance(plan)}")
    for m in deployment.models:
        console.print(f"  {drained(m)}")
    if not deployment.settings.capacity.order and (hours := deployment.purchases[0].hours):
        console.print(f"[bold]Flex-start[/] every TPU node ends after at most {hours} h, and its model with it")
    for override in deployment.settings.overrides:
        console.print(f"[bold]Override[/] {override.rule} until {override.until}: {escape(override.reason)}")
    if gateway.external and gateway.waiver:
        console.print(f"[bold]Waiver[/] of GW03 until {gateway.waiver.until}: {escape(gateway.waiver.reason)}")
    if plan.warnings:
        console.print("[bold yellow]Warnings[/]")
        for line in describe(plan.warnings, console.width):
            console.print(Text.from_ansi(line), soft_wrap=True)  # a command is pasted as it is
    if not plan.warnings:
        console.print("No warnings.")


def certificate(deployment: Deployment) -> Iterator[str]:
    """What only a person can do for a certificate of ours."""
    gateway = deployment.settings.gateway
    managed = gateway.managed_certificate
    if managed is None:
        return
    if managed.dns_zone is not None:
        yield f"of {gateway.hostname}: issued once the domain is delegated to the name servers of {managed.dns_zone}"
    else:
        place = f"--location={deployment.region} --project={deployment.settings.project.id}"
        yield f"of {gateway.hostname}: issued once you have made the record that this prints after up:"
        yield f"gcloud certificate-manager dns-authorizations describe {managed.name} {place}"
    if managed.dns_zone is None or gateway.address is None or not gateway.address.create:
        yield f"point {gateway.hostname} to the Gateway's address yourself"


def maintenance(plan: Plan) -> str:
    """When GKE may upgrade by itself."""
    window, excluded = plan.deployment.maintenance_window, plan.deployment.settings.cluster.maintenance.exclusions
    if window is None:
        return "GKE may upgrade nodes at any time (cluster.maintenance.window)"
    text = f"from {window.start:%H:%M} UTC for {window.length.total_seconds() / 3600:g} h, {window.recurrence}"
    return f"{text}; {count(len(excluded), 'exclusion')}" if excluded else text


def drained(model: ServedModel) -> str:
    """What it costs when GKE drains a node of a model: the time until a new replica is ready."""
    start = _start(model, later=True) or "an unknown time"
    left = model.least_replicas - 1
    if left > 0:
        return f"a drained node: {model.name} goes on with {left} of {left + 1} replicas for {start}"
    return f"a drained node: {model.name} does not answer for {start}"


def _start(model: ServedModel, *, later: bool = False) -> str | None:
    seconds = start_seconds(model, later=later)
    return "about {:.0f} to {:.0f} min".format(*(s / 60 for s in seconds)) if seconds else None


def cpu_pool(plan: Plan) -> str:
    """How far the CPU pool can grow, and what for."""
    deployment, pool = plan.deployment, plan.deployment.settings.cluster.cpu_pool
    needed = deployment.cpu_pool_room
    most = f"{pool.min_nodes} to {deployment.cpu_pool_most_nodes} nodes {pool.machine_type}"
    if needed is None:
        return f"{most}; whether {len(deployment.models)} endpoint pickers fit was not checked"
    return f"{most}; controllers and {needed.text} need {needed.nodes} ({needed.cpu:.1f} CPUs)"


def about(plan: Plan) -> str:
    """How long the first up takes, to the minute: more would say more than is known."""
    return f"about {plan.time[0] / 60:.0f} min, up to {plan.slowest / 60:.0f}"
