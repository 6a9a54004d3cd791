"""The real controllers, from their charts' own Deployments, run as pods of this kubelet and serve their webhooks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.client.exceptions import ApiException

import cluster as kube
from cluster.pods import PORTS_ANNOTATION
from manifests.scheduler import picker_config
from rehearsal import assets
from rehearsal.directory import RehearsalDirectory
from rehearsal.engine.plugins import KUBERNETES
from tests.rehearsal.kubelet.charts import rendered
from tests.rehearsal.kubelet.conftest import Namespace, container, is_ready, wait_for

Json = dict[str, Any]

CERT_MANAGER = ("Certificate", "Issuer")


def _assets(*names: str) -> dict[str, Path]:
    found = assets.find(names)
    if missing := set(names) - set(found):
        pytest.skip(f"{', '.join(sorted(missing))} not there: run `python -m serving rehearse --prepare`")
    return {name: asset.path for name, asset in found.items()}


def _rendered(plugin: Path, chart: Path, namespace: str, **values: Any) -> list[Json]:
    return [one for one in rendered(plugin, chart, namespace, values) if one["kind"] not in CERT_MANAGER]


def _apply(client: kube.DynamicClient, objects: list[Json], namespace: str) -> None:
    """CRDs first. A conversion needs a CA that is injected, and no test here reads an old version."""
    kube.apply(client, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}, manager="test")
    crds = [one for one in objects if one["kind"] == "CustomResourceDefinition"]
    for crd in crds:
        crd["spec"].pop("conversion", None)
        kube.apply(client, crd, manager="test")
    for crd in crds:
        wait_for("the CRD", lambda name=crd["metadata"]["name"]: kube.serves(client, name))  # type: ignore[misc]
    for one in objects:
        if one["kind"] != "CustomResourceDefinition":
            if _namespaced(client, one):
                one["metadata"].setdefault("namespace", namespace)
            kube.apply(client, one, manager="test")


def _namespaced(client: kube.DynamicClient, one: Json) -> bool:
    return bool(client.resources.get(api_version=one["apiVersion"], kind=one["kind"]).namespaced)


def _pod_of(client: kube.DynamicClient, namespace: str, labels: str) -> Json | None:
    return next(iter(kube.list_objects(client, "v1", "Pod", namespace, label_selector=labels)), None)


def _logs(directory: RehearsalDirectory, namespace: str) -> str:
    return "".join(path.read_text()[-2000:] for path in sorted(directory.pods.glob(f"{namespace}/*/*/*/*.log")))


def test_leader_worker_set_makes_its_own_certificate_and_serves_its_webhook(
    client: kube.DynamicClient, rehearsal: RehearsalDirectory
) -> None:
    plugin = _assets(KUBERNETES, "lws")[KUBERNETES]
    chart = assets.module_dir("lws") / "charts" / "lws"
    _apply(client, _rendered(plugin, chart, "lws-system", image={"manager": {"tag": "v0.8.0"}}), "lws-system")

    def ready() -> Json | None:
        pod = _pod_of(client, "lws-system", "control-plane=controller-manager")
        return pod if pod and is_ready(pod) else None

    pod = wait_for("LWS", ready, lambda: _logs(rehearsal, "lws-system"))
    assert set(json.loads(pod["metadata"]["annotations"][PORTS_ANNOTATION])) == {"8081", "8443", "9443"}
    template = {"spec": {"containers": [{"name": "c", "image": "example.com/nothing:v1"}]}}
    group = {
        "apiVersion": "leaderworkerset.x-k8s.io/v1",
        "kind": "LeaderWorkerSet",
        "metadata": {"name": "group", "namespace": "lws-system"},
        "spec": {"replicas": 1, "leaderWorkerTemplate": {"size": 2, "workerTemplate": template}},
    }
    # LWS is ready before the authority of its new certificate is in the webhook's configuration.
    wait_for("the webhook", lambda: _accepted(client, group))

    def worker() -> Json | None:
        pod = kube.get(client, "v1", "Pod", "group-0-1", "lws-system")
        return pod if pod and is_ready(pod) else None

    made = wait_for("the worker", worker, lambda: _logs(rehearsal, "lws-system"))
    names = {variable["name"] for variable in made["spec"]["containers"][0]["env"]}
    assert {"LWS_LEADER_ADDRESS", "LWS_WORKER_INDEX"} <= names
    group["spec"]["leaderWorkerTemplate"]["size"] = 0  # type: ignore[index]
    with pytest.raises(ApiException, match="admission webhook"):
        kube.apply(client, group, manager="test")


def _accepted(client: kube.DynamicClient, manifest: Json) -> bool:
    try:
        kube.apply(client, manifest, manager="test")
    except ApiException as error:
        if error.status == 500:  # the webhook can't be asked yet
            return False
        raise
    return True


def _certificate(client: kube.DynamicClient, rehearsal: RehearsalDirectory, namespace: str, name: str) -> None:
    """Any pair will do: nothing here calls KServe's webhooks."""
    pair = {"tls.crt": "server.crt", "tls.key": "server.key"}
    data = {key: (rehearsal.certs / file).read_text() for key, file in pair.items()}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "type": "kubernetes.io/tls",
        "stringData": data,
    }
    kube.apply(client, secret, manager="test")


