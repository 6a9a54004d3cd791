"""Writes the flag table of a vLLM version from its wheel: `ast` only, vLLM is never imported (it would need torch).

Where the flags come from: `make_arg_parser` of the API server adds its own and those of two dataclasses
(`FrontendArgs`, `EngineArgs`); the latter take kind, default and bounds from the dataclasses in `vllm/config`.
"""

from __future__ import annotations

import ast
import datetime
import hashlib
import json
from pathlib import Path
from typing import Any

from catalog.files import DATA_DIR
from catalog.refresh.lock_file import write_whole
from tools.runtime_tables.config_fields import HumanNumbers
from tools.runtime_tables.parser_calls import Builder, Registered
from tools.runtime_tables.source_tree import Module, Program, Read, wheel_reader

# The file moved between versions; the first one that exists is the one.
PARSER_MODULES = ("vllm.entrypoints.openai.cli_args", "vllm.entrypoints.launchers.cli_args")
ENGINE_MODULE = "vllm.engine.arg_utils"
PARSER_CLASS_MODULE = "vllm.utils.argparse_utils"


class ExtractionError(Exception):
    """The wheel does not look as expected; the message says what was missing."""


def extract(read: Read) -> list[dict[str, Any]]:
    """Every flag of the `vllm serve` parser, as in the JSON table, in the parser's order.

    Raises:
        ExtractionError: a function that builds the parser is not where it was.
    """
    program = Program(read)
    module = next((m for name in PARSER_MODULES if (m := program.module(name))), None)
    maker = module.bindings.get("make_arg_parser") if module else None
    if module is None or not isinstance(maker, ast.FunctionDef):
        raise ExtractionError(f"no function make_arg_parser in {' or '.join(PARSER_MODULES)}")
    builder = Builder(program, _human_numbers(program))
    builder.run(module, maker, None)
    if not builder.flags:
        raise ExtractionError(f"make_arg_parser in {module.path} adds no flags that could be read")
    extra = _parser_aliases(program)
    return [_flag(registered, extra) for registered in builder.flags]


def table(wheel: Path, *, today: datetime.date) -> dict[str, Any]:
    """The whole table of a wheel: where it was read from, and its flags.

    Raises:
        ExtractionError: the file is not a vLLM wheel of a known shape.
        zipfile.BadZipFile: not a wheel at all.
    """
    name, version, *_ = wheel.name.split("-")
    if name not in {"vllm", "vllm_tpu"}:
        raise ExtractionError(f"{wheel.name} is not a wheel of vllm or vllm-tpu")
    source = {
        "name": wheel.name,
        "version": version,
        "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
        "date": today.isoformat(),
    }
    return {"wheel": source, "flags": extract(wheel_reader(wheel))}


def write_table(wheel: Path, *, today: datetime.date, data_dir: Path = DATA_DIR) -> Path:
    """Write `vllm_flags/<version>.json` from a wheel, whole or not at all; the file written.

    Raises:
        ExtractionError, zipfile.BadZipFile: see `table`.
    """
    content = table(wheel, today=today)
    target = data_dir / "vllm_flags" / f"{content['wheel']['version']}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    # one flag a line: a difference between two versions then reads like a list of flags
    flags = ",\n".join("  " + json.dumps(flag, ensure_ascii=False) for flag in content["flags"])
    write_whole(target, f'{{"wheel": {json.dumps(content["wheel"])},\n "flags": [\n{flags}\n]}}\n')
    return target


def _flag(registered: Registered, extra_aliases: dict[str, list[str]]) -> dict[str, Any]:
    argument = registered.argument
    name = next((option for option in registered.options if option.startswith("--")), registered.options[0])
    aliases = [option for option in registered.options if option != name] + extra_aliases.get(name, [])
    full = {
        "name": name,
        "aliases": aliases,
        "kind": argument.kind,
        "negation": f"--no-{name[2:]}" if argument.negatable else None,
        "items": argument.items,
        "suffixes": argument.suffixes,
        "folded": argument.folded,
        "words": argument.words,
        "choices": argument.choices,
        "knownValues": argument.known_values,
        "bounds": argument.bounds,
        "valueOptional": argument.value_optional,
        "repeatable": argument.repeatable,
        "default": argument.default,
        "defaultText": argument.default_text,
        "deprecated": argument.deprecated,
    }
    kept = {key: value for key, value in full.items() if value not in (None, False, [], {}) or key == "default"}
    return kept | {
        "group": registered.group or "general",
        "readAt": registered.read_at,
        **({"definedAt": argument.defined_at} if argument.defined_at else {}),
    }


def _parser_aliases(program: Program) -> dict[str, list[str]]:
    """`-O` is turned into `--optimization-level` by the parser class itself."""
    module = program.module(PARSER_CLASS_MODULE)
    cls = module.bindings.get("FlexibleArgumentParser") if module else None
    constants = (
        {n.value for n in ast.walk(cls) if isinstance(n, ast.Constant)} if isinstance(cls, ast.ClassDef) else set()
    )
    return {"--optimization-level": ["-O"]} if {"-O", "--optimization-level"} <= constants else {}


def _human_numbers(program: Program) -> HumanNumbers:
    """Which fields take 1k, 2M, `auto`: named inside of the argument builder."""
    module = program.module(ENGINE_MODULE)
    if module is None:
        raise ExtractionError(f"no module {ENGINE_MODULE}")
    suffixed: set[str] = set()
    auto: set[str] = set()
    for node in _builder_nodes(module):
        match node:
            case ast.Assign(targets=[ast.Name(id="human_readable_int_args")], value=ast.Set(elts=items)):
                suffixed.update(str(item.value) for item in items if isinstance(item, ast.Constant))
            case ast.If(
                test=ast.Compare(
                    left=ast.Name(id="name"), ops=[ast.Eq()], comparators=[ast.Constant(value=str() as name)]
                ),
                body=body,
            ) if any("human_readable_int_or_auto" in ast.unparse(statement) for statement in body):
                auto.add(name)
    return HumanNumbers(frozenset(suffixed), frozenset(auto))


def _builder_nodes(module: Module) -> list[ast.AST]:
    functions = [b for b in module.bindings.values() if isinstance(b, ast.FunctionDef)]
    return [node for function in functions for node in ast.walk(function)]
