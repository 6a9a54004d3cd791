"""Type annotations as vLLM's argument builder sees them: a flat set of alternatives."""

from __future__ import annotations

import ast
from typing import NamedTuple

from tools.runtime_tables.source_tree import Module, Program

_BUILTIN = frozenset({"bool", "int", "float", "str", "bytes", "list", "tuple", "set", "dict", "type", "object"})
# Wrappers that runtime typing sees through on the way to the type, by their first argument.
_TRANSPARENT = frozenset({"Annotated", "SkipValidation", "Required", "NotRequired"})
_COLLECTIONS = {"List": "list", "Tuple": "tuple", "Set": "set", "Dict": "dict", "Type": "type"}


class Hint(NamedTuple):
    """One alternative of an annotation: a plain type, `literal` with its values, or a collection with its elements."""

    name: str
    arguments: tuple[Hint, ...] = ()
    values: tuple[str | int | float | bool, ...] = ()
    dataclass: bool = False

    @property
    def builtin(self) -> bool:
        """True for types of Python itself."""
        return self.name in _BUILTIN


Hints = frozenset[Hint]
NONE = Hint("None")


def read_annotation(program: Program, module: Module, node: ast.expr) -> Hints:
    """The alternatives of an annotation; names are followed, what lies outside of the tree stays an opaque name."""
    match node:
        case ast.Constant(value=None):
            return frozenset({NONE})
        case ast.Constant(value=str() as text):
            return read_annotation(program, module, ast.parse(text, mode="eval").body)
        case ast.BinOp(op=ast.BitOr(), left=left, right=right):
            return read_annotation(program, module, left) | read_annotation(program, module, right)
        case ast.Subscript(value=base, slice=inner):
            return _read_subscript(program, module, _last_name(base), inner)
        case ast.Name() | ast.Attribute():
            return _read_name(program, module, node)
    return frozenset({Hint(ast.unparse(node))})


def _last_name(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(attr=name):
            return name
    return ast.unparse(node)


def _read_subscript(program: Program, module: Module, base: str, inner: ast.expr) -> Hints:
    items = inner.elts if isinstance(inner, ast.Tuple) else [inner]
    if base in _TRANSPARENT:
        return read_annotation(program, module, items[0])
    if base == "Optional":
        return read_annotation(program, module, items[0]) | {NONE}
    if base == "Union":
        return frozenset().union(*(read_annotation(program, module, item) for item in items))
    if base == "Literal":
        return _read_literal(program, module, items)
    arguments = [
        Hint("...")
        if isinstance(item, ast.Constant) and item.value is ...
        else _one(read_annotation(program, module, item))
        for item in items
    ]
    return frozenset({Hint(_COLLECTIONS.get(base, base), tuple(arguments))})


def _one(hints: Hints) -> Hint:
    """A union inside of a collection counts as text: that is what the argument builder makes of it."""
    return next(iter(hints)) if len(hints) == 1 else Hint("str")


def _read_literal(program: Program, module: Module, items: list[ast.expr]) -> Hints:
    values: list[str | int | float | bool] = []
    for item in items:
        if isinstance(item, ast.Constant) and isinstance(item.value, str | int | float):
            values.append(item.value)
        else:  # Literal[OtherLiteral]
            for hint in read_annotation(program, module, item):
                values.extend(hint.values)
    return frozenset({Hint("literal", values=tuple(values))})


def _read_name(program: Program, module: Module, node: ast.expr) -> Hints:
    name = _last_name(node)
    found = program.resolve_expr(module, node)
    if found is None:
        return frozenset({Hint(_COLLECTIONS.get(name, name))})
    if isinstance(found.node, ast.ClassDef):
        bases = [_last_name(b.value if isinstance(b, ast.Subscript) else b) for b in found.node.bases]
        if "dict" in bases:
            return frozenset({Hint("dict")})
        return frozenset({Hint(name, dataclass=is_dataclass(found.node))})
    if isinstance(found.node, ast.expr):
        # `X = Any` and the like: an alias, also of a name outside of the tree.
        return read_annotation(program, found.module, found.node)
    return frozenset({Hint(name)})


def is_dataclass(node: ast.ClassDef) -> bool:
    """True if the class has the decorator `dataclass` or vLLM's own `config`, with or without arguments."""
    plain = [d.func if isinstance(d, ast.Call) else d for d in node.decorator_list]
    return any(_last_name(d) in {"dataclass", "config"} for d in plain)
