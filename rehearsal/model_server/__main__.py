"""`python -m rehearsal.model_server serve MODEL ...`: what the image's `vllm` is in a rehearsal."""

from __future__ import annotations

import logging
import os
import sys

from rehearsal.model_server.options import options_of, parse

if __name__ == "__main__":
    form = "%(levelname)s %(asctime)s [rehearsal] %(message)s"
    logging.basicConfig(level=logging.INFO, format=form, datefmt="%m-%d %H:%M:%S")
    options = options_of(parse(sys.argv[1:]), os.environ)
    from rehearsal.model_server.server import run  # the HTTP library, which a refused command line does not need

    run(options)
