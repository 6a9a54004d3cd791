"""What every container on this machine shares: the rehearsal's directory, the API server's address, the binaries."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from rehearsal.directory import RehearsalDirectory


@dataclass(frozen=True)
class Machine:
    """`server` is the API server's URL, `authority` its CA as PEM.

    `backoff_scale` times the kubelet's restart back-off is the one here, `probe_delay_scale` times what a probe waits for
    a start (its initial delay, its period until the first success) is the one here, `pre_stop_scale` times what a preStop
    hook only waits; all from the record (`backoffScale`, `probeDelayScale`, `preStopScale`).
    """

    directory: RehearsalDirectory
    server: str
    authority: str
    backoff_scale: float
    probe_delay_scale: float
    pre_stop_scale: float

    @classmethod
    def of(cls, directory: RehearsalDirectory) -> Machine:
        """Read from the rehearsal's record and kubeconfig.

        Raises:
            FileNotFoundError: there is no kubeconfig yet.
            DirectoryError: the record is not one.
        """
        document = yaml.safe_load(directory.kubeconfig.read_text(encoding="utf-8"))
        cluster = document["clusters"][0]["cluster"]
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        record = directory.load_record()
        scales = record.backoff_scale, record.probe_delay_scale, record.pre_stop_scale
        return cls(directory, cluster["server"], authority, *scales)

    @property
    def api_host_and_port(self) -> tuple[str, int]:
        """Where the API server listens."""
        parts = urlsplit(self.server)
        return parts.hostname or "127.0.0.1", parts.port or 443

    def binary(self, name: str) -> Path | None:
        """An asset that is on this machine; None where it is not."""
        from rehearsal import assets

        found = assets.find([name]).get(name)
        return found.path if found else None

    def kubeconfig(self, token_file: Path) -> str:
        """A kubeconfig whose token is read from a file, which the kubelet renews."""
        authority = base64.b64encode(self.authority.encode()).decode()
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": "rehearsal", "cluster": {"server": self.server, "certificate-authority-data": authority}}
            ],
            "users": [{"name": "pod", "user": {"tokenFile": str(token_file)}}],
            "contexts": [{"name": "pod", "context": {"cluster": "rehearsal", "user": "pod"}}],
            "current-context": "pod",
        }
        return json.dumps(document, indent=1)
