"""`python -m rehearsal.keda DIR`: KEDA's operator and metrics adapter, once their definitions are there."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import cluster as kube
from rehearsal import assets, cloud
from rehearsal.control_plane.children import Child
from rehearsal.control_plane.names import PROMETHEUS, STORAGE
from rehearsal.directory import RehearsalDirectory
from rehearsal.emulator import Emulator, main
from rehearsal.keda import monitoring
from rehearsal.model_server.options import Timing
from rehearsal.ports import claim

NAMESPACE, ACCOUNT = "keda", "keda-operator"
_SERVICE = "keda-metrics-apiserver"
_DEFINITIONS = (
    "scaledobjects.keda.sh",
    "clustertriggerauthentications.keda.sh",
    "clustercloudeventsources.eventing.keda.sh",
)
_PERIOD, _END_SECONDS = 0.5, 5.0
_ROLE = "roles/monitoring.viewer"


def shorter_windows(speed: float) -> list[dict[str, object]]:
    """The windows of KEDA's HorizontalPodAutoscalers, divided by `speed` as the start is that they follow.

    The API server does it, so that the ScaledObject and what KEDA makes of it are the cloud's. A change that leaves the
    behaviour alone divides nothing again.
    """
    name = {"name": "rehearsal-windows"}
    matched = {
        "ours": "object.metadata.name.startsWith('keda-hpa-')",
        "changed": "oldObject == null || object.spec.?behavior != oldObject.spec.?behavior",
    }
    patches = [
        f"JSONPatch{{op: 'replace', path: '/spec/behavior/{way}/stabilizationWindowSeconds', "
        f"value: object.spec.behavior.{way}.stabilizationWindowSeconds / {speed:.0f}}}"
        for way in ("scaleUp", "scaleDown")
    ]
    resources = {"apiGroups": ["autoscaling"], "apiVersions": ["v2"], "resources": ["horizontalpodautoscalers"]}
    spec = {
        "failurePolicy": "Fail",
        "reinvocationPolicy": "Never",
        "matchConstraints": {"resourceRules": [{**resources, "operations": ["CREATE", "UPDATE"]}]},
        "matchConditions": [{"name": name, "expression": condition} for name, condition in matched.items()],
        "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": f"[{', '.join(patches)}]"}}],
    }
    made = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": name}
    return [
        {**made, "kind": "MutatingAdmissionPolicy", "spec": spec},
        {**made, "kind": "MutatingAdmissionPolicyBinding", "spec": {"policyName": name["name"]}},
    ]


def registration(port: int) -> list[dict[str, object]]:
    """The external metrics API at a port of this machine. kube-aggregator takes an ExternalName as it is, without endpoints."""
    name = {"name": _SERVICE, "namespace": NAMESPACE}
    service = {"type": "ExternalName", "externalName": "localhost", "ports": [{"port": port}]}
    api = {
        "service": {**name, "port": port},
        "group": "external.metrics.k8s.io",
        "version": "v1beta1",
        "insecureSkipTLSVerify": True,
        "groupPriorityMinimum": 100,
        "versionPriority": 100,
    }
    return [
        {"apiVersion": "v1", "kind": "Service", "metadata": name, "spec": service},
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": "v1beta1.external.metrics.k8s.io"},
            "spec": api,
        },
    ]


def commands(directory: RehearsalDirectory, ports: dict[str, int], programs: dict[str, Path]) -> dict[str, list[str]]:
    """Command lines of both programs; `env` gives them what a pod's environment has on the cloud."""
    certs, storage = directory.certs, directory.load_record().ports[STORAGE]
    variables = [
        f"KUBECONFIG={directory.kubeconfig}",
        f"KEDA_CLUSTER_OBJECT_NAMESPACE={NAMESPACE}",
        "WATCH_NAMESPACE=",  # all of them
        f"GCE_METADATA_HOST=127.0.0.1:{storage}/{NAMESPACE}/{NAMESPACE}/{ACCOUNT}",
        f"HTTPS_PROXY=http://127.0.0.1:{ports['monitoring']}",
        f"SSL_CERT_FILE={certs / 'ca.crt'}",
    ]
    service = f"127.0.0.1:{ports['service']}"
    operator = [
        "--metrics-bind-address=0",
        "--health-probe-bind-address=0",
        f"--metrics-service-bind-address={service}",
    ]
    operator += [f"--cert-dir={certs}", "--enable-webhook-patching=false", "--enable-apiservice-patching=false"]
    adapter = ["--port=0", "--bind-address=127.0.0.1", f"--secure-port={ports['adapter']}", f"--cert-dir={certs}"]
    adapter += [f"--tls-cert-file={certs / 'tls.crt'}", f"--tls-private-key-file={certs / 'tls.key'}"]
    adapter += [f"--client-ca-file={certs / 'ca.crt'}"]
    adapter += [f"--metrics-service-address=localhost:{ports['service']}"]
    adapter += [f"--{use}-kubeconfig={directory.kubeconfig}" for use in ("lister", "authentication", "authorization")]
    arguments = {"keda-operator": operator, "keda-adapter": adapter}
    return {name: ["env", *variables, str(programs[name]), *words] for name, words in arguments.items()}


def run(own: Emulator) -> None:
    """Until the process is told to end.

    Raises:
        ChildError: one of the two has ended.
    """
    directory, client = own.directory, own.connect()
    claims = {name: claim() for name in ("monitoring", "service", "adapter")}
    ports = {name: held.port for name, held in claims.items()}
    programs = {name: found.path for name, found in assets.find(["keda-operator", "keda-adapter"]).items()}

    def allowed(caller: str, project: str) -> bool:
        member = "/subject/ns/{}/sa/{}".format(*caller.partition("/")[::2])
        grants = cloud.read_all(directory.cloud, "gcp:projects/iAMMember:IAMMember")
        found = [grant.state for grant in grants if grant.state["role"] == _ROLE]
        return any(one["project"] == project and one["member"].endswith(member) for one in found)

    prometheus = directory.load_record().ports[PROMETHEUS]
    for wanted in shorter_windows(Timing.of(os.environ).speed):
        kube.apply(client, wanted, manager="keda")
    with monitoring.server(directory.certs, ports["monitoring"], prometheus, allowed) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        needed = [*_DEFINITIONS]
        while needed and not own.stop.wait(_PERIOD):
            needed = [name for name in needed if not kube.serves(client, name)]
        children = [] if needed else [Child(directory, *pair) for pair in commands(directory, ports, programs).items()]
        for wanted in registration(ports["adapter"]) if children else ():
            kube.apply(client, wanted, manager="keda")
        try:
            while not own.stop.wait(_PERIOD):
                for child in children:
                    child.check()
        finally:
            for child in children:
                child.end(_END_SECONDS)
            proxy.shutdown()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], run))
