"""Stand-in for KServe's storage initializer: creates the target folders, downloads nothing.

Arguments are pairs of address and folder, as KServe writes them.
"""

from __future__ import annotations

import sys
from pathlib import Path


def main(arguments: list[str]) -> int:
    """Exit code 0 when every folder is there, 2 where the arguments are not pairs."""
    if not arguments or len(arguments) % 2:
        print(f"arguments must be pairs of address and folder, got {arguments}", file=sys.stderr)
        return 2
    for address, folder in zip(arguments[::2], arguments[1::2]):
        Path(folder).mkdir(parents=True, exist_ok=True)
        print(f"{address}: not downloaded, the folder {folder} is empty (rehearsal)")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
