"""`python -m rehearsal.gke DIR`: what GKE does in the cluster of a rehearsal. Ends on SIGTERM."""

from __future__ import annotations

import sys

from rehearsal.assets import module_dir
from rehearsal.gke.process import Gke
from rehearsal.stand_in import StandIn, main


def run(own: StandIn) -> None:
    """Until the process is told to end."""
    Gke(own, module_dir).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], run))
