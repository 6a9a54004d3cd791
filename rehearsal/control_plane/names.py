"""Names of processes, as they stand in the record, in logs and in messages."""

from __future__ import annotations

BINARIES = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
SUPERVISOR = "supervisor"
EGRESS_PROXY = "egress-proxy"
STORAGE = "storage"
PROMETHEUS = "prometheus"

# What acts in and beside the cluster, in the order in which it is started; each is run as `python -m MODULE DIRECTORY`.
CONTROLLERS = ("rehearsal.kubelet", "rehearsal.gke", "rehearsal.cert_manager", "rehearsal.storage")
# Started only where metrics are asked for; the second where replicas follow them.
COLLECTOR, KEDA = "rehearsal.collector", "rehearsal.keda"
