"""The flags of `vllm serve`, per pinned vLLM version, as its wheel has them; and what a TPU lacks of them.

The tables in `data/vllm_flags/` are written by `tools.runtime_tables.vllm_flags` and never by hand. Not covered on purpose:
argparse also takes an unambiguous beginning of a flag (`--max-model`); such a short form counts as unknown here.
"""

from __future__ import annotations

import datetime
import difflib
import fnmatch
import json
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any, Literal

from catalog.files import DATA_DIR, UnknownVersionError, read_yaml
from catalog.records import record

Kind = Literal["bool", "int", "float", "str", "list", "json"]
_WITH_SUFFIX = re.compile(r"(\d+(?:\.\d+)?)([kKmMgGtT])")
_BOUNDS: dict[str, tuple[str, Callable[[float, float], bool]]] = {
    "gt": ("greater than", operator.gt),
    "ge": ("at least", operator.ge),
    "lt": ("less than", operator.lt),
    "le": ("at most", operator.le),
}


@dataclass(frozen=True, kw_only=True)
class Flag:
    """One flag.

    `negation` is the `--no-` twin of a bool. `items` is the kind of a list's elements. `suffixes`: 1k, 2M and the like
    are read as numbers. `folded`: capitals and dashes of a value are read as small letters and underscores. `words`:
    texts accepted besides the kind (`auto`, `None`). `choices` are enforced by the server, `known_values` are examples.
    `bounds` are enforced too. `default` is None where there is none or where it is not literal (`default_text` is then
    the expression). `read_at` is file:line in the wheel of the flag, `defined_at` of the setting behind it.
    """

    name: str
    aliases: tuple[str, ...] = ()
    kind: Kind
    negation: str | None = None
    items: Kind | None = None
    suffixes: bool = False
    folded: bool = False
    words: tuple[str, ...] = ()
    choices: tuple[str | int | float, ...] | None = None
    known_values: tuple[str | int | float, ...] = ()
    bounds: dict[Literal["gt", "ge", "lt", "le"], float] = field(default_factory=dict)
    value_optional: bool = False
    repeatable: bool = False
    default: Any = None
    default_text: str | None = None
    deprecated: str | None = None
    group: str
    read_at: str
    defined_at: str | None = None


@dataclass(frozen=True)
class Wheel:
    """Where a table was read from."""

    name: str
    version: str
    sha256: str
    date: datetime.date


@dataclass(frozen=True)
class FlagTable:
    """All flags of one version."""

    wheel: Wheel
    flags: tuple[Flag, ...]

    @cached_property
    def _by_name(self) -> dict[str, Flag]:
        return {
            name: flag
            for flag in self.flags
            for name in (flag.name, *flag.aliases, *([flag.negation] if flag.negation else []))
        }

    def lookup(self, name: str) -> Flag | None:
        """The flag called `name`, None if the server does not know it.

        Takes dashes or underscores, aliases (`-tp`), `--no-` twins, keys of JSON flags (`--kv-transfer-config.role`),
        and names without leading dashes. A `=value` must be cut off before.
        """
        dashes = name if name.startswith("-") else f"--{name}"
        base, dot, _ = dashes.partition(".")
        found = self._by_name.get(base.replace("_", "-") if base.startswith("--") else base)
        return found if found is None or not dot or found.kind == "json" else None

    def nearest(self, name: str, n: int = 3) -> list[str]:
        """The known flags that look most like `name`, best first; for "did you mean"."""
        wanted = name.lstrip("-").replace("_", "-")
        known = [key[2:] for key in self._by_name if key.startswith("--")]
        return [f"--{key}" for key in difflib.get_close_matches(wanted, known, n=n, cutoff=0.6)]


@dataclass(frozen=True, kw_only=True)
class TpuLimit:
    """Something a TPU (or one generation) lacks although the parser knows the flag.

    `values` (patterns as for file names, small letters) and `generations` narrow it; empty means any. `since` and `until`
    are the first and the last version that it is known of; empty where nobody named one.
    """

    flag: str
    values: tuple[str, ...] = ()
    generations: tuple[str, ...] = ()
    level: Literal["refuse", "warn"]
    message: str
    source: str
    verified: bool
    since: str = ""
    until: str = ""

    def applies(self, value: str | None, generation: str, version: str = "") -> bool:
        """True if this limit speaks of that value (None: a bare flag) on that TPU generation in that version (any, if empty)."""
        mine = _numbers(version)
        if mine and ((self.since and mine < _numbers(self.since)) or (self.until and mine > _numbers(self.until))):
            return False
        if self.generations and generation not in self.generations:
            return False
        if not self.values:
            return True
        return value is not None and any(fnmatch.fnmatchcase(value.lower(), pattern) for pattern in self.values)


@dataclass(frozen=True)
class ForeignFlag:
    """A flag that users bring from elsewhere and this server does not know, with what to write instead."""

    flag: str
    message: str
    instead: str | None
    source: str
    verified: bool


