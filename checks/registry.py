"""What a rule on settings is: a function over the deployment, under the rule's id."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from checks.shared.problem import Problem
from settings.derive import Deployment, ServedModel
from settings.model import Model
from settings.refusal import Finding, Path


class Found(NamedTuple):
    """What a rule's function says; id, consequence and sources are the rule's."""

    path: Path
    value: Any
    message: str
    fix: str


Made = TypeVar("Made")
_ALL: list[Any] = []

Function = Callable[[Deployment], Iterator[Found]]


@dataclass(frozen=True)
class Check:
    """One implementation of a rule."""

    rule: str
    function: Function

    def __call__(self, deployment: Deployment) -> Iterator[Finding]:
        """What the rule finds, each finding under its id."""
        for found in self.function(deployment):
            yield Finding(self.rule, *found)


def rule(key: str) -> Callable[[Function], Check]:
    """Makes a check of a function over a deployment."""
    return lambda function: register(Check(key, function))


def register(check: Made) -> Made:
    """Every implementation of a rule, on a file or on objects, is known from the import of its module on."""
    _ALL.append(check)
    return check


def implementations(kind: type[Made]) -> tuple[Made, ...]:
    """Those of a kind that have been imported: checks of files, or of objects."""
    return tuple(check for check in _ALL if isinstance(check, kind))


def at(path: Path, value: Any, problem: Problem | None) -> Iterator[Found]:
    """A shared judgement at a place: one finding where there is a problem, none otherwise."""
    if problem is not None:
        yield Found(path, value, problem.message, problem.fix)


def number_wanted(deployment: Deployment, said: str) -> Found:
    """The project's number is missing for a reason."""
    command = f"gcloud projects describe {deployment.settings.project.id} --format='value(projectNumber)'"
    return Found(("project", "number"), None, said, f'Write number: "NUMBER" under project; this prints it:\n{command}')


def models(deployment: Deployment) -> Iterator[tuple[Path, Model]]:
    """Every model of the file with its path."""
    for index, model in enumerate(deployment.settings.models):
        yield ("models", index), model


def served_models(deployment: Deployment) -> Iterator[tuple[Path, ServedModel]]:
    """Each model whose slice is in the table, with its path (TP01 has refused the others)."""
    for path, settings in models(deployment):
        if (model := deployment.served(settings)) is not None:
            yield path, model
