"""The provider: its own configuration, and which part answers for which resource."""

from __future__ import annotations

import json
import os
from importlib.metadata import version
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from providers.kubernetes.differences import Mutability
from rehearsal.plugins.frame import (
    UNKNOWN,
    Change,
    CheckFailure,
    DiffResult,
    Provider,
    ProviderError,
    ReadResult,
    Resource,
    Values,
)
from rehearsal.plugins.install import DIRECTORY_VARIABLE
from rehearsal.plugins.kubernetes import kubeconfig, tokens
from rehearsal.plugins.kubernetes.api import Api
from rehearsal.plugins.kubernetes.charts import Charts, module_of_assets
from rehearsal.plugins.kubernetes.helm import Helm
from rehearsal.plugins.kubernetes.objects import Objects, Options
from rehearsal.plugins.kubernetes.release import Releases

IDENTIFIER = "clusterIdentifier"
_CLUSTER = ("kubeconfig", "context", "cluster")
_NOT_PLAYED = ("renderYamlToDirectory",)
_VARIABLES = {
    "enableConfigMapMutable": "PULUMI_K8S_ENABLE_CONFIGMAP_MUTABLE",
    "enablePatchForce": "PULUMI_K8S_ENABLE_PATCH_FORCE",
    "enableSecretMutable": "PULUMI_K8S_ENABLE_SECRET_MUTABLE",
    "enableServerSideApply": "PULUMI_K8S_ENABLE_SERVER_SIDE_APPLY",
    "upsertExistingObjects": "PULUMI_K8S_UPSERT_EXISTING_OBJECTS",
}