@dataclass(frozen=True)
class TpuLimits:
    """What the parser's table does not say about TPUs."""

    date: datetime.date
    limits: tuple[TpuLimit, ...]
    foreign: tuple[ForeignFlag, ...]

    def limits_for(self, flag: Flag, value: str | None, generation: str, version: str = "") -> tuple[TpuLimit, ...]:
        """The limits that concern `flag` with `value` on `generation` (`v6e`, `v5e`, ...) in a version."""
        mine = (limit for limit in self.limits if limit.flag == flag.name)
        return tuple(limit for limit in mine if limit.applies(value, generation, version))

    def foreign_flag(self, name: str) -> ForeignFlag | None:
        """What is known of a flag from elsewhere; dashes or underscores, with or without leading dashes."""
        wanted = "--" + name.lstrip("-").replace("_", "-")
        return next((flag for flag in self.foreign if flag.flag == wanted), None)


def flag_versions() -> tuple[str, ...]:
    """The vLLM versions that have a table, oldest first."""
    names = [path.stem for path in (DATA_DIR / "vllm_flags").glob("*.json")]
    return tuple(sorted(names, key=_numbers))


def _numbers(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)]


@cache
def load_flags(version: str) -> FlagTable:
    """The table of one version (`0.27.0` or `v0.27.0`).

    Raises:
        UnknownVersionError: no table for that version; the message says which there are and how to write one.
    """
    plain = version.removeprefix("v")
    if plain not in flag_versions():
        known = ", ".join(flag_versions())
        how = "`python -m tools.runtime_tables` writes one"
        raise UnknownVersionError(f"no flag table for vLLM {plain!r}; there is one for: {known}. {how}")
    path = DATA_DIR / "vllm_flags" / f"{plain}.json"
    return table_of(json.loads(path.read_text(encoding="utf-8")))


def table_of(data: dict[str, Any]) -> FlagTable:
    """The table from the content of its file.

    Raises:
        ValueError: an unknown key, a missing one, or a value of the wrong type.
    """
    wheel = record(Wheel, data["wheel"], date=datetime.date.fromisoformat(data["wheel"]["date"]))
    return record(
        FlagTable,
        data,
        wheel=wheel,
        flags=tuple(record(Flag, row, default=row.get("default")) for row in data["flags"]),
    )


@cache
def load_tpu_limits() -> TpuLimits:
    """What TPUs lack, and flags of other builds."""
    data = read_yaml("vllm_tpu_limits.yaml")
    return record(
        TpuLimits,
        data,
        limits=tuple(record(TpuLimit, row) for row in data["limits"]),
        foreign=tuple(record(ForeignFlag, row) for row in data["foreign"]),
    )


def check_value(flag: Flag, value: str) -> str | None:
    """Why `value`, as written on the command line, can't be given to `flag`; None if it can.

    One element of a list, one occurrence of a repeatable flag: call it for each. A bool takes no value: any is refused.
    """
    if value in flag.words or (flag.value_optional and value == ""):
        return None
    read = value.lower().replace("-", "_") if flag.folded else value
    if flag.choices is not None and read not in {str(choice) for choice in flag.choices}:
        near = difflib.get_close_matches(value, [str(choice) for choice in flag.choices], n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        return f"{flag.name} takes one of {', '.join(str(choice) for choice in flag.choices)}, not {value!r}{hint}"
    kind = flag.items or "str" if flag.kind == "list" else flag.kind
    if kind == "bool":
        twin = f" or {flag.negation}" if flag.negation else ""
        return f"{flag.name} is a switch and does not take a value: write {flag.name}{twin}, not {value!r}"
    if kind in {"int", "float"}:
        return _check_number(flag, value)
    if kind == "str" and isinstance(flag.default, dict) and value.lstrip().startswith("{"):
        return _check_json(
            flag, value
        )  # a text, or a mapping where it looks like one (arg_utils.py union_dict_and_str)
    return _check_json(flag, value) if kind == "json" else None


def _check_number(flag: Flag, value: str) -> str | None:
    text = value.strip()
    suffix = _WITH_SUFFIX.fullmatch(text) if flag.suffixes else None
    if suffix and suffix[2].isupper() and "." in suffix[1]:
        return f"{flag.name}: {value!r} has decimals and a binary suffix; write {suffix[1]}{suffix[2].lower()}"
    is_float = "float" in (flag.kind, flag.items)
    try:
        number = 1.0 if suffix else float(text) if is_float else int(text)
    except ValueError:
        what = "a number" if is_float else "a whole number"
        also = f" (or {', '.join(word for word in flag.words if word)})" if any(flag.words) else ""
        return f"{flag.name} takes {what}{also}, not {value!r}"
    for name, bound in flag.bounds.items():
        text_of, holds = _BOUNDS[name]
        if not suffix and not holds(number, bound):
            return f"{flag.name} must be {text_of} {bound:g}, not {value}"
    return None


def _check_json(flag: Flag, value: str) -> str | None:
    # The server reads 1k, 80g inside JSON as numbers, so such tokens outside of strings become plain ones first.
    parts = re.split(r'("(?:[^"\\]|\\.)*")', value)
    parts[::2] = [re.sub(r"\b\d+(?:\.\d+)?[kKmMgGtT]\b", "1", part) for part in parts[::2]]
    try:
        json.loads("".join(parts))
    except ValueError as error:
        return f"{flag.name} takes JSON, and {value!r} is none: {error}"
    return None
