"""A difference in one line: what is lost first, then chips and cost, models, exposure, rules."""

from __future__ import annotations

from collections import Counter

from serving.plan.against.contract import Difference
from settings.text import count

UNCHANGED = "no change"
SAFE = "nothing restarts, nothing is replaced"
_PURCHASES = {"onDemand": "on demand", "flexStart": "flex-start", "spot": "spot", "reservation": "reserved"}
_MANY = 3


def headline(made: Difference) -> str:
    """`adds 4 v6e chips in europe-west4-a, +$285/day; restarts model qwen`."""
    if not made.changed:
        return UNCHANGED if made.complete else f"{UNCHANGED} in what the outputs hold"
    parts = [*_losses(made), *_not_done(made), *_gateway(made), *_capacity(made), *_models(made), *_rules(made)]
    if made.safe:
        settled = [] if parts else [_quiet(made)]
        parts = [*parts, *settled, SAFE]
    elif not parts:
        parts = [_quiet(made)]
    two = made.against.kind == "file" and made.against.environment != made.environment
    return (f"were {made.against.environment} to become {made.environment}: " if two else "") + "; ".join(parts)


def money(amount: float, currency: str, signed: bool = False) -> str:
    """`+$285`, `$12.15`; other currencies by their code."""
    number = f"{abs(amount):,.0f}" if abs(amount) >= 100 else f"{abs(amount):,.2f}"
    # What is rounded to nothing has no sign.
    sign = "" if number == "0.00" else "-" if amount < 0 else "+" if signed else ""
    return f"{sign}${number}" if currency == "USD" else f"{sign}{currency} {number}"


def names(words: list[str]) -> str:
    """A few names; of many the first and how many more."""
    shown = words if len(words) <= _MANY else [*words[: _MANY - 1], f"{len(words) - _MANY + 1} more"]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def _losses(made: Difference) -> list[str]:
    found = []
    for action, verb in (("replaced", "REPLACES"), ("deleted", "DELETES")):
        lost = [loss for loss in made.losses if loss.action == action]
        if lost:
            first, *rest = lost
            counted = Counter(loss.kind for loss in rest)
            others = [count(n, kind) for kind, n in counted.items()]
            text = f"{verb} {first.kind} {first.name}"
            found.append(text + (f" (and {', '.join(others)})" if others else ""))
    return found


def _not_done(made: Difference) -> list[str]:
    return [f"CAN'T BE DONE IN PLACE: {count(len(made.not_done), 'setting')}"] if made.not_done else []


def _capacity(made: Difference) -> list[str]:
    chips = _moved(made) or [
        f"{'adds' if c.after > c.before else 'removes'} {abs(c.after - c.before)} "
        f"{_kind(abs(c.after - c.before), c.generation, c.purchase)} in {c.location}"
        for c in sorted(made.chips_by_kind, key=lambda c: c.before > c.after)
    ]
    change = made.cost.change.per_day
    cost = money(change, made.cost.currency, signed=True) + "/day" if abs(change) >= 0.01 else ""
    unpriced = any(name.startswith("TPU") for name in made.cost.unpriced)
    if chips and unpriced:
        cost = f"{cost} without chips of unknown price" if cost else "price unknown"
    if not chips:
        return [f"costs {cost}"] if cost else []
    return [*chips[:-1], f"{chips[-1]}, {cost}" if cost else chips[-1]]


def _kind(number: int, generation: str | None, purchase: str | None) -> str:
    how = f"{_PURCHASES.get(purchase, purchase)} " if purchase not in (None, "onDemand") else ""
    chips = "chip" if number == 1 else "chips"
    return f"{how}{generation} {chips}" if generation else chips


def _moved(made: Difference) -> list[str]:
    """The same chips bought in another way or standing elsewhere."""
    if len(made.chips_by_kind) != 2:
        return []
    old, new = sorted(made.chips_by_kind, key=lambda c: c.after)
    if (old.before, old.after, new.before, new.after) != (new.after, 0, 0, old.before):
        return []
    if old.generation != new.generation:
        return [f"{old.before} {new.generation} chips take the place of {old.generation} in {new.location}"]
    if old.location != new.location:
        return [
            f"moves {old.before} {_kind(old.before, old.generation, new.purchase)} from {old.location} to {new.location}"
        ]
    before, after = (_PURCHASES.get(str(c.purchase), str(c.purchase)) for c in (old, new))
    return [f"{old.before} {old.generation} chips in {old.location} go from {before} to {after}"]


def _models(made: Difference) -> list[str]:
    found = []
    verbs = {"added": "adds", "removed": "REMOVES", "restarted": "restarts"}
    for change, verb in verbs.items():
        of_kind = [m.name for m in made.models if m.change == change]
        if of_kind:
            found.append(f"{verb} model{'s' if len(of_kind) > 1 else ''} {names(of_kind)}")
    broken = [m.name for m in made.models if m.breaks_clients and m.change != "removed"]
    if broken:
        found.insert(0, f"BREAKS CLIENTS of {names(broken)}")
    moved = [m.name for m in made.models if any(line.startswith("URL") for line in m.without_restart)]
    if moved:
        found.append(f"moves the URL of {names(moved)}")
    return found


def _gateway(made: Difference) -> list[str]:
    what = {change.what: change for change in made.gateway}
    if "exposure" in what:
        external = what["exposure"].after == "external"
        return ["makes the gateway EXTERNAL (the internet)" if external else "makes the gateway internal"]
    loud = [change.what for change in made.gateway if change.loud]
    return [f"changes the gateway's {names(loud)}"] if loud else []


def _rules(made: Difference) -> list[str]:
    found = []
    for change, verb in (("overridden", "overrides"), ("warned", "warns of")):
        rules = list(dict.fromkeys(r.rule for r in made.rules if r.change == change))
        if rules:
            found.append(f"{verb} {names(rules)}")
    return found


def _quiet(made: Difference) -> str:
    """A change that nothing above has a word for."""
    changed = [m.name for m in made.models if m.change == "changed"]
    if changed:
        policies = all(
            not line.startswith(("replicas", "endpoint picker")) for m in made.models for line in m.without_restart
        )
        what = "changes only policies of" if policies else "changes"
        return f"{what} model{'s' if len(changed) > 1 else ''} {names(changed)}"
    if made.resources:
        return f"changes {count(len(made.resources), 'resource')}"
    return "changes what stands under notes" if made.notes else "settles a rule"
