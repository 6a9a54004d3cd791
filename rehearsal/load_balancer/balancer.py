"""One load balancer: Envoy, configured for the objects it was given, and the report about it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path

from rehearsal.directory import RehearsalDirectory, write_private
from rehearsal.gke.events import now
from rehearsal.gke.gateway.world import Key, KubeObject
from rehearsal.load_balancer.certificates import Certificates
from rehearsal.load_balancer.draining import Draining
from rehearsal.load_balancer.envoy import Envoy
from rehearsal.load_balancer.health import Health, verdicts
from rehearsal.load_balancer.model import Defaults, Objects
from rehearsal.load_balancer.ports import Ports
from rehearsal.load_balancer.report import report
from rehearsal.load_balancer.translation import Plan, plan, resources


class Balancer:
    """Serves all Gateways of a cluster; made and used in the main thread."""

    def __init__(self, directory: RehearsalDirectory, binary: Path) -> None:
        self._report_file = directory.root / "load-balancer.json"
        self._ports = Ports()
        self._envoy = Envoy(directory, binary)
        self._certificates = Certificates(self._envoy.folder)
        self._health = Health()
        self._draining = Draining()
        self._plan = Plan((), {}, {}, {})
        self._report = ""
        self._stale = True

    def serve(self, objects: Objects, secrets: Mapping[Key, KubeObject], defaults: Defaults) -> None:
        """Serve these objects from the next step on."""
        self._certificates.use(secrets)
        self._plan = plan(objects, defaults, self._ports.of_gateway, self._certificates.of)
        self._draining.update(self._plan.backends.values(), time.monotonic())
        self._stale = True

    def step(self) -> None:
        """Look at the health of every endpoint, and bring Envoy and the report up to date."""
        found = verdicts(self._envoy.clusters())
        if self._health.update(self._plan.backends.values(), found, now()) or self._stale:
            self._envoy.configure(resources(self._plan, self._health.healthy(), self._ports.may_listen))
            self._write_report()
            self._stale = False
        self._envoy.cut(self._draining.over(time.monotonic()))
        self._envoy.check()

    def _write_report(self) -> None:
        text = json.dumps(report(self._plan, self._health), indent=1)
        if text != self._report:
            write_private(self._report_file, text + "\n")
            self._report = text

    def end(self) -> None:
        """End Envoy."""
        self._envoy.end()
        self._ports.release()
