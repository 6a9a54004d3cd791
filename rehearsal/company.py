"""What an environment leaves to others ("existing"): their controllers and Secrets, brought while `up` runs.

On the cloud somebody else installs these, after the cluster and before the models. Here it is this thread, with a stack
of its own that nobody else sees.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pulumi

import cluster as kube
from catalog.lock import load_lock
from manifests import charts, kserve, namespace, readiness, secrets
from manifests.base import Manifest, manifest
from rehearsal.directory import RehearsalDirectory
from rehearsal.engine import charts as folders
from rehearsal.engine import workspace
from settings import names
from settings.derive import Deployment

MANAGER = "company"
_PERIOD_SECONDS = 0.5
_TRIES = 20


class Company:
    """Works in threads of its own within a `with` block; `say` hears what it brings and what it could not do."""

    def __init__(
        self,
        deployment: Deployment,
        directory: RehearsalDirectory,
        binaries: Mapping[str, Path],
        say: Callable[[str], None],
    ) -> None:
        self._deployment, self._directory, self._binaries, self._say = deployment, directory, binaries, say
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
        self._say("others install what exists already in this environment")
        if self._deployment.settings.platform.cert_manager == "existing":
            self._up(partial(self._program, alone=True))
        # KServe decides what to watch when it starts: GKE's kinds must be there (KS03).
        for crd in readiness.required_crds(self._deployment):
            if not self._await(partial(kube.serves, self._client, crd)):
                return
        self._up(partial(self._program, alone=False))

    def _up(self, program: Callable[[], None]) -> None:
        """Again where a webhook of the chart before does not answer yet, as people and deployment tools do."""
        from pulumi import automation

        stack = self._stack(program)
        for attempt in range(_TRIES):
            try:
                stack.up(color="never", suppress_outputs=True)
                return
            except automation.CommandError as error:
                if "failed calling webhook" not in str(error) or attempt == _TRIES - 1 or self._stop.is_set():
                    raise

    def _stack(self, program: Callable[[], None]) -> Any:
        from pulumi import automation

        home = self._directory.root / "company"
        (home / "work").mkdir(parents=True, exist_ok=True, mode=0o700)
        folders.lay_out(home / "work")
        options = automation.LocalWorkspaceOptions(
            work_dir=str(home / "work"),
            env_vars={**workspace.variables(self._directory, self._binaries), "PULUMI_BACKEND_URL": home.as_uri()},
            pulumi_command=automation.PulumiCommand(root=str(self._directory.root)),
            project_settings=automation.ProjectSettings(MANAGER, "python"),
        )
        return automation.create_or_select_stack("others", project_name=MANAGER, program=program, opts=options)

    def _program(self, *, alone: bool) -> None:
        """cert-manager `alone`, or all that exists."""
        import pulumi_kubernetes

        platform, provider = self._deployment.settings.platform, pulumi_kubernetes.Provider("kubernetes")
        before: list[pulumi.Resource] = []
        if platform.cert_manager == "existing":
            before = [_release(provider, "cert-manager", charts.cert_manager_values(), before)]
        if alone:
            return
        if platform.leader_worker_set == "existing":
            before = [_release(provider, "lws", charts.lws_values(), before)]
        if platform.kserve == "existing":
            before = [_release(provider, "kserve-llmisvc-crd", {}, before)]
            shared = kserve.inference_service_config(self._deployment), kserve.issuer()
            before = [_object(provider, obj, before) for obj in shared]
            values = kserve.resources_values(self._deployment)
            before = [_release(provider, "kserve-llmisvc-resources", values, before)]
            _release(provider, "kserve-runtime-configs", kserve.presets_values(), before)

    def _secrets(self) -> Iterator[Manifest]:
        """Secrets that the environment names and the program does not make."""
        gateway = self._deployment.settings.gateway
        placeholder = workspace.PLACEHOLDER
        if gateway.authentication is not None and gateway.authentication.iap_client_secret_name:
            yield self._secret(gateway.authentication.iap_client_secret_name, {"key": placeholder})
        for model in self._deployment.models:
            token = model.settings.hugging_face_token
            if token is not None and token.kubernetes_secret is not None:
                reference = token.kubernetes_secret
                yield self._secret(reference.name, {reference.key: placeholder})
            elif token is not None and token.secret_manager is not None:
                # GKE's secret sync is not played here; there is no Secret Manager to ask either.
                yield self._secret(names.token_secret(model.name), {secrets.TOKEN_KEY: placeholder})

    def _secret(self, name: str, data: dict[str, str], kind: str = "Opaque") -> Manifest:
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
        return manifest("v1", "Secret", name, self._deployment.namespace, type=kind, data=encoded)

    def _bring_secrets(self) -> None:
        if self._await(lambda: kube.get(self._client, "v1", "Namespace", self._deployment.namespace)):
            for obj in self._secrets():
                kube.apply(self._client, obj, manager=MANAGER)


def _object(provider: pulumi.ProviderResource, obj: Manifest, before: list[pulumi.Resource]) -> pulumi.Resource:
    api, kind = obj["apiVersion"], obj["kind"]
    token = f"kubernetes:{api if '/' in api else f'core/{api}'}:{kind}"
    name = f"{kind}-{obj['metadata']['name']}"
    return pulumi.CustomResource(token, name, dict(obj), pulumi.ResourceOptions(provider=provider, depends_on=before))


def _release(
    provider: pulumi.ProviderResource, key: str, values: dict[str, Any], before: list[pulumi.Resource]
) -> pulumi.Resource:
    """A chart of the lock; the first one in its namespace makes that."""
    from pulumi_kubernetes.helm.v3 import Release

    chart = load_lock().charts[key]
    if key in ("cert-manager", "lws", "kserve-llmisvc-crd"):
        before = [*before, _object(provider, namespace.namespace(chart.namespace), [])]
    return Release(
        key,
        name=key,
        chart=chart.chart,
        version=chart.version,
        namespace=chart.namespace,
        values=values,
        atomic=True,
        timeout=600,
        opts=pulumi.ResourceOptions(provider=provider, depends_on=before),
    )
