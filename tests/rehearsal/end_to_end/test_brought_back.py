"""kill -9 of what keeps or serves the cluster of a running dev: the next run brings it back, with everything as it was."""

from __future__ import annotations

import pytest

from rehearsal.control_plane.processes import wait_gone
from tests.rehearsal.end_to_end.command import Rehearsal, is_ready

pytestmark = pytest.mark.xdist_group("dev")


@pytest.mark.parametrize("name", ["etcd", "kube-apiserver"])
def test_the_next_run_brings_back(name: str, dev: Rehearsal) -> None:
    resources = dev.state()["resources"]
    uids = {urn: found["metadata"]["uid"] for urn, found in dev.objects() if found}
    ended = dev.process(name)
    ended.kill()
    assert wait_gone([ended.pid], 30) == []
    assert dev.rehearse().succeeded()["summary"] == {"same": len(resources)}
    assert dev.process(name).pid != ended.pid
    dev.assert_nothing_twice()
    assert {urn: found["metadata"]["uid"] for urn, found in dev.objects() if found} == uids
    assert is_ready(dev.service("qwen2-5-3b"))
