"""The table of answers: every row is a property that the pinned SDK has, and which rows are differences is known."""

from __future__ import annotations

import importlib
import re
from typing import Any

import pytest

from providers.google.facts import answers, facts, tokens


def properties(cls: Any) -> dict[str, Any]:
    """Properties of an output class by their camelCase name, with the class of a block."""
    found = {}
    for name, member in vars(cls).items():
        if isinstance(member, property) and member.fget is not None:
            head, *rest = name.split("_")
            hint = member.fget.__annotations__.get("return", "")
            found[head + "".join(part[:1].upper() + part[1:] for part in rest)] = hint
    return found


def block(module: str, hint: Any) -> Any:
    """The output class that a property's annotation names; None for a plain value."""
    named = re.findall(r"outputs\.(\w+)", str(hint)) or re.findall(r"'(\w+)'", str(hint))
    return getattr(importlib.import_module(f"pulumi_gcp.{module}.outputs"), named[-1], None) if named else None


@pytest.mark.parametrize("token", tokens())
def test_an_answer_is_a_property_of_the_locked_sdk(token: str) -> None:
    module, name = re.fullmatch(r"gcp:(\w+)/\w+:(\w+)", token).groups()  # type: ignore[union-attr]
    for answer in answers(token):
        cls = getattr(importlib.import_module(f"pulumi_gcp.{module}"), name)
        for part in answer.path.split("."):
            if cls is None:  # a key of a map
                break
            known = properties(cls)
            assert part in known, answer.path
            cls = block(module, known[part])


@pytest.mark.parametrize("token", tokens())
def test_what_the_facts_name_is_a_property_of_the_locked_sdk(token: str) -> None:
    module, name = re.fullmatch(r"gcp:(\w+)/\w+:(\w+)", token).groups()  # type: ignore[union-attr]
    known, row = properties(getattr(importlib.import_module(f"pulumi_gcp.{module}"), name)), facts(token)
    named = {*row.force_new, *row.kept, *row.disabled, *row.defaults, *row.links, *row.sets, *row.grows}
    assert {path.split(".")[0] for path in named} <= set(known)


def test_what_an_answer_would_change_is_known() -> None:
    """Neither kept by the provider nor a default of its schema: the program has to declare or to ignore these."""
    differing = {
        answer.path
        for token in tokens()
        for answer in answers(token)
        if answer.value not in (False, "", 0)
        and not {answer.path, *above(answer.path)} & (facts(token).kept | facts(token).disabled)
        and facts(token).defaults.get(answer.path) != answer.value
    }
    assert differing == {"nodeConfig.advancedMachineFeatures", "placementPolicy.tpuTopology"}


def above(path: str) -> set[str]:
    """The blocks that a path lies in, without those that every pool sends; a kept block hides what is below it."""
    parts = path.split(".")
    return {".".join(parts[:end]) for end in range(1, len(parts))} - {"nodeConfig"}


def test_what_was_not_recorded_names_its_source() -> None:
    for token in tokens():
        for answer in answers(token):
            assert (answer.origin == "reported") == bool(answer.source), answer.path
