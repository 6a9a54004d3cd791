"""The fields of vLLM's config dataclasses, and the argument that its builder (`get_kwargs`) makes of each."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from typing import Any

from tools.runtime_tables.annotations import NONE, Hint, Hints, read_annotation
from tools.runtime_tables.source_tree import FoundClass, Module, Program

_BOUNDS = ("gt", "ge", "lt", "le")
_DEPRECATED = re.compile(
    r"^\W*deprecated\b|\bis (?:now )?deprecated\b|\bhas been deprecated\b|\bwill be removed in\b", re.IGNORECASE
)


class NotLiteralError(Exception):
    """An expression whose value can't be known without running it."""


@dataclass
class Argument:
    """What is known of one command-line argument, before it has a flag."""

    kind: str = "str"
    items: str | None = None
    negatable: bool = False
    suffixes: bool = False
    folded: bool = False
    words: list[str] = field(default_factory=list)
    choices: list[Any] | None = None
    known_values: list[Any] = field(default_factory=list)
    bounds: dict[str, float] = field(default_factory=dict)
    value_optional: bool = False
    repeatable: bool = False
    default: Any = None
    default_text: str | None = None
    deprecated: str | None = None
    defined_at: str | None = None


@dataclass(frozen=True)
class HumanNumbers:
    """Names of the fields whose numbers may be written 1k, 2M; and of those that also take `auto`."""

    suffixed: frozenset[str]
    auto: frozenset[str]


def deprecation(text: str) -> str | None:
    """The sentences of a help text that say the flag is deprecated."""
    sentences = re.split(r"(?<=[.!])\s+", " ".join(text.split()))
    said = [s for s in sentences if _DEPRECATED.search(s)]
    return " ".join(said) or None


def literal(program: Program, module: Module, node: ast.expr) -> Any:
    """The value of an expression made of constants, and of names and class attributes that lead to constants.

    Raises:
        NotLiteralError: it depends on something that is only known at run time.
    """
    match node:
        case ast.Constant(value=value) if not isinstance(value, bytes) and value is not ...:
            return value
        case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
            return [literal(program, module, item) for item in items]
        case ast.Dict(keys=keys, values=values) if all(keys):
            return {
                literal(program, module, k): literal(program, module, v) for k, v in zip(keys, values, strict=True) if k
            }
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -literal(program, module, operand)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return literal(program, module, left) * literal(program, module, right)
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return literal(program, module, left) ** literal(program, module, right)
        case ast.Call(func=ast.Name(id="get_args"), args=[alias]):
            return [value for hint in sorted(read_annotation(program, module, alias)) for value in hint.values]
        case ast.Name() if (found := program.resolve_expr(module, node)) and isinstance(found.node, ast.expr):
            return literal(program, found.module, found.node)
        case ast.Attribute(value=base, attr=attr):
            owner = program.resolve_class(module, base)
            if owner:
                return _class_attribute(program, owner, attr)
    raise NotLiteralError(ast.unparse(node))


def _class_attribute(program: Program, owner: FoundClass, attr: str) -> Any:
    for where, statement in _statements(program, owner):
        match statement:
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value) if name == attr:
                return literal(program, where, value)
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if name == attr:
                return literal(program, where, value)
    raise NotLiteralError(attr)


def _statements(program: Program, owner: FoundClass) -> list[tuple[Module, ast.stmt]]:
    """The class body, after those of its bases, so that the last one of a name wins."""
    inherited = [statement for base in program.bases(owner) for statement in _statements(program, base)]
    return inherited + [(owner.module, statement) for statement in owner.node.body]


