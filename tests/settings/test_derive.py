"""What follows from the settings, where no rule, manifest or component shows it by itself."""

from __future__ import annotations

import re

import pytest

from checks.environment import require
from settings.derive import Deployment
from settings.document import Document
from tests.checks.cases import GOOD


def deployment(cluster: str) -> Deployment:
    return require(Document("test", "test.yaml", {**GOOD, "cluster": {"name": cluster}}))[0]


def test_clusters_of_one_project_never_share_the_account_of_their_nodes() -> None:
    east, west = deployment("tpu-serving-production-eu-east1"), deployment("tpu-serving-production-eu-west4")
    assert east.node_account_id != west.node_account_id


@pytest.mark.parametrize("cluster", ["a", "a" * 24, "a" * 16 + "-" + "b" * 23, "a" * 40])
def test_an_account_is_called_as_google_takes_it(cluster: str) -> None:
    assert re.fullmatch(r"[a-z]([-a-z0-9]{4,28}[a-z0-9])", deployment(cluster).node_account_id)
