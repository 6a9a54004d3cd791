"""What a pod's status says of a container that is started again, at every moment."""

from __future__ import annotations

import asyncio
import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from rehearsal.kubelet.container import Container
from rehearsal.kubelet.status import ContainerRecord


def test_a_start_is_counted_only_with_the_end_of_the_one_before(tmp_path: Path) -> None:
    record = ContainerRecord("main", "image")
    seen: list[dict[str, Any]] = []

    async def scenario() -> None:
        def look() -> None:
            seen.append(copy.deepcopy(record.as_status()))

        async def announce() -> None:
            look()  # between the end of one process and the start of the next

        owner: Any = SimpleNamespace(
            place=SimpleNamespace(folder=tmp_path, machine=SimpleNamespace(backoff_scale=0.0001)),
            terminating=False,
            changed=look,
            event=lambda *_: None,
            announce_ports=announce,
        )
        container: Any = Container({"name": "main", "image": "image"}, record, owner, lambda _code: len(seen) < 20)
        container.image = SimpleNamespace()

        async def prepared(_image: object) -> Any:
            return SimpleNamespace(argv=["false"], environment={}, working_folder=tmp_path)

        container._prepared = prepared
        assert await container.run() == 1

    asyncio.run(scenario())
    assert {status["restartCount"] for status in seen} >= {0, 1, 2}
    assert [status for status in seen if status["restartCount"] and not status["lastState"]] == []
    assert len(list((tmp_path / "main").glob("*.log"))) == record.restarts + 1
