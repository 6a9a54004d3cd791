"""What stands between a person and an asset, in words."""

from __future__ import annotations

from collections.abc import Sequence


class AssetError(Exception):
    """An asset can't be had: what, why, and the commands that would help."""

    def __init__(self, what: str, why: str, commands: Sequence[str] = ()) -> None:
        self.what, self.why, self.commands = what, why, tuple(commands)
        lines = [f"{what}: {why}"]
        if commands:
            lines += ["What helps:", *(f"  {command}" for command in commands)]
        super().__init__("\n".join(lines))


class NotDownloadedError(Exception):
    """No download; the message says why. The asset is built instead."""
