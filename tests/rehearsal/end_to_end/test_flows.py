"""Every connection that the processes of a rehearsal really have is one that the network policies let through."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psutil

import cluster as kube
from manifests.isolation import network_policies
from rehearsal.directory import MARK
from rehearsal.kubelet.launch import POD_IP_VARIABLE
from tests.flows import End, allowed
from tests.manifests.test_manifests import DEPLOYMENTS
from tests.rehearsal.end_to_end.command import Rehearsal
from tests.rehearsal.end_to_end.traffic import NAMESPACE, client_of, pod_address

Flow = tuple[str, str, int]
_PROXY = End(address="10.129.0.7")
_OUTSIDE = End(address="203.0.113.7")


def pods(dev: Rehearsal) -> tuple[dict[str, End], dict[str, tuple[str, int]]]:
    """Pods of the models' namespace by address, and pod and container port by the address where each is reached."""
    ends, ports = {}, {}
    for pod in kube.list_objects(dev.client, "v1", "Pod", NAMESPACE):
        ip = pod["status"]["podIP"]
        ends[ip] = End(NAMESPACE, pod["metadata"]["labels"], ip)
        for container in pod["spec"]["containers"]:
            for port in container.get("ports", []):
                number = port["containerPort"]
                ports[pod_address(dev, pod["metadata"]["name"], number)] = ip, number
    return ends, ports


def flows(dev: Rehearsal, ports: dict[str, tuple[str, int]], ends: dict[str, End]) -> set[Flow]:
    """(pod or "", pod or "", port) of each connection that a process of the rehearsal has opened."""
    found = set()
    for process in psutil.process_iter():
        try:
            environment = process.environ()
            connections = process.net_connections("tcp")
        except (psutil.AccessDenied, psutil.NoSuchProcess):
            continue
        if environment.get(MARK) != str(dev.directory.root):
            continue
        source = environment.get(POD_IP_VARIABLE, "")
        listening = {c.laddr for c in connections if c.status == psutil.CONN_LISTEN}
        for connection in connections:
            if connection.status != psutil.CONN_ESTABLISHED or connection.laddr in listening:
                continue
            target, port = ports.get(f"{connection.raddr.ip}:{connection.raddr.port}", ("", 443))
            if (source in ends or target) and source != target:
                found.add((source if source in ends else "", target, port))
    return found


def test_every_connection_of_the_rehearsal_is_let_through_by_the_policies(dev: Rehearsal) -> None:
    ends, ports = pods(dev)
    policies = network_policies(DEPLOYMENTS["Pulumi.dev.yaml"])
    seen: set[Flow] = set()
    wanted = {("", 8000), ("", 9002), ("picker", 8000)}

    def roles() -> set[tuple[str, int]]:
        return {("picker" if source else "", port) for source, target, port in seen if target}

    def look() -> bool:
        seen.update(flows(dev, ports, ends))
        return wanted <= roles()

    client = client_of(dev)
    with ThreadPoolExecutor(1) as pool:
        while not look():
            # Again until they were seen: a busy machine may look only when they are over.
            answers = pool.submit(client.streams, ["A long answer, please"] * 4)
            while not answers.done():
                look()
    for source, target, port in seen:
        there = ends.get(target, _OUTSIDE)
        assert allowed(policies, ends.get(source, _PROXY), there, port), (source, target, port)
    assert not allowed(policies, _OUTSIDE, next(iter(ends.values())), 8000)
