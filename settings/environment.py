"""The environment: every section, as one file `Pulumi.<env>.yaml` holds it under `config:`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from settings.base import Section
from settings.capacity import Capacity
from settings.cluster import Cluster
from settings.gateway import Gateway, IsoDate
from settings.model import Model
from settings.monitoring import Monitoring
from settings.network import Network
from settings.platform import Platform
from settings.project import Location, Project
from settings.weights import Weights

Usd = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]


class Prices(Section):
    """Your own prices in place of the list prices, USD."""

    chip_hour: Usd | None = Field(None, description="USD per chip and hour.")
    cluster_hour: Usd | None = Field(None, description="USD per cluster and hour.")
    load_balancer_hour: Usd | None = Field(None, description="USD per load balancer and hour.")
    cpu_node_hour: Usd | None = Field(None, description="USD per CPU node and hour.")


class Override(Section):
    """An exception from a rule of level O, with reason and expiry date."""

    rule: str = Field(description="Id of the rule, for example TP13.")
    reason: str = Field("", description="Why the rule does not apply, in a sentence (OV01).")
    until: IsoDate = Field(description="Expiry date: the last day (YYYY-MM-DD).")


class Environment(Section):
    """Everything a user may ask for."""

    project: Project = Field(description="Google Cloud project.")
    location: Location = Field(description="Zone of the TPUs and region of the rest.")
    tier: Literal["dev", "staging", "production"] = Field(
        "dev", description="Environment tier; sets safety defaults: dev, staging, production."
    )
    network: Network = Field(default_factory=Network, description="VPC and address ranges.")
    cluster: Cluster = Field(default_factory=Cluster, description="GKE cluster.")
    capacity: Capacity = Field(default_factory=Capacity, description="Purchase model of TPU chips, and spare slices.")
    platform: Platform = Field(default_factory=Platform, description="Controllers: installed or existing.")
    gateway: Gateway = Field(default_factory=Gateway, description="Exposure, address, TLS.")
    weights: Weights = Field(default_factory=Weights, description="A bucket for weights and compiled programs.")
    models: Annotated[list[Model], Field(min_length=1)] = Field(description="Models to serve.")
    monitoring: Monitoring = Field(default_factory=Monitoring, description="Alerts, objectives, budget.")
    prices: Prices = Field(default_factory=Prices, description="Your own prices in place of list prices.")
    overrides: list[Override] = Field(default_factory=list, description="Rule exceptions, with reason and expiry date.")
