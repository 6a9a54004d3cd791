"""What `pulumi up` runs."""

import runpy
from pathlib import Path

runpy.run_path(str(Path(__file__).with_name("program.py")))["program"]()
