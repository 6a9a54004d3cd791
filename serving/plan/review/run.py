"""Every environment planned, and compared with a git ref where its file or the program differs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from serving.plan.against import run, source
from serving.plan.against.earlier_program import different_files
from serving.plan.against.git import git, git_problem
from serving.plan.build import planned
from serving.plan.markdown import render_markdown
from serving.plan.plan import Plan
from serving.plan.review.contract import EnvironmentReview, Refusal, Review
from settings.document import ROOT, environment_name, read_document
from settings.refusal import Finding, RefusedError, explain, refusals, render_path

_FILES = "Pulumi.*.yaml"


def review(ref: str, folder: Path = ROOT, tell: Callable[[str], None] = lambda _: None) -> Review:
    """What becomes of each environment of a folder, against a ref; `tell` hears the name of each before its turn.

    Raises:
        RefusedError: the ref is none.
    """
    before = _files_of(ref, folder)
    same_program = not different_files(ref)
    found: list[EnvironmentReview] = []
    for path in sorted(folder.glob(_FILES)):
        tell(environment_name(path))
        found.append(_one(path, ref, path.name in before, same_program))
    gone = sorted(before - {path.name for path in folder.glob(_FILES)})
    found += [_reviewed(folder / name, "removed") for name in gone]
    return Review(against=ref, environments=found)


def _files_of(ref: str, folder: Path) -> set[str]:
    listed = git(folder, "ls-tree", "--name-only", "-z", "--end-of-options", f"{ref}^{{commit}}", "./")
    if listed is None or listed.returncode != 0:
        fix = f"Name a commit that is here; a branch may have to be fetched first: git fetch origin {ref}"
        said, fix = git_problem(folder) or (f"'{ref}' is not a git ref here.", fix)
        raise RefusedError([Finding("ST00", ("--against",), ref, said, fix)], f"--against {ref}")
    return {name for name in listed.stdout.split("\0") if Path(name).match(_FILES)}


def _one(path: Path, ref: str, there: bool, same_program: bool) -> EnvironmentReview:
    try:
        plan = planned(read_document(path))
    except RefusedError as refused:
        return _reviewed(path, "refused", findings=refused.findings)
    if not there:
        return _reviewed(path, "new", plan=plan)
    if same_program and _same(path, ref):
        return _reviewed(path, "unchanged")
    try:
        difference = run.against(plan, source.find(ref, path))
    except RefusedError as refused:
        return _reviewed(path, "incomparable", plan=plan, findings=refused.findings)
    return EnvironmentReview(
        environment=plan.deployment.name,
        file=path.name,
        state="changed" if difference.changed else "unchanged",
        difference=difference if difference.changed else None,
        plan=None,
        refusals=[],
    )


def _same(path: Path, ref: str) -> bool:
    done = git(path.parent, "diff", "--quiet", ref, "--", path.name)
    return done is not None and done.returncode == 0


def _reviewed(
    path: Path, state: str, plan: Plan | None = None, findings: list[Finding] | None = None
) -> EnvironmentReview:
    return EnvironmentReview.model_validate(
        {
            "environment": environment_name(path),
            "file": path.name,
            "state": state,
            "difference": None,
            "plan": render_markdown(plan) if plan else None,
            "refusals": [
                Refusal(rule=f.rule, path=render_path(f.path), message=f.said, fix=f.fix)
                for f in map(explain, refusals(findings or []))
            ],
        }
    )
