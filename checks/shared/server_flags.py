"""Judgements about the model server's flags on a TPU (VL01 to VL05, VL07): one function for settings and for containers.

Which rule a problem belongs to follows from what is wrong with it, so that a fix is explained by the right text.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from catalog.lock import load_lock
from catalog.vllm_flags import Flag, FlagTable, TpuLimit, check_value, flag_versions, load_flags, load_tpu_limits

UNLISTED = "VL05"
_LOG_REQUESTS = "--disable-log-requests"


class FlagProblem(NamedTuple):
    """A problem of one flag, with the rule that forbids it."""

    rule: str
    message: str
    fix: str


def locked_version() -> str:
    """Version of the locked server image."""
    return load_lock().images["vllm-tpu"].tag.removeprefix("v")


@cache
def flag_problems(
    name: str, values: tuple[str, ...], generation: str | None, version: str | None = None
) -> tuple[FlagProblem, ...]:
    """What is wrong with a flag and its values on a TPU generation (None: unknown).

    `version` is that of the server where a table of it exists, else the locked one is asked.
    """
    known = version if version is not None and version in _versions() else locked_version()
    table = load_flags(known)
    flag = table.lookup(name)
    return (_unknown(name, known, table),) if flag is None else tuple(_known(flag, name, values, generation or ""))


@cache
def _versions() -> tuple[str, ...]:
    return flag_versions()


def _known(flag: Flag, name: str, values: tuple[str, ...], generation: str) -> Iterator[FlagProblem]:
    # A value of a JSON flag's key (`--kv-transfer-config.role`) is not the flag's own.
    whole = "." not in name
    for given in values if whole else ():
        if (said := check_value(flag, given)) is not None:
            yield FlagProblem("VL01", f"{said}.", "Correct the value.")
    if flag.negation is not None and f"--{name.lstrip('-').replace('_', '-')}" == flag.negation:
        return  # switched off: no limit of a TPU speaks of that
    seen: set[str] = set()
    for value in values or (None,):
        for limit in load_tpu_limits().limits_for(flag, value, generation):
            if limit.message not in seen:
                seen.add(limit.message)
                yield FlagProblem(_rule_of(limit, flag, value), limit.message, _remedy(flag))


def _unknown(name: str, version: str, table: FlagTable) -> FlagProblem:
    foreign = load_tpu_limits().foreign_flag(name)
    if foreign is not None:
        rule = "VL03" if foreign.flag == _LOG_REQUESTS else "VL01"
        fix = f"Write {foreign.instead}, or remove it." if foreign.instead else "Remove it."
        return FlagProblem(rule, f"vLLM {version} for TPU has no {foreign.flag}. {foreign.message}", fix)
    short = table.lookup(f"-{name.lstrip('-')}")
    near = [short.name] if short else table.nearest(name, 1)
    fix = f"Write {near[0]}, or remove it." if near else "Remove it."
    return FlagProblem(UNLISTED, f"vLLM {version} for TPU has no {name} in its table.", fix)


def _rule_of(limit: TpuLimit, flag: Flag, value: str | None) -> str:
    if limit.level == "warn":
        return "VL07"
    if flag.name == "--dtype":
        return "VL02"
    if value is not None and "fp8" in value.lower() and "v6e" in limit.generations:
        return "VL04"
    return "VL01"


def _remedy(flag: Flag) -> str:
    return "Write --dtype=bfloat16, or remove it." if flag.name == "--dtype" else "Remove it."
