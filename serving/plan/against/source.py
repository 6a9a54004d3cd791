"""What `--against` names: a git ref, an environment file, or a stack's outputs."""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from cluster.outputs import OutputsError, read_outputs
from serving.plan.against import earlier_program
from serving.plan.against.git import git, git_problem
from serving.program.record import Recording
from settings.document import ROOT, Document, environment_name, find_environment, read_document
from settings.outputs import Outputs
from settings.refusal import Finding, RefusedError

# In place of a file: the outputs of the environment's own stack, as the Pulumi CLI knows it.
_RUNNING = "outputs"
_PULUMI_SECONDS = 120


@dataclass(frozen=True)
class Source:
    """The other side as it was found: a document, or outputs. `recording`: what the ref's own program makes of it."""

    kind: Literal["ref", "file", "outputs"]
    name: str
    document: Document | None = None
    outputs: Outputs | None = None
    recording: Recording | None = None
    notes: tuple[str, ...] = ()


def find(against: str, environment: Path) -> Source:
    """Look for a file of that name, then for a git ref, then for an environment; `outputs` asks the Pulumi CLI.

    Raises:
        RefusedError: it is none of them, more than one, or can't be read.
    """
    try:
        path = Path(against).expanduser()
        if path.is_file():
            return _file(path)
    except (OSError, RuntimeError, ValueError) as error:  # name too long, no permission; no such user; a NUL
        said = getattr(error, "strerror", None) or str(error)
        raise _refused(against, f"The path cannot be looked up: {said}.", "Check the path.") from None
    if against == _RUNNING:
        return _running(environment_name(environment))
    ref = _is_ref(against, environment.parent)
    other = ROOT / f"Pulumi.{against}.yaml"
    known = "/" not in against and other.is_file() and other.resolve() != environment.resolve()
    if ref and known:
        fix = f"Write refs/heads/{against} (or the commit), or {other.name}."
        raise _refused(against, f"'{against}' is both a git ref and an environment.", fix)
    if ref:
        return _ref(against, environment)
    if known:
        return _file(find_environment(against))
    said, fix = git_problem(environment.parent) or (
        "",
        f"Give a ref (git fetch origin {against}, where it is a branch not fetched yet), the path of an environment "
        "file, or a file with the output of `pulumi stack output --json`.",
    )
    raise _refused(against, f"'{against}' is not a git ref here, a file or another environment. {said}".rstrip(), fix)


def _refused(value: Any, message: str, fix: str) -> RefusedError:
    return RefusedError([Finding("ST00", ("--against",), value, message, fix)], f"--against {value}")


def _file(path: Path) -> Source:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        text = ""  # the reader of environments says what is wrong
    if path.suffix == ".json" or text.lstrip().startswith("{"):
        return Source("outputs", str(path), outputs=_outputs(str(path), text))
    return Source("file", str(path), read_document(path))


def _running(stack: str) -> Source:
    command = ["pulumi", "stack", "output", "--json", "--stack", stack, "--non-interactive"]
    shown = " ".join(command)
    fix = "Log in (pulumi login) and name the stack's environment, or give a file with its outputs, or a ref."
    try:
        done = subprocess.run(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            timeout=_PULUMI_SECONDS,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _refused(_RUNNING, f"`{shown}` can't be run: {error}.", fix) from None
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["no word"])[-1]
        raise _refused(_RUNNING, f"`{shown}` failed: {said}", fix)
    return Source("outputs", f"of stack {stack}", outputs=_outputs(f"stack {stack}", done.stdout))


def _outputs(origin: str, text: str) -> Outputs:
    try:
        return read_outputs(text, origin)
    except OutputsError as error:
        raise _refused(origin, error.message, error.fix) from None


def _is_ref(name: str, folder: Path) -> bool:
    done = git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    return done is not None and done.returncode == 0


def _ref(ref: str, environment: Path) -> Source:
    where = environment.resolve()
    shown = git(where.parent, "show", f"{ref}:./{where.name}")
    name = f"{environment.name} as of {ref}"
    if shown is None or shown.returncode != 0:
        fix = "Name a ref that has the file; a new environment has nothing to be compared with: leave --against out."
        raise _refused(ref, f"{where.name} is not in {ref}.", fix)
    with tempfile.TemporaryDirectory(prefix="serving-against-") as folder:
        copy = Path(folder) / where.name
        copy.write_text(shown.stdout, encoding="utf-8")
        try:
            document = read_document(copy)
        except RefusedError as refused:
            raise RefusedError(refused.findings, name) from None
        inside = where.is_relative_to(ROOT)
        recording, notes = earlier_program.recorded(ref, copy) if inside else (None, ())
    document = replace(document, origin=name, name=environment_name(environment))
    return Source("ref", name, document, recording=recording, notes=notes)
