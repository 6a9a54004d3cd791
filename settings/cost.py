"""What an environment costs: chips x rate x hours, and the fixed rest, by dated list prices or the user's own."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from catalog.durations import compile_seconds
from catalog.prices import PriceList, load_prices
from settings.derive import GIB, MIB, Deployment, ServedModel
from settings.purchases import Kind, Purchase
from settings.scheduled import average_replicas

HOURS_PER_MONTH = 730


@dataclass(frozen=True)
class CostItem:
    """One line of the estimate. `per_hour` is None where no price is known."""

    name: str
    quantity: int
    unit: str
    unit_price: float | None
    source: str

    @property
    def per_hour(self) -> float | None:
        """USD per hour."""
        return None if self.unit_price is None else self.quantity * self.unit_price


@dataclass(frozen=True)
class Cost:
    """The estimate with all replicas running."""

    items: tuple[CostItem, ...]
    currency: str
    prices_as_of: str

    @property
    def complete(self) -> bool:
        """Whether everything has a price, so that the sum is the total."""
        return all(item.unit_price is not None for item in self.items)

    @property
    def per_hour(self) -> float:
        """Sum of what has a price."""
        return round(sum(i.per_hour or 0 for i in self.items), 6)

    @property
    def per_month(self) -> float:
        """730 hours."""
        return round(self.per_hour * HOURS_PER_MONTH, 2)


def estimate(deployment: Deployment, bought: Purchase | None = None) -> Cost:
    """The estimate with all replicas on one purchase, the first one where none is given.

    What an order keeps always on serves first, and is paid for in any case. Traffic, disks and logs are not in it.
    """
    prices, own = load_prices(), deployment.settings.prices
    bought = bought or deployment.purchases[0]
    items = [
        _chips(deployment, prices, generation, kind, round(chips))
        for (generation, kind), chips in _chips_bought(deployment, bought).items()
    ]
    cpu = deployment.settings.cluster.cpu_pool
    node = _own(own.cpu_node_hour, prices.machine_hour.get(cpu.machine_type, {}).get(deployment.region))
    items += [
        CostItem("GKE cluster", 1, "cluster", _own(own.cluster_hour, prices.gke_cluster_hour), prices.source),
        CostItem(f"CPU nodes {cpu.machine_type} (at least)", cpu.min_nodes, "node", node, prices.source),
        CostItem(
            "regional load balancer",
            1,
            "load balancer",
            _own(own.load_balancer_hour, prices.regional_load_balancer_hour),
            prices.source,
        ),
    ]
    if (bucket := _bucket(deployment, prices)) is not None:
        items.append(bucket)
    return Cost(tuple(items), prices.currency, prices.as_of)


@dataclass(frozen=True)
class CostRange:
    """What a month costs with the fewest replicas and with the most; of a schedule, both count its hours."""

    least: float
    most: float


def monthly_range(deployment: Deployment) -> CostRange | None:
    """The range on the first purchase; None where no model scales, or something has no price."""
    cost = estimate(deployment)
    if not deployment.scales or not cost.complete:
        return None
    prices, bought = load_prices(), deployment.purchases[0]
    fixed = sum(item.per_hour or 0 for item in cost.items if item.unit != "chip")

    def month(replicas: Callable[[ServedModel], float]) -> float:
        hour = fixed
        for (generation, kind), chips in _chips_bought(deployment, bought, replicas).items():
            hour += chips * (_chips(deployment, prices, generation, kind, 1).unit_price or 0)
        return round(hour * HOURS_PER_MONTH, 2)

    return CostRange(month(lambda m: _usual(m, m.least_replicas)), month(lambda m: _usual(m, m.most_replicas)))


def _usual(model: ServedModel, otherwise: int) -> float:
    scaling = model.settings.scaling
    return average_replicas(model) if scaling is not None and scaling.by_clock else otherwise


def _bucket(deployment: Deployment, prices: PriceList) -> CostItem | None:
    """The weights of one revision of each model; what programs and earlier revisions take is not known."""
    kept = {m.streamed[1]: m.weights_bytes or 0 for m in deployment.models if m.streamed is not None}
    if not kept:
        return None
    month = prices.bucket_gib_month.get(deployment.region)
    hour = None if month is None else month / HOURS_PER_MONTH
    return CostItem("weights in the bucket", math.ceil(sum(kept.values()) / GIB), "GiB", hour, prices.bucket_source)


def commitments(deployment: Deployment) -> dict[str, tuple[float, float]]:
    """USD of a chip and hour by generation with a commitment of one year and of three, where the list has them."""
    listed = load_prices().tpu_chip_hour
    rates = {
        m.shape.generation: listed.get(m.shape.generation, {}).get(deployment.region, {}) for m in deployment.models
    }
    return {generation: (r["oneYear"], r["threeYear"]) for generation, r in rates.items() if "oneYear" in r}


def reading_cost(weights_bytes: int) -> float:
    """USD for the requests with which one start reads weights from the bucket."""
    row = load_prices().bucket_read
    return math.ceil(weights_bytes / (row["chunkMib"] * MIB)) / 1000 * row["per1000"]


def cold_cost(model: ServedModel, cost: Cost) -> tuple[float, float] | None:
    """USD of the chips of all replicas while each compiles everything, as fast as measured and as slow as reported."""
    price = next((i.unit_price for i in cost.items if i.name.startswith(f"TPU {model.shape.generation} ")), None)
    if price is None:
        return None
    fast, slow = (model.chips * seconds / 3600 * price for seconds in compile_seconds())
    return fast, slow


def _chips_bought(
    deployment: Deployment,
    bought: Purchase,
    replicas: Callable[[ServedModel], float] = lambda model: model.most_replicas,
) -> dict[tuple[str, Kind], float]:
    """Chips by generation and purchase model: those kept always on, and the rest of the replicas on one purchase."""
    chips: dict[tuple[str, Kind], float] = {}
    for shape in dict.fromkeys(m.shape for m in deployment.models):
        kept: dict[Kind, float] = {}
        for pool in deployment.pools:
            if pool.shape == shape:
                kept[pool.purchase.kind] = kept.get(pool.purchase.kind, 0) + pool.min_nodes * shape.chips_per_host
        wanted = sum(replicas(m) for m in deployment.models if m.shape == shape) * shape.chips
        kept[bought.kind] = kept.get(bought.kind, 0) + max(0, wanted - sum(kept.values()))
        for kind, count in kept.items():
            if count:
                chips[shape.generation, kind] = chips.get((shape.generation, kind), 0) + count
    return chips


def _own(own: float | None, listed: float | None) -> float | None:
    return listed if own is None else own


def _chips(deployment: Deployment, prices: PriceList, generation: str, kind: Kind, chips: int) -> CostItem:
    rates = prices.tpu_chip_hour.get(generation, {}).get(deployment.region, {})
    listed, name = rates.get("onDemand"), f"TPU {generation} chips"
    if kind == "spot":
        listed, name = rates.get("spot"), f"{name} (spot)"
    elif kind == "reservation":
        name += " (reservation)"  # at the list price: what was agreed is not known
    elif kind == "flexStart":
        # Never dearer than on demand (Google "Dynamic Workload Scheduler pricing").
        name += " (flex-start)" if "flexStart" in rates else " (flex-start, at most)"
        listed = rates.get("flexStart", listed)
    return CostItem(name, chips, "chip", _own(deployment.settings.prices.chip_hour, listed), prices.source)
