"""The model server: vLLM's command line on TPU, single-host and as leader and worker of a multi-host slice."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from settings.derive import HEALTH_PATH, SERVER_PORT, SHUTDOWN_SECONDS, ServedModel
from settings.names import server_flag

if TYPE_CHECKING:
    from settings.model import FlagValue

MODEL_PATH = "/mnt/models"
_RAY_PORT = 6379


def server_flags(model: ServedModel) -> dict[str, FlagValue]:
    """vLLM's flags: ours, then the user's on top. Only flags of the locked version get here (VL01)."""
    flags: dict[str, FlagValue] = {
        "port": SERVER_PORT,
        "dtype": "bfloat16",  # fp16 is not native on TPU (VL02)
        "max-model-len": model.context_length,
        "tensor-parallel-size": model.tensor_parallel_size,
        "enable-prefix-caching": model.settings.prefix_caching,
        "shutdown-timeout": SHUTDOWN_SECONDS,
        "disable-access-log-for-endpoints": f"{HEALTH_PATH},/metrics",
    }
    if model.shape.multi_host:
        flags |= {"pipeline-parallel-size": model.shape.hosts, "distributed-executor-backend": "ray"}
    for source in (model.settings.server_flags, model.settings.unlisted_server_flags):
        for name, value in source.items():
            flag = server_flag(name)
            # `no-x: true` is `x: false`; under two names both would stand on the command line.
            negated = value is True and flag.startswith("no-")
            flags[flag.removeprefix("no-") if negated else flag] = False if negated else value
    return flags


def server_args(model: ServedModel) -> list[str]:
    """Arguments after `vllm serve MODEL`, served names always among them: else clients must say `/mnt/models` (KS07)."""
    args = ["--served-model-name", *model.settings.names_for_clients]
    for name, value in server_flags(model).items():
        if value is True:
            args.append(f"--{name}")
        elif value is False:
            args.append(f"--no-{name}")
        else:
            args.append(f"--{name}={value}")
    return args


def command() -> list[str]:
    """The command of the server."""
    return ["vllm", "serve", MODEL_PATH]


def leader_script(model: ServedModel) -> str:
    """Leader of a multi-host slice: Ray's head, then, once every host has joined, the server over all of them.

    vLLM does not wait for hosts: with fewer than the pipeline needs it ends ("Cannot use PP across hosts",
    vllm/v1/executor/ray_distributed_executor_v2.py of vllm-tpu 0.27.0), and LeaderWorkerSet recreates the whole group.
    """
    serve = shlex.join([*command(), *server_args(model)])
    return (
        f"set -e\nray start --head --port={_RAY_PORT}\n"
        f"until [ \"$(ray status | grep -c '^ 1 node_')\" -ge {model.shape.hosts} ]; do\n"
        f'  echo "waiting for {model.shape.hosts} hosts"; sleep 5\ndone\n'
        f"exec {serve}\n"
    )


def worker_script() -> str:
    """Worker of a multi-host slice: joins the leader, waiting until it is there."""
    return (
        f'until ray start --address="$LWS_LEADER_ADDRESS:{_RAY_PORT}" --block; do\n'
        '  echo "waiting for the leader $LWS_LEADER_ADDRESS"; sleep 5\ndone\n'
    )
