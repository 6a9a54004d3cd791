"""Whether an environment serves: named checks, one verdict. The same on the cloud and in a rehearsal."""

from __future__ import annotations

from serving.checking.verdict import Verdict
from serving.verify.results import Report
from serving.verify.run import verify
from serving.verify.target import Target, TargetError, rehearsal_target

__all__ = ["Report", "Target", "TargetError", "Verdict", "rehearsal_target", "verify"]
