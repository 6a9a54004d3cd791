"""Write the tables of the pinned model server (`python -m tools.runtime_tables`); once an upgrade. Downloads two wheels."""

from __future__ import annotations

import datetime
import sys
import tempfile
from pathlib import Path
from zipfile import BadZipFile

from catalog import files
from catalog.lock import load_lock
from catalog.refresh import wheel as wheels
from tools.runtime_tables.runtime import write_runtime
from tools.runtime_tables.vllm_flags import ExtractionError, write_table


def main() -> int:
    """Write both tables; 1 and the old ones where a wheel can't be had or read."""
    version = load_lock().images["vllm-tpu"].tag.removeprefix("v")
    sys.stderr.write(f"downloading the wheels vllm-tpu and tpu-inference {version} ...\n")
    today = datetime.datetime.now(tz=datetime.UTC).date()
    with tempfile.TemporaryDirectory() as folder:
        try:
            wheel = wheels.download("vllm-tpu", version, Path(folder, "vllm"))
            below = wheels.download("tpu-inference", version, Path(folder, "tpu-inference"))
            write_runtime(wheel, below, data_dir=files.DATA_DIR)
            written = write_table(wheel, today=today, data_dir=files.DATA_DIR)
        except (wheels.WheelError, ExtractionError, BadZipFile) as error:
            sys.stderr.write(f"error: {error}\n")
            return 1
    sys.stdout.write(f"wrote the flag table {written.name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
