"""Rules about the model server's flags (VL01 to VL05, VL07, VL09), and about flags that would undo what is decided elsewhere.

Tables of flags are loaded only where a file has flags.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import cache
from typing import NamedTuple

from catalog.lock import runtime_version
from catalog.vllm_flags import load_flags
from checks.registry import Check, Found, models, register, rule
from checks.shared.server_flags import UNLISTED, FlagProblem, flag_problems
from settings.derive import GRACE_SECONDS, SERVER_PORT, SHUTDOWN_SECONDS, Deployment, ServedModel
from settings.flags import flag_words
from settings.model import FlagValue, Model
from settings.names import server_flag
from settings.refusal import Path
from settings.secrets import HIDDEN


class _Given(NamedTuple):
    """A flag as a user wrote it; `listed` is False below unlistedServerFlags."""

    path: Path
    name: str
    value: FlagValue
    listed: bool


class _Decided(NamedTuple):
    """A flag whose value follows from settings that other objects read too."""

    rule: str
    message: str
    fix: str


_TLS = _Decided(
    "KS02",
    "The server would speak TLS, while probes, health checks, Service and picker are told http.",
    "Remove it; traffic behind the load balancer is plain http.",
)
_ADDRESS = _Decided(
    "HC05",
    f"Probes, health checks and the pool ask port {SERVER_PORT} of the pod.",
    "Remove it.",
)
_SLICE = _Decided(
    "TP04",
    "Parallelism follows from the slice, so that the pod has the chips it computes on.",
    "Remove it; choose tpu.topology instead.",
)
_HANDS = _Decided(
    "VL09",
    "It hands the server, its ranks or its configuration to something that this program does not know of.",
    "Remove it.",
)
_DECIDED = {
    "--port": _ADDRESS,
    "--host": _ADDRESS,
    "--uds": _ADDRESS,
    "--ssl-certfile": _TLS,
    "--ssl-keyfile": _TLS,
    "--ssl-ca-certs": _TLS,
    "--ssl-cert-reqs": _TLS,
    "--ssl-ciphers": _TLS,
    "--enable-ssl-refresh": _TLS,
    "--tensor-parallel-size": _SLICE,
    "--pipeline-parallel-size": _SLICE,
    "--prefill-context-parallel-size": _SLICE,
    "--data-parallel-size": _SLICE,
    "--served-model-name": _Decided(
        "KS07",
        "Outputs and verify would say another name than the server.",
        "Remove it, and write servedNames: [NAME] beside serverFlags.",
    ),
    "--max-model-len": _Decided(
        "VL06",
        "Outputs, request timeout and the fit of the cache follow from contextLength.",
        "Remove it, and write contextLength beside serverFlags.",
    ),
    "--api-key": _Decided(
        "SC03",
        "The key would stand in the file, in the state and in the pod.",
        "Remove it; authenticate at the edge: gateway.authentication.",
    ),
    "--model": _Decided(
        "VL09",
        "The model is what the source names, at the place where KServe puts it.",
        "Remove it, and write source: hf://ORG/NAME beside serverFlags.",
    ),
    "--root-path": _Decided(
        "VL09",
        "The route takes the prefix off, so that the server answers at /v1.",
        "Remove it.",
    ),
    **dict.fromkeys(
        (
            "--config",
            "--grpc",
            "--grpc-port",
            "--headless",
            "--nnodes",
            "--node-rank",
            "--master-addr",
            "--master-port",
            "--data-parallel-rank",
            "--data-parallel-start-rank",
            "--data-parallel-size-local",
            "--data-parallel-address",
            "--data-parallel-rpc-port",
            "--data-parallel-backend",
            "--data-parallel-hybrid-lb",
            "--data-parallel-external-lb",
            "--data-parallel-multi-port-external-lb",
            "--data-parallel-supervisor-port",
            "--device-ids",
        ),
        _HANDS,
    ),
}


def _given(deployment: Deployment) -> Iterator[tuple[Model, _Given]]:
    for path, model in models(deployment):
        for key, given, listed in (
            ("serverFlags", model.server_flags, True),
            ("unlistedServerFlags", model.unlisted_server_flags, False),
        ):
            for name, value in given.items():
                yield model, _Given((*path, key, name), f"--{server_flag(name)}", value, listed)


def _decided_rule(key: str) -> Check:
    """The check of one of the rules that flags could undo."""

    def decided(deployment: Deployment) -> Iterator[Found]:
        for model, flag in _given(deployment):
            name = _known_name(flag.name)
            known = _DECIDED.get(name)
            if known is None or known.rule != key or flag.value is False:
                continue
            if not _agrees(name, flag.value, deployment.served(model)):
                yield Found(flag.path, HIDDEN if key == "SC03" else flag.value, known.message, known.fix)

    return register(Check(key, decided))


def _known_name(name: str) -> str:
    """The flag behind an alias; the name itself where the table has none."""
    if name in _DECIDED:
        return name
    found = load_flags(runtime_version()).lookup(name)
    return found.name if found else name


def _agrees(name: str, value: FlagValue, model: ServedModel | None) -> bool:
    """True where a flag says once more what is decided already, as copied command lines do."""
    same: dict[str, Collection[object]] = {
        "--port": (SERVER_PORT,),
        "--host": ("0.0.0.0", "::"),  # noqa: S104 - compared, not bound
        "--data-parallel-size": (1,),
        "--nnodes": (1,),
        "--node-rank": (0,),
    }
    if model is not None:
        same |= {
            "--tensor-parallel-size": (model.tensor_parallel_size,),
            "--pipeline-parallel-size": (1,),
            "--prefill-context-parallel-size": (1,),
            "--max-model-len": (model.context_length,),
            "--served-model-name": model.settings.names_for_clients if len(model.settings.served_names) < 2 else (),
        }
    return str(value) in {str(known) for known in same.get(name, ())}


def _flag_rule(key: str) -> Check:
    """The check of one of the rules on flags: of all problems of a flag, those which that rule forbids."""

    def flags(deployment: Deployment) -> Iterator[Found]:
        for model, flag in _given(deployment):
            switch = flag.value if isinstance(flag.value, bool) else None
            values = () if switch is not None else flag_words(flag.value)
            version = runtime_version(model.image)
            for problem in _problems(flag.name, values, switch, flag.listed, model.tpu.generation, version):
                if problem.rule == key:
                    yield Found(flag.path, flag.value, problem.message, problem.fix)

    return register(Check(key, flags))


@cache
def _problems(
    name: str, values: tuple[str, ...], switch: bool | None, listed: bool, generation: str, version: str
) -> tuple[FlagProblem, ...]:
    """Everything wrong with a flag; `switch` is a truth value, None for any other."""
    flags = load_flags(version)
    flag = flags.lookup(name)
    if switch is False and flag is None and name.startswith("--no-"):
        # `no-x: false` says that x is not turned off, whether or not the parser has such a twin of it.
        name, switch, flag = f"--{name.removeprefix('--no-')}", True, flags.lookup(f"--{name.removeprefix('--no-')}")
    if flag is not None and switch is not None:
        if flag.kind != "bool" and not flag.value_optional:
            return (
                FlagProblem("VL01", f"{flag.name} takes a value, not {str(switch).lower()}.", "Correct the value."),
            )
        negated = name == flag.negation
        if switch is negated and flag.negation is None and flag.kind == "bool":
            return (FlagProblem("VL01", f"{flag.name} has no --no- form.", "Remove it; it is off without the flag."),)
        name = flag.name if switch is not negated else flag.negation or name
    if flag is not None and len(values) > 1 and flag.kind != "list" and not flag.repeatable:
        return (
            FlagProblem("VL01", f"{flag.name} takes one value, not a list of {len(values)}.", "Correct the value."),
        )
    found: list[FlagProblem] = []
    for problem in flag_problems(name, values, generation, version):
        # One that is in no table is refused like one that the runtime lacks: the parser knows neither. What is really newer
        # than the table goes to `unlistedServerFlags`, which VL05 guards.
        if problem.rule != UNLISTED:
            found.append(problem._replace(fix=_as_setting(problem.fix)))
        elif listed:
            acknowledged = "If the image is newer than the table, move it to unlistedServerFlags."
            found.append(problem._replace(rule="VL01", fix=f"{_as_setting(problem.fix)} {acknowledged}"))
    return tuple(found)


def _as_setting(fix: str) -> str:
    """Settings have flags without dashes, and `key: value` where a command line has `--key=value`."""
    return fix.replace("Write --dtype=", "Write dtype: ").replace(" --", " ")


@rule("VL05")
def unlisted_flags(deployment: Deployment) -> Iterator[Found]:
    """Flags outside the table need somebody who answers for them."""
    for path, model in models(deployment):
        if model.unlisted_server_flags:
            fix = (
                "Use serverFlags, or add below `config:`, at the end of the file:\n"
                "  tpu-serving:overrides:\n    - {rule: VL05, reason: why these flags are needed, until: YYYY-MM-DD}"
            )
            given = sorted(model.unlisted_server_flags)
            said = "Flags outside the table of the pinned version are not checked."
            yield Found((*path, "unlistedServerFlags"), given, said, fix)


@rule("BP03")
def shutdown_time(deployment: Deployment) -> Iterator[Found]:
    """A server that takes longer to stop than the pod's grace period is killed with its answers."""
    for _, flag in _given(deployment):
        if flag.name != "--shutdown-timeout" or isinstance(flag.value, bool | list | dict):
            continue
        try:
            seconds = float(flag.value)
        except ValueError:
            continue  # VL01 says so
        if seconds > GRACE_SECONDS:
            said = f"The pod is killed after {GRACE_SECONDS} s."
            fix = f"Write shutdown-timeout: {GRACE_SECONDS} or less; {SHUTDOWN_SECONDS} when left out."
            yield Found(flag.path, flag.value, said, fix)


for _key in ("VL01", "VL02", "VL03", "VL04", "VL07"):
    _flag_rule(_key)
for _key in ("HC05", "KS02", "KS07", "SC03", "TP04", "VL06", "VL09"):
    _decided_rule(_key)
