"""What the kubelet asks of the API server. Requests run in threads, so that the loop never waits for them."""

from __future__ import annotations

import asyncio
import datetime
import logging
from typing import Any

from kubernetes.client import CoreV1Api
from kubernetes.client.exceptions import ApiException

import cluster as kube

log = logging.getLogger(__name__)

Json = dict[str, Any]

# What a request may fail with: refused, the server is away, or it does not know its own kinds yet.
ERRORS = (ApiException, kube.ResourceNotFoundError, *kube.TRANSPORT_ERRORS)
MANAGER = "rehearsal-kubelet"
_GONE = (404, 409)  # not there, or another object of that name


class Api:
    """The API server, as seen by the kubelet. Where no errors are named, ERRORS are raised."""

    def __init__(self, client: kube.DynamicClient) -> None:
        self._client = client
        self._core: Any = CoreV1Api(client.client)

    async def write_status(self, target: Json, status: Json, annotations: dict[str, str] | None = None) -> bool:
        """Write an object's status, and annotations with it; False where the object is gone."""
        known = {key: target["metadata"][key] for key in ("name", "namespace", "uid") if key in target["metadata"]}
        body = {"apiVersion": "v1", "kind": target["kind"], "metadata": known | {"annotations": annotations or {}}}
        try:
            await asyncio.to_thread(
                kube.apply, self._client, body | {"status": status}, manager=MANAGER, subresource="status"
            )
        except ApiException as error:
            if error.status in _GONE:
                return False
            raise
        return True

    async def remove_pod(self, pod: Json) -> None:
        """Delete a pod object for good: its processes have ended."""
        where = pod["metadata"]["name"], pod["metadata"]["namespace"]
        await asyncio.to_thread(kube.delete, self._client, "v1", "Pod", *where, grace_seconds=0)

    async def token(self, pod: Json) -> str:
        """A token of the pod's service account. The API server extends one of an hour to a year (v1.36, ExtendExpiration)."""
        body = {"spec": {"audiences": [], "expirationSeconds": 3607, "boundObjectRef": _reference(pod)}}
        create = self._core.create_namespaced_service_account_token
        answer = await asyncio.to_thread(create, pod["spec"]["serviceAccountName"], pod["metadata"]["namespace"], body)
        return str(answer.status.token)

    async def event(self, pod: Json, kind: str, reason: str, message: str) -> None:
        """Record an Event of a pod; a lost one is not tried again."""
        namespace, time = pod["metadata"]["namespace"], _time("seconds")
        body = {
            "metadata": {"generateName": f"{pod['metadata']['name']}.", "namespace": namespace},
            "involvedObject": _reference(pod) | {"namespace": namespace},
            "type": kind,
            "reason": reason,
            "message": message[:1024],
            "source": {"component": "kubelet", "host": pod["spec"]["nodeName"]},
            "firstTimestamp": time,
            "lastTimestamp": time,
            "count": 1,
        }
        try:
            await asyncio.to_thread(self._core.create_namespaced_event, namespace, body)
        except ERRORS as error:
            log.debug("event %s of %s: %s", reason, body["involvedObject"], error)

    async def renew_lease(self, node: Json) -> None:
        """Renew a node's Lease."""
        name = node["metadata"]["name"]
        spec = {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": _time("microseconds")}
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": name, "namespace": "kube-node-lease", "ownerReferences": [_reference(node)]},
            "spec": spec,
        }
        await asyncio.to_thread(kube.apply, self._client, lease, manager=MANAGER)


def _reference(target: Json) -> Json:
    metadata = target["metadata"]
    return {"apiVersion": "v1", "kind": target["kind"], "name": metadata["name"], "uid": metadata["uid"]}


def _time(precision: str) -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec=precision)
