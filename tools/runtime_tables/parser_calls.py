"""Follows, statement by statement and without running anything, how `vllm serve` builds its argument parser."""

from __future__ import annotations

import ast
import copy
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tools.runtime_tables.config_fields import (
    Argument,
    HumanNumbers,
    NotLiteralError,
    assign_default,
    class_arguments,
    deprecation,
    literal,
)
from tools.runtime_tables.source_tree import FoundClass, Module, Program

_KINDS = {"int": "int", "float": "float", "str": "str", "json.loads": "json"}


@dataclass(frozen=True)
class Group:
    """The parser itself (title "") or one of its groups."""

    title: str


@dataclass(frozen=True)
class BoundClass:
    """A class in the role of `cls`, and the class whose base classes `super()` means."""

    found: FoundClass
    method_of: FoundClass


@dataclass
class Registered:
    """One flag as it is added to the parser."""

    options: list[str]
    argument: Argument
    group: str
    read_at: str


@dataclass
class Builder:
    """Collects flags. `kwargs` tables are dicts of `Argument`, shared by reference as in the original."""

    program: Program
    human: HumanNumbers
    flags: list[Registered] = field(default_factory=list)

    def run(self, module: Module, function: ast.FunctionDef, bound: BoundClass | None) -> Any:
        """Follow a function; the value it returns, where that is known."""
        scope: dict[str, Any] = {}
        names = [a.arg for a in function.args.args]
        if bound is not None and names and names[0] == "cls":
            scope["cls"] = bound
            names = names[1:]
        if names:  # the parser, or the table of arguments given to a customising method
            scope[names[0]] = Group("")
        return self._block(module, function.body, scope)

    def _block(self, module: Module, body: list[ast.stmt], scope: dict[str, Any]) -> Any:
        for statement in body:
            match statement:
                case ast.Return(value=ast.expr() as value):
                    return self._value(module, value, scope)
                case ast.Import() | ast.ImportFrom():
                    module.bind(statement)
                case ast.Assign(targets=[target], value=value):
                    self._assign(module, target, value, scope)
                case ast.AugAssign(target=ast.Subscript() as target):
                    # choices made longer by something computed: the enforced list is no longer known
                    argument, key = self._slot(module, target, scope)
                    if argument is not None and key == "choices":
                        argument.known_values, argument.choices = argument.choices or [], None
                case ast.Delete(targets=targets):
                    for target in targets:
                        self._delete(module, target, scope)
                case ast.Expr(value=ast.Call() as call):
                    self._value(module, call, scope)
                case ast.If(body=inner):
                    self._block(module, inner, scope)
                case ast.For():
                    self._loop(module, statement, scope)
        return None

    # -- values ------------------------------------------------------------------------------------------------

    def _value(self, module: Module, node: ast.expr, scope: dict[str, Any]) -> Any:
        match node:
            case ast.Name(id=name):
                return scope.get(name)
            case ast.Subscript(value=base, slice=ast.Constant(value=str() as key)):
                table = self._value(module, base, scope)
                return table.get(key) if isinstance(table, dict) else None
            case ast.Call():
                return self._call(module, node, scope)
        return None

    def _call(self, module: Module, call: ast.Call, scope: dict[str, Any]) -> Any:
        match call.func:
            case ast.Attribute(value=ast.Subscript(slice=ast.Constant(value="choices")) as target, attr="remove"):
                argument, _ = self._slot(module, target, scope)
                if argument is not None and argument.choices:
                    gone = literal(self.program, module, call.args[0])
                    argument.choices = [choice for choice in argument.choices if choice != gone]
                return None
            case ast.Name(id="get_kwargs"):
                owner = self._class(module, call.args[0], scope)
                return class_arguments(self.program, owner, self.human) if owner else None
            case ast.Attribute(value=base, attr="add_argument_group"):
                return Group(self._title(module, call, scope))
            case ast.Attribute(value=base, attr="add_argument"):
                group = self._value(module, base, scope)
                if isinstance(group, Group):
                    self._add(module, call, group, scope)
                return None
            case ast.Attribute(value=ast.Call(func=ast.Name(id="super")), attr=method):
                return self._method(module, scope.get("cls"), method, call, scope, above=True)
            case ast.Attribute(value=base, attr=method):
                bound = self._value(module, base, scope)
                if not isinstance(bound, BoundClass):
                    owner = self._class(module, base, scope)
                    bound = BoundClass(owner, owner) if owner else None
                return self._method(module, bound, method, call, scope, above=False)
        return None

    def _class(self, module: Module, node: ast.expr, scope: dict[str, Any]) -> FoundClass | None:
        bound = self._value(module, node, scope)
        if isinstance(bound, BoundClass):
            return bound.found
        return self.program.resolve_class(module, node)

    def _method(
        self, module: Module, bound: Any, name: str, call: ast.Call, scope: dict[str, Any], *, above: bool
    ) -> Any:
        """Follow `cls.name(...)` or `super().name(...)`; its first argument is handed on."""
        if not isinstance(bound, BoundClass):
            return None
        start = self.program.bases(bound.method_of) if above else [bound.found]
        for owner in start:
            if (method := self._find_method(owner, name)) is not None:
                where, function = method
                inner: dict[str, Any] = {"cls": BoundClass(bound.found, where)}
                parameters = [a.arg for a in function.args.args if a.arg != "cls"]
                for parameter, value in zip(parameters, call.args, strict=False):
                    inner[parameter] = self._value(module, value, scope)
                return self._block(where.module, function.body, inner)
        return None

    def _find_method(self, owner: FoundClass, name: str) -> tuple[FoundClass, ast.FunctionDef] | None:
        for statement in owner.node.body:
            if isinstance(statement, ast.FunctionDef) and statement.name == name:
                return owner, statement
        return next((m for base in self.program.bases(owner) if (m := self._find_method(base, name))), None)

    def _title(self, module: Module, call: ast.Call, scope: dict[str, Any]) -> str:
        node = next((k.value for k in call.keywords if k.arg == "title"), call.args[0] if call.args else None)
        if node is None:
            return ""
        try:
            return str(literal(self.program, module, node))
        except NotLiteralError:
            bound = scope.get("cls")
            # the frontend's group is called after its class, without `Args`
            return bound.found.node.name.removesuffix("Args") if isinstance(bound, BoundClass) else ""

    # -- statements ----------------------------------------------------------------------------------------------

    def _assign(self, module: Module, target: ast.expr, value: ast.expr, scope: dict[str, Any]) -> None:
        match target:
            case ast.Name(id=name):
                result = self._value(module, value, scope)
                if result is not None or name not in scope:
                    scope[name] = result
            case ast.Subscript():
                argument, key = self._slot(module, target, scope)
                if argument is not None:
                    self._apply(module, argument, key, value)

    def _slot(self, module: Module, target: ast.Subscript, scope: dict[str, Any]) -> tuple[Argument | None, str]:
        key = target.slice.value if isinstance(target.slice, ast.Constant) else ""
        argument = self._value(module, target.value, scope)
        return (argument if isinstance(argument, Argument) else None), str(key)

    def _delete(self, module: Module, target: ast.expr, scope: dict[str, Any]) -> None:
        if isinstance(target, ast.Subscript):
            argument, key = self._slot(module, target, scope)
            if argument is not None and key == "nargs" and argument.kind == "list":
                argument.kind, argument.items = argument.items or "str", None

    def _loop(self, module: Module, loop: ast.For, scope: dict[str, Any]) -> None:
        """`for key, value in TABLE.items(): ... add_argument(f"--{key}", **value)` adds every field of the table."""
        match loop:
            case ast.For(
                target=ast.Tuple(elts=[ast.Name(), ast.Name()]),
                iter=ast.Call(func=ast.Attribute(value=table, attr="items")),
            ):
                fields = self._value(module, table, scope)
                receivers = [
                    node.func.value
                    for node in ast.walk(loop)
                    if isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)
                    and node.func.attr == "add_argument"
                ]
                if isinstance(fields, dict) and receivers:
                    group = self._value(module, receivers[0], scope)
                    for name, argument in fields.items():
                        option = "--" + name.replace("_", "-")
                        title = group.title if isinstance(group, Group) else ""
                        self.flags.append(Registered([option], argument, title, module.where(receivers[0])))

    def _add(self, module: Module, call: ast.Call, group: Group, scope: dict[str, Any]) -> None:
        constants = [a.value for a in call.args if isinstance(a, ast.Constant)]
        options = [value for value in constants if isinstance(value, str) and value.startswith("-")]
        if not options:  # a positional argument
            return
        argument = Argument()
        for keyword in call.keywords:
            if keyword.arg is None:
                argument = self._merge(module, keyword.value, scope)
            else:
                self._apply(module, argument, keyword.arg, keyword.value)
        self.flags.append(Registered(options, argument, group.title, module.where(call)))

    def _merge(self, module: Module, node: ast.expr, scope: dict[str, Any]) -> Argument:
        """`**table["x"]`, or `**{**table["x"], "default": None}`."""
        if isinstance(node, ast.Dict):
            argument = Argument()
            for key, value in zip(node.keys, node.values, strict=True):
                if key is None:
                    argument = self._merge(module, value, scope)
                elif isinstance(key, ast.Constant):
                    self._apply(module, argument, str(key.value), value)
            return argument
        found = self._value(module, node, scope)
        if not isinstance(found, Argument):
            raise NotLiteralError(f"{module.where(node)}: {ast.unparse(node)}")
        return copy.deepcopy(found)

    def _apply(self, module: Module, argument: Argument, key: str, value: ast.expr) -> None:
        """One keyword of `add_argument`, given there or set in a table before."""
        text = ast.unparse(value)
        if key == "default":
            assign_default(self.program, module, argument, value)
        elif key == "type":
            _apply_type(argument, text)
        elif key == "action":
            _apply_action(argument, text)
        elif key == "choices":
            try:
                argument.choices = literal(self.program, module, value)
            except NotLiteralError:
                argument.choices = None
        elif key == "nargs" and text in {"'+'", "'*'"}:
            argument.kind, argument.items = "list", argument.kind
        elif key == "help":
            with suppress(NotLiteralError):
                argument.deprecated = deprecation(str(literal(self.program, module, value))) or argument.deprecated
        elif key == "deprecated" and text == "True":
            argument.deprecated = argument.deprecated or "deprecated"


def _apply_type(argument: Argument, text: str) -> None:
    optional = text.startswith("optional_type(")
    plain = text.removeprefix("optional_type(").removesuffix(")") if optional else text
    if plain in _KINDS and argument.kind != "list":
        argument.kind = _KINDS[plain]
    elif plain in _KINDS:
        argument.items = _KINDS[plain]
    elif text.startswith("lambda") and ".lower()" in text:
        argument.folded = True
    if optional and "None" not in argument.words:
        argument.words.append("None")


def _apply_action(argument: Argument, text: str) -> None:
    action = text.strip("'\"").rpartition(".")[2]
    if action == "BooleanOptionalAction":
        argument.kind, argument.negatable = "bool", True
    elif action in {"store_true", "store_false"}:
        argument.kind, argument.default = "bool", argument.default if argument.default is not None else False
    elif action == "append":
        argument.repeatable = True
        if argument.kind == "list":
            argument.kind, argument.items = argument.items or "str", None
    elif action.startswith("Deprecated"):
        argument.deprecated = argument.deprecated or "deprecated"
