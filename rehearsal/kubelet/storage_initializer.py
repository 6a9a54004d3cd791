"""Emulator for KServe's storage initializer, called with pairs of address and folder: downloads nothing."""

import sys
from pathlib import Path

if __name__ == "__main__":
    for address, folder in zip(sys.argv[1::2], sys.argv[2::2], strict=True):
        Path(folder).mkdir(parents=True, exist_ok=True)
        print(f"{address}: not downloaded, the folder {folder} is empty (rehearsal)")
