"""`serving rehearse --drain MODEL`: a node of the model is upgraded while clients ask, and what that cost is said."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from cluster.target import Target
    from rehearsal.drain import Drained
    from serving.live.background_requests import BackgroundRequests
    from settings.derive import ServedModel
    from settings.outputs import ModelOutput

# Answers before the drain begins, and after the model is whole again.
_ANSWERS = 20
_REQUEST_SECONDS = 60.0


def drain_while_asked(target: Target, name: str, tell: Callable[[str], None]) -> dict[str, Any]:
    """Drain a node of a model that serves; what came of it, as the command's document has it.

    Raises:
        DrainError: no node can be drained, or the model does not come back.
    """
    from cluster.client import connect
    from rehearsal.drain import drain
    from serving.live.background_requests import BackgroundRequests, seconds_without_answer

    assert target.kubeconfig is not None
    model = next(model for model in target.outputs.models if model.name == name)
    with BackgroundRequests(_request(target, model)) as flow:
        _answers(flow, _ANSWERS)
        found = drain(connect(target.kubeconfig), target.outputs.namespace, name, tell)
        _answers(flow, flow.answered() + _ANSWERS)
    return _document(name, found, flow, seconds_without_answer(flow.asked))


def _request(target: Target, model: ModelOutput) -> Callable[[], object]:
    from serving.live.http_client import HttpClient, Request
    from serving.verify.checks.traffic import chat_body, pooling_body

    url = target.model_url(model.url)
    assert url is not None  # verify has just asked there
    body = chat_body(model) if model.task == "chat" else pooling_body(model)
    client = HttpClient(_REQUEST_SECONDS, target.ca_file, target.token, target.host)
    return lambda: client.ask(Request("POST", f"{url}{model.request_path}", body))


def _answers(flow: BackgroundRequests, wanted: int) -> None:
    import time

    from rehearsal.drain import DrainError

    deadline = time.monotonic() + 2 * _REQUEST_SECONDS
    while flow.answered() < wanted:
        if time.monotonic() > deadline:
            named = ", ".join(flow.failures()) or "no answer"
            raise DrainError(f"clients got no {_ANSWERS} answers in {2 * _REQUEST_SECONDS:.0f} s: {named}")
        time.sleep(0.05)


def _document(name: str, found: Drained, flow: BackgroundRequests, lost: float) -> dict[str, Any]:
    times = {"gone_seconds": "secondsUntilGone", "ready_seconds": "secondsUntilReady"}
    return {
        "model": name,
        "nodes": list(found.nodes),
        **{times[key]: round(value, 1) for key, value in asdict(found).items() if key in times},
        "requests": len(flow.asked),
        "failed": dict(flow.failures()),
        "secondsWithoutAnswer": round(lost, 1),
    }


def sentences(done: dict[str, Any], model: ServedModel, start: tuple[float, float] | None) -> list[str]:
    """What a person is told. `start` is what a start takes on TPUs, in seconds, None where nobody knows."""
    nodes, failed = ", ".join(done["nodes"]), sum(done["failed"].values())
    lines = [
        f"Drained: {nodes}, gone after {done['secondsUntilGone']} s; "
        f"{done['model']} was whole again after {done['secondsUntilReady']} s."
    ]
    if not failed:
        return [*lines, f"  {done['requests']} requests meanwhile, none failed."]
    named = ", ".join(f"{count} {failure}" for failure, count in done["failed"].items())
    lines.append(f"  {failed} of {done['requests']} requests failed ({named}).")
    lines.append(f"  No request was answered for {done['secondsWithoutAnswer']} s.")
    if model.least_replicas <= 1:
        takes = f"{start[0] / 60:.0f} to {start[1] / 60:.0f} min" if start else "an unknown time"
        lines.append(f"  A start is short here; on TPUs it takes {takes}. A second replica would answer.")
    return lines
