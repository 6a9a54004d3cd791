"""Where one rehearsal keeps everything: its paths, its record and its lock. All of it is readable by its user only."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

# Every process of a rehearsal carries this variable with its directory: leftovers are found by it.
MARK = "TPU_SERVING_REHEARSAL"
# A path of these characters means the same wherever it stands in a shell's script.
_PLAIN = re.compile(r"[A-Za-z0-9_./-]+")
_LINKS = Path("/tmp")  # noqa: S108 - a name that others took is refused


class DirectoryError(Exception):
    """The directory can't be used; the message says why and what to do."""


class _Data(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")


class ProcessRecord(_Data):
    """One process: its id and when it was started (seconds since 1970)."""

    pid: int
    started: float


class Record(_Data):
    """What a rehearsal remembers between commands.

    `phase` is what the control plane waits for, `ready`, or `ended`; `failure` says why it ended by itself.
    `time_scale` times a duration of the cloud in seconds is its duration here; `backoff_scale`, `probe_delay_scale` and
    `pre_stop_scale` do the same to the kubelet's restart back-off, to what probes wait for a start (KServe's controller and
    the picker alone have 30 s before the first probe), and to what a preStop hook only waits.
    """

    ports: dict[str, int] = Field(default_factory=dict)
    network: int | None = None
    service_cidr: str = ""
    pod_cidr: str = ""
    pids: dict[str, ProcessRecord] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)
    binaries: dict[str, str] = Field(default_factory=dict)
    stand_ins: tuple[str, ...] = ()
    time_scale: float = 0.001
    backoff_scale: float = 0.1
    probe_delay_scale: float = 0.1
    pre_stop_scale: float = 0.1
    die_with: int | None = None
    phase: str = ""
    failure: str = ""


@dataclass(frozen=True)
class RehearsalDirectory:
    """All paths of one rehearsal. `path` may be relative; every property is absolute."""

    path: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path).expanduser().resolve())

    @property
    def root(self) -> Path:
        return self.path

    @property
    def record(self) -> Path:
        return self.path / "rehearsal.json"

    @property
    def lock(self) -> Path:
        return self.path / "lock"

    @property
    def certs(self) -> Path:
        return self.path / "certs"

    @property
    def kubeconfig(self) -> Path:
        return self.path / "kubeconfig"

    @property
    def bin(self) -> Path:
        return self.path / "bin"

    @property
    def etcd(self) -> Path:
        return self.path / "etcd"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def pulumi_home(self) -> Path:
        return self.path / "pulumi" / "home"

    @property
    def pulumi_backend(self) -> Path:
        return self.path / "pulumi" / "backend"

    @property
    def pulumi_work(self) -> Path:
        return self.path / "pulumi" / "work"

    @property
    def passphrase(self) -> Path:
        return self.path / "pulumi" / "passphrase"

    @property
    def cloud(self) -> Path:
        return self.path / "cloud"

    @property
    def link(self) -> Path | None:
        """The directory's other name, where a shell would take its own one apart; it goes with the directory."""
        if _PLAIN.fullmatch(str(self.path)):
            return None
        digest = hashlib.sha256(os.fsencode(self.path)).hexdigest()
        return _LINKS / f"tpu-serving-{os.getuid()}-{digest[:12]}"

    @property
    def pods(self) -> Path:
        """The files of pods. Scripts of theirs name them."""
        return (self.link or self.path) / "pods"

    @property
    def unknown_images(self) -> Path:
        """The kubelet's list of containers whose image it does not know, one a line: pod, container, image."""
        return self.path / "unknown-images.txt"

    @property
    def environment(self) -> dict[str, str]:
        """The variable that marks a process as part of this rehearsal."""
        return {MARK: str(self.path)}

    def create(self) -> None:
        """Make the directory and its folders, mode 0700; what is there already stays.

        Raises:
            DirectoryError: it can't be made or written.
        """
        folders = (self.certs, self.bin, self.etcd, self.logs, self.cloud, self.path / "pods")
        pulumi = (self.path / "pulumi", self.pulumi_home, self.pulumi_backend, self.pulumi_work)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            for folder in (self.path, *folders, *pulumi):
                folder.mkdir(mode=0o700, exist_ok=True)
                folder.chmod(0o700)
            self._create_link()
        except OSError as error:
            raise DirectoryError(
                f"the rehearsal's directory {self.path} can't be used: {error.strerror} ({error.filename}). "
                "Choose a directory that you may write to."
            ) from error

    def _create_link(self) -> None:
        if self.link is None:
            return
        try:
            self.link.symlink_to(self.path)
        except FileExistsError:
            if self.link.lstat().st_uid != os.getuid() or self.link.readlink() != self.path:
                raise DirectoryError(f"{self.link} is in the way of a link to {self.path}: remove it") from None

    def remove(self) -> None:
        """Delete the directory with everything in it.

        Raises:
            DirectoryError: something in it can't be deleted.
        """
        try:
            if self.link is not None:
                self.link.unlink(missing_ok=True)
            shutil.rmtree(self.path)
        except FileNotFoundError:
            return
        except OSError as error:
            raise DirectoryError(f"{error.filename or self.path} can't be deleted: {error.strerror}") from error

    def load_record(self) -> Record:
        """The record as last saved; an empty one where there is none.

        Raises:
            DirectoryError: the file is not a record.
        """
        try:
            return Record.model_validate_json(self.record.read_bytes())
        except FileNotFoundError:
            return Record()
        except ValidationError as error:
            raise DirectoryError(
                f"{self.record} is not a rehearsal's record ({error.error_count()} errors). "
                "Remove the rehearsal's directory and start again."
            ) from error

    def save_record(self, record: Record) -> None:
        """Write the record; a reader sees the old one or the new one, never half of one.

        Raises:
            DirectoryError: it can't be written.
        """
        try:
            write_private(self.record, record.model_dump_json(by_alias=True, indent=2) + "\n")
        except OSError as error:
            raise DirectoryError(f"{self.record} can't be written: {error.strerror}") from error

    @contextlib.contextmanager
    def change_record(self) -> Iterator[Record]:
        """The record to change; saved at the end. Two processes that change it do so one after the other."""
        with hold_lock(self.path / "rehearsal.json.lock", wait=True):
            record = self.load_record()
            yield record
            self.save_record(record)

    @contextlib.contextmanager
    def locked(self, wait: bool = False) -> Iterator[None]:
        """Hold the directory's lock: one command at a time. A killed holder loses it. The directory is made if needed.

        Raises:
            DirectoryError: another command holds it and `wait` is off, or the directory can't be used.
        """
        self.create()
        with hold_lock(self.lock, wait=wait):
            yield


def write_private(path: Path, text: str, mode: int = 0o600) -> None:
    """Replace a file in one step; only its owner may read it, also while it is written."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), mode)
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def hold_lock(path: Path, *, wait: bool) -> Iterator[None]:
    """Hold a lock file while the block runs. The kernel frees it when the holder ends, however it ends.

    Raises:
        DirectoryError: another process holds it and `wait` is off, or it can't be made.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise DirectoryError(f"{path} can't be written: {error.strerror}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip() or "unknown"
            raise DirectoryError(
                f"another command works on {path.parent} (process {holder}). Wait for it, or end it."
            ) from None
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)
