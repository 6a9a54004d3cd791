"""`kubernetes:helm.sh/v3:Release` through the real Helm.

Source: github.com/pulumi/pulumi-kubernetes provider/pkg/provider/helm_release.go.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import yaml

from providers.kubernetes import differences
from providers.kubernetes.values import at
from rehearsal.plugins.frame import (
    UNKNOWN,
    CheckFailure,
    DiffResult,
    Engine,
    PartialFailureError,
    ProviderError,
    ReadResult,
    Resource,
    Values,
    contains_unknown,
)
from rehearsal.plugins.kubernetes import tokens
from rehearsal.plugins.kubernetes.charts import Charts, Reference
from rehearsal.plugins.kubernetes.helm import Found, Helm, HelmError

DEFAULT_TIMEOUT_SECONDS = 300
_INPUTS = (
    "atomic",
    "chart",
    "cleanupOnFail",
    "createNamespace",
    "dependencyUpdate",
    "description",
    "disableCRDHooks",
    "disableOpenapiValidation",
    "disableWebhooks",
    "forceUpdate",
    "maxHistory",
    "name",
    "namespace",
    "renderSubchartNotes",
    "replace",
    "repositoryOpts",
    "resetValues",
    "reuseValues",
    "skipAwait",
    "skipCrds",
    "timeout",
    "values",
    "version",
    "waitForJobs",
)
_NOT_PLAYED = ("devel", "keyring", "lint", "postrender", "recreatePods", "valueYamlFiles", "verify")
_INSTALL_FLAGS = {
    "atomic": "--atomic",
    "createNamespace": "--create-namespace",
    "dependencyUpdate": "--dependency-update",
    "disableOpenapiValidation": "--disable-openapi-validation",
    "disableWebhooks": "--no-hooks",
    "renderSubchartNotes": "--render-subchart-notes",
    "replace": "--replace",
    "skipCrds": "--skip-crds",
}
_UPGRADE_FLAGS = {
    "atomic": "--atomic",
    "cleanupOnFail": "--cleanup-on-fail",
    "disableCRDHooks": "--no-hooks",
    "forceUpdate": "--force",
    "renderSubchartNotes": "--render-subchart-notes",
    "resetValues": "--reset-values",
    "reuseValues": "--reuse-values",
}


class Releases:
    """Helm releases of one cluster."""

    def __init__(self, helm: Helm, charts: Charts, engine: Engine, namespace: str) -> None:
        self._helm, self._charts, self._engine, self._namespace = helm, charts, engine, namespace

    def check(self, resource: Resource, old: Values, new: Values, seed: bytes) -> tuple[Values, list[CheckFailure]]:
        """The inputs with defaults and the chart's own version; a chart that can't be had is a failure."""
        failures = [
            CheckFailure(key, f"{key} of a Helm release is not played by the rehearsal's kubernetes plugin")
            for key in _NOT_PLAYED
            if new.get(key)
        ]
        inputs = dict(new)
        inputs["name"] = new.get("name") or old.get("name") or f"{resource.name}-{tokens.suffix(seed)}"
        inputs["namespace"] = new.get("namespace") or self._namespace
        if not new.get("skipAwait"):
            inputs.setdefault("timeout", DEFAULT_TIMEOUT_SECONDS)
        inputs = {key: inputs[key] for key in _INPUTS if inputs.get(key)}
        if not inputs.get("chart"):
            failures.append(CheckFailure("chart", "a Helm release needs a chart"))
        elif not failures and not contains_unknown([inputs.get(k) for k in ("chart", "version", "repositoryOpts")]):
            try:
                folder = self._charts.folder(_reference(inputs), self._say(resource))
                chart = yaml.safe_load((folder / "Chart.yaml").read_text(encoding="utf-8"))
                inputs["version"] = str(chart["version"])
            except ProviderError as error:
                reason = f"{error}; check the chart name and repository configuration."
                failures.append(CheckFailure("chart", reason))
        return inputs, failures

    def diff(self, old_inputs: Values, state: Values, new: Values, ignore: list[str]) -> DiffResult:
        """Differences of the inputs; another name or namespace is another release."""
        if "version" in ignore:
            new = {**new, "version": state.get("version")}
        return DiffResult(differences.compare(old_inputs, new, ["name", "namespace"]))

    def create(self, resource: Resource, inputs: Values, preview: bool) -> tuple[str, Values]:
        """Install the chart and wait as asked; a preview says what is known before."""
        if preview:
            return "", {**inputs, "resourceNames": UNKNOWN, "status": UNKNOWN}
        release_id = f"{inputs['namespace']}/{inputs['name']}"
        arguments = ["install", inputs["name"], *self._arguments(resource, inputs, _INSTALL_FLAGS)]
        try:
            self._with_values(arguments, inputs)
        except HelmError as error:
            if inputs.get("atomic") or "cannot re-use a name" in str(error):
                raise ProviderError(str(error)) from None
            reason = f'Helm release "{release_id}" was created, but failed to initialize completely. Use Helm CLI to investigate'
            raise self._failed(inputs, release_id, reason, error) from None
        return release_id, self._state(inputs)

    def update(self, resource: Resource, inputs: Values, preview: bool) -> Values:
        """Upgrade the release."""
        if preview:
            return {**inputs, "resourceNames": UNKNOWN, "status": UNKNOWN}
        arguments = ["upgrade", inputs["name"], *self._arguments(resource, inputs, _UPGRADE_FLAGS)]
        arguments += ["--history-max", str(inputs.get("maxHistory", 0))]
        try:
            self._with_values(arguments, inputs)
        except HelmError as error:
            release_id = f"{inputs['namespace']}/{inputs['name']}"
            reason = f'Helm release "{release_id}" failed to initialize completely. Use Helm CLI to investigate'
            raise self._failed(inputs, release_id, reason, error) from None
        return self._state(inputs)

    def read(self, resource_id: str, inputs: Values, state: Values) -> ReadResult | None:
        """The release as Helm knows it; without earlier inputs they are what Helm recorded."""
        namespace, _, name = resource_id.rpartition("/")
        known = inputs or {"name": name, "namespace": namespace or self._namespace}
        found = self._helm.release(known["name"], known["namespace"])
        if found is None:
            return None
        if not inputs:
            known |= {"chart": found.chart, "version": found.version, "timeout": DEFAULT_TIMEOUT_SECONDS}
            values = self._helm.run(["get", "values", name, "--namespace", known["namespace"], "--output", "json"])
            known |= {"values": json.loads(values)} if json.loads(values) else {}
        return ReadResult(resource_id, self._state({**state, **known}, found), known)

    def delete(self, state: Values) -> None:
        """Uninstall, and wait where the release was waited for."""
        arguments = ["uninstall", state["name"], "--namespace", state["namespace"]]
        if state.get("atomic") or not state.get("skipAwait"):
            arguments += ["--wait", "--timeout", f"{state.get('timeout') or DEFAULT_TIMEOUT_SECONDS}s"]
        try:
            self._helm.run(arguments)
        except HelmError as error:
            if "release: not found" not in str(error):
                raise ProviderError(str(error)) from None

    def _arguments(self, resource: Resource, inputs: Values, flags: dict[str, str]) -> list[str]:
        folder = self._charts.folder(_reference(inputs), self._say(resource))
        arguments = [str(folder), "--namespace", inputs["namespace"]]
        arguments += [flag for key, flag in flags.items() if inputs.get(key)]
        if not inputs.get("skipAwait"):
            arguments.append("--wait")
            if inputs.get("waitForJobs"):
                arguments.append("--wait-for-jobs")
        if inputs.get("description"):
            arguments += ["--description", inputs["description"]]
        return [*arguments, "--timeout", f"{inputs.get('timeout') or DEFAULT_TIMEOUT_SECONDS}s"]

    def _with_values(self, arguments: list[str], inputs: Values) -> None:
        with self._helm.values(inputs.get("values") or {}) as path:
            self._helm.run([*arguments, "--values", str(path)])

    def _failed(self, inputs: Values, release_id: str, reason: str, error: HelmError) -> ProviderError:
        """The engine keeps a release that exists; one that does not is a plain failure."""
        found = self._helm.release(inputs["name"], inputs["namespace"])
        if found is None:
            return ProviderError(str(error))
        return PartialFailureError(release_id, self._state(inputs, found), inputs, [f"{reason}: {error}"])

    def _state(self, inputs: Values, found: Found | None = None) -> Values:
        found = found or self._helm.release(inputs["name"], inputs["namespace"])
        if found is None:
            raise ProviderError(f"release {inputs['namespace']}/{inputs['name']} has gone meanwhile")
        status = {
            "appVersion": found.app_version,
            "chart": found.chart,
            "name": inputs["name"],
            "namespace": inputs["namespace"],
            "revision": found.revision,
            "status": found.status,
            "version": found.version,
        }
        kept = {key: inputs[key] for key in _INPUTS if key in inputs}
        names = resource_names(found.manifest)
        return {**kept, "version": found.version, "resourceNames": names, "status": status}

    def _say(self, resource: Resource) -> Callable[[str], None]:
        return lambda message: self._engine.log("warning", message, resource.urn)


def resource_names(manifest: str) -> dict[str, list[str]]:
    """Names in a manifest by `Kind.group/apiVersion`, with a namespace where one is written."""
    found: dict[str, set[str]] = {}
    for document in re.split(r"^---.*$", manifest, flags=re.MULTILINE):
        obj = yaml.safe_load(head_of(document))
        if not isinstance(obj, dict) or "kind" not in obj:
            continue
        group = obj["apiVersion"].rpartition("/")[0]
        key = f"{obj['kind']}{f'.{group}' if group else ''}/{obj['apiVersion']}"
        metadata = obj.get("metadata") or {}
        name, namespace = str(metadata.get("name")), metadata.get("namespace")
        found.setdefault(key, set()).add(f"{namespace}/{name}" if namespace else name)
    return {key: sorted(names) for key, names in found.items()}


def head_of(document: str) -> str:
    """The part of a YAML object that names it: KServe's definitions are 4 MB, which take seconds to parse."""
    if not re.search(r"^kind:", document, re.MULTILINE):
        return document
    kept, keep = [], False
    for line in document.splitlines():
        if line and line[0] not in " \t#-":
            keep = line.startswith(("apiVersion:", "kind:", "metadata:"))
        if keep:
            kept.append(line)
    return "\n".join(kept)


def _reference(inputs: Values) -> Reference:
    return Reference(inputs["chart"], str(inputs.get("version") or ""), str(at(inputs, "repositoryOpts", "repo") or ""))
