"""Every type: made, read, unchanged, replaced or updated as the real provider's schema has it, deleted."""

from __future__ import annotations

from typing import Any

import pytest

from providers.base import UNKNOWN, ProviderError
from providers.google.facts import answers, facts, tokens
from tests.rehearsal.plugins.gcp.scene import (
    ADDRESS,
    CLUSTER,
    EMAIL,
    FIREWALL,
    INPUTS,
    NETWORK,
    NODE_POOL,
    SERVICE,
    SUBNETWORK,
    Scene,
)

# Ids as the provider forms them (d.SetId in the files named in types.yaml).
IDS = {
    "Service": "example-project/compute.googleapis.com",
    "Account": f"projects/example-project/serviceAccounts/{EMAIL}",
    "IAMMember": f"example-project/roles/artifactregistry.reader/serviceAccount:{EMAIL}",
    "Network": "projects/example-project/global/networks/vpc",
    "Subnetwork": "projects/example-project/regions/europe-west4/subnetworks/nodes",
    "Firewall": "projects/example-project/global/firewalls/webhooks",
    "Router": "projects/example-project/regions/europe-west4/routers/router",
    "RouterNat": "example-project/europe-west4/router/nat",
    "Address": "projects/example-project/regions/europe-west4/addresses/gateway",
    "ResourcePolicy": "projects/example-project/regions/europe-west4/resourcePolicies/slice",
    "SecretIamMember": "projects/example-project/secrets/token/roles/secretmanager.secretAccessor/allUsers",
    "Cluster": "projects/example-project/locations/europe-west4/clusters/serving",
    "NodePool": "projects/example-project/locations/europe-west4/clusters/serving/nodePools/tpu",
}


def made(scene: Scene, token: str) -> tuple[str, dict[str, Any]]:
    """A resource of the type, with the subnetwork and cluster that it names."""
    for needed in {ADDRESS: [SUBNETWORK], CLUSTER: [SUBNETWORK], NODE_POOL: [SUBNETWORK, CLUSTER]}.get(token, []):
        scene.make(needed)
    return scene.make(token)


@pytest.mark.parametrize("token", tokens())
class TestEveryType:
    def test_is_made_read_and_deleted(self, scene: Scene, token: str) -> None:
        resource_id, state = made(scene, token)
        assert resource_id == IDS[token.rsplit(":", 1)[-1]]
        read = scene.provider.read(token, resource_id, scene.inputs(token))
        assert read is not None and read[0] == state
        assert set(read[1]) == set(scene.inputs(token))
        scene.provider.delete(token, resource_id, state)
        assert (scene.found(token, resource_id) is None) == (token != SERVICE)
        scene.provider.delete(token, resource_id, state)  # what is gone already is no error

    def test_a_preview_knows_nothing_that_creation_contradicts(self, scene: Scene, token: str) -> None:
        resource_id, foreseen = scene.provider.create(token, scene.inputs(token), True)
        assert resource_id == "" and not list(scene.directory.cloud.glob("*"))
        _, state = made(scene, token)
        assert _contradictions(foreseen, state, "") == []
        assert all(foreseen[key] is UNKNOWN for key in set(state) - set(INPUTS[token]) - {"project"} - _defaults(token))


def _defaults(token: str) -> set[str]:
    return set(facts(token).defaults)


def _contradictions(foreseen: Any, state: Any, path: str) -> list[str]:
    if foreseen is UNKNOWN:
        return []
    if isinstance(foreseen, dict) and isinstance(state, dict):
        return [p for key in foreseen for p in _contradictions(foreseen[key], state.get(key), f"{path}.{key}")]
    if path in (".network", ".subnetwork"):  # references come back as self links
        return []
    return [] if foreseen == state else [path]


@pytest.mark.parametrize(
    ("token", "changes"),
    [
        (NETWORK, {"routingMode": "GLOBAL"}),
        (SUBNETWORK, {"privateIpGoogleAccess": False}),
        (FIREWALL, {"targetTags": ["third"]}),
        (NODE_POOL, {"autoscaling": {"minNodeCount": 0, "maxNodeCount": 8, "locationPolicy": "ANY"}}),
        (CLUSTER, {"gatewayApiConfig": {"channel": "CHANNEL_DISABLED"}}),
        (CLUSTER, {"resourceLabels": None}),
    ],
)
def test_an_update_changes_that_and_nothing_else(scene: Scene, token: str, changes: dict[str, Any]) -> None:
    resource_id, before = made(scene, token)
    after = scene.update(token, resource_id, **changes)
    assert scene.state(token, resource_id) == after
    followed = {answer.path for answer in answers(token) if answer.follows}
    assert {key for key in {*before, *after} if before.get(key) != after.get(key)} <= {*changes, *followed}
    assert all(after.get(key) == value for key, value in changes.items())


def test_an_unknown_type_is_an_error_that_names_it(scene: Scene) -> None:
    with pytest.raises(ProviderError, match="gcp:storage/bucket:Bucket is not known"):
        scene.provider.check("gcp:storage/bucket:Bucket", {})
