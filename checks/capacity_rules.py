"""Rules about how and where chips are bought (TP)."""

from __future__ import annotations

from collections.abc import Iterator

from catalog.gke import LONGEST_RUN_HOURS
from catalog.zones import is_for_ai, is_listed, listed_on, listed_zones, nearest_zones
from checks.registry import Found, rule, served_models
from settings.capacity import LONGEST_SPOT_ANSWER
from settings.derive import Deployment
from settings.purchases import kinds_of
from settings.refusal import Path
from settings.text import count


@rule("TP05")
def zone(deployment: Deployment) -> Iterator[Found]:
    """A warning: lists change."""
    for generation in dict.fromkeys(m.shape.generation for m in deployment.models):
        for name, path in _places(deployment).items():
            if not listed_zones(generation) or is_listed(name, generation):
                continue
            first, *others = nearest_zones(name, generation)
            said = f"{name} is not on the lists of zones with {generation} ({listed_on()})."
            also = f" (nearest listed; then {', '.join(others)})" if others else " (the only one listed)"
            here = [zone for zone in listed_zones(generation) if zone.rsplit("-", 1)[0] == deployment.region]
            instead = f"Remove it, or write one of {', '.join(here)}." if here else "Remove it."
            fix = f"Write zone: {first}{also}." if path[0] == "location" else instead
            yield Found(path, name, said, fix)


def _places(deployment: Deployment) -> dict[str, Path]:
    """Zones of the file, each with the place that names it first."""
    named = [(deployment.zone, ("location", "zone")), *_zones(deployment)]
    return dict(reversed(named))


def _zones(deployment: Deployment) -> list[tuple[str, Path]]:
    """Zones of the capacity, and where each stands."""
    named: list[tuple[str, Path]] = [
        (name, ("capacity", "zones", at)) for at, name in enumerate(deployment.settings.capacity.zones)
    ]
    named += [
        (e.zone, ("capacity", "order", at, "zone"))
        for at, e in enumerate(deployment.settings.capacity.order)
        if e.zone is not None
    ]
    return named


@rule("TP19")
def ai_zone(deployment: Deployment) -> Iterator[Found]:
    """A project sees zones for AI workloads only once it has switched them on."""
    for name, path in _places(deployment).items():
        if is_for_ai(name):
            said = f"{name} is a zone for AI workloads; a project does not see it by itself."
            fix = (
                "Switch it on once, or take an ordinary zone:\ngcloud compute preview-features update "
                f"ai-zones-visibility --activation-status=enabled --project={deployment.settings.project.id}"
            )
            yield Found(path, name, said, fix)


@rule("TP09")
def purchase(deployment: Deployment) -> Iterator[Found]:
    """A reservation is named where one is used, and only there."""
    capacity, path = deployment.settings.capacity, ("capacity",)
    if capacity.order:
        return  # TP20
    if capacity.purchase == "reservation" and not capacity.reservation:
        yield Found((*path, "reservation"), None, "No reservation is named.", "Write reservation: my-reservation.")
    if capacity.purchase != "reservation" and capacity.reservation:
        said = f"purchase: {capacity.purchase} uses no reservation."
        fix = "Write purchase: reservation, or remove the reservation."
        yield Found((*path, "reservation"), capacity.reservation, said, fix)


@rule("TP09")
def flex_start(deployment: Deployment) -> Iterator[Found]:
    """Flex-start: at most seven days; nothing else has a run time."""
    capacity = deployment.settings.capacity
    if not capacity.order and capacity.purchase != "flexStart" and capacity.max_run_hours is not None:
        said = "Only flexStart nodes have a run time."
        fix = "Write purchase: flexStart, or remove maxRunHours."
        yield Found(("capacity", "maxRunHours"), capacity.max_run_hours, said, fix)
        return
    hours: dict[Path, int | None] = {("capacity", "maxRunHours"): capacity.max_run_hours}
    for at, entry in enumerate(deployment.settings.capacity.order):
        if entry.flex_start is not None:
            hours["capacity", "order", at, "flexStart", "maxRunHours"] = entry.flex_start.max_run_hours
    for path, given in hours.items():
        if (given or 0) > LONGEST_RUN_HOURS:
            said = "Flex-start nodes live at most 7 days."
            yield Found(path, given, said, f"Write maxRunHours: {LONGEST_RUN_HOURS}.")


