"""What an environment leaves to others ("existing"): their controllers and Secrets, brought while `up` runs.

On the cloud somebody else installs these, after the cluster and before the models. Here it is this thread.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import yaml

import cluster as kube
from catalog.lock import load_lock
from manifests import charts, kserve, readiness, secrets
from manifests.base import Manifest, manifest
from manifests.namespace import namespace
from rehearsal.directory import RehearsalDirectory
from rehearsal.engine.workspace import PLACEHOLDER
from rehearsal.plugins.kubernetes.charts import Charts, Reference, module_of_assets
from rehearsal.plugins.kubernetes.helm import Helm, HelmError
from settings import names
from settings.derive import Deployment

MANAGER = "company"
_PERIOD_SECONDS = 0.5
_TRIES = 20


class Company:
    """Works in threads of its own within a `with` block; `say` hears what it brings and what it could not do."""

    def __init__(
        self, deployment: Deployment, directory: RehearsalDirectory, helm: Path, say: Callable[[str], None]
    ) -> None:
        self._deployment, self._directory, self._helm, self._say = deployment, directory, helm, say
        self._stop = threading.Event()
        self._client: Any = None
        self._threads = [threading.Thread(target=self._guarded, args=(work,), daemon=True) for work in self._works()]

    def __enter__(self) -> Company:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _works(self) -> Iterator[Callable[[], None]]:
        platform = self._deployment.settings.platform
        if "existing" in (platform.cert_manager, platform.leader_worker_set, platform.kserve):
            yield self._controllers
        if any(self._secrets()):
            yield self._bring_secrets

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            self._client = kube.connect_when_up(self._directory.kubeconfig, self._stop)
            if self._client is not None:
                work()
        except Exception as error:
            self._say(f"error: what the environment leaves to others could not be brought: {error}")

    def _await(self, there: Callable[[], object]) -> bool:
        """Wait for something; False where the run ended before it came."""
        while not self._stop.wait(_PERIOD_SECONDS):
            if there():
                return True
        return False

    def _controllers(self) -> None:
        platform = self._deployment.settings.platform
        if platform.cert_manager == "existing":
            self._install("cert-manager", charts.cert_manager_values())
        # KServe decides what to watch when it starts: GKE's kinds must be there (KS03).
        for crd in readiness.required_crds(self._deployment):
            if not self._await(partial(kube.serves, self._client, crd)):
                return
        if platform.leader_worker_set == "existing":
            self._install("lws", charts.lws_values())
        if platform.kserve == "existing":
            self._install("kserve-llmisvc-crd", {})
            for obj in (kserve.inference_service_config(self._deployment), kserve.issuer()):
                if not self._await(partial(self._applied, obj)):
                    return
            self._install("kserve-llmisvc-resources", kserve.resources_values(self._deployment))
            self._install("kserve-runtime-configs", kserve.presets_values())

    def _applied(self, obj: Manifest) -> bool:
        """False where its kind is not served: discovery follows what Helm waits for a moment later."""
        try:
            kube.apply(self._client, obj, manager=MANAGER)
        except kube.ResourceNotFoundError:
            return False
        return True

    def _install(self, chart: str, values: dict[str, Any]) -> None:
        locked = load_lock().charts[chart]
        kube.apply(self._client, namespace(locked.namespace), manager=MANAGER)
        home = self._directory.root / "company"
        config = yaml.safe_load(self._directory.kubeconfig.read_text(encoding="utf-8"))
        helm = Helm(home, json.dumps(config), self._stop, lambda: str(self._helm))
        if helm.release(chart, locked.namespace) is not None:
            return
        folder = Charts(home / "charts", helm, module_of_assets).folder(
            Reference(locked.chart, locked.version), lambda _: None
        )
        self._say(f"others install {chart} (existing in this environment)")
        with helm.values(values) as path:
            options = ["--namespace", locked.namespace, "--values", str(path), "--atomic", "--wait", "--timeout", "10m"]
            self._until_webhooks_answer(lambda: helm.run(["install", chart, str(folder), *options]))

    def _until_webhooks_answer(self, install: Callable[[], object]) -> None:
        """Try again, as people and deployment tools do: Helm does not wait for the webhooks of the chart before."""
        for _ in range(_TRIES):
            try:
                install()
                return
            except HelmError as error:
                if "failed calling webhook" not in str(error) or self._stop.wait(_PERIOD_SECONDS):
                    raise
        install()

    def _secrets(self) -> Iterator[Manifest]:
        """Secrets that the environment names and the program does not make."""
        gateway = self._deployment.settings.gateway
        if gateway.authentication is not None and gateway.authentication.iap_client_secret_name:
            yield self._secret(gateway.authentication.iap_client_secret_name, {"key": PLACEHOLDER})
        for model in self._deployment.models:
            token = model.settings.hugging_face_token
            if token is not None and token.kubernetes_secret is not None:
                reference = token.kubernetes_secret
                yield self._secret(reference.name, {reference.key: PLACEHOLDER})
            elif token is not None and token.secret_manager is not None:
                # GKE's secret sync is not played here; there is no Secret Manager to ask either.
                yield self._secret(names.token_secret(model.name), {secrets.TOKEN_KEY: PLACEHOLDER})

    def _secret(self, name: str, data: dict[str, str], kind: str = "Opaque") -> Manifest:
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
        return manifest("v1", "Secret", name, self._deployment.namespace, type=kind, data=encoded)

    def _bring_secrets(self) -> None:
        if self._await(lambda: kube.get(self._client, "v1", "Namespace", self._deployment.namespace)):
            for obj in self._secrets():
                kube.apply(self._client, obj, manager=MANAGER)
