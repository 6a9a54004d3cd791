"""Every environment and example comes up, serves, is left alone by a second run and a refresh, and goes: one after the
other in one directory, where a deleted cluster takes along what was in it. dev and prod have tests of their own.

Too long for every day; `make test-all` runs them.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

import cluster as kube
from checks.environment import require
from rehearsal import cloud, control_plane
from rehearsal.directory import RehearsalDirectory
from rehearsal.end import destroy
from rehearsal.existing_cloud import seed_cloud
from rehearsal.run import rehearse
from rehearsal.storage.__main__ import BUCKET
from serving.program.outputs import planned_outputs
from serving.verify.run import verify
from settings.document import find_environment, read_document
from tests.everything import of_everything
from tests.rehearsal.end_to_end.command import ROOT, is_ready, refreshed

pytestmark = of_everything

# What others install stays when the stack goes, as it does with them: it comes last.
LAST = "existing-platform"
FILES = {path.stem: path for path in [ROOT / "Pulumi.staging.yaml", *ROOT.glob("examples/*.yaml")]}
EXAMPLES = sorted(FILES, key=lambda name: (name == LAST, name))
_HEALTHY_SECONDS = 120


@pytest.fixture(scope="module")
def directory(binaries: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RehearsalDirectory]:
    """One rehearsal's directory for all of them; at the end nothing of it is left."""
    made = RehearsalDirectory(tmp_path_factory.mktemp("examples") / "all")
    try:
        yield made
    finally:
        control_plane.stop(made)
        made.remove()
    assert control_plane.leftovers(made) == []


def test_a_stock_out_of_an_order_is_served_by_the_next_entry(directory: RehearsalDirectory) -> None:
    """No reservation and nothing in the first zone: the second entry serves from the other zone, and verify says so."""
    path = find_environment(str(FILES["capacity-order"]))
    deployment, _ = require(read_document(path))
    console = Console(file=io.StringIO(), width=200)
    try:
        without = ["reservation", deployment.zone]
        outcome = rehearse(deployment, path, directory, console, stockouts=without, undos=[], preview=False)
        assert outcome.target is not None and not outcome.failure
        report = verify(outcome.target.target(planned_outputs), wait_seconds=_HEALTHY_SECONDS)
        [found] = [f for o in report.outcomes if o.check.name == "capacity" for f in o.findings]
        assert report.exit_code == 0, report.line
        assert found.message.startswith("2 on tpu-v6e-2x2-4t-od-b (3 of 7); passed over before: Node scale up in zones")
    finally:
        destroy(directory, deployment.name, console)


@pytest.mark.parametrize("name", EXAMPLES)
def test_comes_up_serves_and_goes(name: str, directory: RehearsalDirectory, tmp_path: Path) -> None:
    path = find_environment(str(FILES[name]))
    deployment, _ = require(read_document(path))
    said = io.StringIO()
    console = Console(file=said, width=200)
    try:
        outcome = rehearse(deployment, path, directory, console, stockouts=[], undos=[], preview=False)
        assert set(outcome.summary) == {"create"}, said.getvalue()
        client = kube.connect(directory.kubeconfig)
        services = kube.list_objects(client, "serving.kserve.io/v1alpha2", "LLMInferenceService")
        assert {service["metadata"]["name"] for service in services} == {model.name for model in deployment.models}
        assert all(map(is_ready, services))
        assert outcome.target is not None and outcome.target.outputs is not None
        report = verify(outcome.target.target(planned_outputs), wait_seconds=_HEALTHY_SECONDS)
        assert report.exit_code == 0, report.line
        again = rehearse(deployment, path, directory, console, stockouts=[], undos=[], preview=False)
        resources = sum(outcome.summary.values())
        assert again.summary == {"same": resources}, said.getvalue()
        assert f"{resources} unchanged" in refreshed(directory, deployment.name)
    finally:  # also after a failure, so that the next one finds the control plane empty
        destroy(directory, deployment.name, console)
    seed_cloud(deployment, tmp_path)
    store = deployment.store
    left = {(BUCKET, store.bucket)} if store is not None and store.created else set()  # with weights in it, on purpose
    assert on_cloud(directory.cloud) == on_cloud(tmp_path) | left
    for kind, bucket in left:
        cloud.remove(directory.cloud, kind, bucket)
    assert kube.get(client, "v1", "Namespace", deployment.namespace) is None
    pods = kube.list_objects(client, "v1", "Pod")
    assert [pod["metadata"]["name"] for pod in pods if pod["metadata"]["namespace"] == deployment.namespace] == []


def on_cloud(folder: Path) -> set[tuple[str, str]]:
    """Every resource there is, ready or not, but for what stays on purpose: APIs, and the bucket with weights."""
    found = cloud.read_all(folder, provisioning=True)
    return {(item.type, item.id) for item in found if not item.type.endswith((":Service", ":Bucket"))}
