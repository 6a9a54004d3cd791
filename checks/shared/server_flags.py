"""Judgements about the model server's flags on a TPU (VL01 to VL05, VL07): one function for settings and for containers.

Which rule a problem belongs to follows from what is wrong with it, so that a fix is explained by the right text.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from catalog.vllm_flags import Flag, FlagTable, TpuLimit, check_value, load_flags, load_tpu_limits

UNLISTED = "VL05"
MEMORY_ONLY = "Keep it where the memory is needed; leave it out where speed is wanted."
_LOG_REQUESTS = "--disable-log-requests"


class FlagProblem(NamedTuple):
    """A problem of one flag, with the rule that forbids it."""

    rule: str
    message: str
    fix: str


@cache
def flag_problems(name: str, values: tuple[str, ...], generation: str | None, version: str) -> tuple[FlagProblem, ...]:
    """What is wrong with a flag and its values on a TPU generation (None: unknown), in a version that has a table."""
    table = load_flags(version)
    flag = table.lookup(name)
    if flag is None:
        return (_unknown(name, version, table),)
    return tuple(_known(flag, name, values, generation or "", version))


def _known(flag: Flag, name: str, values: tuple[str, ...], generation: str, version: str) -> Iterator[FlagProblem]:
    # A value of a JSON flag's key (`--kv-transfer-config.role`) is not the flag's own.
    whole = "." not in name
    if whole and not values and flag.kind != "bool" and not flag.value_optional:
        yield FlagProblem("VL01", f"{flag.name} takes a value.", "Write one, or remove the flag.")
    for given in values if whole else ():
        # What a shell puts in is not known here.
        if not given.startswith("$") and (said := check_value(flag, given)) is not None:
            yield FlagProblem("VL01", f"{said}.", "Correct the value.")
    if flag.negation is not None and f"--{name.lstrip('-').replace('_', '-')}" == flag.negation:
        return  # switched off: no limit of a TPU speaks of that
    seen: set[str] = set()
    for value in values or (None,):
        for limit in load_tpu_limits().limits_for(flag, value, generation, version):
            if limit.message not in seen:
                seen.add(limit.message)
                rule = _rule_of(limit, flag)
                yield FlagProblem(rule, limit.message, MEMORY_ONLY if rule == "VL04" else _remedy(flag))


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


def _rule_of(limit: TpuLimit, flag: Flag) -> str:
    if limit.level == "warn":
        return "VL04" if limit.generations else "VL07"
    return "VL02" if flag.name == "--dtype" else "VL01"


def _remedy(flag: Flag) -> str:
    return "Write --dtype=bfloat16, or remove it." if flag.name == "--dtype" else "Remove it."
