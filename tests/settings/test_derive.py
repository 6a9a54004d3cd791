"""What follows from the settings, where no rule, manifest or component shows it by itself."""

from __future__ import annotations

import re

import pytest

from checks.environment import require
from settings.derive import Deployment
from settings.document import Document
from tests.checks.cases import GOOD
from tests.graph.planning import plan_document


def deployment(cluster: str) -> Deployment:
    return require(Document("test", "test.yaml", {**GOOD, "cluster": {"name": cluster}}))[0]


def test_clusters_of_one_project_never_share_the_account_of_their_nodes() -> None:
    east, west = deployment("tpu-serving-production-eu-east1"), deployment("tpu-serving-production-eu-west4")
    assert east.node_account_id != west.node_account_id


@pytest.mark.parametrize("cluster", ["a", "a" * 24, "a" * 16 + "-" + "b" * 23, "a" * 40])
def test_an_account_is_called_as_google_takes_it(cluster: str) -> None:
    assert re.fullmatch(r"[a-z]([-a-z0-9]{4,28}[a-z0-9])", deployment(cluster).node_account_id)


@pytest.mark.parametrize(("source", "mounts"), [("hf://Qwen/Qwen3-8B", False), ("pvc://weights/qwen3-8b", True)])
def test_the_fuse_driver_is_on_only_where_a_claim_is_mounted(source: str, mounts: bool) -> None:
    data = {**GOOD, "models": [{**GOOD["models"][0], "source": source}]}
    made = plan_document(Document("test", "test.yaml", data))
    [cluster] = [r for r in made.graph.order if r.type == "gcp:container/cluster:Cluster"]
    assert cluster.inputs["addonsConfig"]["gcsFuseCsiDriverConfig"] == {"enabled": mounts}
