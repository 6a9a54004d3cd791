"""Free ports for servers that listen on every address, and the map from container ports to them."""

from __future__ import annotations

import random
import socket

# Below Linux's range for outgoing connections (32768), so that none of those takes a port between choice and use.
_RANGE = range(20000, 32000)
_TRIES = 1000

_taken: set[int] = set()


def claim_port() -> int:
    """A TCP port that nothing listens on, on any address. Raises RuntimeError where none is found."""
    for _ in range(_TRIES):
        port = random.choice(_RANGE)  # noqa: S311
        if port not in _taken and _is_free(port):
            _taken.add(port)
            return port
    raise RuntimeError(f"no free TCP port between {_RANGE.start} and {_RANGE.stop}; end what listens there")


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind(("0.0.0.0", port))  # noqa: S104
        except OSError:
            return False
    return True


class PortMap:
    """Container port to real address, of one pod. A port that is not in the map is at the pod's own address."""

    def __init__(self, pod_ip: str) -> None:
        self.pod_ip = pod_ip
        self._real: dict[int, int] = {}

    def real(self, container_port: int) -> int:
        """The real port of a container port, claimed on first use and kept for the pod's life."""
        if container_port not in self._real:
            self._real[container_port] = claim_port()
        return self._real[container_port]

    def address(self, container_port: int, host: str | None = None) -> tuple[str, int]:
        """Where a container port is reached. A `host` that is not the pod's address is kept as it is."""
        if host not in (None, "", self.pod_ip):
            return str(host), container_port
        if container_port in self._real:
            return "127.0.0.1", self._real[container_port]
        return self.pod_ip, container_port

    def as_annotation(self) -> dict[str, str]:
        """The map as the annotation has it: `{"9443": "127.0.0.1:41234"}`."""
        return {str(port): f"127.0.0.1:{real}" for port, real in sorted(self._real.items())}

    def release(self) -> None:
        """Give the ports back."""
        _taken.difference_update(self._real.values())
        self._real.clear()
