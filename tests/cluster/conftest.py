"""A control plane for the tests of the client."""

from __future__ import annotations

from tests.rehearsal.control_plane.conftest import plane

__all__ = ["plane"]
