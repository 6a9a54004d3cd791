"""vLLM's command line as the locked version has it: its own flag table behind argparse, which words the errors."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from catalog.lock import load_lock
from catalog.vllm_flags import Flag, FlagTable, check_value, load_flags, load_tpu_limits

_MULTIPLES = {"k": 1, "m": 2, "g": 3, "t": 4}
# The other commands that the image's `vllm` has (vllm 0.27.0 entrypoints/cli/main.py); here only `serve` exists.
_OTHERS = ("chat", "complete", "launch", "bench", "collect-env", "run-batch")


class RefusedError(Exception):
    """A value that the parser takes and the server does not: it stops at its start with this message."""


def locked_version() -> str:
    """The version of the locked image, `0.27.0`."""
    return load_lock().images["vllm-tpu"].tag.removeprefix("v")


def human_readable_int(value: str) -> int:
    """`1k` is 1000, `1K` is 1024. Raises ValueError (vllm 0.27.0 utils/argparse_utils.py)."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([kKmMgGtT])", value.strip())
    if not match:
        return int(value)
    power = _MULTIPLES[match[2].lower()]
    return int(match[1]) * 1024**power if match[2].isupper() else int(float(match[1]) * 1000**power)


def human_readable_int_or_auto(value: str) -> int:
    """As `human_readable_int`; `auto` is -1."""
    return -1 if value.strip().lower() == "auto" else human_readable_int(value)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The values of `vllm serve ...` by their Python names. A wrong flag ends the program with argparse's text and 2.

    Raises RefusedError for what the parser takes and the server on a TPU does not.
    """
    table = load_flags(locked_version())
    top, serve = _parsers(table)
    given = _without_json_keys(table, [_dashes(argument) for argument in _model_first(list(arguments))])
    values = top.parse_args(given)
    if values.command != "serve":
        top.error("the rehearsal's model server knows the command `serve` only")
    values.model = values.model_tag or values.model
    _refuse(table, serve, values)
    return values


def _model_first(arguments: list[str]) -> list[str]:
    """`--model X` becomes the positional argument, as FlexibleArgumentParser.parse_args does it."""
    for index, argument in enumerate(arguments):
        if arguments[0] != "serve" or not re.match(r"--model(=.+|$)", argument):
            continue
        if "=" in argument:
            return ["serve", argument.partition("=")[2], *arguments[1:index], *arguments[index + 1 :]]
        return ["serve", *arguments[index + 1 : index + 2], *arguments[1:index], *arguments[index + 2 :]]
    return arguments


def _dashes(argument: str) -> str:
    name, equals, value = argument.partition("=")
    if not name.startswith("--"):
        return argument
    head, dot, rest = name.partition(".")
    return head.replace("_", "-") + dot + rest + equals + value


def _without_json_keys(table: FlagTable, arguments: list[str]) -> list[str]:
    """Leaves out `--flag.key value` of JSON flags: the server folds them into the flag, which nothing here reads."""
    kept: list[str] = []
    skip = False
    for argument in arguments:
        name, equals, _ = argument.partition("=")
        if skip:
            skip = False
        elif argument.startswith("-") and "." in name and table.lookup(name) is not None:
            skip = not equals
        else:
            kept.append(argument)
    return kept


def _parsers(table: FlagTable) -> tuple[argparse.ArgumentParser, argparse.ArgumentParser]:
    top = argparse.ArgumentParser(prog="vllm")
    top.add_argument("-v", "--version", action="version", version=table.wheel.version)
    commands = top.add_subparsers(required=True, dest="command")
    serve = commands.add_parser("serve", usage="vllm serve [model_tag] [options]")
    for name in _OTHERS:
        commands.add_parser(name)
    serve.add_argument("model_tag", nargs="?", default=None)
    for flag in table.flags:
        serve.add_argument(flag.name, *flag.aliases, dest=_destination(flag), **_keywords(flag))
    return top, serve


def _destination(flag: Flag) -> str:
    return flag.name.lstrip("-").replace("-", "_")


def _keywords(flag: Flag) -> dict[str, Any]:
    words: dict[str, Any] = {"default": flag.default, "metavar": flag.name.lstrip("-").replace("-", "_").upper()}
    if flag.kind == "bool":
        del words["metavar"]
        words["action"] = argparse.BooleanOptionalAction if flag.negation else "store_true"
        return words
    words["type"] = _type(flag)
    if flag.kind == "list":
        words["nargs"] = "+"
    elif flag.value_optional:
        words |= {"nargs": "?", "const": True}
    if flag.repeatable:
        words |= {"action": "append", "default": None}
    if flag.choices is not None:
        del words["metavar"]
        words["choices"] = [*flag.choices, *(word for word in flag.words if word)]
    return words


def _type(flag: Flag) -> Callable[[str], Any]:
    kind = flag.items or "str" if flag.kind == "list" else flag.kind
    plain: Callable[[str], Any]
    if kind == "int":
        plain = (human_readable_int_or_auto if "auto" in flag.words else human_readable_int) if flag.suffixes else int
    else:
        others: dict[str, Callable[[str], Any]] = {"float": float, "json": json.loads}
        plain = others.get(kind, str)
    if flag.folded:
        return lambda value: value.lower().replace("-", "_")
    if "None" not in flag.words:
        return plain

    def optional(value: str) -> Any:
        if value in {"", "None"}:
            return None
        try:
            return plain(value)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"Value {value} cannot be converted to {plain}.") from error

    return optional


def _refuse(table: FlagTable, serve: argparse.ArgumentParser, values: argparse.Namespace) -> None:
    """Bounds of values, and what a TPU lacks on every generation: the server knows its chip, this process does not."""
    for flag in table.flags:
        value = getattr(values, _destination(flag))
        if value is None or value == serve.get_default(_destination(flag)):
            continue
        if flag.bounds and isinstance(value, int | float) and (problem := check_value(flag, str(value))):
            raise RefusedError(problem)
        text = None if isinstance(value, bool) else value if isinstance(value, str) else json.dumps(value)
        for limit in load_tpu_limits().limits_for(flag, text, generation=""):
            if limit.level == "refuse" and value is not False:
                raise RefusedError(f"{flag.name} {text or ''}: {limit.message}")
