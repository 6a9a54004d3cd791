"""What the program registers with and without undos, by `plan`'s own recorder."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from rehearsal.undo.monitor import Undoing
from serving.program import monitor
from serving.program.record import Resource, record
from settings.document import find_environment, read_document


def recorded(environment: str, undos: Sequence[str], *, stockout: bool = False) -> dict[str, Resource]:
    """Registrations by name."""
    real = monitor.RecordingMonitor
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(monitor, "RecordingMonitor", lambda: Undoing(real(), undos, stockout=stockout))
        return {resource.name: resource for resource in record(read_document(find_environment(environment))).resources}
