"""The load balancer that the tests of a module share."""

from __future__ import annotations

from tests.rehearsal.load_balancer.harness import lb, shared_lb

__all__ = ["lb", "shared_lb"]
