"""`python -m serving`."""

import serving.startup  # noqa: F401 - before the first large import
from serving.cli import main

main()
