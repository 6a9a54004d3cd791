"""Tests that share a rehearsal or a control plane run in one process: the fixture that keeps it is that process's own."""

from __future__ import annotations

from collections import defaultdict

import pytest

from tests.sharing import shared_by


def test_what_is_shared_is_shared_within_one_process(request: pytest.FixtureRequest) -> None:
    """A fixture that outlives a file is used by tests that run together, or it costs nothing to make another."""
    cheap = {"tmp_path_factory", "pytestconfig", "binaries", "worker_id", "testrun_uid", "repository"}
    users: dict[str, set[str]] = defaultdict(set)
    for item in request.session.items:
        for name, definitions in item._fixtureinfo.name2fixturedefs.items():  # type: ignore[attr-defined]
            if definitions[-1].scope in ("package", "session") and name not in cheap:
                users[name].add(shared_by(item.nodeid))
    assert {name: found for name, found in users.items() if len(found) > 1} == {}
