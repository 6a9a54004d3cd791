"""Command lines of etcd, kube-apiserver, kube-controller-manager and kube-scheduler.

Sources: the components' references (kubernetes.io/docs/reference/command-line-tools-reference), and envtest, which starts
the same two servers (kubernetes-sigs/controller-runtime, pkg/internal/testing/controlplane).
"""

from __future__ import annotations

from collections.abc import Mapping

import yaml

from rehearsal.control_plane import credentials
from rehearsal.directory import RehearsalDirectory, write_private

_EGRESS_SELECTOR = "egress-selector.yaml"
# Endpoints and EndpointSlices may not hold loopback addresses, and every address here is one: these controllers would
# only fail, again and again. The egress proxy and the load balancer find the pods of a Service by themselves.
# Nobody signs or approves certificates: kubelets here use the API as everybody else does.
_CONTROLLERS_OFF = (
    "endpoints-controller",
    "endpointslice-controller",
    "endpointslice-mirroring-controller",
    "certificatesigningrequest-signing-controller",
    "certificatesigningrequest-approving-controller",
    "certificatesigningrequest-cleaner-controller",
)


def etcd(directory: RehearsalDirectory, ports: Mapping[str, int]) -> list[str]:
    """etcd speaks TLS and takes only clients of our authority: every user of the machine can reach its port.

    `--unsafe-no-fsync`: its data need not outlive the machine.
    """
    certs = directory.certs
    client, peer = f"https://127.0.0.1:{ports['etcd']}", f"https://127.0.0.1:{ports['etcd-peer']}"
    return [
        "--name=rehearsal",
        f"--data-dir={directory.etcd}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=rehearsal={peer}",
        *(
            flag
            for side in ("", "peer-")
            for flag in (
                f"--{side}client-cert-auth",
                f"--{side}trusted-ca-file={certs / 'ca.crt'}",
                f"--{side}cert-file={certs / 'tls.crt'}",
                f"--{side}key-file={certs / 'tls.key'}",
            )
        ),
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def write_egress_selector(directory: RehearsalDirectory, port: int) -> None:
    """Send the API server's connections to webhooks through the CONNECT proxy on `port`.

    Over TCP the API server always speaks TLS with a client certificate to its proxy, whatever the URL's scheme says
    (k8s.io/apiserver v0.36.3, pkg/server/egressselector/egress_selector.go: `http://` passes validation and then
    panics). So nobody else may use the proxy.
    """
    tls = {"caBundle": "ca.crt", "clientCert": "tls.crt", "clientKey": "tls.key"}
    paths = {key: str(directory.certs / name) for key, name in tls.items()}
    transport = {"tcp": {"url": f"https://127.0.0.1:{port}", "tlsConfig": paths}}
    connection = {"proxyProtocol": "HTTPConnect", "transport": transport}
    document = {
        "apiVersion": "apiserver.k8s.io/v1beta1",
        "kind": "EgressSelectorConfiguration",
        "egressSelections": [{"name": "cluster", "connection": connection}],
    }
    write_private(directory.certs / _EGRESS_SELECTOR, yaml.safe_dump(document))


def kube_apiserver(directory: RehearsalDirectory, ports: Mapping[str, int], service_cidr: str) -> list[str]:
    """The API server. `--advertise-address` is set because without it a machine without a network can't start it;
    the plugin ExtendedResourceToleration adds the TPU toleration as GKE does."""
    certs = directory.certs
    return [
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={ports['kube-apiserver']}",
        f"--tls-cert-file={certs / 'tls.crt'}",
        f"--tls-private-key-file={certs / 'tls.key'}",
        f"--etcd-servers=https://127.0.0.1:{ports['etcd']}",
        f"--etcd-cafile={certs / 'ca.crt'}",
        f"--etcd-certfile={certs / 'tls.crt'}",
        f"--etcd-keyfile={certs / 'tls.key'}",
        f"--service-cluster-ip-range={service_cidr}",
        "--endpoint-reconciler-type=none",
        f"--egress-selector-config-file={certs / _EGRESS_SELECTOR}",
        "--authorization-mode=RBAC",
        f"--token-auth-file={credentials.token_file(directory)}",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={certs / 'service-account.key'}",
        f"--service-account-signing-key-file={certs / 'service-account.key'}",
        # Aggregation: an API server behind this one (KEDA's metrics) believes what it says of a caller.
        f"--requestheader-client-ca-file={certs / 'ca.crt'}",
        "--requestheader-allowed-names=kube-apiserver",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
        f"--proxy-client-cert-file={certs / 'tls.crt'}",
        f"--proxy-client-key-file={certs / 'tls.key'}",
        "--enable-admission-plugins=ExtendedResourceToleration",
        "--allow-privileged=true",
        "--profiling=false",
    ]


def _controller(directory: RehearsalDirectory) -> list[str]:
    """Without a server of its own: nobody would ask it."""
    return [f"--kubeconfig={directory.kubeconfig}", "--secure-port=0", "--leader-elect=false", "--profiling=false"]


def kube_controller_manager(directory: RehearsalDirectory) -> list[str]:
    """The controllers, each with its own service account.

    Node life cycle and pod garbage collection have their defaults: a node counts as lost 50 s after its last lease
    renewal, its pods are evicted 300 s later, and a pod whose node object is gone is deleted after 40 s. The emulator
    kubelet renews every 10 s.
    """
    return [
        *_controller(directory),
        f"--controllers=*,{','.join('-' + name for name in _CONTROLLERS_OFF)}",
        "--use-service-account-credentials=true",
        # The defaults (20, 30) spare a server that others share; here they make a first start 3 s longer.
        "--kube-api-qps=200",
        "--kube-api-burst=400",
        f"--service-account-private-key-file={directory.certs / 'service-account.key'}",
        f"--root-ca-file={directory.certs / 'ca.crt'}",
    ]


def kube_scheduler(directory: RehearsalDirectory) -> list[str]:
    """The scheduler with its default profile."""
    return _controller(directory)
