"""`python -m rehearsal.assets [NAME...]`: have these assets and say where they are; where none is named, those that every
rehearsal needs (`--all`: also others) and the modules that charts and definitions come from."""

from __future__ import annotations

import argparse
import sys

from rich.console import Console

from rehearsal.assets import AssetError, Progress, ensure, ensure_modules, find
from rehearsal.assets.table import table

known = list(table().binaries)
parser = argparse.ArgumentParser(prog="python -m rehearsal.assets", description="Find, download or build programs.")
parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(known)}")
parser.add_argument("--all", action="store_true", help="also those that only some rehearsals need")
given = parser.parse_args()
names, usual = given.names, [name for name, row in table().binaries.items() if given.all or not row.optional]
if wrong := set(names) - set(known):
    parser.error(f"no such asset: {', '.join(sorted(wrong))}; there are {', '.join(known)}")
progress = Progress(Console(soft_wrap=True))
try:
    ensure(names or usual, progress)
    if not names:
        ensure_modules(progress)
except AssetError as error:
    sys.exit(f"failed: {error}")
except KeyboardInterrupt:
    sys.exit("stopped; what is made stays")
for asset in find(names or usual).values():
    print(f"{asset.name:27} {asset.version:11} {asset.how:11} {asset.path}")
