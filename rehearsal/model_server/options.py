"""What of the command line and the environment the stand-in acts on."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass

from rehearsal.model_server.arguments import RefusedError
from rehearsal.model_server.blocks import page_size
from rehearsal.model_server.timing import Timing, default

POD_IP_VARIABLE = "TPU_SERVING_POD_IP"
ROOT_VARIABLE = "TPU_SERVING_ROOT"


@dataclass(frozen=True)
class Options:
    """`ray_nodes` is the number of hosts that must have joined; 0 where there is no Ray."""

    model: str
    names: tuple[str, ...]
    host: str
    port: int
    max_model_len: int
    max_num_seqs: int
    block_size: int
    num_gpu_blocks: int
    prefix_caching: bool
    api_keys: tuple[str, ...]
    key_file: str | None
    certificate_file: str | None
    shutdown_timeout: float
    quiet_paths: frozenset[str]
    access_log: bool
    max_loras: int
    ray_nodes: int
    timing: Timing

    @property
    def scheme(self) -> str:
        """`https` with a key and a certificate."""
        return "https" if self.key_file and self.certificate_file else "http"


def options_of(values: argparse.Namespace, environment: Mapping[str, str]) -> Options:
    """The options of a command line.

    Without --host the real server listens on every address; here that is the pod's own, `TPU_SERVING_POD_IP`.
    Raises RefusedError where the cache can't hold one request of the full length, as the engine does at its start.
    """
    timing = Timing.of(environment)
    context = values.max_model_len if (values.max_model_len or 0) > 0 else int(default("contextLength"))
    block_size = values.block_size or page_size(context)
    blocks = values.num_gpu_blocks_override or int(default("kvCacheTokens")) // block_size
    if blocks * block_size < context:
        raise RefusedError(
            f"To serve at least one request with the model's max seq len ({context}), more KV cache is needed than "
            f"{blocks} blocks of {block_size} tokens. Try decreasing `max_model_len`."
        )
    # The kubelet made the path one of this machine; clients know the container's (field report: /mnt/models).
    model = values.model.removeprefix(environment.get(ROOT_VARIABLE, ""))
    everywhere = {None, "", "0.0.0.0", "::"}  # noqa: S104 - compared, never bound
    host = environment.get(POD_IP_VARIABLE) or "127.0.0.1" if values.host in everywhere else values.host
    quiet = (values.disable_access_log_for_endpoints or "").split(",")
    return Options(
        model=model,
        names=tuple(values.served_model_name or [model]),
        host=host,
        port=values.port,
        max_model_len=context,
        max_num_seqs=values.max_num_seqs or int(default("maxNumSeqs")),
        block_size=block_size,
        num_gpu_blocks=blocks,
        prefix_caching=values.enable_prefix_caching is not False,
        api_keys=tuple(values.api_key or filter(None, [environment.get("VLLM_API_KEY")])),
        key_file=values.ssl_keyfile,
        certificate_file=values.ssl_certfile,
        shutdown_timeout=values.shutdown_timeout / timing.speed,
        quiet_paths=frozenset(path.strip() for path in quiet if path.strip()),
        access_log=not values.disable_uvicorn_access_log,
        max_loras=(values.max_loras or 1) if values.enable_lora else 0,
        ray_nodes=values.pipeline_parallel_size if environment.get("TPU_MULTIHOST_BACKEND") == "ray" else 0,
        timing=timing,
    )
