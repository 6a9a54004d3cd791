"""The stack outputs as a typed, versioned contract for other teams (design, section 8)."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from settings.base import Contract

# Every version is a schema in docs/contract, and an entry of its changelog.
CONTRACT_VERSION = "1.6"


class GatewayOutput(Contract):
    """The way in."""

    name: str
    namespace: str
    class_name: str
    address: str = Field(description="IP address or host name; known after `pulumi up`.")
    scheme: str
    port: int
    ca_certificate: str | None = Field(
        None, description="PEM of the private authority to trust; null where clients know the authority. Since 1.1."
    )


class ConsumerOutput(Contract):
    """A team that may ask some models; with any, everybody else is answered with 403."""

    name: str
    models: list[str]
    known_by: str = Field(
        description="certificate: the client shows one with this URI; serviceAccount, tags: those of its VM."
    )
    identity: str = Field(
        description="URI of the certificate, e-mail of the service account, or tags as tagValues/NUMBER, separated by spaces."
    )


class Dashboard(Contract):
    """A page for people."""

    name: str
    url: str


class ModelOutput(Contract):
    """What a client of a model needs."""

    name: str
    url: str = Field(description="Base URL; append requestPath, or another path of the OpenAI API.")
    task: str = Field("chat", description="What clients ask of it: chat, embed, rerank or score. Since 1.2.")
    request_path: str = Field("/v1/chat/completions", description="Where they ask, below the base URL. Since 1.2.")
    served_names: list[str]
    revision: str = Field(
        "", description="Commit or branch of the Hub that the source names; empty where it names none. Since 1.3."
    )
    weights: str = Field("", description="gs:// address that its weights are read from, if they are. Since 1.3.")
    start_seconds: list[float] | None = Field(
        None,
        description="Estimate of a start from an empty pool: as fast as measured, as slow as reported; null where the model's "
        "size is not known. Since 1.4.",
    )
    later_start_seconds: list[float] | None = Field(
        None, description="The same with programs that an earlier start compiled, where they are kept. Since 1.4."
    )
    context_length: int = Field(description="Tokens.")
    longest_answer_tokens: int
    answer_timeout_seconds: int
    replicas: int = Field(description="The most, where they follow load or clock.")
    min_replicas: int | None = Field(None, description="The fewest. Since 1.5.")
    chips: int
    inference_pool: str
    service: str
    scheduler: dict[str, Any] = Field(description="The endpoint picker's configuration, in full.")


class Outputs(Contract):
    """Everything exported. A field is removed or changes its type only with a new major version."""

    contract_version: str = CONTRACT_VERSION
    environment: str
    project: str
    region: str
    cluster: str
    namespace: str
    base_url: str
    gateway: GatewayOutput
    models: list[ModelOutput]
    chips: int
    cost_per_hour: float
    currency: str
    prices_as_of: str
    consumers: list[ConsumerOutput] = Field(
        default_factory=list,
        description="Who may ask which models; everybody who reaches the Gateway if empty. Since 1.4.",
    )
    dashboards: list[Dashboard] = Field(
        default_factory=list, description="Pages of the Google Cloud console. Since 1.1."
    )
    overrides: list[dict[str, str]] = Field(description="Rules set aside, with reason and last day.")
