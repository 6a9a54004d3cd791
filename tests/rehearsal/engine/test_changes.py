"""What the engine says, folded into states, and how it is shown."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

from rich.console import Console

from rehearsal.engine.changes import Changes
from rehearsal.engine.display import Screen, duration

STACK = "urn:pulumi:dev::tpu-serving::pulumi:pulumi:Stack::tpu-serving-dev"
CLUSTER = "urn:pulumi:dev::tpu-serving::tpu-serving:cluster:Cluster::cluster"


def step(op: str, urn: str, parent: str, custom: bool = True) -> SimpleNamespace:
    state = SimpleNamespace(parent=parent, custom=custom)
    old = state if op == "delete" else None
    return SimpleNamespace(op=op, urn=urn, type=urn.split("::")[2], new=None if old else state, old=old)


def event(**kinds: Any) -> SimpleNamespace:
    empty = dict.fromkeys(
        ("resource_pre_event", "res_outputs_event", "res_op_failed_event", "diagnostic_event", "summary_event")
    )
    return SimpleNamespace(**{**empty, **kinds})


def begin(metadata: SimpleNamespace) -> SimpleNamespace:
    return event(resource_pre_event=SimpleNamespace(metadata=metadata))


def end(metadata: SimpleNamespace) -> SimpleNamespace:
    return event(res_outputs_event=SimpleNamespace(metadata=metadata))


def fail(metadata: SimpleNamespace) -> SimpleNamespace:
    return event(res_op_failed_event=SimpleNamespace(metadata=metadata))


def resource(name: str, op: str = "create") -> SimpleNamespace:
    return step(op, f"urn:pulumi:dev::tpu-serving::tpu-serving:cluster:Cluster$gcp:x/y:{name}::{name}", CLUSTER)


def component() -> SimpleNamespace:
    return step("create", CLUSTER, STACK, custom=False)


def test_a_step_is_under_way_then_done_with_its_time() -> None:
    now = [0.0]
    changes = Changes(clock=lambda: now[0])
    pool = resource("Pool")
    changes.on_event(begin(pool))
    [change] = changes.real()
    assert (change.state, change.seconds, change.kind) == ("creating", None, "Pool")
    now[0] = 2.5
    changes.on_event(end(pool))
    assert (change.state, change.seconds) == ("created", 2.5)


def test_a_failed_step_stays_failed_whatever_is_said_later() -> None:
    changes = Changes()
    pool = resource("Pool")
    for said in (begin(pool), fail(pool), end(pool)):
        changes.on_event(said)
    assert changes.counts() == {"failed": 1}


def test_components_are_not_counted_as_resources() -> None:
    changes = Changes()
    for metadata in (component(), resource("Pool"), resource("Old", "delete")):
        changes.on_event(begin(metadata))
        changes.on_event(end(metadata))
    assert changes.counts() == {"created": 1, "deleted": 1}


def test_an_end_without_a_beginning_is_no_error() -> None:
    changes = Changes()
    changes.on_event(end(resource("Pool", "same")))
    assert changes.counts() == {"unchanged": 1}


def screen() -> tuple[Screen, io.StringIO]:
    out = io.StringIO()
    return Screen(Console(file=out, width=100, force_terminal=False), "Up of dev"), out


def test_off_a_terminal_each_change_is_one_line_and_what_is_unchanged_none() -> None:
    shown, out = screen()
    with shown.showing() as changes:
        for metadata in (resource("Pool"), resource("Same", "same")):
            changes.on_event(begin(metadata))
            changes.on_event(end(metadata))
    lines = out.getvalue().splitlines()
    assert lines[0] == "Up of dev"
    assert len(lines) == 2
    assert "created" in lines[1]
    assert "Pool" in lines[1]


def test_what_the_engine_says_is_shown_once_with_the_resource_it_is_about() -> None:
    shown, out = screen()
    said = SimpleNamespace(severity="error", urn=resource("Pool").urn, message="no quota\n", ephemeral=False)
    noise = SimpleNamespace(severity="info", urn="", message="thinking", ephemeral=False)
    with shown.showing() as changes:
        for message in (said, said, noise):
            changes.on_event(event(diagnostic_event=message))
    assert out.getvalue().splitlines()[1:] == ["  error Pool: no quota"]


def test_errors_name_their_resources_one_line_each() -> None:
    shown, _ = screen()
    urn = resource("Pool").urn
    with shown.showing() as changes:
        for severity, about, text in (
            ("error", urn, "2 errors occurred:\n\t* timed out\n\t* no quota\n"),
            ("warning", urn, "slow"),
            ("error", "", "update failed"),
        ):
            said = SimpleNamespace(severity=severity, urn=about, message=text, ephemeral=False)
            changes.on_event(event(diagnostic_event=said))
    assert shown.errors() == "Pool: 2 errors occurred: * timed out * no quota"


def test_the_tree_names_what_is_under_way_and_folds_what_is_done() -> None:
    shown, _ = screen()
    with shown.showing() as changes:
        for metadata in (step("create", STACK, "", custom=False), component(), resource("Slow"), resource("Quick")):
            changes.on_event(begin(metadata))
        changes.on_event(end(resource("Quick")))
    out = io.StringIO()
    Console(file=out, width=100).print(shown.tree())
    assert "cluster  1/2" in out.getvalue()
    assert "Slow Slow  creating" in out.getvalue()
    assert "Quick" not in out.getvalue()


def test_times_read_like_times() -> None:
    assert [duration(seconds) for seconds in (0.04, 59.94, 60, 125.9)] == [
        "0.0 s",
        "59.9 s",
        "1 min 00 s",
        "2 min 05 s",
    ]
