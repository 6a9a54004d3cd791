"""`python -m rehearsal.model_server serve MODEL ...`: what the image's `vllm` is in a rehearsal."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from rehearsal.model_server import log
from rehearsal.model_server.arguments import RefusedError, locked_version, parse
from rehearsal.model_server.options import options_of
from rehearsal.model_server.timing import TimingError


def main(arguments: Sequence[str]) -> int:
    """Exit code: 2 for arguments the parser refuses, 1 for what the server refuses at its start."""
    try:
        options = options_of(parse(arguments), os.environ)
    except (RefusedError, TimingError) as problem:
        log.error(f"ValueError: {problem}")
        return 1
    from rehearsal.model_server.server import run  # the HTTP library, which a refused command line needs not

    return run(options, locked_version())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
