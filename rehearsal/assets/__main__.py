"""`python -m rehearsal.assets [NAME...]`: have these assets and say where they are; where none is named, all of them and
the modules that charts and definitions come from."""

from __future__ import annotations

import argparse
import sys

from rich.console import Console

from rehearsal.assets import AssetError, ensure_modules, prepare, show
from rehearsal.assets.table import table


def main() -> int:
    """0 when all are there, 1 when one can't be had, 2 for a wrong name."""
    known = table().binaries
    parser = argparse.ArgumentParser(
        prog="python -m rehearsal.assets",
        description="Find, download or build the programs of a rehearsal.",
        epilog="example: python -m rehearsal.assets etcd kube-apiserver",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(known)}; all where none is named")
    asked = parser.parse_args().names
    names = asked or list(known)
    if wrong := [name for name in names if name not in known]:
        parser.error(f"no such asset: {', '.join(wrong)}; there are {', '.join(known)}")
    console = Console(soft_wrap=True)
    try:
        found = prepare(names, show(console))
        if not asked:
            ensure_modules(show(console))
    except AssetError as error:
        print(f"failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; what is made stays, the next try goes on from there", file=sys.stderr)
        return 130
    rows = [("name", "version", "how", "path")]
    rows += [(asset.name, asset.version, asset.how, str(asset.path)) for asset in found.values()]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        print("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
