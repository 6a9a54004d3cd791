"""Ports on 127.0.0.1 that play those of Gateways and stay the same over restarts: they are kept in the rehearsal's record."""

from __future__ import annotations

from rehearsal.directory import RehearsalDirectory
from rehearsal.gke.gateway.world import Key
from rehearsal.ports import Claim, claim


class Ports:
    """The ports of Gateways, claimed for the life of this process."""

    def __init__(self, directory: RehearsalDirectory) -> None:
        self._directory = directory
        self._claims: dict[str, Claim] = {}

    def of_gateway(self, gateway: Key, port: int) -> int:
        """The port that plays a Gateway's: the recorded one, or a new one where another program has it by now."""
        name = f"gateway/{'/'.join(gateway)}/{port}"
        if name not in self._claims:
            with self._directory.change_record() as record:
                self._claims[name] = claim(record.ports.get(name))
                record.ports = {**record.ports, name: self._claims[name].port}
        return self._claims[name].port

    def release(self) -> None:
        """Give them back."""
        for item in self._claims.values():
            item.release()
