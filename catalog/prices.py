"""List prices in USD per hour, with their date. Data: `data/prices.yaml`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from catalog.files import read_yaml


@dataclass(frozen=True)
class PriceList:
    """Prices by generation or machine type, then region."""

    as_of: str
    currency: str
    source: str
    tpu_chip_hour: dict[str, dict[str, dict[str, float]]]
    machine_hour: dict[str, dict[str, float]]
    bucket_gib_month: dict[str, float]
    bucket_source: str
    bucket_read: dict[str, float]
    gke_cluster_hour: float
    regional_load_balancer_hour: float


@cache
def load_prices() -> PriceList:
    """The list as it stands in the catalogue."""
    data = read_yaml("prices.yaml")
    return PriceList(
        as_of=str(data["asOf"]),
        currency=data["currency"],
        source=" ".join(str(data["source"]).split()),
        tpu_chip_hour=data["tpuChipHour"],
        machine_hour=data["machineHour"],
        bucket_gib_month=data["bucketGibMonth"]["regions"],
        bucket_source=" ".join(str(data["bucketGibMonth"]["source"]).split()),
        bucket_read={key: float(data["bucketRead"][key]) for key in ("per1000", "chunkMib")},
        gke_cluster_hour=data["gkeClusterHour"]["value"],
        regional_load_balancer_hour=data["regionalLoadBalancerHour"]["value"],
    )
