"""The programs and module folders that a rehearsal needs: found on this machine, downloaded, or built into a cache."""

from rehearsal.assets.ensure import ensure, estimate, prepare
from rehearsal.assets.errors import AssetError
from rehearsal.assets.find import Found, find
from rehearsal.assets.modules import ensure_modules, module_dir, module_version
from rehearsal.assets.progress import Event, Phase, Progress, show

__all__ = [
    "AssetError",
    "Event",
    "Found",
    "Phase",
    "Progress",
    "ensure",
    "ensure_modules",
    "estimate",
    "find",
    "module_dir",
    "module_version",
    "prepare",
    "show",
]
