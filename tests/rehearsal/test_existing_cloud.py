"""What an environment leaves to others is there before it is needed, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest

from rehearsal.cloud import read_all
from rehearsal.existing_cloud import seed_cloud
from tests.manifests.test_manifests import DEPLOYMENTS


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_only_what_the_environment_calls_existing_is_seeded(name: str, tmp_path: Path) -> None:
    deployment = DEPLOYMENTS[name]
    settings = deployment.settings
    seed_cloud(deployment, tmp_path)
    kinds = [resource.type.rsplit(":", 1)[-1] for resource in read_all(tmp_path)]
    assert ("Network" in kinds) == (settings.network.mode == "existing")
    assert ("Service" in kinds) == (not settings.project.enable_apis)
    address = settings.gateway.address
    assert ("Address" in kinds) == (address is not None and not address.create)


def test_an_existing_vpc_brings_the_ranges_that_the_cluster_names(tmp_path: Path) -> None:
    deployment = DEPLOYMENTS["existing-platform.yaml"]
    seed_cloud(deployment, tmp_path)
    subnets = {r.name: r.state for r in read_all(tmp_path, "gcp:compute/subnetwork:Subnetwork")}
    settings = deployment.settings.network
    assert settings.subnetwork is not None
    ranges = {r["rangeName"] for r in subnets[settings.subnetwork]["secondaryIpRanges"]}
    assert ranges == {settings.pods_range_name, settings.services_range_name}
    proxies = subnets[str(settings.proxy_only_subnet.name)]
    assert (proxies["purpose"], proxies["role"]) == ("REGIONAL_MANAGED_PROXY", "ACTIVE")
    assert proxies["network"] == subnets[settings.subnetwork]["network"]
