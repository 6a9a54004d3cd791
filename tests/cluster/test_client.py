"""The shared client against a real API server: late kinds, watches that survive, status, server-side apply."""

from __future__ import annotations

import queue
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

import cluster as kube
from cluster import watching
from tests.rehearsal.plane import Plane, until


def note(name: str, **data: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def definition(group: str, *, extra: int = 0) -> dict[str, Any]:
    """A CRD with a status; `extra` bytes of description make it large."""
    description = "x" * extra
    schema = {"type": "object", "description": description, "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
    }
    names = {"kind": "Late", "plural": "lates", "singular": "late", "listKind": "LateList"}
    spec = {"group": group, "names": names, "scope": "Namespaced", "versions": [version]}
    metadata = {"name": f"lates.{group}"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": metadata,
        "spec": spec,
    }


def late(group: str, name: str = "one") -> dict[str, Any]:
    return {"apiVersion": f"{group}/v1", "kind": "Late", "metadata": {"name": name, "namespace": "default"}}


class Watched:
    """A watch in a thread, and what it has seen."""

    def __init__(self, client: kube.DynamicClient, api_version: str, kind: str) -> None:
        self.stop = threading.Event()
        self.events: queue.Queue[tuple[str, str]] = queue.Queue()
        events = kube.watch(client, api_version, kind, stop=self.stop, namespace="default")
        self.thread = threading.Thread(target=self._run, args=(events,))
        self.thread.start()

    def _run(self, events: Iterator[kube.Event]) -> None:
        for event in events:
            name = event.object["metadata"]["name"]
            if name != "kube-root-ca.crt":
                self.events.put((event.type, name))

    def next(self) -> tuple[str, str]:
        return self.events.get(timeout=60)


@pytest.fixture
def watching_thread() -> Iterator[Callable[..., Watched]]:
    made: list[Watched] = []

    def make(client: kube.DynamicClient, api_version: str = "v1", kind: str = "ConfigMap") -> Watched:
        made.append(Watched(client, api_version, kind))
        return made[-1]

    yield make
    for watched in made:
        watched.stop.set()
        watched.thread.join()


def test_apply_owns_its_fields_and_a_dry_run_changes_nothing(plane: Plane) -> None:
    kube.apply(plane.client, note("applied", a="1"), manager="one")
    kube.apply(plane.client, note("applied", b="2"), manager="two")
    kube.apply(plane.client, note("applied", c="3"), manager="one", dry_run=True)
    found = kube.get(plane.client, "v1", "ConfigMap", "applied", "default")
    assert found is not None
    assert found["data"] == {"a": "1", "b": "2"}
    assert kube.apply(plane.client, note("applied", c="3"), manager="one")["data"] == {"b": "2", "c": "3"}
    with pytest.raises(kube.ApiException) as error:
        kube.apply(plane.client, note("applied", b="9"), manager="one", force=False)
    assert error.value.status == 409
    assert kube.delete(plane.client, "v1", "ConfigMap", "applied", "default")
    assert not kube.delete(plane.client, "v1", "ConfigMap", "applied", "default")


def test_a_kind_that_appears_later_is_found_and_a_large_crd_is_taken(plane: Plane) -> None:
    group = "late.example.com"
    assert kube.get(plane.client, f"{group}/v1", "Late", "one", "default") is None
    with pytest.raises(kube.ResourceNotFoundError):
        kube.apply(plane.client, late(group), manager="test")
    kube.apply(plane.client, definition(group, extra=700_000), manager="test")

    def apply_works() -> bool:
        try:
            kube.apply(plane.client, late(group), manager="test")
        except (kube.ResourceNotFoundError, kube.NotFoundError):
            return False
        return True

    until(apply_works)
    assert [item["kind"] for item in kube.list_objects(plane.client, f"{group}/v1", "Late")] == ["Late"]


def test_discovery_leaves_no_file_behind(plane: Plane) -> None:
    kube.list_objects(kube.connect(plane.directory.kubeconfig), "apps/v1", "Deployment")
    assert list(Path(tempfile.gettempdir()).glob("osrcp-*")) == []


def test_a_watch_waits_for_its_kind_and_status_is_written(
    plane: Plane, watching_thread: Callable[..., Watched]
) -> None:
    group = "status.example.com"
    watched = watching_thread(plane.client, f"{group}/v1", "Late")
    kube.apply(plane.client, definition(group), manager="test")
    made = until(lambda: created(plane, late(group)))
    assert made is not None
    assert watched.next() == ("ADDED", "one")
    answer = kube.patch_status(plane.client, made, {"phase": "Good", "note": "x"}, manager="test")
    assert answer is not None
    assert answer["status"] == {"phase": "Good", "note": "x"}
    # One by one: where a watch has to list again, it tells the last state only.
    assert watched.next() == ("MODIFIED", "one")
    answer = kube.patch_status(plane.client, made, {"phase": "Better"}, manager="test")
    assert answer is not None
    assert answer["status"] == {"phase": "Better"}
    assert watched.next() == ("MODIFIED", "one")
    kube.delete(plane.client, f"{group}/v1", "Late", "one", "default")
    assert watched.next() == ("DELETED", "one")
    assert kube.patch_status(plane.client, made, {"phase": "Late"}, manager="test") is None
    assert kube.list_objects(plane.client, f"{group}/v1", "Late") == []


def created(plane: Plane, manifest: dict[str, Any]) -> kube.KubeObject | None:
    try:
        return kube.apply(plane.client, manifest, manager="test")
    except (kube.ResourceNotFoundError, kube.NotFoundError):
        return None


def test_a_store_follows_and_gives_copies(plane: Plane) -> None:
    stop_store, changes = threading.Event(), threading.Event()
    store = kube.Store(plane.client, "v1", "ConfigMap", stop=stop_store, on_change=changes.set)
    assert store.wait_synced(60)
    kube.apply(plane.client, note("stored", a="1"), manager="test")
    until(lambda: store.get("stored", "default"))
    copy = store.get("stored", "default")
    assert copy is not None
    copy["data"]["a"] = "2"
    assert (store.get("stored", "default") or {})["data"] == {"a": "1"}
    kube.delete(plane.client, "v1", "ConfigMap", "stored", "default")
    until(lambda: "stored" not in [item["metadata"]["name"] for item in store.all()])
    assert changes.is_set()
    stop_store.set()


def test_a_kubeconfig_without_a_ca_trusts_the_environments_and_no_proxy_is_used(
    plane: Plane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = yaml.safe_load(plane.directory.kubeconfig.read_text())
    del document["clusters"][0]["cluster"]["certificate-authority-data"]
    config = tmp_path / "config"
    config.write_text(yaml.safe_dump(document))
    monkeypatch.setenv("SSL_CERT_FILE", str(plane.directory.certs / "ca.crt"))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    assert kube.get(kube.connect(config), "v1", "Namespace", "default")
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(kube.ApiException, match="CERTIFICATE_VERIFY_FAILED"):
        kube.connect(config)


def test_a_watch_goes_on_after_the_server_ends_it_and_lists_again_when_it_is_too_old(
    plane: Plane, watching_thread: Callable[..., Watched], monkeypatch: pytest.MonkeyPatch
) -> None:
    requests: list[object] = []
    stream = watching._stream

    def counted(*arguments: Any) -> Iterator[Any]:
        requests.append(arguments)
        return stream(*arguments)

    monkeypatch.setattr(watching, "_WATCH_SECONDS", 1)
    monkeypatch.setattr(watching, "_stream", counted)
    kube.apply(plane.client, note("kept"), manager="test")
    watched = watching_thread(plane.client)
    while watched.next() != ("ADDED", "kept"):  # what other tests left
        pass
    until(lambda: len(requests) >= 3)
    kube.apply(plane.client, note("new"), manager="test")
    assert watched.next() == ("ADDED", "new")
    kube.delete(plane.client, "v1", "ConfigMap", "kept", "default")
    assert watched.next() == ("DELETED", "kept")


def test_a_watch_lists_again_when_the_server_no_longer_has_its_version(
    plane: Plane, watching_thread: Callable[..., Watched], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a server says it whose events have been compacted since."""
    request, watches = plane.client.request, list[str]()
    expired = b'{"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}}\n'

    def first_watch_is_too_old(method: str, path: str, **options: Any) -> Any:
        if "watch" in options:
            watches.append(path)
            if len(watches) == 1:
                return SimpleNamespace(stream=lambda _: [expired], close=lambda: None)
        return request(method, path, **options)

    monkeypatch.setattr(plane.client, "request", first_watch_is_too_old)
    kube.apply(plane.client, note("again"), manager="test")
    watched = watching_thread(plane.client)
    until(lambda: len(watches) >= 2)
    kube.delete(plane.client, "v1", "ConfigMap", "again", "default")
    # The second list said nothing new: everything once, then the deletion.
    seen = [watched.next()]
    while seen[-1][0] == "ADDED":
        seen.append(watched.next())
    assert seen[-1] == ("DELETED", "again")
    assert len(set(seen)) == len(seen)
