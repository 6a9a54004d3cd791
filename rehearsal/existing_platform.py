"""What an environment leaves to others ("existing"): their controllers and Secrets, brought while `up` runs.

On the cloud somebody else installs these, after the cluster and before the models. Here it is a stack of its own, which
only the end of the rehearsal takes away.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import cluster as kube
from catalog.lock import load_lock
from manifests import charts, kserve, readiness, secrets
from manifests.base import Manifest, manifest
from rehearsal.directory import RehearsalDirectory
from rehearsal.engine.engine import Engine, EngineError
from rehearsal.engine.workspace import PLACEHOLDER
from settings import names
from settings.derive import Deployment

STACK = "existing"
_PERIOD_SECONDS = 0.5
_TRIES = 20


class ExistingPlatform:
    """Works in a thread of its own within a `with` block; `say` hears what it brings and what it could not do."""

    def __init__(self, deployment: Deployment, directory: RehearsalDirectory, say: Callable[[str], None]) -> None:
        self._deployment, self._directory, self._say = deployment, directory, say
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> ExistingPlatform:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            client = kube.connect_when_up(self._directory.kubeconfig, self._stop)
            if client is not None:
                self._install(client)
                self._bring_secrets(client)
        except Exception as error:
            self._say(f"error: what the environment leaves to others could not be brought: {error}")

    def _await(self, there: Callable[[], object]) -> bool:
        """Wait for something; False where the run ended before it came."""
        while not there():
            if self._stop.wait(_PERIOD_SECONDS):
                return False
        return True

    def _install(self, client: kube.DynamicClient) -> None:
        found = list(steps(self._deployment))
        required = readiness.required_crds(self._deployment)
        # KServe decides what to watch when it starts: GKE's kinds must be there (KS03).
        if not found or not self._await(lambda: all(kube.serves(client, crd) for crd in required)):
            return
        self._say(f"others install {', '.join(name for name, _ in found)} (existing in this environment)")
        kubeconfig = self._directory.kubeconfig.read_text(encoding="utf-8")
        engine = Engine(self._directory, STACK, inline=lambda: install(found, kubeconfig))
        for attempt in range(_TRIES):
            try:
                engine.up(lambda _: None)
                return
            except EngineError as error:
                # As people and deployment tools do: Helm does not wait for the webhooks of the chart before.
                if "failed calling webhook" not in str(error) or attempt == _TRIES - 1:
                    raise
                self._stop.wait(_PERIOD_SECONDS)

    def _bring_secrets(self, client: kube.DynamicClient) -> None:
        found = list(named_secrets(self._deployment))
        if found and self._await(lambda: kube.get(client, "v1", "Namespace", self._deployment.namespace)):
            for obj in found:
                kube.apply(client, obj, manager=STACK)


def steps(deployment: Deployment) -> Iterator[tuple[str, dict[str, Any]]]:
    """What others install, in its order: a key of the lock's charts and its values, or a name and an object."""
    platform = deployment.settings.platform
    if platform.cert_manager == "existing":
        yield "cert-manager", charts.cert_manager_values()
    if platform.leader_worker_set == "existing":
        yield "lws", charts.lws_values()
    if platform.keda == "existing" and deployment.scales:
        yield "keda", charts.keda_values()
    if platform.kserve == "existing":
        yield "kserve-llmisvc-crd", {}
        yield "KServe's configuration", kserve.inference_service_config(deployment)
        yield "KServe's issuer", kserve.issuer()
        yield "kserve-llmisvc-resources", kserve.resources_values(deployment)
        yield "kserve-runtime-configs", kserve.presets_values()


def install(found: list[tuple[str, dict[str, Any]]], kubeconfig: str) -> None:
    """The program of the stack: each step after the one before."""
    import pulumi
    from pulumi_kubernetes import Provider
    from pulumi_kubernetes.helm.v3 import Release

    provider = Provider("existing", kubeconfig=kubeconfig)
    before: list[pulumi.Resource] = []
    for name, content in found:
        options = pulumi.ResourceOptions(provider=provider, depends_on=before[-1:])
        if chart := load_lock().charts.get(name):
            release = Release(
                name,
                name=name,
                chart=chart.address,
                version=chart.version,
                namespace=chart.namespace,
                create_namespace=True,
                values=content,
                atomic=True,
                opts=options,
            )
            before.append(release)
        else:
            group = content["apiVersion"] if "/" in content["apiVersion"] else f"core/{content['apiVersion']}"
            before.append(pulumi.CustomResource(f"kubernetes:{group}:{content['kind']}", name, content, options))


def named_secrets(deployment: Deployment) -> Iterator[Manifest]:
    """Secrets that the environment names and the program does not make."""
    found: dict[str, str] = {}
    authentication = deployment.settings.gateway.authentication
    if authentication is not None and authentication.iap_client_secret_name:
        found[authentication.iap_client_secret_name] = "key"
    for model in deployment.models:
        token = model.settings.hugging_face_token
        if token is not None and token.kubernetes_secret is not None:
            found[token.kubernetes_secret.name] = token.kubernetes_secret.key
        elif token is not None and token.secret_manager is not None:
            # GKE's secret sync is not played here; there is no Secret Manager to ask either.
            found[names.token_secret(model.name)] = secrets.TOKEN_KEY
    for name, key in found.items():
        yield manifest("v1", "Secret", name, deployment.namespace, type="Opaque", stringData={key: PLACEHOLDER})
