"""`serving leftovers` as a person calls it: what is printed, what is asked, exit codes, formats."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import typer
from typer.testing import CliRunner, Result

from serving.commands import acceptance
from serving.commands import leftovers as command
from tests.serving.calling import caller, wrong_call
from tests.serving.leftovers.conftest import ZONE, Scene

run = caller(command.leftovers)


@pytest.fixture
def call(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Scene:
    def google(deployment: object) -> object:
        scene.deployment = deployment  # type: ignore[assignment]
        return scene.client()

    monkeypatch.setattr(command, "google", google)
    monkeypatch.setattr(command, "pause", lambda _seconds: None)
    return scene


@pytest.fixture
def asked(call: Scene, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Result]:
    """The command on a terminal, with an answer to its question."""
    app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command()(command.leftovers)
    monkeypatch.setattr(command, "can_answer", lambda: True)
    return lambda answer: CliRunner().invoke(app, ["dev", "--delete"], input=answer, catch_exceptions=False)


def test_nothing_left_is_one_line_and_good(call: Scene) -> None:
    done = run("dev")
    assert (done.exit_code, done.stdout) == (0, "nothing is left\n")
    assert "asking what is left of network tpu-serving-dev in project example-project" in done.stderr


def test_what_is_left_is_listed_in_the_order_of_deletion_and_nothing_is_deleted(call: Scene) -> None:
    call.of_gke(call.network())
    done = run("dev")
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    assert lines[0] == "Deleted by --delete, in this order:"
    assert lines[-1] == "17 left"
    assert max(map(len, lines)) <= 80
    order = ["forwarding rule", "URL map", "network endpoint group", "firewall rule", "network"]
    assert sorted(order, key=lambda title: lines.index(f"  {title}")) == order
    assert call.compute.deleted == []


@pytest.mark.parametrize(("answer", "deleted"), [("y\n", True), ("n\n", False), ("\n", False)])
def test_deletion_asks_first(call: Scene, asked: Callable[[str], Result], answer: str, deleted: bool) -> None:
    call.of_gke(call.network())
    done = asked(answer)
    assert "Delete these 17?" in done.stdout
    assert done.exit_code == (0 if deleted else 1)
    assert bool(call.compute.deleted) == deleted
    assert done.stdout.splitlines()[-1] == ("nothing is left: 17 deleted" if deleted else "nothing was deleted")


def test_what_could_not_be_deleted_is_the_end_of_a_run_that_failed(call: Scene) -> None:
    call.of_gke(call.network())
    call.compute.denied = {"k8s-e4198c6a84c32393-node-http-hc"}
    done = run("dev", "--delete", "--yes")
    assert done.exit_code == 1
    assert done.stdout.splitlines()[-1] == "2 left, 15 deleted"
    assert "deleted forwarding rule gkegw1-4v0d-80" in done.stderr
    assert "not deleted: firewall rule k8s-e4198c6a84c32393-node-http-hc: " in done.stderr
    assert "Required 'compute.firewalls.delete' permission" in done.stderr
    assert "docs/runbook/up-refresh-destroy.md#resource-in-use" in done.stderr


def test_machines_get_one_document(call: Scene) -> None:
    network = call.network()
    call.of_gke(network)
    call.compute.add("instances", ZONE, "bastion", networkInterfaces=[{"network": network}])
    done = run("dev", "--delete", "--yes", "--format", "json")
    data = json.loads(done.stdout)
    assert (done.exit_code, data["verdict"], data["refused"]) == (1, "2 left, 16 deleted", None)
    left = {item["name"]: item for item in data["leftovers"] if not item["deleted"]}
    assert set(left) == {"bastion", "tpu-serving-dev"} == call.compute.names()
    assert not any(item["deletable"] for item in left.values())
    assert left["bastion"]["command"].startswith("gcloud compute instances delete bastion")


def test_where_the_network_is_not_the_programs_the_commands_are_printed_and_nothing_is_deleted(call: Scene) -> None:
    call.of_gke(call.network("made by hand"))
    done = run("dev", "--delete", "--yes")
    assert done.exit_code == 1
    assert "Nothing is deleted here: network tpu-serving-dev does not have the" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "gcloud compute forwarding-rules delete gkegw1-4v0d-80" in done.stdout
    assert call.compute.deleted == []


def test_while_the_cluster_lives_nothing_is_deleted(call: Scene) -> None:
    call.of_gke(call.network())
    call.compute.clusters = [{"name": "tpu-serving-dev", "location": "europe-west4", "status": "RUNNING"}]
    done = run("dev", "--delete", "--yes")
    assert done.exit_code == 1
    assert done.stdout == (
        "not destroyed: cluster tpu-serving-dev in europe-west4 is RUNNING: what is in its network is in use. "
        "Run pulumi destroy first.\n"
    )
    assert call.compute.deleted == []


def test_what_could_not_be_asked_is_said_with_its_section(call: Scene) -> None:
    call.network()
    call.compute.denied = {"firewalls.list"}
    done = run("dev", "--delete", "--yes")
    assert done.exit_code == 1
    assert "Runbook: docs/runbook/preflight.md#not-allowed-to-ask" in done.stderr
    assert done.stdout.endswith("not known: not-allowed-to-ask\n")
    assert json.loads(run("dev", "--format", "json").stdout)["verdict"].startswith("not known: ")


WRONG: list[tuple[list[str], str]] = [
    (["dev", "--yes"], "--yes goes with --delete"),
    (["dev", "--delete"], "no terminal to ask at; add --yes"),
    (["dev", "--delete", "--format", "json"], "no terminal to ask at; add --yes"),
    (["no-such-environment"], "no environment"),
    ([], "Missing argument"),
]


@pytest.mark.parametrize(("arguments", "words"), WRONG)
def test_a_wrong_call_ends_with_2_and_asks_nobody(call: Scene, arguments: list[str], words: str) -> None:
    assert words in wrong_call(run, *arguments)
    assert call.google.asked == []


def test_an_acceptance_run_counts_what_the_command_lists(call: Scene) -> None:
    call.of_gke(call.network())
    left = acceptance._left(call.deployment)
    assert ("network", "tpu-serving-dev in global") in left and len(left) == 17
    call.compute.clusters = [{"name": "tpu-serving-dev", "location": "europe-west4", "status": "STOPPING"}]
    assert [kind for kind, _ in acceptance._left(call.deployment)] == ["cluster"]
