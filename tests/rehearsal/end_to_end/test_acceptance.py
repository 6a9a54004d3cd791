"""`serving acceptance` on the emulated cloud: the CLI, the policy pack and the real engine, as on a project of Google's."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from checks.environment import require
from cluster.target import rehearsal_folder
from rehearsal import cloud
from serving.acceptance.record import FORWARD, Record, read_record
from serving.acceptance.run_folder import HOME
from settings.document import read_document
from tests.everything import of_everything
from tests.rehearsal.end_to_end.command import Done, Rehearsal, serving
from tests.rehearsal.end_to_end.conftest import copied

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def smallest(request: pytest.FixtureRequest, binaries: object, tmp_path: Path) -> Iterator[Rehearsal]:
    """The smallest example, or the environment that a test asks for."""
    for rehearsal in copied(getattr(request, "param", "examples/smallest.yaml"), tmp_path):
        yield rehearsal
        shutil.rmtree(kept(rehearsal), ignore_errors=True)


def kept(rehearsal: Rehearsal) -> Path:
    """Where records go."""
    return rehearsal_folder(str(rehearsal.file), HOME / "emulated")


def accept(rehearsal: Rehearsal, *options: str) -> tuple[Done, Record]:
    """One call on a rehearsal with nothing deployed, and its record."""
    done = serving("acceptance", str(rehearsal.file), "--rehearsal", "--yes", *options)
    [file] = kept(rehearsal).glob("2*.json")
    return done, read_record(file)


def prepared(rehearsal: Rehearsal) -> Rehearsal:
    rehearsal.rehearse("--preview").succeeded()
    return rehearsal


def assert_nothing_left(rehearsal: Rehearsal) -> None:
    """Neither in the stack nor in the cloud; APIs stay enabled by design."""
    assert rehearsal.state().get("resources") in (None, [])
    found = cloud.read_all(rehearsal.directory.cloud, provisioning=True)
    assert [r.id for r in found if r.type != "gcp:projects/service:Service"] == []


def assert_passed(record: Record, rehearsal: Rehearsal) -> None:
    """Everything that can be asked here; the record names nothing of the environment's own."""
    statuses: dict[str, Any] = {step.name: step.status for step in record.steps}
    asked_of_google = {"preflight", "leftovers"}
    assert {name: status for name, status in statuses.items() if name not in asked_of_google} == dict.fromkeys(
        (*FORWARD[1:], "destroy"), "passed"
    )
    assert {statuses[name] for name in asked_of_google} == {"notRun"}
    created = record.step("up").changes["create"]
    assert record.step("preview").changes == {"same": created}
    assert record.step("change").changes == record.step("back").changes == {"same": created - 2, "update": 2}
    assert record.step("destroy").changes == {"delete": created}
    assert record.where == "emulated cloud" and not record.proved
    text = json.dumps(record.to_json())
    assert "example-project" not in text and "127.0.0.1" not in text


@of_everything
@pytest.mark.parametrize("smallest", ["examples/smallest.yaml", "Pulumi.dev.yaml"], indirect=True)
def test_end_to_end(smallest: Rehearsal) -> None:
    done, record = accept(prepared(smallest))
    assert done.code == 0, done.err
    assert_passed(record, smallest)
    assert_nothing_left(smallest)


@of_everything
def test_faults_in_up_verify_and_destroy_leave_a_record_and_in_the_end_nothing(smallest: Rehearsal) -> None:
    directory = prepared(smallest).directory
    deployment, _ = require(read_document(smallest.file))
    project, name = deployment.settings.project.id, deployment.network_name
    left = cloud.CloudResource(
        "gcp:compute/network:Network", name, f"projects/{project}/global/networks/{name}", project, None, {}
    )
    cloud.write(directory.cloud, left)
    done, record = accept(smallest)
    assert (done.code, record.verdict) == (1, "failed: up")
    said = " ".join(finding.message for finding in record.step("up").findings)
    assert "already exists" in said and name not in said
    assert record.ended is not None
    cloud.remove(directory.cloud, left.type, left.id)
    assert_nothing_left(smallest)
    for file in kept(smallest).glob("2*"):
        file.unlink()

    # verify says no, and everything is kept: the next call only destroys, and a lock that a killed run left stops it.
    done, record = accept(smallest, "--keep", "--wait", "0", "--url", NOWHERE)
    assert (done.code, record.verdict.split(",")[0], record.ended) == (1, "failed: verify", None)
    lock = directory.pulumi_backend / ".pulumi/locks/organization/tpu-serving/smallest/left.json"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.write_text(json.dumps({"pid": 1, "username": "x", "hostname": "x", "timestamp": "2026-01-01T00:00:00Z"}))
    done, record = accept(smallest, "--destroy")
    assert (done.code, record.step("destroy").status, record.ended) == (1, "failed", None)
    assert "locked" in record.step("destroy").findings[0].message
    lock.unlink()
    done, record = accept(smallest)
    assert (done.code, record.step("destroy").status, record.calls) == (1, "passed", 3)
    assert record.ended is not None
    assert_nothing_left(smallest)