class KubernetesProvider(Provider):
    """Objects of any kind, Patch resources, and Helm releases."""

    name = "kubernetes"
    version = version("pulumi-kubernetes")

    def __init__(self) -> None:
        super().__init__()
        self._objects: Objects | None = None
        self._releases: Releases | None = None

    def check_config(self, old: Values, new: Values) -> tuple[Values, list[CheckFailure]]:
        failures = [
            CheckFailure(key, f"{key} is not played by the rehearsal's kubernetes plugin")
            for key in _NOT_PLAYED
            if new.get(key)
        ]
        if not _flag(new, "enableServerSideApply", default=True):
            reason = "client-side apply is not played by the rehearsal's kubernetes plugin"
            failures.append(CheckFailure("enableServerSideApply", reason))
        return new, failures

    def diff_config(self, old: Values, new: Values) -> DiffResult:
        """A cluster that is or may be another one replaces everything, unless clusterIdentifier says it is the same."""
        changed: dict[str, Change] = {
            key: "delete" if key not in new else "update" if key in old else "add"
            for key in sorted({*old, *new})
            if old.get(key) is UNKNOWN or old.get(key) != new.get(key)
        }
        identifier = new.get(IDENTIFIER)
        if identifier and identifier is not UNKNOWN and identifier == old.get(IDENTIFIER):
            return DiffResult(changed)
        replaces = [key for key in _CLUSTER if new.get(key) is UNKNOWN][:1]
        if (
            not replaces
            and _active_cluster(old) != _active_cluster(new)
            and None
            not in (
                _active_cluster(old),
                _active_cluster(new),
            )
        ):
            replaces = [key for key in _CLUSTER if key in changed]
        if changed.get(IDENTIFIER) == "update":
            replaces.append(IDENTIFIER)
        return DiffResult({key: "update-replace" if key in replaces else change for key, change in changed.items()})

    def configure(self, inputs: Values) -> None:
        config = kubeconfig.parse(_text(inputs, "kubeconfig"))
        context = kubeconfig.active(config, _text(inputs, "context"), _text(inputs, "cluster"))
        if context is None:
            raise ProviderError(
                "invalid configuration: the provider has no kubeconfig, or it names no context; in a rehearsal nothing "
                "is taken from KUBECONFIG or ~/.kube"
            )
        _refuse_other_machines(str(context.cluster.get("server")))
        namespace = _text(inputs, "namespace") or context.namespace or "default"
        options = Options(
            namespace=namespace,
            mutability=Mutability(
                secret=_flag(inputs, "enableSecretMutable"),
                config_map=_flag(inputs, "enableConfigMapMutable"),
            ),
            patch_force=_flag(inputs, "enablePatchForce"),
            upsert=_flag(inputs, "upsertExistingObjects"),
        )
        self._objects = Objects(Api(context, namespace, self.cancelled), options, self.engine, self.cancelled)
        if directory := os.environ.get(DIRECTORY_VARIABLE):
            home = Path(directory) / "helm"
            helm = Helm(home, json.dumps(kubeconfig.single(context)), self.cancelled)
            charts = Charts(home / "charts", helm, module_of_assets)
            self._releases = Releases(helm, charts, self.engine, namespace)

    def check(self, resource: Resource, old: Values, new: Values, seed: bytes) -> tuple[Values, list[CheckFailure]]:
        part = self._helm() if resource.type == tokens.RELEASE else self._api()
        return part.check(resource, old, new, seed)

    def diff(
        self, resource: Resource, resource_id: str, old_inputs: Values, state: Values, new: Values, ignore: list[str]
    ) -> DiffResult:
        if resource.type == tokens.RELEASE:
            return self._helm().diff(old_inputs, state, new, ignore)
        return self._api().diff(resource, old_inputs, state, new, ignore)

    def create(self, resource: Resource, inputs: Values, timeout: float, preview: bool) -> tuple[str, Values]:
        if resource.type == tokens.RELEASE:
            return self._helm().create(resource, inputs, preview)
        return self._api().create(resource, inputs, timeout, preview)

    def read(self, resource: Resource, resource_id: str, inputs: Values, state: Values) -> ReadResult | None:
        if resource.type == tokens.RELEASE:
            return self._helm().read(resource_id, inputs, state)
        return self._api().read(resource, resource_id, inputs, state)

    def update(
        self,
        resource: Resource,
        resource_id: str,
        old_inputs: Values,
        state: Values,
        new: Values,
        timeout: float,
        preview: bool,
    ) -> Values:
        if resource.type == tokens.RELEASE:
            return self._helm().update(resource, new, preview)
        return self._api().update(resource, state, new, timeout, preview)

    def delete(self, resource: Resource, resource_id: str, inputs: Values, state: Values, timeout: float) -> None:
        if resource.type == tokens.RELEASE:
            self._helm().delete(state)
        else:
            self._api().delete(resource, resource_id, inputs, state, timeout)

    def _api(self) -> Objects:
        if self._objects is None:
            raise ProviderError("the provider is not configured")
        return self._objects

    def _helm(self) -> Releases:
        if self._releases is None:
            raise ProviderError(f"a Helm release needs {DIRECTORY_VARIABLE}, the directory of the rehearsal")
        return self._releases


def _refuse_other_machines(server: str) -> None:
    """A rehearsal must not write to a real cluster, whatever the program's kubeconfig says."""
    host = urlsplit(server).hostname or ""
    if host != "localhost" and not (_is_address(host) and ip_address(host).is_loopback):
        raise ProviderError(
            f"the kubeconfig's server {server} is not on this machine: a rehearsal changes nothing else"
        )


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _text(inputs: Values, key: str) -> str:
    value = inputs.get(key)
    return json.dumps(value) if isinstance(value, dict) else str(value or "")


def _flag(inputs: Values, key: str, *, default: bool = False) -> bool:
    """An option as the SDKs send it (a string), or as the real provider's variable sets it."""
    value = inputs.get(key, os.environ.get(_VARIABLES[key]))
    return default if value is None else str(value).lower() == "true"


def _active_cluster(inputs: Values) -> Any:
    if any(inputs.get(key) is UNKNOWN for key in _CLUSTER):
        return None
    try:
        context = kubeconfig.active(
            kubeconfig.parse(_text(inputs, "kubeconfig")), _text(inputs, "context"), _text(inputs, "cluster")
        )
    except ProviderError:
        return None
    return context.cluster if context else None
