"""A model to serve. Five lines are enough: name, source, and generation and topology of its slice."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from settings.base import MachineType, SecretName, Section
from settings.scaling import Scaling


class TpuSlice(Section):
    """The slice a replica runs on; machine type, hosts and chips follow from it."""

    generation: str = Field(description="v6e, v5e, v5p or tpu7x.")
    topology: str = Field(pattern=r"^\d+(x\d+)+$", description="For example 2x2.")
    machine_type: MachineType | None = Field(None, description="Only where two machines form the topology (v6e 2x4).")


class SecretKey(Section):
    """A Secret of the models' namespace that somebody else keeps."""

    name: SecretName = Field(description="Name of the Secret.")
    key: str = Field("HF_TOKEN", max_length=253, pattern=r"^[-._a-zA-Z0-9]+$", description="Key in the Secret.")


class SecretManagerVersion(Section):
    """A secret of Secret Manager, synchronised into the cluster by GKE."""

    secret: str = Field(pattern=r"^[A-Za-z0-9_-]{1,255}$", description="Secret id in the environment's project.")
    version: str = Field("latest", pattern=r"^(latest|\d+)$", description="Version number, or latest.")


class SecretReference(Section):
    """Where a token is found; never the token itself (SC03)."""

    kubernetes_secret: SecretKey | None = Field(None, description="An existing Kubernetes Secret.")
    pulumi_config: str | None = Field(
        None,
        pattern=r"^[A-Za-z][\w.-]*$",
        description="KEY of a Pulumi secret, without the namespace: pulumi config set --secret tpu-serving:KEY.",
    )
    secret_manager: SecretManagerVersion | None = Field(None, description="A secret of Secret Manager.")


class Resources(Section):
    """Requests of the server container beside its chips; half of the machine when left out."""

    cpu: int | None = Field(None, ge=1, description="CPUs.")
    memory_gib: int | None = Field(None, ge=1, description="Memory in GiB.")


FlagValue = bool | int | float | str | list[Any] | dict[str, Any]


class Model(Section):
    """One LLMInferenceService."""

    name: str = Field(description="Name of the service; part of its URL. A DNS label of at most 38 characters (KS04).")
    source: str = Field(description="hf://ORG/NAME, s3://..., pvc://... or oci://...; hf://ORG/NAME:COMMIT is pinned.")
    weights: Literal["bucket"] | None = Field(
        None, description="bucket: filled once from the Hub, read by every start; downloaded by each pod when left out."
    )
    tpu: TpuSlice
    replicas: int = Field(1, ge=1, le=1000, description="Copies of the model, each on a slice of its own.")
    scaling: Scaling | None = Field(
        None, description="Replicas that follow the load or the clock, in place of `replicas` (KEDA)."
    )
    context_length: int | None = Field(
        None,
        ge=16,
        le=100_000_000,
        description="Longest prompt and answer together, in tokens; 4096, or less where the model has less, when left out.",
    )
    longest_answer_tokens: int | None = Field(
        None, ge=1, description="Longest answer in tokens; the context when left out."
    )
    longest_answer_seconds: int | None = Field(
        None, ge=1, le=86400, description="Request timeout in seconds; derived from the tokens when left out."
    )
    served_names: list[Annotated[str, Field(pattern=r"^[^-\s]([^\n]*\S)?$")]] = Field(
        default_factory=list,
        description="Names clients put into `model`; the service's name when left out. None begins with a dash.",
    )
    prefix_caching: bool = Field(True, description="Reuse the attention state of shared prompt beginnings.")
    scheduler_profile: Literal["prefixCache", "loadAware"] = Field(
        "prefixCache", description="How the endpoint picker chooses a replica."
    )
    picker_failure_mode: Literal["FailOpen", "FailClose"] = Field(
        "FailOpen", description="What the load balancer does when the endpoint picker is down."
    )
    startup_budget_seconds: int | None = Field(
        None,
        ge=60,
        le=14400,
        description="Startup timeout; derived from the weights when left out.",
    )
    task: Literal["chat", "embed", "rerank", "score"] | None = Field(
        None, description="Kind of requests; from catalogue, name and flags when left out."
    )
    parameters_billion: float | None = Field(
        None, gt=0, le=10_000, description="Size of a model the catalogue does not know, in billions of parameters."
    )
    bits_per_weight: float | None = Field(
        None,
        ge=1,
        le=32,
        description="Bits of a parameter in the checkpoint; from its name or the catalogue when left out.",
    )
    hugging_face_token: SecretReference | None = Field(None, description="Token for gated models, by reference.")
    runtime: Literal["vllm-tpu"] = Field("vllm-tpu", description="Model server.")
    image: str | None = Field(None, description="Server image; the pinned one when left out. Never a moving tag.")
    server_flags: dict[str, FlagValue] = Field(
        default_factory=dict,
        description="vLLM flags of the pinned version, without the leading dashes; lists and mappings where a flag takes them.",
    )
    unlisted_server_flags: dict[str, FlagValue] = Field(
        default_factory=dict, description="Flags outside the table of the pinned version; needs an override of VL05."
    )
    environment: dict[str, str] = Field(
        default_factory=dict, description="Variables of the server, such as MODEL_IMPL_TYPE; never a token."
    )
    precompile_workers: int | None = Field(
        None, ge=1, le=64, description="Programs compiled at once; by the memory of a device when left out."
    )
    resources: Resources = Field(default_factory=Resources)
    disk_gib: int | None = Field(None, ge=50, le=16000, description="Boot disk of its nodes; derived when left out.")

    @property
    def names_for_clients(self) -> list[str]:
        """What a client may put into `model`."""
        return self.served_names or [self.name]
