"""What the kubelet asks of the API server. Requests run in threads, so that the loop never waits for them."""

from __future__ import annotations

import asyncio
import datetime
import json
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from kubernetes.client.exceptions import ApiException

import cluster as kube

log = logging.getLogger(__name__)

Json = dict[str, Any]
T = TypeVar("T")

# What a request may fail with: refused, the server is away, or it does not know its own kinds yet.
ERRORS = (ApiException, kube.ResourceNotFoundError, *kube.TRANSPORT_ERRORS)
MANAGER = "rehearsal-kubelet"
LEASE_NAMESPACE = "kube-node-lease"
LEASE_SECONDS = 40
_THREADS = 8
_MESSAGE_LENGTH = 1024
_GONE = (404, 409)  # not there, or another object of that name


class Api:
    """The API server, as seen by the kubelet."""

    def __init__(self, client: kube.DynamicClient) -> None:
        self._client = client
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="api")

    async def _in_thread(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function)

    def _request(self, method: str, kind: str, metadata: Json, below: str = "", **arguments: Any) -> Json:
        path = kube.path_of(self._client, "v1", kind, metadata["namespace"], metadata.get("name"))
        answer = self._client.request(method, path + below, serialize=False, **arguments)
        document: Json = json.loads(answer.data)
        return document

    async def write_status(self, target: Json, status: Json) -> bool:
        """Write an object's status; False where the object is gone."""
        written = await self._in_thread(lambda: kube.patch_status(self._client, target, status, manager=MANAGER))
        return written is not None

    async def annotate(self, pod: Json, annotations: dict[str, str]) -> bool:
        """Set annotations of a pod; False where it is gone."""
        metadata = pod["metadata"]
        body = {"metadata": {"annotations": annotations, "uid": metadata["uid"]}}
        kind = "application/merge-patch+json"
        try:
            await self._in_thread(lambda: self._request("patch", "Pod", metadata, body=body, content_type=kind))
        except ApiException as error:
            if error.status in _GONE:
                return False
            raise
        return True

    async def remove_pod(self, pod: Json) -> bool:
        """Delete a pod object for good: its processes have ended. False where it is gone."""
        metadata = pod["metadata"]
        body = {"gracePeriodSeconds": 0, "preconditions": {"uid": metadata["uid"]}}
        try:
            await self._in_thread(lambda: self._request("delete", "Pod", metadata, body=body))
        except ApiException as error:
            if error.status in _GONE:
                return False
            raise
        return True

    async def token(self, pod: Json, audience: str | None, seconds: int) -> tuple[str, float]:
        """A token of the pod's service account, and how many seconds it is valid."""
        metadata = pod["metadata"]
        account = {
            "namespace": metadata["namespace"],
            "name": pod["spec"].get("serviceAccountName") or "default",
        }
        reference = {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]}
        spec: Json = {"expirationSeconds": seconds, "boundObjectRef": reference}
        if audience:
            spec["audiences"] = [audience]
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        answer = await self._in_thread(lambda: self._request("post", "ServiceAccount", account, "/token", body=body))
        ends = datetime.datetime.fromisoformat(answer["status"]["expirationTimestamp"])
        return str(answer["status"]["token"]), (ends - datetime.datetime.now(datetime.UTC)).total_seconds()

    async def event(self, pod: Json, kind: str, reason: str, message: str) -> None:
        """Record an Event of a pod; a lost one is not tried again."""
        metadata = pod["metadata"]
        time = _time("%Y-%m-%dT%H:%M:%SZ")
        identity = {key: metadata[key] for key in ("name", "namespace", "uid")}
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": f"{metadata['name']}.", "namespace": metadata["namespace"]},
            "involvedObject": {"apiVersion": "v1", "kind": "Pod", **identity},
            "type": kind,
            "reason": reason,
            "message": message[:_MESSAGE_LENGTH],
            "source": {"component": "kubelet", "host": pod["spec"].get("nodeName", "")},
            "firstTimestamp": time,
            "lastTimestamp": time,
            "count": 1,
        }
        where = {"namespace": metadata["namespace"]}
        try:
            await self._in_thread(lambda: self._request("post", "Event", where, body=body))
        except ERRORS as error:
            log.debug("event %s of %s: %s", reason, metadata["name"], error)

    async def renew_lease(self, node: Json) -> None:
        """Renew a node's Lease."""
        metadata = node["metadata"]
        owner = {"apiVersion": "v1", "kind": "Node", "name": metadata["name"], "uid": metadata["uid"]}
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": metadata["name"], "namespace": LEASE_NAMESPACE, "ownerReferences": [owner]},
            "spec": {
                "holderIdentity": metadata["name"],
                "leaseDurationSeconds": LEASE_SECONDS,
                "renewTime": _time("%Y-%m-%dT%H:%M:%S.%fZ"),
            },
        }
        await self._in_thread(lambda: kube.apply(self._client, lease, manager=MANAGER))

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _time(form: str) -> str:
    return datetime.datetime.now(datetime.UTC).strftime(form)
