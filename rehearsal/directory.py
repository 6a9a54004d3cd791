"""Where a rehearsal keeps everything: its paths, its record and its lock. All of it is readable by its user only."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

# Every process of a rehearsal has this variable with the rehearsal's directory in its environment.
MARK = "TPU_SERVING_REHEARSAL"
# What the record's `phase` is besides the name of the process that is waited for.
STARTING, READY, ENDED = "supervisor", "ready", "ended"
# A path of these characters means the same wherever it stands in a shell script.
_PLAIN = re.compile(r"[A-Za-z0-9_./-]+")
_LINKS = Path("/tmp")  # noqa: S108 - a name that others took is refused


class DirectoryError(Exception):
    """The directory can't be used; the message says why and what to do."""


class Record(BaseModel):
    """What the processes of a rehearsal know of it. Written by its supervisor alone, once that runs.

    `phase` is what the control plane waits for, `ready`, or `ended`; `failure` says why it ended by itself. `pids` are
    the supervisor and its children. `time_scale` times a duration of the cloud in seconds is its duration here;
    `backoff_scale`, `probe_delay_scale` and `pre_stop_scale` do the same to the kubelet's restart back-off, to what probes
    wait for a start (KServe's controller and the picker alone have 30 s before the first probe), and to what a preStop
    hook only waits.
    """

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")

    ports: dict[str, int] = Field(default_factory=dict)
    service_cidr: str = ""
    pod_cidr: str = ""
    pids: dict[str, int] = Field(default_factory=dict)
    binaries: dict[str, str] = Field(default_factory=dict)
    controllers: tuple[str, ...] = ()
    time_scale: float = 0.001
    backoff_scale: float = 0.1
    probe_delay_scale: float = 0.1
    pre_stop_scale: float = 0.1
    phase: str = ""
    failure: str = ""


class RehearsalDirectory:
    """All paths of one rehearsal, absolute also where `path` is relative.

    Attributes:
        pods: the files of pods. Scripts of theirs name them, so it is never a path that a shell would take apart.
        link: the directory's other name where its own is such a path, else None.
        unknown_images: the kubelet's list of containers whose image it does not know, one a line: pod, container, image.
        cluster_deleted: this file is there once the cluster was, with which everything in it went.
        interrupted: this file is there while the engine writes the state, and stays where it was cut off.
    """

    def __init__(self, path: Path) -> None:
        self.path = self.root = root = Path(path).expanduser().resolve()
        self.record, self.lock, self.interrupted = root / "rehearsal.json", root / "lock", root / "engine-at-work"
        self.certs, self.bin, self.etcd, self.logs = root / "certs", root / "bin", root / "etcd", root / "logs"
        self.kubeconfig, self.cloud = root / "kubeconfig", root / "cloud"
        pulumi = root / "pulumi"
        self.pulumi_home, self.pulumi_backend, self.pulumi_work = pulumi / "home", pulumi / "backend", pulumi / "work"
        self.unknown_images, self.cluster_deleted = root / "unknown-images.txt", root / "cluster-deleted"
        digest = hashlib.sha256(os.fsencode(root)).hexdigest()[:12]
        self.link = None if _PLAIN.fullmatch(str(root)) else _LINKS / f"tpu-serving-{os.getuid()}-{digest}"
        self.pods = (self.link or root) / "pods"

    @property
    def environment(self) -> dict[str, str]:
        """The variable that marks a process as part of this rehearsal."""
        return {MARK: str(self.root)}

    def create(self) -> None:
        """Make the directory and its folders, mode 0700; what is there already stays.

        Raises:
            DirectoryError: it can't be made or written.
        """
        folders = (self.certs, self.bin, self.etcd, self.logs, self.cloud, self.root / "pods")
        pulumi = (self.pulumi_home.parent, self.pulumi_home, self.pulumi_backend, self.pulumi_work)
        try:
            self.root.parent.mkdir(parents=True, exist_ok=True)
            for folder in (self.root, *folders, *pulumi):
                folder.mkdir(mode=0o700, exist_ok=True)
                folder.chmod(0o700)
            if self.link is not None and not self.link.is_symlink():
                self.link.symlink_to(self.root)
        except OSError as error:
            raise DirectoryError(
                f"the rehearsal's directory {self.root} can't be used: {error.strerror} ({error.filename}). "
                "Choose a directory that you may write to."
            ) from error
        if self.link is not None and (self.link.lstat().st_uid != os.getuid() or self.link.readlink() != self.root):
            raise DirectoryError(f"{self.link} is in the way of a link to {self.root}: remove it")

    def clear(self) -> None:
        """Delete everything in it but the lock, which its holder keeps.

        Raises:
            DirectoryError: something in it can't be deleted.
        """
        for path in self.root.iterdir() if self.root.exists() else ():
            if path != self.lock:
                _delete(path)

    def remove(self) -> None:
        """Delete the directory with everything in it, and its link.

        Raises:
            DirectoryError: something in it can't be deleted.
        """
        if self.link is not None:
            _delete(self.link)
        _delete(self.root)

    def load_record(self) -> Record:
        """The record as last saved; an empty one where there is none that this version can read."""
        try:
            return Record.model_validate_json(self.record.read_bytes())
        except (FileNotFoundError, ValidationError):
            return Record()

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
    def locked(self) -> Iterator[None]:
        """Hold the directory's lock: one command at a time. The kernel frees it when the holder ends, however it ends.

        The directory is made if needed.

        Raises:
            DirectoryError: another command holds it, or the directory can't be used.
        """
        self.create()
        with open(self.lock, "a+", opener=_private) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = self.lock.read_text(encoding="utf-8").strip() or "unknown"
                raise DirectoryError(
                    f"another command works on {self.root} (process {holder}). Wait for it, or end it."
                ) from None
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
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


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _delete(path: Path) -> None:
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise DirectoryError(f"{error.filename or path} can't be deleted: {error.strerror}") from error
