"""Python sources read as text, with names followed through imports. Nothing is imported."""

from __future__ import annotations

import ast
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

# Text of a source file by its path (relative, with forward slashes); None where there is no such file.
Read = Callable[[str], str | None]


def wheel_reader(wheel: Path) -> Read:
    """Reads the content of a wheel.

    Raises:
        zipfile.BadZipFile: it is none.
    """
    archive = zipfile.ZipFile(wheel)
    names = frozenset(archive.namelist())
    return lambda path: archive.read(path).decode() if path in names else None


class Imported(NamedTuple):
    """A name bound by an import: a module, or `name` of it."""

    module: str
    name: str | None


# What a module binds a name to: an imported thing, a class, a function, or the expression last assigned.
Binding = Imported | ast.ClassDef | ast.FunctionDef | ast.expr


class Module:
    """One parsed source file and the names it binds at its top level."""

    def __init__(self, name: str, path: str, text: str) -> None:
        self.name = name
        self.path = path
        self.bindings: dict[str, Binding] = {}
        self._package = name if path.endswith("__init__.py") else name.rpartition(".")[0]
        self._bind(ast.parse(text).body)

    def where(self, node: ast.AST) -> str:
        """`file:line` of a node."""
        return f"{self.path}:{getattr(node, 'lineno', 0)}"

    def bind(self, statement: ast.stmt) -> None:
        """Take in one statement, also one inside of a function (local imports)."""
        self._bind([statement])

    def _bind(self, body: list[ast.stmt]) -> None:
        for node in body:
            match node:
                case ast.ClassDef() | ast.FunctionDef():
                    self.bindings[node.name] = node
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    self.bindings[name] = value
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                    self.bindings[name] = value
                case ast.Import():
                    for alias in node.names:
                        target = alias.name if alias.asname else alias.name.partition(".")[0]
                        self.bindings[alias.asname or target] = Imported(target, None)
                case ast.ImportFrom():
                    self._bind_from(node)
                case ast.If():
                    # `if TYPE_CHECKING:` first, so that the `else` branch, which is what runs, has the last word.
                    self._bind(node.body)
                    self._bind(node.orelse)
                case ast.Try():
                    self._bind(node.body)
                case _ if type(node).__name__ == "TypeAlias":  # `type X = ...`; the class is there from Python 3.12
                    self.bindings[node.name.id] = node.value  # type: ignore[attr-defined]

    def _bind_from(self, node: ast.ImportFrom) -> None:
        base = node.module or ""
        if node.level:
            parts = self._package.split(".")
            above = ".".join(parts[: len(parts) - node.level + 1])
            base = f"{above}.{base}" if base else above
        for alias in node.names:
            self.bindings[alias.asname or alias.name] = Imported(base, alias.name)


class Found(NamedTuple):
    """A name's definition and the module in which it stands."""

    module: Module
    node: ast.ClassDef | ast.FunctionDef | ast.expr


class FoundClass(NamedTuple):
    """A class and the module in which it stands."""

    module: Module
    node: ast.ClassDef


class Program:
    """All modules of a tree of sources, parsed when first needed."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._modules: dict[str, Module | None] = {}

    def module(self, name: str) -> Module | None:
        """The module `a.b.c`, None if the tree has no such file."""
        if name not in self._modules:
            self._modules[name] = None
            base = name.replace(".", "/")
            for path in (f"{base}.py", f"{base}/__init__.py"):
                text = self._read(path)
                if text is not None:
                    self._modules[name] = Module(name, path, text)
                    break
        return self._modules[name]

    def resolve(self, module: Module, name: str) -> Found | None:
        """Where `name`, as used in `module`, is defined; None for what lies outside of the tree."""
        seen: set[tuple[str, str]] = set()
        while (module.name, name) not in seen:
            seen.add((module.name, name))
            bound = module.bindings.get(name)
            if bound is None:
                return None
            if not isinstance(bound, Imported):
                return Found(module, bound)
            if bound.name is None:
                return None
            following = self.module(bound.module)
            if following is None:
                return None
            module, name = following, bound.name
        return None

    def resolve_expr(self, module: Module, expr: ast.expr) -> Found | None:
        """Like `resolve`, for `Name` and `module.Name`."""
        match expr:
            case ast.Name(id=name):
                return self.resolve(module, name)
            case ast.Attribute(value=ast.Name(id=base), attr=attr):
                bound = module.bindings.get(base)
                if isinstance(bound, Imported):
                    path = bound.module if bound.name is None else f"{bound.module}.{bound.name}"
                    inner = self.module(path)
                    return self.resolve(inner, attr) if inner else None
        return None

    def resolve_class(self, module: Module, expr: ast.expr) -> FoundClass | None:
        """The class that an expression names, None if it is no class of the tree."""
        found = self.resolve_expr(module, expr)
        return FoundClass(found.module, found.node) if found and isinstance(found.node, ast.ClassDef) else None

    def bases(self, owner: FoundClass) -> list[FoundClass]:
        """The base classes that lie in the tree."""
        return [base for node in owner.node.bases if (base := self.resolve_class(owner.module, node))]
