"""From a document to its plan, with every warning."""

from __future__ import annotations

from checks.environment import require
from serving.plan.graph import Graph
from serving.plan.invariants import findings as findings_on
from serving.plan.plan import Plan
from serving.program.record import Recording, record, without_garbage_collection
from settings.derive import Deployment
from settings.document import Document
from settings.refusal import Finding, RefusedError, refusals


def planned(document: Document, recording: Recording | None = None) -> Plan:
    """The plan of a document; `recording` is what another version of the program registered for it.

    Raises:
        RefusedError: a rule refuses the settings, or what this program makes of them.
    """
    return plan_checked(document, *require(document), recording)


@without_garbage_collection()
def plan_checked(
    document: Document, deployment: Deployment, findings: list[Finding], recording: Recording | None = None
) -> Plan:
    """The plan of a document whose settings have been checked.

    Raises:
        RefusedError: a rule refuses what the program makes of the settings.
    """
    graph = Graph(recording or record(document))
    # A warning on the settings is not said once more of what is made of them.
    said = {f.rule for f in findings if f.warning}
    findings = [*findings, *(f for f in findings_on(deployment, graph) if not (f.warning and f.rule in said))]
    # What an earlier program made is not refused any more: it is only compared with.
    if recording is None and refusals(findings):
        raise RefusedError(findings, document.origin)
    return Plan(deployment, graph, findings)
