"""`python -m rehearsal.collector DIR`: a real Prometheus that scrapes what the PodMonitorings of a rehearsal declare."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import logging
import sys
from pathlib import Path

import yaml

from rehearsal import assets, cloud
from rehearsal.collector import scraping
from rehearsal.collector.state import StateMetrics
from rehearsal.control_plane.children import Child
from rehearsal.control_plane.names import PROMETHEUS
from rehearsal.directory import write_private
from rehearsal.emulator import Emulator, main

_PERIOD, _ANSWER_SECONDS, _END_SECONDS = 0.5, 10.0, 5.0


class Collector:
    """Made and run in the main thread."""

    def __init__(self, own: Emulator, binary: Path) -> None:
        self._own, self._folder = own, own.directory.root / "prometheus"
        self._port, self._loaded = own.directory.load_record().ports[PROMETHEUS], ""
        self._folder.mkdir(mode=0o700)
        self._monitorings = own.store("monitoring.googleapis.com/v1", "PodMonitoring")
        self._pods = own.store("v1", "Pod")
        self._state = StateMetrics(self._pods.all)
        self._secrets = own.store("v1", "Secret", field_selector="type=kubernetes.io/service-account-token")
        options = [f"--config.file={self._file}", f"--storage.tsdb.path={self._folder / 'data'}", "--log.level=warn"]
        options += [f"--web.listen-address=127.0.0.1:{self._port}", "--web.enable-lifecycle"]
        write_private(self._file, "{}\n")
        self._child = Child(own.directory, "prometheus", [str(binary), *options])

    @property
    def _file(self) -> Path:
        return self._folder / "prometheus.yaml"

    def run(self) -> None:
        """Until the process is told to end.

        Raises:
            ChildError: Prometheus has ended.
        """
        try:
            while not self._own.stop.wait(_PERIOD):
                self._child.check()
                for cluster in cloud.read_all(self._own.directory.cloud, "gcp:container/cluster:Cluster"):
                    place = {"project_id": cluster.project, "location": str(cluster.location)}
                    components = cluster.state.get("monitoringConfig", {}).get("enableComponents", ())
                    self._update({**place, "cluster": cluster.name}, pods="POD" in components)
        finally:
            self._child.end(_END_SECONDS)

    def _update(self, fixed: dict[str, str], *, pods: bool) -> None:
        """Prometheus sees by itself what changes in the files of targets and tokens."""
        monitorings = sorted(self._monitorings.all(), key=lambda one: str(one["metadata"]["uid"]))
        for monitoring, endpoint in scraping.endpoints(monitorings):
            groups = scraping.targets(monitoring, endpoint, self._pods.all(), fixed)
            _keep(scraping.file(self._folder, monitoring, endpoint, "json"), json.dumps(groups))
            if reference := scraping.token_of(endpoint):
                secret = self._secrets.get(reference["name"], monitoring["metadata"]["namespace"]) or {}
                token = base64.b64decode((secret.get("data") or {}).get(reference["key"], ""))
                _keep(scraping.file(self._folder, monitoring, endpoint, "token"), token.decode())
        configuration = scraping.configuration(monitorings, self._folder)
        if pods:
            configuration["scrape_configs"].append(self._state.job(fixed))
        text = yaml.safe_dump(configuration)
        if text != self._loaded:
            write_private(self._file, text)
            self._loaded = text if self._reload() else ""

    def _reload(self) -> bool:
        """Whether Prometheus took its file; it may not have started yet."""
        address = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_ANSWER_SECONDS)
        with contextlib.closing(address) as connection, contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("POST", "/-/reload")
            answer = connection.getresponse()
            if answer.status == http.client.OK:
                return True
            logging.error("the configuration is rejected: %s", answer.read().decode())
        return False


def _keep(path: Path, text: str) -> None:
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        write_private(path, text)


def run(own: Emulator) -> None:
    """Until the process is told to end."""
    Collector(own, assets.find(["prometheus"])["prometheus"].path).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], run))
