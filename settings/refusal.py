"""A refusal is data: what is wrong, where, what would happen, and what to write instead."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from catalog.rules import find_rule
from settings.secrets import hidden, repeats_secret
from settings.text import count, printable

Path = tuple[str | int, ...]


def render_path(path: Path) -> str:
    """`("models", 0, "tpu")` -> `models[0].tpu`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text or "(file)"


@dataclass(frozen=True)
class Finding:
    """A broken rule in somebody's file (or object): refused, or a warning.

    `message` says what is wrong, `consequence` what happens otherwise. `fix` is a sentence; lines after its first one are
    to be pasted as they are. `line` is the line in the user's file (1-based), None where the input is no file.
    """

    rule: str
    path: Path
    value: Any
    message: str
    fix: str
    source: str = ""
    line: int | None = None
    warning: bool = False
    consequence: str = ""

    def __post_init__(self) -> None:
        # Whatever rule speaks of a value, a secret in it is not repeated (SC03), nor a name that was made of it.
        if repeats_secret(self.fix, self.value):
            object.__setattr__(self, "fix", "Write another value; this one looks like a secret.")
        object.__setattr__(self, "path", tuple(_shown(part) for part in self.path))
        for name in ("value", "message", "fix"):
            object.__setattr__(self, name, _shown(getattr(self, name)))

    @property
    def said(self) -> str:
        """What is wrong and what happens otherwise."""
        return f"{self.message} {self.consequence}".rstrip()

    def as_json(self) -> dict[str, Any]:
        """The shape that `--format json` prints (design, section 5)."""
        data = asdict(self)
        del data["warning"]
        data["path"] = render_path(self.path)
        return data


def _shown(value: Any) -> Any:
    value = hidden(value)
    return printable(value) if isinstance(value, str) else value


def explain(finding: Finding) -> Finding:
    """The finding with its rule's own words: consequence, sources, level. Once is enough, twice does no harm."""
    rule = find_rule(finding.rule)
    if rule is None:
        return finding
    return replace(finding, consequence=rule.consequence, source=rule.source, warning=rule.level == "W")


def refusals(findings: Iterable[Finding]) -> list[Finding]:
    """Those that stop the program."""
    return [f for f in findings if not f.warning]


def warnings(findings: Iterable[Finding]) -> list[Finding]:
    """Those that are only said."""
    return [f for f in findings if f.warning]


class RefusedError(Exception):
    """The environment is refused. `findings` holds every reason, not just the first."""

    def __init__(self, findings: list[Finding], origin: str) -> None:
        findings = [explain(finding) for finding in findings]
        lines = [
            f"  {f.rule} {f'line {f.line}, ' if f.line else ''}{render_path(f.path)}: {f.said} Fix: {f.fix}"
            for f in refusals(findings)
        ]
        super().__init__("\n".join([f"Invalid environment file ({count(len(lines), 'error')}): {origin}", *lines]))
        self.findings = findings
        self.origin = origin
