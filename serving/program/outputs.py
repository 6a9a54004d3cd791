"""The stack outputs that an environment's file leads to, before its first `up` has ended."""

from __future__ import annotations

from pathlib import Path

from checks.environment import require
from manifests.outputs import contract
from settings.document import read_document
from settings.outputs import Outputs


def planned_outputs(environment: Path) -> Outputs:
    """What the stack will export. An address that is not known yet is the host `unknown`.

    Raises:
        RefusedError: the file is refused.
    """
    return contract(require(read_document(environment))[0], "unknown")
