"""A container's file tree: one folder stands for its root, links in it lead to the volumes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from rehearsal.kubelet.environment import expand
from rehearsal.kubelet.paths import PathMap, inside
from rehearsal.kubelet.volumes import Volumes

Json = dict[str, Any]

ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"


class Mounts:
    """The mounts of one container below `root`."""

    def __init__(self, container: Json, volumes: Volumes, root: Path, environment: dict[str, str]) -> None:
        by_depth = sorted(container.get("volumeMounts") or [], key=lambda mount: mount["mountPath"].count("/"))
        self._mounts: list[Json] = by_depth
        self._volumes = volumes
        self._environment = environment
        self.root = root
        folders = {mount["mountPath"]: inside(root, mount["mountPath"]) for mount in by_depth}
        # /tmp is the process's own too: TMPDIR alone does not reach programs that write the path out.
        self.paths = PathMap({"/tmp": root / "tmp"} | folders)  # noqa: S108

    def link(self) -> None:
        """Make every mount path lead to its volume. What an earlier start wrote outside of volumes is gone."""
        _remove(self.root)
        for mount in self._mounts:
            target = inside(self.root, mount["mountPath"])
            target.parent.mkdir(parents=True, exist_ok=True)
            _remove(target)
            self._link_one(mount, target)
        (self.root / "tmp").mkdir(parents=True, exist_ok=True)

    def account_folder(self) -> Path | None:
        """Folder with the service account's token, None where the pod mounts none."""
        if any(mount["mountPath"].rstrip("/") == ACCOUNT for mount in self._mounts):
            return inside(self.root, ACCOUNT)
        return None

    def _link_one(self, mount: Json, target: Path) -> None:
        name = mount["name"]
        folder = self._volumes.folder(name)
        below = mount.get("subPath") or expand(mount.get("subPathExpr") or "", self._environment)
        if not below:
            target.symlink_to(folder)
            return
        source = inside(folder, below)
        if not self._volumes.has_files(name):
            source.mkdir(parents=True, exist_ok=True)
            target.symlink_to(source)
        elif source.is_dir():
            shutil.copytree(source, target)
        elif source.exists():
            # As with the real kubelet, a subPath of such a volume keeps what it had when the container started.
            shutil.copy(source, target)


def _remove(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.is_dir():
        shutil.rmtree(path)
