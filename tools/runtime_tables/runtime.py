"""Writes what a runtime knows by name, from its two wheels: `ast` only, nothing of them is imported.

Read are registries that a server asks at its start: architectures with a JAX implementation, those of them that can be
streamed, those which run on torchax all the same, what each backend can load, tool and reasoning parsers, transfer connectors and variables.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar, cast

from catalog.files import DATA_DIR
from catalog.refresh.lock_file import write_whole
from tools.runtime_tables.source_tree import Module, Program, wheel_reader
from tools.runtime_tables.vllm_flags import ExtractionError

Node = TypeVar("Node", bound=ast.AST)
_LOADER = "tpu_inference.models.common.model_loader"
_PLATFORM = "tpu_inference.platforms.tpu_platform"
_METHODS = "tpu_inference.layers.common.quant_methods"
_BACKENDS = {"flaxNnx": "tpu_inference.layers.jax.quantization", "torchax": "tpu_inference.layers.vllm.quantization"}


def runtime(vllm: Path, tpu_inference: Path) -> dict[str, Any]:
    """The content of `runtimes/VERSION.json`.

    Raises:
        ExtractionError: a registry is not where it was.
    """
    of_vllm, of_tpu = Program(wheel_reader(vllm)), Program(wheel_reader(tpu_inference))
    loader, platform = _module(of_tpu, _LOADER), _module(of_tpu, _PLATFORM)
    methods = {name: value.value for name, value in _strings(_module(of_tpu, _METHODS))}
    return {
        "wheels": [
            {"name": wheel.name, "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest()}
            for wheel in (vllm, tpu_inference)
        ],
        "jaxArchitectures": sorted(
            node.slice.value
            for node in ast.walk(_bound(loader, "_get_model_architecture", ast.FunctionDef))
            if isinstance(node, ast.Subscript)
            and isinstance(node.ctx, ast.Store)
            and isinstance(node.slice, ast.Constant)
        ),
        "streamed": sorted(_streamed(of_tpu, loader)),
        "torchaxPreferred": sorted(_texts(_assigned(loader, "_VLLM_PREFERRED_ARCHITECTURES"))),
        "quantization": {
            "platform": sorted(_texts(_attribute(platform, "TpuPlatform", "supported_quantization"))),
            **{name: sorted(_loadable(_module(of_tpu, module), methods)) for name, module in _BACKENDS.items()},
        },
        "connectors": sorted(_texts(_local(platform, "TpuPlatform", "check_and_update_config", "allowed"))),
        "toolParsers": sorted(_keys(_assigned(_module(of_vllm, "vllm.tool_parsers"), "_TOOL_PARSERS_TO_REGISTER"))),
        "reasoningParsers": sorted(
            _keys(_assigned(_module(of_vllm, "vllm.reasoning"), "_REASONING_PARSERS_TO_REGISTER"))
        ),
        "variables": {
            name: _choices(getter)
            for program, module in ((of_tpu, "tpu_inference.envs"), (of_vllm, "vllm.envs"))
            for name, getter in sorted(_entries(_assigned(_module(program, module), "environment_variables")))
        },
    }


def write_runtime(vllm: Path, tpu_inference: Path, *, data_dir: Path = DATA_DIR) -> Path:
    """Write `runtimes/<version>.json`, whole or not at all; the file written.

    Raises:
        ExtractionError: see `runtime`.
    """
    target = data_dir / "runtimes" / f"{vllm.name.split('-')[1]}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    write_whole(target, json.dumps(runtime(vllm, tpu_inference), indent=1) + "\n")
    return target


def _module(program: Program, name: str) -> Module:
    module = program.module(name)
    if module is None:
        raise ExtractionError(f"no module {name}")
    return module


def _bound(module: Module, name: str, kind: type[Node]) -> Node:
    value = module.bindings.get(name)
    if not isinstance(value, kind):
        raise ExtractionError(f"{module.path} has no {kind.__name__} {name}")
    return value


def _assigned(module: Module, name: str) -> ast.expr:
    return _bound(module, name, ast.expr)


def _value_of(body: list[ast.stmt], name: str, where: str) -> ast.expr:
    for statement in body:
        for node in ast.walk(statement):
            match node:
                case ast.AnnAssign(target=ast.Name(id=found), value=ast.expr() as value) if found == name:
                    return value
                case ast.Assign(targets=[ast.Name(id=found)], value=value) if found == name:
                    return value
    raise ExtractionError(f"{where} assigns no {name}")


def _attribute(module: Module, cls: str, name: str) -> ast.expr:
    return _value_of(_bound(module, cls, ast.ClassDef).body, name, f"{module.path} {cls}")


def _local(module: Module, cls: str, method: str, name: str) -> ast.expr:
    body = [
        node
        for node in _bound(module, cls, ast.ClassDef).body
        if isinstance(node, ast.FunctionDef) and node.name == method
    ]
    return _value_of(cast("list[ast.stmt]", body), name, f"{module.path} {cls}.{method}")


def _streamed(program: Program, loader: Module) -> Iterator[str]:
    """Architectures whose JAX class has the attribute that the streamer asks for; the rest it moves to torchax."""
    function = _bound(loader, "_get_model_architecture", ast.FunctionDef)
    for statement in function.body:
        loader.bind(statement)
    for node in ast.walk(function):
        match node:
            case ast.Assign(targets=[ast.Subscript(slice=ast.Constant(value=str(name)))], value=value):
                found = program.resolve_class(loader, value)
                if found is None:
                    raise ExtractionError(f"{loader.path}: no class of {name}")
                if any(
                    isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == "WeightLoader"
                    for line in found.node.body
                ):
                    yield name


def _texts(expression: ast.expr) -> list[str]:
    return [
        node.value for node in ast.walk(expression) if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]


def _strings(module: Module) -> list[tuple[str, ast.Constant]]:
    return [(name, value) for name, value in module.bindings.items() if isinstance(value, ast.Constant)]


def _entries(expression: ast.expr) -> list[tuple[str, ast.expr]]:
    if not isinstance(expression, ast.Dict):
        raise ExtractionError(f"no dictionary: {ast.unparse(expression)[:60]}")
    return [
        (key.value, value)
        for key, value in zip(expression.keys, expression.values, strict=True)
        if isinstance(key, ast.Constant) and isinstance(key.value, str)
    ]


def _keys(expression: ast.expr) -> list[str]:
    return [key for key, _ in _entries(expression)]


def _loadable(module: Module, methods: dict[str, Any]) -> list[str]:
    """Methods of `get_tpu_quantization_config`, whose keys are None and constants of another module."""
    table = _value_of(
        _bound(module, "get_tpu_quantization_config", ast.FunctionDef).body, "method_to_config", module.path
    )
    if not isinstance(table, ast.Dict):
        raise ExtractionError(f"{module.path}: method_to_config is no dictionary")
    names = [ast.unparse(key).rpartition(".")[2] for key in table.keys if key is not None]
    names = [name for name in names if name != "None"]
    if missing := [name for name in names if name not in methods]:
        raise ExtractionError(f"{module.path}: no value of {', '.join(missing)}")
    return [methods[name] for name in names]


def _choices(getter: ast.expr) -> list[str]:
    """What a variable takes, where its reader refuses anything else; empty where it takes anything."""
    match getter:
        case ast.Call(func=ast.Name(id="env_with_choices"), args=[_, _, ast.List() as choices, *_]):
            return _texts(choices)
        case ast.Call(func=ast.Name(id="env_bool")):
            return ["0", "1", "false", "true"]
    return []
