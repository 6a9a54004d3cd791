"""The map from container ports to real ones, for servers that listen on every address."""

from __future__ import annotations

from rehearsal.ports import Claim, claim


class PortMap:
    """Container port to real address, of one pod. A port that is not in the map is at the pod's own address."""

    def __init__(self, pod_ip: str) -> None:
        self.pod_ip = pod_ip
        self._real: dict[int, Claim] = {}

    def real(self, container_port: int) -> int:
        """The real port of a container port, claimed on first use and kept for the pod's life."""
        if container_port not in self._real:
            self._real[container_port] = claim()
        return self._real[container_port].port

    def address(self, container_port: int, host: str | None = None) -> tuple[str, int]:
        """Where a container port is reached. A `host` that is not the pod's address is kept as it is."""
        if host not in (None, "", self.pod_ip):
            return str(host), container_port
        if container_port in self._real:
            return "127.0.0.1", self._real[container_port].port
        return self.pod_ip, container_port

    def as_annotation(self) -> dict[str, str]:
        """The map as the annotation has it: `{"9443": "127.0.0.1:41234"}`."""
        return {str(port): f"127.0.0.1:{real.port}" for port, real in sorted(self._real.items())}

    def release(self) -> None:
        """Give the ports back."""
        for real in self._real.values():
            real.release()
        self._real.clear()