def test_kserve_waits_for_its_certificate_and_becomes_ready(
    client: kube.DynamicClient, rehearsal: RehearsalDirectory
) -> None:
    plugin = _assets(KUBERNETES, "kserve-llmisvc")[KUBERNETES]
    charts = assets.module_dir("kserve") / "charts"
    _apply(client, _rendered(plugin, charts / "kserve-llmisvc-crd", "kserve"), "kserve")
    values = {"llmisvc": {"createGIECRDs": False}}
    objects = _rendered(plugin, charts / "kserve-llmisvc-resources", "kserve", kserve=values)
    ours = [one for one in objects if not one["kind"].endswith("WebhookConfiguration")]
    _apply(client, [one for one in ours if one["kind"] != "ClusterStorageContainer"], "kserve")
    labels = "control-plane=llmisvc-controller-manager"

    def waits() -> bool:
        events = kube.list_objects(client, "v1", "Event", "kserve")
        return any(e["reason"] == "FailedMount" and "llmisvc-webhook-server-cert" in e["message"] for e in events)

    wait_for("the wait for the certificate", waits)
    _certificate(client, rehearsal, "kserve", "llmisvc-webhook-server-cert")

    def ready() -> Json | None:
        pod = _pod_of(client, "kserve", labels)
        return pod if pod and is_ready(pod) else None

    pod = wait_for("KServe", ready, lambda: _logs(rehearsal, "kserve"))
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 0, _logs(rehearsal, "kserve")
    ports = json.loads(pod["metadata"]["annotations"][PORTS_ANNOTATION])
    assert set(ports) == {"8081", "8443", "9443"}
    assert len(set(ports.values())) == 3


def test_the_picker_runs_with_the_arguments_of_kserves_preset(client: kube.DynamicClient, namespace: Namespace) -> None:
    _assets("epp")
    crds = assets.module_dir("inference-extension") / "config" / "crd" / "bases"
    _apply(client, [d for f in crds.glob("*.yaml") for d in yaml.safe_load_all(f.read_text()) if d], namespace.name)
    picker = scheduler_pod(namespace.name)
    rules = [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": ["inference.networking.k8s.io"], "resources": ["*"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": ["inference.networking.x-k8s.io"], "resources": ["*"], "verbs": ["get", "list", "watch"]},
    ]
    rbac = "rbac.authorization.k8s.io"
    namespace.apply("Role", "picker", f"{rbac}/v1", rules=rules)
    reference = {"apiGroup": rbac, "kind": "Role", "name": "picker"}
    subjects = [{"kind": "ServiceAccount", "name": "default", "namespace": namespace.name}]
    namespace.apply("RoleBinding", "picker", f"{rbac}/v1", roleRef=reference, subjects=subjects)
    endpoint_picker = {"name": "picker", "port": {"number": 9002}}
    pool = {"selector": {"matchLabels": {"app": "m"}}, "targetPorts": [{"number": 8000}]}
    namespace.apply(
        "InferencePool", "p", "inference.networking.k8s.io/v1", spec=pool | {"endpointPickerRef": endpoint_picker}
    )
    namespace.pod("picker", picker)
    pod = namespace.wait_ready("picker")
    assert container(pod)["restartCount"] == 0, namespace.log("picker")
    assert set(json.loads(pod["metadata"]["annotations"][PORTS_ANNOTATION])) == {"9002", "9003", "9090"}


def scheduler_pod(namespace: str) -> Json:
    """The picker's container as KServe renders it from its preset, with TLS off, and our configuration."""
    preset = assets.module_dir("kserve") / "config" / "llmisvcconfig" / "config-llm-scheduler.yaml"
    document = yaml.safe_load(preset.read_text(encoding="utf-8"))
    made: Json = document["spec"]["router"]["scheduler"]["template"]["containers"][0]
    rendered = {"ChildName": "p", ".ObjectMeta.Namespace": namespace, "EnableTLS": ""}

    def render(word: str) -> str:
        return next((value for part, value in rendered.items() if "{{" in word and part in word), word)

    command = [render(word) for word in made["command"]]
    made["command"] = [*command, "--config-text", yaml.safe_dump(picker_config("prefixCache"))]
    return {key: made[key] for key in ("image", "command", "livenessProbe", "readinessProbe", "ports")}
