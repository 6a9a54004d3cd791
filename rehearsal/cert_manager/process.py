"""The process: once the definitions of cert-manager are there, issues, injects and renews."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import cluster as kube
from rehearsal.cert_manager.certificates import (
    API,
    GROUP,
    Verdict,
    find_issuer,
    issue_secret,
    judge_issuer,
    ready_condition,
    reason_to_issue,
    renewal,
    status,
)
from rehearsal.cert_manager.injection import KINDS, authority, patch, wants_injection
from rehearsal.cert_manager.keys import read_pair
from rehearsal.stand_in import StandIn

log = logging.getLogger(__name__)

MANAGER = "cert-manager"
_DEFINITION = f"certificates.{GROUP}"
_DEBOUNCE = 0.05
_LONGEST_WAIT = 60.0
_Key = tuple[str, str]


def _by_key(store: kube.Store) -> dict[_Key, kube.KubeObject]:
    return {(o["metadata"].get("namespace", ""), o["metadata"]["name"]): o for o in store.all()}


class CertManager:
    """Issues for Certificates and injects CAs."""

    def __init__(self, own: StandIn) -> None:
        self._process = own
        self._client = own.connect()
        self._stop = own.stop
        self._changed = threading.Event()
        self._stale: dict[str, threading.Event] = {kind: threading.Event() for kind in KINDS}
        self._targets: dict[str, list[kube.KubeObject]] = {kind: [] for kind in KINDS}
        self._watched = {kind: self._store(api, kind, self._stale[kind]) for kind, api in KINDS.items()}
        self._own: dict[str, kube.Store] = {}

    def _store(self, api: str, kind: str, stale: threading.Event | None = None, **selectors: str) -> kube.Store:
        def changed() -> None:
            if stale is not None:
                stale.set()
            self._changed.set()

        return self._process.store(api, kind, changed, **selectors)

    def run(self) -> None:
        """Until `stop` is set."""
        wait = _LONGEST_WAIT
        while not self._stop.is_set():
            self._changed.wait(wait)
            self._stop.wait(_DEBOUNCE)
            self._changed.clear()
            if self._stop.is_set():
                return
            self._look()
            wait = _LONGEST_WAIT
            if self._own and all(store.wait_synced(0) for store in self._own.values()):
                wait = self._guarded(self._pass)

    def _look(self) -> None:
        """Take over what wants injection; watch certificates as soon as their definition is there."""
        for kind, stale in self._stale.items():
            if stale.is_set():
                stale.clear()
                found = self._watched[kind].all()
                self._targets[kind] = [item for item in found if wants_injection(item)]
                if kind == "CustomResourceDefinition" and not self._own:
                    self._start(any(item["metadata"]["name"] == _DEFINITION for item in found))

    def _start(self, installed: bool) -> None:
        if installed:
            log.info("the definitions of cert-manager are there")
            self._own = {kind: self._store(API, kind) for kind in ("Issuer", "ClusterIssuer", "Certificate")}
            # Helm keeps its releases in Secrets of up to a megabyte each.
            self._own["Secret"] = self._store("v1", "Secret", field_selector="type!=helm.sh/release.v1")

    def _guarded(self, step: Callable[[], float]) -> float:
        """Seconds until something is to be done though nothing changes; soon again after an error."""
        try:
            return step()
        except (kube.ApiException, kube.ResourceNotFoundError, *kube.TRANSPORT_ERRORS) as error:
            if not self._stop.is_set():
                log.warning("%s", str(error).splitlines()[0] if str(error) else type(error).__name__)
            return kube.RETRY_SECONDS

    def _pass(self) -> float:
        secrets = _by_key(self._own["Secret"])
        certificates = _by_key(self._own["Certificate"])
        issuers = {kind: _by_key(self._own[kind]) for kind in ("Issuer", "ClusterIssuer")}
        now = datetime.now(UTC)
        stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
        for issuer in (item for found in issuers.values() for item in found.values()):
            self._write_issuer(issuer, judge_issuer(issuer, secrets), stamp)
        waits = [_LONGEST_WAIT]
        for certificate in certificates.values():
            if certificate["metadata"].get("deletionTimestamp"):
                continue
            named = find_issuer(certificate, lambda kind, namespace, name: issuers[kind].get((namespace, name)))
            waits.append(self._certificate(certificate, named, secrets, now, stamp))
        for item in (item for found in self._targets.values() for item in found):
            bundle = authority(item, certificates, secrets)
            wanted = patch(item, bundle) if bundle else None
            if wanted is not None:
                kube.apply(self._client, wanted, manager=f"{MANAGER}-cainjector")
        return max(min(waits), kube.RETRY_SECONDS)

    def _write_issuer(self, issuer: kube.KubeObject, verdict: Verdict, stamp: str) -> None:
        wanted = {"conditions": [ready_condition(issuer, verdict, stamp)]}
        if (issuer.get("status") or {}).get("conditions") != wanted["conditions"]:
            kube.patch_status(self._client, issuer, wanted, manager=MANAGER)

    def _certificate(
        self,
        certificate: kube.KubeObject,
        issuer: Mapping[str, Any] | None,
        secrets: dict[_Key, kube.KubeObject],
        now: datetime,
        stamp: str,
    ) -> float:
        """Issue it if it has to be, and write its status; seconds until its renewal."""
        key = certificate["metadata"]["namespace"], certificate["spec"]["secretName"]
        why = reason_to_issue(certificate, secrets.get(key), now)
        if why is not None:
            if not self._look_again(certificate, key, secrets):
                return _LONGEST_WAIT
            why = reason_to_issue(certificate, secrets.get(key), now)
        verdict = Verdict(True, "Ready", "Certificate is up to date and has not expired")
        if why is not None:
            blocked = _blocked(certificate, issuer, secrets)
            if blocked is None and issuer is not None:
                made = issue_secret(certificate, issuer, secrets)
                secrets[key] = kube.apply(self._client, made, manager=MANAGER)
                log.info("issued %s/%s: %s", *key, why)
            else:
                verdict = Verdict(False, why, blocked or "")
        pair = read_pair(secrets[key]) if key in secrets else None
        wanted = status(certificate, pair, verdict, stamp)
        if certificate.get("status") != wanted:
            kube.patch_status(self._client, certificate, wanted, manager=MANAGER)
        return (renewal(certificate, pair) - now).total_seconds() if pair and verdict.ready else _LONGEST_WAIT

    def _look_again(self, certificate: kube.KubeObject, key: _Key, secrets: dict[_Key, kube.KubeObject]) -> bool:
        """Take the Secret as it is now, and not as the watches know it, which may be behind; else it would be issued twice.
        False where the Certificate has gone meanwhile."""
        own = certificate["metadata"]
        if kube.get(self._client, API, "Certificate", own["name"], own["namespace"]) is None:
            return False
        present = kube.get(self._client, "v1", "Secret", key[1], key[0])
        if present is None:
            secrets.pop(key, None)
        else:
            secrets[key] = present
        return True


def _blocked(
    certificate: kube.KubeObject, issuer: Mapping[str, Any] | None, secrets: dict[_Key, kube.KubeObject]
) -> str | None:
    """Why it can't be issued now; None where it can."""
    reference = certificate["spec"]["issuerRef"]
    if issuer is None:
        return f'Referenced "{reference.get("kind", "Issuer")}" not found: {reference["name"]}'
    verdict = judge_issuer(issuer, secrets)
    return None if verdict.ready else f"Referenced issuer {reference['name']} is not ready: {verdict.message}"
