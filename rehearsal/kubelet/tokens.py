"""Tokens of a pod's service account, renewed before they end."""

from __future__ import annotations

import time
from typing import Any

from rehearsal.kubelet.api import Api
from rehearsal.kubelet.volumes import TokenNeed

Json = dict[str, Any]

# Part of a token's life after which the kubelet renews it (kubernetes pkg/kubelet/token/token_manager.go).
_RENEW_AFTER = 0.8
_LONG = 3600.0


class Tokens:
    """The tokens of one pod. `values` holds the present ones."""

    def __init__(self, api: Api, pod: Json, needs: set[TokenNeed]) -> None:
        self._api = api
        self._pod = pod
        self._needs = needs
        self._renew_at: dict[TokenNeed, float] = {}
        self.values: dict[TokenNeed, str] = {}

    async def renew(self) -> None:
        """Request what is missing or due.

        Raises ApiException where the server refuses (no such service account), a transport error where it is away.
        """
        for need in self._needs:
            if time.monotonic() < self._renew_at.get(need, 0.0):
                continue
            token, seconds = await self._api.token(self._pod, need.audience, need.seconds)
            self.values[need] = token
            self._renew_at[need] = time.monotonic() + seconds * _RENEW_AFTER

    def seconds_left(self) -> float:
        """Seconds until the next renewal."""
        if not self._renew_at:
            return _LONG
        return max(1.0, min(self._renew_at.values()) - time.monotonic())
