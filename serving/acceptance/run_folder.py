"""The files of an acceptance run: its private progress, and the record beside it."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from catalog.refresh.lock_file import write_whole
from serving.acceptance.markdown import render
from serving.acceptance.record import Record
from settings.document import ROOT

HOME = ROOT / ".state" / "acceptance"


class RunFolderError(Exception):
    """The files can't be used; the message says why."""


class Progress(BaseModel):
    """What the next call needs to know. `stack_made`: the stack is this run's; `digest`: of the environment's file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    record: Record
    digest: str
    stack_made: bool = False

    @property
    def open(self) -> bool:
        """Something is still to be done or destroyed."""
        return self.record.ended is None


class RunFolder:
    """The folder of one environment's runs, readable by its user only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._progress = folder / "progress.json"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """One command at a time.

        Raises:
            RunFolderError: another command works on it, or the folder can't be used.
        """
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with open(self.folder / "lock", "w", encoding="utf-8") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield
        except BlockingIOError:
            raise RunFolderError(f"Another acceptance run is using {self.folder}. Wait for it, or stop it.") from None

    def load(self) -> Progress | None:
        """The run that the last call left; None where there is none.

        Raises:
            RunFolderError: the file is not such a file.
        """
        try:
            return Progress.model_validate_json(self._progress.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError:
            raise RunFolderError(
                f"{self._progress} was written by another version. See what the stack has (pulumi stack), destroy it "
                "(pulumi destroy), and delete the file."
            ) from None

    def save(self, progress: Progress) -> None:
        """Keep the progress, and write the record anew."""
        write_whole(self._progress, progress.model_dump_json(indent=1) + "\n")
        json_file, markdown_file = self.files(progress.record)
        write_whole(json_file, progress.record.to_json())
        write_whole(markdown_file, render(progress.record))

    def files(self, record: Record) -> tuple[Path, Path]:
        """JSON and Markdown of a record."""
        name = f"{record.started:%Y-%m-%dT%H%M%SZ}"
        return self.folder / f"{name}.json", self.folder / f"{name}.md"
