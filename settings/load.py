"""From a document to a checked `Environment`; every structural problem is found in one pass.

A value that is wrong is taken out and the rest is read again, so that one typo never hides the other nine.
"""

from __future__ import annotations

import copy
import difflib
import re
from dataclasses import replace
from typing import Any

import yaml
from pydantic import ValidationError

from catalog.unsupported_keys import find_unsupported_key
from catalog.zones import zones_of
from settings.document import Document
from settings.environment import Environment
from settings.form import key_at
from settings.names import PROJECT_NAME, RESOURCE_NAME
from settings.refusal import Finding, Path, render_path
from settings.secrets import HIDDEN, hidden

# The least that a file must say: what is proposed for a key that is missing, and stands for a value that is wrong.
_LEAST: dict[str, Any] = {
    "project": {"id": "my-project"},
    "location": {"zone": "europe-west4-a"},
    "models": [
        {"name": "qwen3-4b", "source": "hf://Qwen/Qwen3-4B", "tpu": {"generation": "v6e", "topology": "1x1"}},
    ],
}
# What stands for a part that is wrong and has no least form: without it other keys would be called wrong beside it. A day
# that seldom comes overlaps with no other time.
_PLACEHOLDERS: dict[str, Any] = {
    "gateway": {"waiver": {"reason": "not read yet", "until": "9999-12-31"}},
    "overrides": [{"rule": "none", "reason": "not read yet", "until": "9999-12-31"}],
    "models": [
        {
            "scaling": {
                "schedule": [{"from": "0 0 29 2 *", "to": "1 0 29 2 *", "timezone": "UTC", "replicas": 1}],
            }
        }
    ],
}
# As alike as this, a key is a slip of the hand, whatever else it could mean.
_A_SLIP = 0.85
# pydantic adds a marker for keys and the names of union members; neither is in the user's file.
_UNION = {"bool", "int", "float", "str", "list[any]", "dict[str,any]"}


def parse(document: Document) -> tuple[Environment | None, list[Finding], set[Path]]:
    """Read the document as an `Environment`.

    Returns the environment (wrong parts replaced by defaults, None where too little is left), what is structurally
    wrong, and the paths that were replaced, about which no rule should speak again.
    """
    data: dict[str, Any] = copy.deepcopy(document.data)
    findings = list(document.findings)
    replaced: set[Path] = {f.path for f in findings if f.rule == "ST02"}
    for _ in range(8):
        try:
            return Environment.model_validate(data), findings, replaced
        except ValidationError as error:
            problems = error.errors(include_url=False)
        for problem in problems:
            path = tuple(part for part in problem["loc"] if part not in {"[key]", *_UNION})
            if path not in replaced:
                findings.append(_finding(document, path, problem))
            replaced.add(path)
            _repair(data, path, problem)
    return None, findings, replaced


def _finding(document: Document, path: Path, problem: Any) -> Finding:
    kind: str = problem["type"]
    value = None if kind == "missing" else problem.get("input")
    if kind == "extra_forbidden":
        finding = unknown_key(path, value)
    elif kind == "missing":
        finding = Finding("ST03", path, None, f"`{path[-1]}` is missing.", _missing(path))
    elif problem["loc"][-1] in _UNION and path[-1] != problem["loc"][-1]:
        said = "A flag has a value: a text, a number, true or false, a list or a mapping."
        finding = Finding("ST02", path, value, said, "Write one, or remove the line.")
    elif kind in {"model_type", "dict_type"}:
        keys = ", ".join(known_keys(path))
        fix = (
            f"Write its keys below it ({keys}), or remove the line."
            if keys
            else "Write its keys below it, or remove the line."
        )
        finding = Finding(
            "ST02", path, value, f"`{render_path(path) if path else 'config'}` is a mapping of keys to values.", fix
        )
    else:
        message = f"{problem['msg'].removeprefix('Value error, ')}."
        if kind == "string_pattern_mismatch":  # nobody reads a regular expression
            region = path[-1] == "zone" and isinstance(value, str) and _REGION.fullmatch(value)
            message = "This is a region, not a zone." if region else f"This is not a valid {_name_of(path)}."
        finding = Finding("ST02", path, value, message, _wanted(path, problem, value))
    return replace(finding, line=document.line_of(path))


def _name_of(path: Path) -> str:
    """The last key of a path: `zone`, `servedNames[0]`."""
    last = max((index for index, part in enumerate(path) if isinstance(part, str)), default=0)
    return render_path(path[last:])