@rule("TP18")
def flex_start_of_tpu7x(deployment: Deployment) -> Iterator[Found]:
    """Google lets projects of a list have TPU7x by flex-start or spot."""
    kinds = dict.fromkeys(bought.kind for bought in deployment.purchases if bought.kind in ("flexStart", "spot"))
    for here, model in served_models(deployment):
        for kind in kinds if model.shape.generation == "tpu7x" else ():
            said = f"{kind} of TPU7x is restricted to projects on Google's allowlist."
            fix = "Ask your Google contact whether the project is on it, or use a reservation."
            yield Found((*here, "tpu", "generation"), "tpu7x", said, fix)


@rule("TP11")
def spare(deployment: Deployment) -> Iterator[Found]:
    """Where a rollout can't make progress without a spare slice, one is allowed."""
    spare_slices = deployment.settings.capacity.spare_slices
    if spare_slices is None:
        return
    # Below four replicas Kubernetes' 25 % lets none be missing, so the new pod must fit beside the old ones.
    needed = max((m.surge_slices for m in deployment.models if m.least_replicas < 4), default=0)
    if spare_slices < needed:
        said = "An update needs one more slice than the replicas."
        yield Found(("capacity", "spareSlices"), spare_slices, said, f"Write spareSlices: {needed}, or leave it out.")


@rule("TP20")
def order(deployment: Deployment) -> Iterator[Found]:
    """Each entry is one way of buying chips, named once; the short form and its keys stand alone."""
    capacity = deployment.settings.capacity
    if not capacity.order:
        alone: dict[str, object] = {"zones": capacity.zones, "migrateBack": capacity.migrate_back}
        for key, given in alone.items():
            if given:
                fix = f"Write an order, for example order: [onDemand, spot], or remove {key}."
                yield Found(("capacity", key), given, f"`{key}` belongs to `order`, and there is none.", fix)
        return
    short: dict[str, object] = {"reservation": capacity.reservation, "maxRunHours": capacity.max_run_hours}
    if capacity.purchase != "onDemand":
        short["purchase"] = capacity.purchase
    for key, given in short.items():
        if given is not None:
            said = f"`{key}` is the short form of an order of one."
            yield Found(("capacity", key), given, said, "Remove it; the entries of `order` say how chips are bought.")
    if capacity.migrate_back and all(m.shape.multi_host for m in deployment.models):
        said = "A slice of several hosts is not moved back: nobody has shown that GKE moves it whole."
        yield Found(("capacity", "migrateBack"), True, said, "Remove it.")
    seen = set()
    for at, entry in enumerate(deployment.settings.capacity.order):
        path, kinds = ("capacity", "order", at), kinds_of(entry)
        if len(kinds) != 1:
            said = f"An entry names one way of buying chips; this one names {' and '.join(kinds) or 'none'}."
            yield Found(path, kinds, said, "Write one of reservation: NAME, onDemand, flexStart and spot.")
            continue
        if entry.zone and kinds[0] != "reservation":
            fix = "Remove it; `capacity.zones` holds the zones of all entries."
            yield Found((*path, "zone"), entry.zone, "`zone` is the zone of a reservation.", fix)
        if entry.keep and kinds[0] != "reservation":
            fix = f"Write onDemand: {{keep: {entry.keep}}}." if kinds == ["onDemand"] else "Remove it."
            yield Found((*path, "keep"), entry.keep, "`keep` here belongs to a reservation.", fix)
        name = kinds[0], entry.reservation, entry.zone
        if name in seen:
            said = f"Duplicate entry: {kinds[0]} is in the order already, and its first place counts."
            yield Found(path, kinds[0], said, "Remove it.")
        seen.add(name)


