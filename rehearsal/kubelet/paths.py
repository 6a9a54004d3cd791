"""Paths of a container as paths of this machine: a process has no mount namespace, so its texts are rewritten."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

# What may stand in a path component: before a match it would mean that the path begins earlier, after it that it goes on.
_COMPONENT = r"[A-Za-z0-9_.\-]"


class PathMap:
    """Mount paths to real folders.

    The longest mount path wins. Only whole components count: `/mnt/models` is found in `--path=/mnt/models/a`, not in
    `/mnt/models-2`, `/data/mnt/models` or `hf://host/mnt/models`.
    """

    def __init__(self, folders: Mapping[str, Path]) -> None:
        self._folders = {path.rstrip("/"): str(folder) for path, folder in folders.items() if path.rstrip("/")}
        longest_first = sorted(self._folders, key=len, reverse=True)
        choices = "|".join(re.escape(path) for path in longest_first)
        self._pattern = re.compile(rf"(?<!{_COMPONENT})(?<!/)(?:{choices})(?!{_COMPONENT})") if choices else None

    def rewrite(self, text: str) -> str:
        """The text with every mount path in it replaced."""
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda match: self._folders[match.group()], text)

    def rewrite_all(self, texts: list[str]) -> list[str]:
        """Each text rewritten."""
        return [self.rewrite(text) for text in texts]


def inside(root: Path, path: str) -> Path:
    """A container's absolute path below the folder that stands for its root.

    Raises ValueError for a path that would leave the folder.
    """
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise ValueError(f"{path}: '..' is not allowed in a mount path")
    return root.joinpath(*parts)
