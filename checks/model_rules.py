"""Rules about models: names, sources, lengths and times (RT03, RT06, KS04, KS05, KS11, VL06, BP01)."""

from __future__ import annotations

import math
from collections.abc import Iterator

from catalog.durations import server_start_seconds
from checks.registry import Found, at, models, rule, served_models
from checks.shared.models import name_problem, source_problem
from settings import names
from settings.derive import Deployment

# Field report, pattern 1: one request alone, Qwen2.5-3B on a v6e-4 slice. No larger model is faster.
_FASTEST_TOKENS_PER_SECOND = 105


@rule("RT06")
def distinct(deployment: Deployment) -> Iterator[Found]:
    """No two models share a name, which is their path, or a served name."""
    owner: dict[str, int] = {}
    first_of: dict[str, int] = {}
    for index, (path, model) in enumerate(models(deployment)):
        if model.name in first_of:
            said = f"Two models are called {model.name}."
            yield Found((*path, "name"), model.name, said, f"Write name: {model.name}-{index + 1}.")
            continue
        first_of[model.name] = index
        for place, name in enumerate(model.names_for_clients):
            if name in owner and owner[name] != index:
                other = deployment.settings.models[owner[name]].name
                at_name = (*path, "servedNames", place) if model.served_names else (*path, "name")
                said = f"{name} is served by {other} already."
                yield Found(at_name, name, said, f"Give {model.name} served names of its own, or leave them out.")
            owner.setdefault(name, index)
        owner.setdefault(model.name, index)


@rule("RT03")
def route_names(deployment: Deployment) -> Iterator[Found]:
    """No model's route has the form of name that KServe keeps for its own."""
    for path, model in models(deployment):
        if names.route(model.name).endswith(names.kserve_route("")):
            other = model.name.removesuffix("-kserve")
            said = f"Its route would be {names.route(model.name)}, the name that KServe keeps for a model {other}."
            yield Found((*path, "name"), model.name, said, f"Write name: {model.name}-1, or any that does not end so.")


@rule("KS04")
def name(deployment: Deployment) -> Iterator[Found]:
    """A DNS-1035 label, short enough that derived names are plain."""
    for path, model in models(deployment):
        yield from at((*path, "name"), model.name, name_problem(model.name))


@rule("KS05")
def source(deployment: Deployment) -> Iterator[Found]:
    """A scheme that KServe reads."""
    for path, model in models(deployment):
        yield from at((*path, "source"), model.source, source_problem(model.source, "source"))


@rule("VL06")
def lengths(deployment: Deployment) -> Iterator[Found]:
    """The context fits the model, the longest answer the context."""
    for path, model in models(deployment):
        derived = deployment.served(model)
        most = derived.max_context if derived else None
        context = derived.context_length if derived else model.context_length
        if most and context and context > most:
            said = f"The model has a context of {most} tokens."
            nested = derived is not None and derived.family.multimodal
            place = "{text_config: {rope_parameters: ...}}" if nested else "{rope_parameters: ...}"
            fix = f"Write contextLength: {most}, or stretch it with YaRN in hf-overrides: {place}."
            yield Found((*path, "contextLength"), context, said, fix)
        elif context and model.longest_answer_tokens and model.longest_answer_tokens > context:
            said = f"The longest answer is longer than the context of {context} tokens."
            fix = f"Write longestAnswerTokens: {context}, or a larger contextLength."
            yield Found((*path, "longestAnswerTokens"), model.longest_answer_tokens, said, fix)


@rule("BP01")
def answer_time(deployment: Deployment) -> Iterator[Found]:
    """A time limit that somebody wrote holds the longest answer at the highest speed that was measured."""
    for path, model in served_models(deployment):
        seconds = model.settings.longest_answer_seconds
        needed = math.ceil(model.longest_answer_tokens / _FASTEST_TOKENS_PER_SECOND)
        if seconds is not None and seconds < needed:
            said = (
                f"{model.longest_answer_tokens} tokens take at least {needed} s "
                f"(at {_FASTEST_TOKENS_PER_SECOND} a second, the fastest seen)."
            )
            fits = seconds * _FASTEST_TOKENS_PER_SECOND
            fix = f"Leave longestAnswerSeconds out, or write longestAnswerTokens: {fits} beside it."
            yield Found((*path, "longestAnswerSeconds"), seconds, said, fix)


@rule("KS11")
def startup_budget(deployment: Deployment) -> Iterator[Found]:
    """A budget that somebody wrote holds the start that was measured with a small model."""
    for path, model in models(deployment):
        budget = model.startup_budget_seconds
        if budget is not None and budget < (needed := math.ceil(server_start_seconds())):
            said = f"A server with a model of 3 billion parameters took {needed} s to start and compile."
            yield Found(
                (*path, "startupBudgetSeconds"), budget, said, "Write startupBudgetSeconds: 900, or leave it out."
            )
