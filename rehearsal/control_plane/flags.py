"""Command lines of etcd, kube-apiserver, kube-controller-manager and kube-scheduler.

Sources: the components' references (kubernetes.io/docs/reference/command-line-tools-reference), and envtest, which starts
the same two servers (kubernetes-sigs/controller-runtime, pkg/internal/testing/controlplane).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

from rehearsal.control_plane import credentials
from rehearsal.directory import RehearsalDirectory, write_private

ISSUER = "https://kubernetes.default.svc.cluster.local"

# Endpoints and EndpointSlices may not hold loopback addresses, and every address here is one: these controllers would
# only fail, again and again. The forwarder finds the pods of a Service by itself.
# Nobody signs or approves certificates: kubelets here use the API as everybody else does.
CONTROLLERS_OFF = (
    "endpoints-controller",
    "endpointslice-controller",
    "endpointslice-mirroring-controller",
    "certificatesigningrequest-signing-controller",
    "certificatesigningrequest-approving-controller",
    "certificatesigningrequest-cleaner-controller",
)


def etcd(directory: RehearsalDirectory, ports: Mapping[str, int]) -> list[str]:
    """etcd speaks TLS and takes only clients of our authority: every user of the machine can reach its port.

    `--unsafe-no-fsync`: a killed process loses nothing, only a machine that stops at once could.
    """
    certs, client, peer = (
        directory.certs,
        f"https://127.0.0.1:{ports['etcd']}",
        f"https://127.0.0.1:{ports['etcd-peer']}",
    )
    return [
        "--name=rehearsal",
        f"--data-dir={directory.etcd}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=rehearsal={peer}",
        "--client-cert-auth",
        f"--trusted-ca-file={certs / 'ca.crt'}",
        f"--cert-file={certs / 'etcd.crt'}",
        f"--key-file={certs / 'etcd.key'}",
        "--peer-client-cert-auth",
        f"--peer-trusted-ca-file={certs / 'ca.crt'}",
        f"--peer-cert-file={certs / 'etcd.crt'}",
        f"--peer-key-file={certs / 'etcd.key'}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def write_egress_selector(directory: RehearsalDirectory, port: int) -> Path:
    """The file that sends the API server's connections to webhooks and pods through the CONNECT proxy on `port`.

    Over TCP the API server always speaks TLS with a client certificate to its proxy, whatever the URL's scheme says
    (k8s.io/apiserver v0.36.3, pkg/server/egressselector/egress_selector.go: `http://` passes validation and then
    panics). So nobody else may use the proxy.
    """
    certs = directory.certs
    tls = {"caBundle": "ca.crt", "clientCert": "client.crt", "clientKey": "client.key"}
    document = {
        "apiVersion": "apiserver.k8s.io/v1beta1",
        "kind": "EgressSelectorConfiguration",
        "egressSelections": [
            {
                "name": "cluster",
                "connection": {
                    "proxyProtocol": "HTTPConnect",
                    "transport": {
                        "tcp": {
                            "url": f"https://127.0.0.1:{port}",
                            "tlsConfig": {key: str(certs / name) for key, name in tls.items()},
                        }
                    },
                },
            }
        ],
    }
    path = certs / "egress-selector.yaml"
    write_private(path, yaml.safe_dump(document))
    return path


def kube_apiserver(directory: RehearsalDirectory, ports: Mapping[str, int], service_cidr: str) -> list[str]:
    """The API server. `--advertise-address` is set because without it a machine without a network can't start it;
    the plugin ExtendedResourceToleration adds the TPU toleration as GKE does."""
    certs = directory.certs
    return [
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={ports['kube-apiserver']}",
        f"--tls-cert-file={certs / 'server.crt'}",
        f"--tls-private-key-file={certs / 'server.key'}",
        f"--etcd-servers=https://127.0.0.1:{ports['etcd']}",
        f"--etcd-cafile={certs / 'ca.crt'}",
        f"--etcd-certfile={certs / 'client.crt'}",
        f"--etcd-keyfile={certs / 'client.key'}",
        f"--service-cluster-ip-range={service_cidr}",
        "--endpoint-reconciler-type=none",
        f"--egress-selector-config-file={certs / 'egress-selector.yaml'}",
        "--authorization-mode=RBAC",
        f"--token-auth-file={credentials.token_file(directory)}",
        f"--service-account-issuer={ISSUER}",
        f"--service-account-key-file={certs / 'service-account.pub'}",
        f"--service-account-signing-key-file={certs / 'service-account.key'}",
        "--enable-admission-plugins=ExtendedResourceToleration",
        "--allow-privileged=true",
        "--profiling=false",
    ]


def _controller(directory: RehearsalDirectory, name: str, port: int) -> list[str]:
    return [
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--tls-cert-file={directory.certs / 'server.crt'}",
        f"--tls-private-key-file={directory.certs / 'server.key'}",
        f"--kubeconfig={credentials.controller_kubeconfig(directory, name)}",
        # Nobody but our health check asks this server, and health needs no user.
        "--authentication-skip-lookup=true",
        "--leader-elect=false",
        "--profiling=false",
    ]


def kube_controller_manager(directory: RehearsalDirectory, ports: Mapping[str, int]) -> list[str]:
    """The controllers, each with its own service account.

    Node life cycle and pod garbage collection have their defaults: a node counts as lost 50 s after its last lease
    renewal, its pods are evicted 300 s later, and a pod whose node object is gone is deleted after 40 s. The stand-in
    kubelet renews every 10 s. After a restart the clock starts anew, so a long pause harms nothing.
    """
    return [
        *_controller(directory, "kube-controller-manager", ports["kube-controller-manager"]),
        f"--controllers=*,{','.join('-' + name for name in CONTROLLERS_OFF)}",
        "--use-service-account-credentials=true",
        # The defaults (20, 30) spare a server that others share; here they make a first start 3 s longer.
        "--kube-api-qps=200",
        "--kube-api-burst=400",
        f"--service-account-private-key-file={directory.certs / 'service-account.key'}",
        f"--root-ca-file={directory.certs / 'ca.crt'}",
    ]


def kube_scheduler(directory: RehearsalDirectory, ports: Mapping[str, int]) -> list[str]:
    """The scheduler with its default profile."""
    return _controller(directory, "kube-scheduler", ports["kube-scheduler"])