def _missing(path: Path) -> str:
    example, key = _least(path), f"{PROJECT_NAME}:{path[-1]}" if len(path) == 1 else path[-1]
    if example is None:
        return f"Write `{key}`. {_describe(path)}"
    written = yaml.safe_dump(example, default_flow_style=True, sort_keys=False, width=1000).splitlines()[0]
    return f"Write {key}: {written}"


def unknown_key(path: Path, value: Any) -> Finding:
    """A misspelt key names the right one; one that people look for is answered by the rule behind it."""
    key, known = str(path[-1]), known_keys(path[:-1])
    folded = {name.lower(): name for name in known}
    close = [folded[name] for name in difflib.get_close_matches(key.lower(), folded, n=1, cutoff=0.6)]
    slip = bool(difflib.get_close_matches(key.lower(), folded, n=1, cutoff=_A_SLIP))
    row = None if slip else find_unsupported_key(key, str(path[0]))
    if row is not None:
        shown = HIDDEN if row.rule == "SC03" else value
        return Finding(row.rule, path, shown, f"Unknown key `{key}`: {row.why}", row.fix)
    fix = f"Write `{close[0]}`." if close else f"Remove it. Known here: {', '.join(known) or 'no key'}."
    return Finding("ST01", path, value, f"Unknown key `{key}`.", fix)


_KINDS = {
    "int_type": "Write a whole number",
    "float_type": "Write a number",
    "bool_type": "Write true or false",
    "string_type": "Write a text, in quotes if it looks like a number",
    "list_type": "Write a list",
}


# What to write where a value has not the form of its key, and no near one is found.
_FORMS = {
    "id": "a project id such as my-project: 6 to 30 lowercase letters, digits and dashes",
    "number": "the project number, digits only",
    "zone": "a zone such as europe-west4-a",
    "topology": "a topology such as 2x2",
    "machineType": "a machine type such as e2-standard-4",
    "hostname": "a host name such as llm.example.com, without scheme, port and path",
    "reservation": "a name, or projects/P/reservations/R where another project owns it",
    "notify": "a channel such as projects/my-project/notificationChannels/1234567890123456789",
    **dict.fromkeys(
        ("caCertificate", "clientCaCertificate"),
        "the PEM text of the certificate, from BEGIN CERTIFICATE to END CERTIFICATE",
    ),
    "serviceAccount": "a service account such as search@my-project.iam.gserviceaccount.com",
    "tags": "the number of each value as `gcloud resource-manager tags values describe` names it: [281484836404786]",
    "uriSan": "a URI such as spiffe://example.com/search",
    "reason": "a reason of at least 10 characters",
    "version": "a version number, or latest",
    "pulumiConfig": "a key such as hfToken",
    "servedNames": "names without line breaks and without a dash at the beginning",
}
_NAME = "a name of lowercase letters, digits and dashes that begins with a letter, at most 63 characters"
_LIMITS = {
    "greater_than_equal": ("ge", "or more"),
    "less_than_equal": ("le", "or less"),
}
_REGION = re.compile(r"[a-z]+-[a-z]+\d+")


def _wanted(path: Path, problem: Any, value: Any) -> str:
    """What to write instead of a value: the nearest choice where there are choices, else the kind of value."""
    described, key = _describe(path), path[-1] if path else ""
    if problem["type"] == "greater_than":
        return f"Write a number above {problem['ctx']['gt']:.15g}."
    if problem["type"] in _LIMITS:
        limit, words = _LIMITS[problem["type"]]
        return f"Write {key}: {problem['ctx'][limit]:.15g} {words}."
    if problem["type"] in ("too_short", "list_type") and not value and _least(path) is not None:
        return _missing(path)
    if problem["type"] == "too_long":
        return f"Write at most {problem['ctx']['max_length']}."
    if problem["type"] == "list_type" and isinstance(value, str) and hidden(value) == value:
        return f"Write {key}: [{value}]."
    if problem["type"] in _KINDS:
        number = isinstance(value, str) and value.isdecimal() and problem["type"] == "int_type"
        kind = f"Write {key}: {value}, without quotes" if number else _KINDS[problem["type"]]
        if key == "number" and isinstance(value, int) and value > 0:
            kind = f'Write number: "{value}", in quotes'
        return f"{kind}."
    if str(key).lower().endswith("cidr"):
        return f"Write an IPv4 range such as {key}: 10.0.0.0/20."
    near = _nearest(problem)
    if near and isinstance(key, int):
        return f"Write {path[-2]}: [{near}]."
    if near:
        return f"Write {key}: {near}."
    if key in ("start", "end"):
        return f"Write date, time and zone, such as {key}: 2026-01-03T0{1 if key == 'start' else 9}:00:00Z (UTC)."
    if problem["type"] != "string_pattern_mismatch":
        return f"Correct the value. {described}".rstrip()
    if key == "zone" and isinstance(value, str) and _REGION.fullmatch(value):
        return f"Write zone: {', or '.join(zones_of(value)) or f'{value}-a, or another zone of that region'}."
    name = next((part for part in reversed(path) if isinstance(part, str)), "")
    form = _NAME if problem["ctx"]["pattern"] == RESOURCE_NAME else _FORMS.get(name)
    return f"Write {form}." if form else f"Correct the value. {described}".rstrip()


