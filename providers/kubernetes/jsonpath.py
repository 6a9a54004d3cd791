"""JSONPath as RFC 9535 has it (names, indices, slices, wildcards, descendants, filters); no function extensions.

pulumi-kubernetes reads `pulumi.com/waitFor` with github.com/theory/jsonpath, which implements the RFC.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NoReturn

Node = Any
Selector = Callable[[Node, Node], Iterator[Node]]  # (value, root) -> selected values
Test = Callable[[Node, Node], bool]
Operand = Callable[[Node, Node], Any]

_TOKEN = re.compile(
    r"""\s*(?:(?P<name>[A-Za-z_\u0080-\U0010ffff][A-Za-z0-9_\u0080-\U0010ffff]*)
    |(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
    |(?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    |(?P<sign>\.\.|==|!=|<=|>=|&&|\|\||[$@.\[\]()*?,:<>!]))""",
    re.VERBOSE,
)
_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_LITERALS: Final = {"true": True, "false": False, "null": None}


class JsonPathError(ValueError):
    """The expression is no JSONPath."""


class _Nothing:
    """The result of a query that selects nothing, in a comparison."""


_NOTHING: Final = _Nothing()


class JsonPath:
    """A parsed expression.

    Raises:
        JsonPathError: on construction, with the place where it stops making sense.
    """

    def __init__(self, text: str) -> None:
        parser = _Parser(text)
        parser.expect("$")
        self._segments = parser.segments()
        parser.end()

    def select(self, value: Node) -> list[Node]:
        """The selected values, in document order."""
        return _select(self._segments, value, value)


def _select(segments: Sequence[Selector], value: Node, root: Node) -> list[Node]:
    nodes = [value]
    for segment in segments:
        nodes = [found for node in nodes for found in segment(node, root)]
    return nodes


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[tuple[str, str, int]] = []
        position = 0
        while position < len(text.rstrip()):
            found = _TOKEN.match(text, position)
            if found is None:
                raise JsonPathError(f"unexpected {text[position]!r} at position {position + 1}")
            kind = str(found.lastgroup)
            self._tokens.append((kind, found.group(kind), found.start(kind)))
            position = found.end()
        self._next = 0

    def end(self) -> None:
        if self._next < len(self._tokens):
            self._fail()

    def expect(self, sign: str) -> None:
        if not self._take(sign):
            self._fail()

    def segments(self) -> list[Selector]:
        found: list[Selector] = []
        while True:
            if self._take(".."):
                inner = self._brackets() if self._peek() == "[" else [self._member()]
                found.append(_descend(_union(inner)))
            elif self._take("."):
                found.append(self._member())
            elif self._peek() == "[":
                found.append(_union(self._brackets()))
            else:
                return found

    def _member(self) -> Selector:
        if self._take("*"):
            return _wildcard
        kind, text, _ = self._advance()
        if kind != "name":
            self._back()
        return _member(text)

    def _brackets(self) -> list[Selector]:
        self.expect("[")
        found = [self._selector()]
        while self._take(","):
            found.append(self._selector())
        self.expect("]")
        return found

    def _selector(self) -> Selector:
        if self._take("*"):
            return _wildcard
        if self._take("?"):
            return _filter(self._or())
        if self._peek_kind() == "string":
            return _member(_unquote(self._advance()[1]))
        start = self._integer()
        if not self._take(":"):
            if start is None:
                self._fail()
            return _index(start)
        stop = self._integer()
        step = self._integer() if self._take(":") else None
        return _slice(start, stop, step)

    def _integer(self) -> int | None:
        if self._peek_kind() != "number":
            return None
        text = self._advance()[1]
        if not re.fullmatch(r"-?\d+", text):
            self._back()
        return int(text)

    def _or(self) -> Test:
        tests = [self._and()]
        while self._take("||"):
            tests.append(self._and())
        return tests[0] if len(tests) == 1 else lambda value, root: any(t(value, root) for t in tests)

    def _and(self) -> Test:
        tests = [self._not()]
        while self._take("&&"):
            tests.append(self._not())
        return tests[0] if len(tests) == 1 else lambda value, root: all(t(value, root) for t in tests)

    def _not(self) -> Test:
        if self._take("!"):
            inner = self._not()
            return lambda value, root: not inner(value, root)
        if self._take("("):
            test = self._or()
            self.expect(")")
            return test
        query = self._peek() in ("@", "$")
        left = self._operand()
        sign = self._peek()
        if sign in ("==", "!=", *_COMPARE):
            self._advance()
            return _comparison(left, sign, self._operand())
        if not query:
            self._fail()
        return lambda value, root: left(value, root) is not _NOTHING

    def _operand(self) -> Operand:
        kind, text, _ = self._advance()
        if text in ("@", "$") and kind == "sign":
            segments = self.segments()
            return _query(segments, relative=text == "@")
        if kind == "string":
            return _constant(_unquote(text))
        if kind == "number":
            return _constant(json.loads(text))
        if kind != "name" or text not in _LITERALS:
            self._back()
        return _constant(_LITERALS[text])

    def _peek(self) -> str:
        return self._tokens[self._next][1] if self._peek_kind() in ("sign", "name") else ""

    def _peek_kind(self) -> str:
        return self._tokens[self._next][0] if self._next < len(self._tokens) else ""

    def _take(self, sign: str) -> bool:
        taken = self._peek_kind() == "sign" and self._peek() == sign
        self._next += taken
        return taken

    def _advance(self) -> tuple[str, str, int]:
        if self._next == len(self._tokens):
            self._fail()
        self._next += 1
        return self._tokens[self._next - 1]

    def _back(self) -> NoReturn:
        self._next -= 1
        self._fail()

    def _fail(self) -> NoReturn:
        if self._next == len(self._tokens):
            raise JsonPathError("unexpected end")
        _, text, position = self._tokens[self._next]
        raise JsonPathError(f"unexpected {text!r} at position {position + 1}")


def _children(value: Node) -> list[Node]:
    return list(value.values()) if isinstance(value, dict) else list(value) if isinstance(value, list) else []


def _wildcard(value: Node, _root: Node) -> Iterator[Node]:
    yield from _children(value)


def _member(name: str) -> Selector:
    def select(value: Node, _root: Node) -> Iterator[Node]:
        if isinstance(value, dict) and name in value:
            yield value[name]

    return select


def _index(position: int) -> Selector:
    def select(value: Node, _root: Node) -> Iterator[Node]:
        if isinstance(value, list) and -len(value) <= position < len(value):
            yield value[position]

    return select


def _slice(start: int | None, stop: int | None, step: int | None) -> Selector:
    def select(value: Node, _root: Node) -> Iterator[Node]:
        if isinstance(value, list) and step != 0:
            yield from value[start:stop:step]

    return select


def _filter(test: Test) -> Selector:
    def select(value: Node, root: Node) -> Iterator[Node]:
        yield from (child for child in _children(value) if test(child, root))

    return select


def _union(selectors: Sequence[Selector]) -> Selector:
    def select(value: Node, root: Node) -> Iterator[Node]:
        for selector in selectors:
            yield from selector(value, root)

    return select


def _descend(selector: Selector) -> Selector:
    def select(value: Node, root: Node) -> Iterator[Node]:
        yield from selector(value, root)
        for child in _children(value):
            yield from select(child, root)

    return select


def _constant(value: Any) -> Operand:
    return lambda _value, _root: value


def _query(segments: Sequence[Selector], *, relative: bool) -> Operand:
    def evaluate(value: Node, root: Node) -> Any:
        found = _select(segments, value if relative else root, root)
        return found[0] if found else _NOTHING

    return evaluate


def _comparison(left: Operand, sign: str, right: Operand) -> Test:
    def test(value: Node, root: Node) -> bool:
        a, b = left(value, root), right(value, root)
        same = a is b if isinstance(a, bool) or isinstance(b, bool) else a == b
        if sign in ("==", "!="):
            return same is (sign == "==")
        ordered = (isinstance(a, str) and isinstance(b, str)) or (_number(a) and _number(b))
        return _COMPARE[sign](a, b) if ordered else same and sign in ("<=", ">=")

    return test


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _unquote(text: str) -> str:
    if text.startswith("'"):
        text = '"' + text[1:-1].replace("\\'", "'").replace('"', '\\"') + '"'
    try:
        return str(json.loads(text))
    except ValueError:
        raise JsonPathError(f"{text} is no string") from None
