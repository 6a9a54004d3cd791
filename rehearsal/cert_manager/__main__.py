"""`python -m rehearsal.cert_manager DIR`: cert-manager in the cluster of a rehearsal. Ends on SIGTERM."""

from __future__ import annotations

import sys

from rehearsal.cert_manager.process import CertManager
from rehearsal.stand_in import StandIn, main


def run(own: StandIn) -> None:
    """Until the process is told to end."""
    CertManager(own).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], "rehearsal.cert_manager", run))
