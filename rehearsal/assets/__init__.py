"""The programs and module folders that a rehearsal needs: found on this machine, downloaded, or built into a cache."""

from rehearsal.assets.ensure import ensure, ensure_modules
from rehearsal.assets.find import Found, find
from rehearsal.assets.golang import module_dir
from rehearsal.assets.progress import Progress
from rehearsal.assets.table import AssetError

__all__ = ["AssetError", "Found", "Progress", "ensure", "ensure_modules", "find", "module_dir"]
