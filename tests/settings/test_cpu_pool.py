"""Nodes of the CPU pool by number of models."""

from __future__ import annotations

import pytest

from checks.environment import require
from manifests.weights import filling_job
from settings.cpu_pool import most_nodes, room
from settings.document import find_environment, read_document


# e2-standard-4: 3.92 CPUs allocatable (GKE "Plan GKE Standard node sizes"), 0.5 of them for daemons: three pickers a node.
@pytest.mark.parametrize(("models", "nodes"), [(1, 1), (3, 2), (10, 4), (40, 14)])
def test_a_picker_is_never_divided_between_two_nodes(models: int, nodes: int) -> None:
    found = room("e2-standard-4", models)
    assert found is not None
    assert found.node_cpu == pytest.approx(3.92 - 0.5)
    assert found.nodes == nodes
    assert most_nodes(found) == max(3, nodes + 1)


def test_the_jobs_that_fill_a_bucket_have_room_beside_the_pickers() -> None:
    deployment, _ = require(read_document(find_environment("examples/weights-bucket.yaml")))
    job = filling_job(deployment, deployment.models[0])
    assert job is not None
    asked = job["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]
    assert asked == {"cpu": "1", "memory": "512Mi"}
    with_job, without = deployment.cpu_pool_room, room("e2-standard-4", 1)
    assert with_job is not None and without is not None
    assert (with_job.cpu - without.cpu, with_job.memory_gib - without.memory_gib) == (1, 0.5)
    found = room("e2-standard-4", 10, fillings=10)
    assert found is not None and (found.nodes, most_nodes(found)) == (7, 8)


@pytest.mark.parametrize("models", range(1, 60, 7))
def test_larger_machines_never_need_more_nodes(models: int) -> None:
    nodes = [room(f"e2-standard-{cores}", models) for cores in (4, 8, 16, 32)]
    counts = [found.nodes for found in nodes if found is not None]
    assert counts == sorted(counts, reverse=True)
    assert all(found is not None and found.nodes * found.node_cpu >= found.cpu for found in nodes)


def test_custom_and_shared_core_machines_have_a_size() -> None:
    custom, shared = room("n2-custom-4-16384", 3), room("e2-medium", 1)
    assert custom is not None and custom == room("n2-standard-4", 3)
    assert shared is not None and shared.node_cpu == pytest.approx(0.94 - 0.5)
    assert shared.nodes == 1000


def test_a_machine_of_unknown_size_is_not_judged() -> None:
    assert room("custom-machine", 10) is None
