"""Run the real program under the SDK's test monitor and record what it registers (design, section 5).

Preview semantics: what a fresh cloud would not know yet is unknown. No network, no credentials, no CLI.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import runpy
import sys
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from settings.dates import as_go
from settings.document import ROOT, Document, read_document
from settings.names import PROJECT_NAME
from settings.refusal import RefusedError

UNKNOWN = "known after up"
SECRET = "[secret]"
_STACK_TYPE = "pulumi:pulumi:Stack"


@dataclass
class Resource:
    """One registration: what the engine would see."""

    urn: str
    name: str
    type: str
    parent: str | None
    depends_on: list[str]
    provider: str | None
    custom: bool
    protect: bool
    inputs: dict[str, Any]
    deleted_with: str | None = None
    retain_on_delete: bool = False
    timeouts: dict[str, str] = field(default_factory=dict)
    secrets: list[str] = field(default_factory=list)
    ignore_changes: list[str] = field(default_factory=list)
    replace_on_changes: list[str] = field(default_factory=list)
    # Property -> URNs whose outputs are in it.
    property_dependencies: dict[str, list[str]] = field(default_factory=dict)


@dataclass
class Recording:
    """Everything one run of the program registered, in order, and its exports."""

    resources: list[Resource]
    outputs: dict[str, Any]

    def by_urn(self) -> dict[str, Resource]:
        """Resources by URN."""
        return {r.urn: r for r in self.resources}


def record(document: Document) -> Recording:
    """Run `__main__.py` with this document as its configuration.

    Raises:
        RefusedError: the program refused its settings, or the objects made of them.
    """
    return record_program(main_program, PROJECT_NAME, document.name, engine_config(document))


def main_program() -> None:
    """`__main__.py` as it is."""
    runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__")


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """No search for garbage: all that a recording is made of lives until its end, and searching it takes a third of the time."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


class _AtOnce(ThreadPoolExecutor):
    """Calls where it is asked to: the monitor answers from memory, and a thread for each call costs more than the call."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except Exception as error:
            done.set_exception(error)
        return done


@without_garbage_collection()
def record_program(program: Callable[[], None], project: str, stack: str, config: dict[str, str]) -> Recording:
    """Run any Pulumi program; `config` has its keys with the project's name before them, as the engine hands them over.

    Raises:
        RefusedError: the program was refused by a rule of ours.
    """
    # A loop made after set_mocks would never see its calls (rehearsal-parts 2).
    loop = asyncio.new_event_loop()
    loop.set_default_executor(_AtOnce())
    asyncio.set_event_loop(loop)
    try:
        return _record(program, project, stack, config, loop)
    except KeyboardInterrupt:  # asyncio would complain about every task and coroutine that is left unfinished
        loop.set_exception_handler(lambda *_: None)
        warnings.simplefilter("ignore", RuntimeWarning)
        raise
    finally:
        loop.close()
        asyncio.set_event_loop(None)


def _record(
    program: Callable[[], None], project: str, stack: str, config: dict[str, str], loop: asyncio.AbstractEventLoop
) -> Recording:
    import pulumi
    from pulumi.runtime.proto.source_pb2 import StackTrace
    from pulumi.runtime.stack import Stack, wait_for_rpcs

    from serving.program.monitor import RecordingMonitor

    monitor = RecordingMonitor()
    pulumi.runtime.settings.reset_options()
    # Where in our code a resource was registered is of no interest here, and to find out takes a fifth of the run.
    resource: Any = sys.modules["pulumi.runtime.resource"]
    traced, resource._get_stack_trace = resource._get_stack_trace, StackTrace
    pulumi.runtime.set_mocks(
        monitor.mocks,
        project=project,
        stack=stack,
        preview=True,
        monitor=monitor,
        logger=logging.getLogger("pulumi"),
        organization="organization",
    )
    pulumi.runtime.set_all_config(config)
    try:
        program()
    except pulumi.RunError as error:
        if isinstance(error.__cause__, RefusedError):
            raise error.__cause__ from None
        raise
    finally:
        resource._get_stack_trace = traced
    loop.run_until_complete(wait_for_rpcs())
    root = pulumi.runtime.get_root_resource()
    assert isinstance(root, Stack)  # set_mocks made it
    return Recording(monitor.recorded, loop.run_until_complete(_known(root.outputs)))


async def _known(value: Any) -> Any:
    """A value fit for JSON, with what is unknown or secret said in words."""
    from pulumi.output import Output, Unknown

    # Output.from_input would do the same, with a task for each number and word.
    if isinstance(value, Output):
        if await value.is_secret():
            return SECRET
        inner = await value.future(with_unknowns=True)
        return UNKNOWN if inner is None and not await value.is_known() else await _known(inner)
    if isinstance(value, dict):
        return {str(key): await _known(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [await _known(inner) for inner in value]
    return UNKNOWN if isinstance(value, Unknown) else value


def engine_config(document: Document) -> dict[str, str]:
    """The document as the engine would hand it to the program: text as it is, anything else as JSON, dates as Go has them."""
    config = {
        f"{PROJECT_NAME}:{key}": value if isinstance(value, str) else json.dumps(value, default=as_go)
        for key, value in document.data.items()
    }
    for key in document.secrets or ():
        config[f"{PROJECT_NAME}:{key}"] = SECRET
    return config


def dump(recording: Recording) -> str:
    """A recording as JSON, for another version of this program."""
    return json.dumps(asdict(recording))


def load(text: str) -> Recording | None:
    """A recording that another version of this program wrote; None where it is of another shape."""
    try:
        data = json.loads(text)
        return Recording([Resource(**row) for row in data["resources"]], data["outputs"])
    except (ValueError, KeyError, TypeError):
        return None


if __name__ == "__main__":
    sys.stdout.write(dump(record(read_document(Path(sys.argv[1])))))
