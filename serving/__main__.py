"""`python -m serving`."""

import os
import sys

try:
    import serving.startup  # noqa: F401 - before the first large import
    from serving.cli import main
except KeyboardInterrupt:
    sys.stderr.write("interrupted\n")
    os._exit(130)

main()