def class_arguments(program: Program, owner: FoundClass, human: HumanNumbers) -> dict[str, Argument]:
    """What `get_kwargs(cls)` gives: an argument per field, those of base classes first."""
    arguments: dict[str, Argument] = {}
    statements = _statements(program, owner)
    for index, (module, statement) in enumerate(statements):
        match statement:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=value):
                text = ast.unparse(annotation)
                if text.startswith(("ClassVar", "InitVar")):
                    continue
                argument = _from_hints(name, read_annotation(program, module, annotation), human)
                argument.defined_at = module.where(statement)
                _set_default(program, module, argument, value)
                following = statements[index + 1][1] if index + 1 < len(statements) else None
                match following:
                    case ast.Expr(value=ast.Constant(value=str() as doc)):
                        argument.deprecated = deprecation(doc)
                arguments[name] = argument
    return arguments


def _set_default(program: Program, module: Module, argument: Argument, value: ast.expr | None) -> None:
    """Fill the default and the bounds from `= value`, `= Field(...)` or `= field(default_factory=...)`."""
    default = value
    if isinstance(value, ast.Call) and ast.unparse(value.func).rpartition(".")[2] in {"Field", "field"}:
        default = value.args[0] if value.args else None
        for keyword in value.keywords:
            if keyword.arg == "default":
                default = keyword.value
            elif keyword.arg == "default_factory":
                default = _produced(keyword.value)
            elif keyword.arg in _BOUNDS:
                argument.bounds[keyword.arg] = literal(program, module, keyword.value)
    if default is not None:
        assign_default(program, module, argument, default)


def _produced(factory: ast.expr) -> ast.expr:
    match factory:
        case ast.Lambda(body=body):
            return body
        case ast.Name(id="list"):
            return ast.List(elts=[], ctx=ast.Load())
        case ast.Name(id="dict"):
            return ast.Dict(keys=[], values=[])
    return ast.Call(func=factory, args=[], keywords=[])


def assign_default(program: Program, module: Module, argument: Argument, node: ast.expr) -> None:
    """Set the default to the value of `node`, or to its text where it is not literal."""
    try:
        argument.default, argument.default_text = literal(program, module, node), None
    except NotLiteralError:
        argument.default, argument.default_text = None, ast.unparse(node)


def _named(hints: Hints, name: str) -> Hint | None:
    """The alternative of that name; the first one in a fixed order where there are several."""
    return next(iter(sorted(h for h in hints if h.name == name)), None)


def _from_hints(name: str, hints: Hints, human: HumanNumbers) -> Argument:
    """The order of the questions is that of vLLM's own builder."""
    argument = Argument()
    if any(hint.dataclass for hint in hints):
        argument.kind = "json"
    elif {hint.name for hint in hints} == {"bool", "str", "None"}:
        argument.value_optional = True
    elif _named(hints, "bool"):
        argument.kind, argument.negatable = "bool", True
        return argument
    elif found := _named(hints, "literal"):
        _take_literal(argument, found, text_too=bool(_named(hints, "str")))
    elif collection := _named(hints, "tuple") or _named(hints, "list") or _named(hints, "set"):
        _take_collection(argument, collection)
    elif _named(hints, "int"):
        argument.kind = "int"
        argument.suffixes = name in human.suffixed or name in human.auto
        argument.words = ["auto"] if name in human.auto else []
    elif _named(hints, "float"):
        argument.kind = "float"
    elif _named(hints, "dict"):
        other = any(not hint.builtin and hint != NONE for hint in hints)
        argument.kind = "str" if _named(hints, "str") or other else "json"
    if NONE in hints and not argument.value_optional:
        argument.words.append("None")
    return argument


def _take_literal(argument: Argument, hint: Hint, *, text_too: bool) -> None:
    values = sorted(hint.values)
    argument.kind = type(values[0]).__name__ if values else "str"
    if text_too:
        argument.known_values = values
    else:
        argument.choices = values


def _take_collection(argument: Argument, hint: Hint) -> None:
    element = hint.arguments[0] if hint.arguments else Hint("str")
    argument.kind = "list"
    argument.items = element.name if element.name in {"int", "float"} else "str"
    if element.name == "literal":
        argument.choices = sorted(element.values)
