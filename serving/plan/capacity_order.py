"""The order in which chips are bought: what each entry costs, draws on and can't have."""

from __future__ import annotations

from dataclasses import dataclass

from catalog.gke import facts
from catalog.preflight import quota_metric
from catalog.zones import is_listed, listed_zones
from settings.cost import estimate
from settings.derive import Deployment, QuotaNeed
from settings.purchases import Kind, Purchase

_NAMES: dict[Kind, str] = {
    "onDemand": "on demand",
    "spot": "spot",
    "flexStart": "flex-start",
    "reservation": "reservation",
}


@dataclass(frozen=True)
class Quota:
    """Chips of a TPU family that a quota of the region must hold: for the replicas, and during a rolling update.

    `title` is the family, or the quota's own id where the family's is not drawn on; with an order also what is bought from it.
    """

    metric: str
    family: str
    title: str
    steady: int
    update: int


@dataclass(frozen=True)
class Entry:
    """One purchase in order, with what the environment costs while all its replicas run on it; None without a price."""

    purchase: Purchase
    per_hour: float | None
    unlisted: tuple[str, ...]

    @property
    def text(self) -> str:
        """What it is, in words."""
        bought = self.purchase
        said = " ".join(filter(None, (_NAMES[bought.kind], bought.reservation and bought.reservation.split("/")[-1])))
        more = [f"at most {bought.hours} h" if bought.hours else "", f"{bought.keep} always on" if bought.keep else ""]
        return ", ".join(filter(None, (said, *more)))


def entries(deployment: Deployment) -> list[Entry]:
    """The purchases in order of preference. `unlisted` are generations that no list has in the entry's zone."""
    generations = dict.fromkeys(m.shape.generation for m in deployment.models)
    found = []
    for bought in deployment.purchases:
        cost = estimate(deployment, bought)
        unlisted = tuple(g for g in generations if listed_zones(g) and not is_listed(bought.zone, g))
        found.append(Entry(bought, cost.per_hour if cost.complete else None, unlisted))
    return found


def longest_wait(deployment: Deployment) -> int:
    """Seconds that GKE waits for a TPU node that never comes and of which no error says so."""
    limits = facts()["nodeWait"]
    if all(bought.kind == "flexStart" for bought in deployment.purchases):
        return int(limits["flexStartMinutes"]) * 60
    return int(limits["hours"]) * 3600


def order_line(entry: Entry) -> str:
    """An entry in a line: what is bought where, and what the environment costs with all replicas on it."""
    cost = "price unknown" if entry.per_hour is None else f"${entry.per_hour * 24:,.2f}/day with all replicas on it"
    return f"{entry.text} in {entry.purchase.zone}, {cost}"


def quotas(deployment: Deployment) -> list[Quota]:
    """By quota: spot and flex-start draw on the same one, and the same replicas run on either."""
    drawn: dict[tuple[str, str], list[QuotaNeed]] = {}
    for need in deployment.quota():
        drawn.setdefault((quota_metric(need.family, need.purchase), need.family), []).append(need)
    return [
        Quota(metric, family, _title(deployment, metric, needs), needs[0].steady, needs[0].update)
        for (metric, family), needs in drawn.items()
    ]


def _title(deployment: Deployment, metric: str, needs: list[QuotaNeed]) -> str:
    name = metric.rsplit("/", 1)[-1].removesuffix("-per-project-region")
    quota = needs[0].family if name == "TPUS-PER-TPU-FAMILY" else name
    how = f" ({', '.join(_NAMES[need.purchase] for need in needs)})" if deployment.settings.capacity.order else ""
    return f"{quota}{how}"


def bought(deployment: Deployment) -> str:
    """The purchase models in order: `reservation > onDemand > spot`."""
    return " > ".join(dict.fromkeys(one.kind for one in deployment.purchases))