def _nearest(problem: Any) -> str | None:
    """What was nearly written: a choice, or the value as its pattern has it; None where that can't be told."""
    value, context = problem.get("input"), problem.get("ctx", {})
    if not isinstance(value, str) or hidden(value) != value:
        return None
    if problem["type"] == "literal_error":
        folded = {choice.lower(): choice for choice in re.findall(r"'([^']+)'", str(context.get("expected", "")))}
        close = difflib.get_close_matches(value.lower(), folded, n=1, cutoff=0.5)
        return folded[close[0]] if close else None
    if problem["type"] == "string_pattern_mismatch":
        pattern: str = context["pattern"]
        small = value.lower().replace("\u00d7", "x")
        tried = [small]
        if "/" not in pattern and r"\." not in pattern and re.fullmatch(r"[\w./: -]+", value):
            # A name is often given with its path, or with capitals and underscores where there can be none.
            named = re.search(rf"/{problem['loc'][-1]}s/([^/]+)", value)
            own = named[1] if named else re.split("[/:]", value.rstrip("/"))[-1]
            tried += [own, *([re.sub(r"[^a-z0-9]+", "-", own.lower()).strip("-")] if pattern == RESOURCE_NAME else [])]
        return next((text for text in tried if re.match(pattern, text)), None)
    return None


def _repair(data: Any, path: Path, problem: Any) -> None:
    parent = data
    for part in path[:-1]:
        try:
            parent = parent[part]
        except (KeyError, IndexError, TypeError):
            return
    if not path:
        return
    last, least = path[-1], None if problem["type"] == "extra_forbidden" else _least(path)
    if path == ("location", "zone") and isinstance(parent.get("region"), str):
        parent[last] = f"{parent['region']}-a"  # a region that is right is not called wrong beside it
    elif path[:2] == ("capacity", "order") and len(path) in (3, 4) and problem["type"] != "extra_forbidden":
        # An entry keeps its place, or the others would be called by wrong numbers; no other is like this one.
        parent[last] = {3: {"reservation": "unknown"}, 4: "unknown" if last == "reservation" else {}}[len(path)]
    elif least is not None:
        parent[last] = least
    elif problem["type"] != "extra_forbidden" and (placed := _at(_PLACEHOLDERS, path)) is not None:
        parent[last] = placed
    elif problem["type"] == "literal_error" and (near := _nearest(problem)):
        parent[last] = near  # what depends on it is judged by what was meant
    elif isinstance(parent, dict):
        if last in parent:
            del parent[last]
        elif len(path) > 1:
            _repair(data, path[:-1], problem)
    elif isinstance(parent, list) and isinstance(last, int) and last < len(parent):
        del parent[last]


def _least(path: Path) -> Any:
    """The example of a part of the file; None where it needs none."""
    return _at(_LEAST, path)


def _at(value: Any, path: Path) -> Any:
    """A copy of what a path leads to, with the first item for each place in a list; None where there is nothing."""
    for part in path:
        try:
            value = value[0 if isinstance(part, int) else part]
        except (KeyError, IndexError, TypeError):
            return None
    return copy.deepcopy(value)


def known_keys(path: Path) -> list[str]:
    """The keys a section has, as they are written; of the whole file for the empty path."""
    section = key_at(path)
    return list(section.keys) if section else []


def _describe(path: Path) -> str:
    key = key_at(path)
    return key.description if key else ""
