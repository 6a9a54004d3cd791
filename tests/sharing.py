"""Which tests run in one process: those that share a rehearsal or a control plane, and otherwise those of a file."""

from __future__ import annotations

import pytest
from xdist.scheduler import LoadScopeScheduling

_END_TO_END = "tests/rehearsal/end_to_end/"
DEV, OTHERS, API_SERVER, KUBELET = "dev", "other environments", "API server", "kubelet"
# These take longest and start first, side by side: one that starts late has the others wait for it at the end.
_LONGEST = (OTHERS, DEV, API_SERVER, KUBELET)
# The beginning of a path -> what its tests share. The first that fits counts.
_SHARED = {
    f"{_END_TO_END}test_consumers.py": OTHERS,
    f"{_END_TO_END}test_cut_off.py": OTHERS,
    f"{_END_TO_END}test_examples.py": OTHERS,
    f"{_END_TO_END}test_own_program.py": OTHERS,
    f"{_END_TO_END}test_prod.py": OTHERS,
    f"{_END_TO_END}test_undo_from_nothing.py": OTHERS,
    f"{_END_TO_END}test_weights.py": OTHERS,
    _END_TO_END: DEV,
    "tests/cluster/test_client.py": API_SERVER,
    "tests/manifests/test_api_server.py": API_SERVER,
    "tests/rehearsal/control_plane/": API_SERVER,
    "tests/rehearsal/crds/": API_SERVER,
    "tests/rehearsal/kubelet/": KUBELET,
    "tests/providers/kubernetes/": API_SERVER,
    "tests/serving/leftovers/": "leftovers",
    "tests/serving/preflight/": "preflight",
}


def shared_by(nodeid: str) -> str:
    """What a test shares with others: tests of one answer run in one process."""
    path = nodeid.partition("::")[0]
    return next((shared for start, shared in _SHARED.items() if path.startswith(start)), path)


def turn(item: pytest.Item) -> int:
    """When it starts: the lowest first."""
    shared = shared_by(item.nodeid)
    return _LONGEST.index(shared) if shared in _LONGEST else len(_LONGEST)


class BySharing(LoadScopeScheduling):  # type: ignore[misc]
    """Gives out what tests share as a whole, in the order in which it was collected."""

    def __init__(self, config: pytest.Config, log: object) -> None:
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return shared_by(nodeid)
