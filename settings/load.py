"""From a document to a checked `Environment`; every structural problem is found in one pass.

A value that is wrong is taken out and the rest is read again, so that one typo never hides the other nine.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic_core import ValidationError

from settings.document import Document
from settings.form import key_at, read
from settings.refusal import Finding, Path

if TYPE_CHECKING:
    from settings.environment import Environment

_PLACEHOLDERS: dict[Path, Any] = {
    ("project",): {"id": "placeholder"},
    ("project", "id"): "placeholder",
    ("location",): {"zone": "europe-west4-a"},
    ("location", "zone"): "europe-west4-a",
}
# As alike as this, a key is a slip of the hand, whatever else it could mean.
_A_SLIP = 0.85
_MINIMAL_MODEL = {
    "name": "placeholder",
    "source": "hf://placeholder/placeholder",
    "tpu": {"generation": "v6e", "topology": "2x2"},
}


def parse(document: Document) -> tuple[Environment | None, list[Finding], set[Path]]:
    """Read the document as an `Environment`.

    Returns the environment (wrong parts replaced by defaults, None where too little is left), what is structurally
    wrong, and the paths that were replaced, about which no rule should speak again.
    """
    data: dict[str, Any] = copy.deepcopy(document.data)
    findings: list[Finding] = []
    replaced: set[Path] = set()
    for _ in range(8):
        try:
            return read(data), findings, replaced
        except ValidationError as error:
            problems = error.errors(include_url=False)
        for problem in problems:
            path = _alias_path(problem["loc"])
            if path not in replaced:
                findings.append(_finding(document, path, problem))
            replaced.add(path)
            _repair(data, path, problem["type"])
    return None, findings, replaced


def _alias_path(loc: tuple[int | str, ...]) -> Path:
    # pydantic adds a marker for keys and the names of union members; neither is in the user's file.
    return tuple(
        part for part in loc if not (isinstance(part, str) and part in {"[key]", "bool", "int", "float", "str"})
    )


def _finding(document: Document, path: Path, problem: Any) -> Finding:
    kind: str = problem["type"]
    value = None if kind == "missing" else problem.get("input")
    if kind == "extra_forbidden":
        finding = unknown_key(path, value)
    elif kind == "missing":
        finding = Finding("ST03", path, None, f"`{path[-1]}` is missing.", f"Write {path[-1]}: {_describe(path)}")
    elif kind in {"model_type", "dict_type"}:
        keys = ", ".join(known_keys(path))
        fix = (
            f"Write its keys below it ({keys}), or remove the line."
            if keys
            else "Write its keys below it, or remove the line."
        )
        finding = Finding(
            "ST02", path, value, f"`{path[-1] if path else 'config'}` is a mapping of keys to values.", fix
        )
    else:
        message = problem["msg"].removeprefix("Value error, ")
        finding = Finding("ST02", path, value, f"{message}.", _wanted(path, problem, value))
    return replace(finding, line=document.line_of(path))


def unknown_key(path: Path, value: Any) -> Finding:
    """A misspelt key names the right one; one that people look for is answered by the rule behind it."""
    import difflib

    from catalog.temptations import find_temptation

    key, known = str(path[-1]), known_keys(path[:-1])
    folded = {name.lower(): name for name in known}
    close = [folded[name] for name in difflib.get_close_matches(key.lower(), folded, n=1, cutoff=0.6)]
    slip = bool(difflib.get_close_matches(key.lower(), folded, n=1, cutoff=_A_SLIP))
    row = None if slip else find_temptation(key, str(path[0]))
    if row is not None:
        shown = "(hidden)" if row.rule == "SC03" else value
        return Finding(row.rule, path, shown, f"Unknown key `{key}`: {row.why}", row.fix)
    fix = f"Write `{close[0]}`." if close else f"Remove it. Known here: {', '.join(known)}."
    return Finding("ST01", path, value, f"Unknown key `{key}`.", fix)


_KINDS = {
    "int_type": "Write a whole number",
    "float_type": "Write a number",
    "bool_type": "Write true or false",
    "string_type": "Write a text, in quotes if it looks like a number",
    "list_type": "Write a list",
}


def _wanted(path: Path, problem: Any, value: Any) -> str:
    """What to write instead of a value: the nearest choice where there are choices, else the kind of value."""
    import difflib

    described, key = _describe(path), path[-1] if path else ""
    if problem["type"] in _KINDS:
        number = isinstance(value, str) and value.isdecimal() and problem["type"] == "int_type"
        kind = f"Write {key}: {value}, without quotes" if number else _KINDS[problem["type"]]
        return f"{kind}. {described}".rstrip()
    if problem["type"] == "literal_error" and isinstance(value, str):
        expected = str(problem.get("ctx", {}).get("expected", "")).replace(" or ", ",").split(",")
        folded = {choice.strip("' ").lower(): choice.strip("' ") for choice in expected}
        close = difflib.get_close_matches(value.lower(), folded, n=1, cutoff=0.5)
        return f"Write {key}: {folded[close[0]]}. {described}" if close else described
    return described or "Correct the value."


def _repair(data: Any, path: Path, kind: str) -> None:
    parent = data
    for part in path[:-1]:
        try:
            parent = parent[part]
        except (KeyError, IndexError, TypeError):
            return
    if not path:
        return
    last = path[-1]
    if path in _PLACEHOLDERS:
        parent[last] = copy.deepcopy(_PLACEHOLDERS[path])
    elif path == ("models",):
        parent[last] = [copy.deepcopy(_MINIMAL_MODEL)]
    elif path[0] == "models" and len(path) == 2 and kind != "extra_forbidden":
        parent[last] = copy.deepcopy(_MINIMAL_MODEL)
    elif path[0] == "models" and (stand_in := _model_placeholder(path[2:])) is not None and kind != "extra_forbidden":
        parent[last] = stand_in
    elif isinstance(parent, dict):
        if last in parent:
            del parent[last]
        elif len(path) > 1:
            _repair(data, path[:-1], kind)
    elif isinstance(parent, list) and isinstance(last, int) and last < len(parent):
        del parent[last]


def _model_placeholder(path: Path) -> Any:
    value: Any = _MINIMAL_MODEL
    for part in path:
        if not isinstance(value, dict) or part not in value:
            return None
        value = value[part]
    return copy.deepcopy(value)


def known_keys(path: Path) -> list[str]:
    """The keys a section has, as they are written; of the whole file for the empty path."""
    section = key_at(path)
    return list(section.keys) if section else []


def _describe(path: Path) -> str:
    key = key_at(path)
    return key.description if key else ""
