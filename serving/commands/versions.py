"""`serving versions`: what is pinned, and what is known to be newer where somebody can be asked."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import partial

import typer

from serving.commands.lock import REHEARSED_PICKER
from serving.commands.options import Format, FormatOption, print_json

# The packages whose version decides what the program can say to the cloud; uv.lock has them.
_PACKAGES = ("pulumi", "pulumi-gcp", "pulumi-kubernetes")
_WIDTH = 80


@dataclass(frozen=True)
class Pinned:
    """One pinned thing, or a dated list whose day stands for a version.

    `error`: why nobody could be asked; `old`: a list of more than six months ago.
    """

    kind: str
    name: str
    locked: str
    where: str
    newer: list[str] = field(default_factory=list)
    error: str | None = None
    old: bool = False

    @property
    def said(self) -> str:
        """What is known of newer versions."""
        if self.old:
            return "older than six months: read its sources again"
        if self.error is not None:
            return f"could not ask: {self.error}"
        return f"newest {self.newer[-1]} ({len(self.newer)} newer)" if self.newer else "is the newest"


def versions(
    output: FormatOption = Format.TEXT,
) -> None:
    """Show newer versions than the pinned ones, and old lists.

    Lists are old after six months. Nothing is changed.
    Asks registries and the package index; what does not answer is listed. A newer version is no failure: the exit
    code is 0.

    Examples:

        python -m serving versions

        python -m serving versions --format json
    """
    lines = []
    for line in _lines():
        lines.append(line)
        if output is Format.TEXT:
            sys.stdout.write(_row(line))
            sys.stdout.flush()
    lists = list(_lists())
    if output is Format.JSON:
        print_json([asdict(line) for line in (*lines, *lists)])
        return
    count = sum(bool(line.newer) for line in lines)
    silent = sum(line.error is not None for line in lines)
    old = [line for line in lists if line.old]
    for line in old:
        sys.stdout.write(_row(line))
    sys.stdout.write(f"\n{REHEARSED_PICKER}\n")
    sys.stdout.write(
        f"{len(old)} of {len(lists)} dated lists are older than six months; the oldest is\n"
        f"{lists[0].name} of {lists[0].locked}.\n"
    )
    sys.stdout.write(f"{count} of {len(lines)} have a newer version; {silent} could not be asked. docs/upgrading.md\n")


def _row(line: Pinned) -> str:
    """What is pinned, and below it, where both don't fit a narrow terminal, what is known of newer ones."""
    head = f"{line.kind:<9}{line.name:<30}{line.locked:<15}"
    if len(f"{head} {line.said}") <= _WIDTH:
        return f"{head} {line.said}\n"
    said = textwrap.fill(line.said, _WIDTH, initial_indent=" " * 9, subsequent_indent=" " * 9)
    return f"{head.rstrip()}\n{said}\n"


def _lists() -> Iterator[Pinned]:
    """The dated lists of the catalogue, oldest first."""
    from catalog.lists import dated_lists, is_old
    from checks.shared.clock import today

    for name, day in dated_lists().items():
        yield Pinned("list", name, day.isoformat(), "catalog/data", old=is_old(day, today()))


def _lines() -> Iterator[Pinned]:
    import httpx

    from catalog.lock import load_lock
    from catalog.refresh.registry import charts_of, tags_of

    lock = load_lock()
    silent: dict[str, str] = {}
    with httpx.Client(follow_redirects=True, timeout=httpx.Timeout(10)) as client:
        for name, chart in lock.charts.items():
            where = f"{chart.repository}/{chart.chart}" if chart.repository else chart.chart
            ask = (
                partial(charts_of, client, chart.repository, chart.chart)
                if chart.repository
                else partial(tags_of, client, where.removeprefix("oci://"))
            )
            yield _asked(Pinned("chart", name, chart.version, where.partition("://")[2]), silent, ask)
        for name, image in lock.images.items():
            yield _asked(
                Pinned("image", name, image.tag, image.repository), silent, partial(tags_of, client, image.repository)
            )
    from importlib.metadata import version

    for name in _PACKAGES:
        yield _package(name, version(name))
    # The image is made of the wheel of the same version.
    yield _package("vllm-tpu", lock.images["vllm-tpu"].tag.removeprefix("v"))


def _asked(line: Pinned, silent: dict[str, str], ask: Callable[[], list[str]]) -> Pinned:
    """The line with its answer; a registry that did not answer once is not asked again."""
    from catalog.refresh.newer import newer
    from catalog.refresh.registry import RegistryError, RegistryUnreachableError, split_repository

    host, _ = split_repository(line.where)
    if host in silent:
        return replace(line, error=silent[host])
    if sys.stderr.isatty():
        typer.echo(f"asking {host} for {line.name} ...", err=True)
    try:
        return replace(line, newer=newer(line.locked, ask()))
    except RegistryUnreachableError as error:
        silent[host] = f"{host} did not answer"
        return replace(line, error=str(error))
    except RegistryError as error:
        return replace(line, error=str(error))


def _package(name: str, locked: str) -> Pinned:
    from catalog.refresh.newer import newer, releases_of
    from catalog.refresh.wheel import WheelError

    line = Pinned("package", name, locked, "package index")
    try:
        return replace(line, newer=newer(locked, releases_of(name)))
    except WheelError as error:
        return replace(line, error=str(error))
