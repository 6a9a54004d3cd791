"""A pod's volumes as folders."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rehearsal.kubelet.context import Context, MissingReferenceError

Json = dict[str, Any]


class Volumes:
    """All volumes of one pod. `token` is that of its service account."""

    def __init__(self, context: Context, token: str) -> None:
        self._context = context
        self._folder = context.folder / "_volumes"
        self._token = token
        self._written: dict[str, dict[str, bytes]] = {}

    def write(self) -> None:
        """Bring every volume to its present content. emptyDir and persistentVolumeClaim are empty folders.

        Raises MissingReferenceError for the first volume that can't be set up, with the kubelet's words.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        for volume in self._context.pod["spec"].get("volumes") or []:
            folder = self._folder / volume["name"]
            if not volume.keys() & {"configMap", "secret", "projected"}:
                folder.mkdir(exist_ok=True)
                continue
            try:
                sources = volume["projected"]["sources"] if "projected" in volume else [volume]
                files = {path: content for source in sources for path, content in self._files(source)}
            except MissingReferenceError as error:
                raise MissingReferenceError(f'MountVolume.SetUp failed for volume "{folder.name}" : {error}') from error
            if self._written.get(folder.name) != files:
                replace(folder, files)
                self._written[folder.name] = files

    def _files(self, source: Json) -> Iterator[tuple[str, bytes]]:
        if "serviceAccountToken" in source:
            yield source["serviceAccountToken"]["path"], self._token.encode()
        elif "downwardAPI" in source:
            for item in source["downwardAPI"]["items"]:
                yield item["path"], self._context.field(item["fieldRef"]).encode()
        else:
            kind = "configMap" if "configMap" in source else "secret"
            reference = source[kind]
            data = self._context.data(kind.lower(), reference.get("secretName") or reference["name"])
            for item in reference.get("items") or [{"key": key, "path": key} for key in data]:
                if item["key"] not in data:
                    raise MissingReferenceError(f"references non-existent config key: {item['key']}")
                yield item["path"], data[item["key"]]


def replace(folder: Path, files: Mapping[str, bytes]) -> None:
    """Let a folder hold exactly these files, all at once for who reads it: it is a link, and the link is moved
    (kubernetes pkg/volume/util/atomic_writer.go). They are for this user only: a pod has no user of its own here."""
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    for path, content in files.items():
        target = fresh / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch(mode=0o600)
        target.write_bytes(content)
    old = folder.resolve() if folder.is_symlink() else None
    moved = fresh.with_suffix(".link")
    moved.symlink_to(fresh.name)
    moved.replace(folder)
    if old is not None:
        shutil.rmtree(old)
