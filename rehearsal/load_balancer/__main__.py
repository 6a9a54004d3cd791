"""`python -m rehearsal.load_balancer DIR`: the load balancer of a rehearsal's Gateways. Ends on SIGTERM."""

from __future__ import annotations

import logging
import sys

from rehearsal import assets
from rehearsal.load_balancer.process import LoadBalancer
from rehearsal.stand_in import StandIn, main


def run(own: StandIn) -> None:
    """Until the process is told to end."""
    found = assets.find(["envoy"]).get("envoy")
    if found is None:
        logging.error("envoy is not on this machine; `python -m serving rehearse --prepare` gets it")
        own.stop.wait()
        return
    LoadBalancer(own, found.path).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], run))