@rule("TP20")
def zones_of_the_order(deployment: Deployment) -> Iterator[Found]:
    """Zones of the cluster's region, the first of them the environment's own."""
    capacity = deployment.settings.capacity
    first = capacity.zones[0] if capacity.zones else deployment.zone
    if first != deployment.zone:
        said = f"The first zone is location.zone, which is {deployment.zone}."
        yield Found(("capacity", "zones", 0), first, said, f"Write {deployment.zone} first, or change location.zone.")
    for at, again in enumerate(capacity.zones):
        if again in capacity.zones[:at]:
            said = f"Duplicate zone: {again} is in the list already."
            yield Found(("capacity", "zones", at), again, said, "Remove it.")
    for name, path in _zones(deployment):
        if name.rsplit("-", 1)[0] != deployment.region:
            said = f"{name} is not in {deployment.region}, the cluster's region."
            yield Found(path, name, said, f"Write a zone of {deployment.region}.")


@rule("TP23")
def kept_slices_serve(deployment: Deployment) -> Iterator[Found]:
    """All entries together keep no more slices of a shape than its models have replicas."""
    fewest = min((deployment.slices(s)[0] for s in {m.shape for m in deployment.models}), default=0)
    before = 0
    for at, entry in enumerate(deployment.settings.capacity.order):
        short = entry.on_demand is not None
        keep = entry.on_demand.keep if entry.on_demand else entry.keep
        if before + keep > fewest:
            path: Path = ("capacity", "order", at, "onDemand", "keep") if short else ("capacity", "order", at, "keep")
            said = f"{count(before + keep, 'slice')} would be always on; the models of one shape have {count(fewest, 'replica')}."
            yield Found(path, keep, said, f"Write keep: {max(0, fewest - before)}, or more replicas.")
        before += keep


@rule("TP21")
def budget(deployment: Deployment) -> Iterator[Found]:
    """All replicas together stay within the environment's own budget of chips."""
    most = deployment.settings.capacity.chip_budget
    if most is not None and deployment.chips > most:
        said = f"All replicas use {deployment.chips} chips, {deployment.chips - most} over the budget."
        yield Found(("capacity", "chipBudget"), most, said, f"Write chipBudget: {deployment.chips}, or fewer replicas.")


@rule("TP22")
def spot_cuts_answers(deployment: Deployment) -> Iterator[Found]:
    """What a spot node's pods get is short, whatever their grace period says."""
    capacity = deployment.settings.capacity
    if all(bought.kind != "spot" for bought in deployment.purchases):
        return
    first = deployment.purchases[0].kind == "spot"
    for here, model in served_models(deployment):
        if model.answer_seconds > capacity.spot_answer_seconds:
            said = (
                f"An answer may take {model.answer_seconds} s; a spot node that Google takes back ends it "
                f"after {capacity.spot_answer_seconds} s."
            )
            fixes = ["Let clients retry"]
            if model.answer_seconds <= LONGEST_SPOT_ANSWER:
                fixes.append("write spotGraceSeconds: 120 under capacity")
            if first:
                fixes.append("put onDemand or a reservation before spot in `capacity.order`")
            path = (*here, "longestAnswerSeconds")
            yield Found(path, model.settings.longest_answer_seconds, said, f"{', or '.join(fixes)}.")


@rule("TP24")
def longer_grace(deployment: Deployment) -> Iterator[Found]:
    """The longer grace belongs to spot nodes, and nobody has shown it on TPU machines."""
    seconds, path = deployment.settings.capacity.spot_grace_seconds, ("capacity", "spotGraceSeconds")
    if seconds is None:
        return
    if all(bought.kind != "spot" for bought in deployment.purchases):
        yield Found(path, seconds, "No chips are bought by spot, and nothing reads it.", "Remove it.")
        return
    said = "Google documents it for spot nodes (Preview); whether TPU machine images keep to it is not known."
    yield Found(
        path, seconds, said, "Count on 15 s, until you have seen a longer answer end on a node that was taken back."
    )
