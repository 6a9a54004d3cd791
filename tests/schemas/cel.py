"""Validation rules (x-kubernetes-validations), evaluated by the C++ runtime of CEL.

Three libraries were compared on the 186 different rules of these schemas and 52 cases worked out by hand:

| library | functions it lacks | cases wrong | time a rule |
|---|---|---|---|
| cel-expr-python 0.1.3 (CEL's C++ runtime) | isIP | 0 | 4 us |
| common-expression-language 0.10.0 (Rust) | isIP, and split, substring in Rust | 4 | 4 us |
| cel-python 0.5.0 (Python) | isIP, split, substring | 10 | 400 us |

The Rust one does not absorb errors inside all() and exists(), and its size() of a string counts bytes.

Only cel-expr-python checks a rule's functions when it compiles, so a rule it cannot evaluate shows before it is needed.
Patterns of schemas run through the same runtime: it has RE2, the engine of the API server, and nothing is translated.

Not modelled: the cost budget, and order-free equality of set and map lists (only transition rules here compare lists).
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from cel_expr_python import cel as runtime  # type: ignore[import-untyped, unused-ignore]
from cel_expr_python.ext import ext_strings  # type: ignore[import-untyped, unused-ignore]

from .issues import Issue, Schema, join

_RESERVED = frozenset(
    {
        "true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import",
        "let", "loop", "package", "namespace", "return", "var", "void", "while",
    }
)  # fmt: skip
_ESCAPES = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}
_STRING_LITERAL = re.compile(r'"""(?:.|\n)*?"""|"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'')
# No rule that the API server has compiled can raise these: the engine is at fault, not the object.
_ENGINE_ERRORS = ("No matching overloads", "Non-CEL value type", "invalid regular expression")


class UnsupportedRuleError(Exception):
    """The engine cannot evaluate a rule or pattern; a verdict without it would be worth nothing."""


def _is_ip(text: str) -> bool:
    """Kubernetes' isIP(): IPv4 or IPv6, neither zoned nor IPv4 in IPv6."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return address.version == 4 or (address.scope_id is None and address.ipv4_mapped is None)


@cache
def _environment() -> Any:
    """CEL's standard library, its string library (which Kubernetes includes) and the Kubernetes functions in use."""
    is_ip = runtime.Overload(
        "isIP_string", return_type=runtime.Type.BOOL, parameters=[runtime.Type.STRING], impl=_is_ip
    )
    return runtime.NewEnv(
        variables={"self": runtime.Type.DYN},
        extensions=[ext_strings.ExtStrings()],
        functions=[runtime.FunctionDecl("isIP", [is_ip])],
    )


@cache
def _compile(expression: str) -> Any:
    try:
        return _environment().compile(expression)
    except RuntimeError as error:
        raise UnsupportedRuleError(f"{expression}: {error}") from error


def _evaluate(expression: str, activation: Any) -> tuple[Any, str | None]:
    """(value, None) or (None, error)."""
    result = _compile(expression).eval(activation)
    if result.type() != runtime.Type.ERROR:
        return result.value(), None
    error = str(result.value())
    if any(text in error for text in _ENGINE_ERRORS):
        raise UnsupportedRuleError(f"{expression}: {error}")
    return None, error


@cache
def _pattern(pattern: str) -> str:
    return f"self.matches({json.dumps(pattern)})"


def matches(pattern: str, text: str) -> bool:
    """Whether RE2 finds the pattern in the text."""
    value, error = _evaluate(_pattern(pattern), _environment().Activation({"self": text}))
    if error is not None:
        raise UnsupportedRuleError(f"{pattern}: {error}")
    return bool(value)


@cache
def is_transition(rule: str) -> bool:
    """Whether the rule compares with the old object: the API server skips it on create."""
    return re.search(r"\boldSelf\b", _STRING_LITERAL.sub("", rule)) is not None


def unsupported(rules: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """(rule, why) for each rule or message expression that the engine cannot compile."""
    for rule in rules:
        for key in ("rule", "messageExpression"):
            if key in rule and not is_transition(rule[key]):
                try:
                    _compile(rule[key])
                except UnsupportedRuleError as error:
                    yield rule[key], str(error)


def escape(name: str) -> str:
    """The name under which rules see a field (Kubernetes' escaping of CEL keywords and of `.`, `-`, `/`, `__`)."""
    if name in _RESERVED:
        return f"__{name}__"
    return re.sub(r"__|[-./]", lambda match: _ESCAPES[match[0]], name)


def check(value: Any, schema: Schema) -> list[Issue]:
    """Evaluates the rules of all levels on a whole object with its defaults.

    Raises UnsupportedRuleError where the engine cannot evaluate one of them.
    """
    issues: list[Issue] = []
    _walk(value, schema, "", issues)
    return issues


def _walk(value: Any, schema: Schema, path: str, issues: list[Issue]) -> Any:
    """Adds the refusals of the value and of all below; returns it as rules see it."""
    converted = value
    properties = schema.get("properties", {})
    additional = schema.get("additionalProperties")
    if isinstance(value, dict):
        converted = {}
        for name, item in value.items():
            if name in properties:
                converted[escape(name)] = _walk(item, properties[name], join(path, name), issues)
            elif isinstance(additional, dict):
                converted[name] = _walk(item, additional, join(path, name), issues)
            else:
                converted[name] = item
    elif isinstance(value, list) and "items" in schema:
        converted = [_walk(item, schema["items"], f"{path}[{index}]", issues) for index, item in enumerate(value)]
    elif schema.get("type") == "number" and isinstance(value, int):
        converted = float(value)
    if value is not None and "x-kubernetes-validations" in schema:
        activation = _environment().Activation({"self": converted})
        for rule in schema["x-kubernetes-validations"]:
            if not is_transition(rule["rule"]):
                issues.extend(_apply(rule, activation, path))
    return converted


def _apply(rule: dict[str, Any], activation: Any, path: str) -> Iterator[Issue]:
    value, error = _evaluate(rule["rule"], activation)
    if value is True:
        return
    where = path + rule.get("fieldPath", "")
    if error is not None:
        yield Issue(where, f"{error}, evaluating rule: {rule['rule']}")
        return
    message = rule.get("message") or f"failed rule: {rule['rule']}"
    if "messageExpression" in rule:
        computed, _ = _evaluate(rule["messageExpression"], activation)
        message = computed or message
    yield Issue(where, str(message).strip())
