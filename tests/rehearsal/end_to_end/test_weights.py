"""A bucket in a rehearsal: filled once, read by every start, and what is wrong with it named before a server starts.

The tests go on from each other: each leaves the environment serving. `make test-all` runs them.
"""

from __future__ import annotations

import contextlib
import json
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest

import cluster as kube
from rehearsal import cloud
from rehearsal.cloud import CloudResource
from rehearsal.control_plane.names import STORAGE
from rehearsal.storage.__main__ import BUCKET, GRANT
from tests.everything import of_everything
from tests.rehearsal.end_to_end.command import Rehearsal, serving, wait_until
from tests.rehearsal.end_to_end.conftest import copied

pytestmark = of_everything

NAMESPACE, MODEL = "llm-serving", "qwen2-5-7b"
COMMIT = "a09a35458c702b33eeacc393d103063234e8bc28"
FILES, MARKER = (
    f"weights/files/Qwen/Qwen2.5-7B-Instruct/{COMMIT}/",
    f"weights/whole/Qwen/Qwen2.5-7B-Instruct/{COMMIT}.json",
)
SHARD = f"{FILES}model-00002-of-00002.safetensors"
HIT, MISS = "Persistent compilation cache hit", "Persistent compilation cache miss"


class Place:
    """The rehearsal, its bucket as an owner sees it, and its pods."""

    def __init__(self, rehearsal: Rehearsal) -> None:
        self.rehearsal, self.folder = rehearsal, rehearsal.directory.cloud
        [self.bucket] = cloud.read_all(self.folder, BUCKET)
        self.address = f"http://127.0.0.1:{rehearsal.directory.load_record().ports[STORAGE]}"
        self.grant("test", "owner", "legacyBucketReader")
        self.grant("test", "owner", "objectUser")

    def grant(self, namespace: str, account: str, role: str) -> None:
        member = f"principal://iam.googleapis.com/subject/ns/{namespace}/sa/{account}"
        state = {"bucket": self.bucket.name, "role": f"roles/storage.{role}", "member": member}
        cloud.write(self.folder, CloudResource(GRANT, role, f"{account}/{role}", "", None, state))

    def ask(self, method: str, path: str, body: bytes | None = None, **query: str) -> bytes:
        headers = {"Authorization": "Bearer test/owner"}
        request = urllib.request.Request(  # noqa: S310 - of the emulator, always http
            f"{self.address}{path}?{urlencode(query)}", body, headers, method=method
        )
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
            return bytes(answer.read())

    def _path(self, name: str) -> str:
        return f"/storage/v1/b/{self.bucket.name}/o/{quote(name, safe='')}"

    def names(self, prefix: str) -> dict[str, str]:
        """Objects with their generations, which change whenever one is written."""
        found = json.loads(self.ask("GET", f"/storage/v1/b/{self.bucket.name}/o", prefix=prefix))["items"]
        return {item["name"]: item["generation"] for item in found}

    def read(self, name: str) -> bytes:
        return self.ask("GET", self._path(name), alt="media")

    def put(self, name: str, content: bytes) -> None:
        self.ask("POST", f"/upload/storage/v1/b/{self.bucket.name}/o", content, uploadType="media", name=name)

    def remove(self, name: str) -> None:
        self.ask("DELETE", self._path(name))

    @contextlib.contextmanager
    def without_role(self, account: str, role: str) -> Iterator[None]:
        """Within the block an account lacks a role on the bucket."""
        held = [
            grant
            for grant in cloud.read_all(self.folder, GRANT)
            if grant.state["member"].endswith(f"/sa/{account}") and grant.state["role"] == f"roles/storage.{role}"
        ]
        assert held
        for grant in held:
            cloud.remove(self.folder, GRANT, grant.id)
        try:
            yield
        finally:
            for grant in held:
                cloud.write(self.folder, grant)

    def pods(self) -> list[str]:
        """The model's servers that nobody has deleted."""
        found = kube.list_objects(self.rehearsal.client, "v1", "Pod", label_selector="kserve.io/component=workload")
        return sorted(pod["metadata"]["name"] for pod in found if "deletionTimestamp" not in pod["metadata"])

    def of_job(self, name: str) -> list[str]:
        """A Job's pods, the oldest first, by their logs, which outlive them."""
        folders = (self.rehearsal.directory.pods / NAMESPACE).glob(f"{name}-?????")
        return [path.name for path in sorted(folders, key=lambda path: path.stat().st_ctime)]

    def log(self, pod: str, container: str) -> str:
        """All that a container has said, over its restarts."""
        files = sorted((self.rehearsal.directory.pods / NAMESPACE / pod).glob(f"*/{container}/*.log"))
        return "".join(path.read_text(encoding="utf-8") for path in files)

    def ready(self, count: int) -> None:
        """Wait until so many servers are Ready, and no other pod of theirs is there."""

        def all_ready() -> bool:
            pods = kube.list_objects(self.rehearsal.client, "v1", "Pod", label_selector="kserve.io/component=workload")
            said = [{c["type"]: c["status"] for c in pod["status"].get("conditions") or ()} for pod in pods]
            return [one.get("Ready") for one in said] == ["True"] * count

        wait_until(all_ready, lambda: True, lambda: str(self.pods()), pause=0.2)

    def restart(self) -> str:
        """Delete one server; the name of the pod in its place."""
        before = self.pods()
        kube.delete(self.rehearsal.client, "v1", "Pod", before[0], NAMESPACE)
        wait_until(lambda: len(set(self.pods()) - set(before)) == 1, lambda: True, lambda: str(self.pods()), pause=0.2)
        [fresh] = set(self.pods()) - set(before)
        return fresh

    def verified(self, failure: str, words: str) -> dict[str, Any]:
        """Ask verify until its check `starts` names a failure in these words; its document."""
        found: dict[str, Any] = {}

        def named() -> bool:
            found.update(serving("verify", str(self.rehearsal.file), "--quick", "--format", "json").document)
            [check] = [check for check in found["checks"] if check["check"] == "starts"]
            return any(r["failure"] == failure and words in r["message"] for r in check["results"])

        wait_until(named, lambda: True, lambda: json.dumps(found, indent=1), pause=0.5)
        print(f"verify: {failure}: {words}")
        return found

    def fill(self, name: str) -> None:
        """Run the Job that fills the bucket once more, as `pulumi up --refresh` does where it was deleted."""
        job = kube.get(self.rehearsal.client, "batch/v1", "Job", f"{MODEL}-weights", NAMESPACE)
        assert job is not None
        pod = {"spec": job["spec"]["template"]["spec"]}
        spec = {"backoffLimit": job["spec"]["backoffLimit"], "template": pod}
        metadata = {"name": name, "namespace": NAMESPACE}
        made = {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}
        kube.apply(self.rehearsal.client, made, manager="test")

    def wait_for_log(self, job: str, words: str) -> None:
        def said() -> bool:
            return any(words in self.log(pod, "weights") for pod in self.of_job(job))

        wait_until(said, lambda: True, lambda: str([self.log(pod, "weights") for pod in self.of_job(job)]), pause=0.1)

    def filled(self, name: str) -> str:
        """Wait until a Job is done; what its last pod said."""

        def done() -> bool:
            job = kube.get(self.rehearsal.client, "batch/v1", "Job", name, NAMESPACE)
            return job is not None and bool((job.get("status") or {}).get("succeeded"))

        wait_until(done, lambda: True, lambda: str(self.of_job(name)), pause=0.2)
        return self.log(self.of_job(name)[-1], "weights")


@pytest.fixture(scope="module")
def place(binaries: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The example with one replica, up."""
    for rehearsal in copied("examples/weights-bucket.yaml", tmp_path_factory.mktemp("weights")):
        rehearsal.change(lambda config: config["tpu-serving:models"][0].update({"replicas": 1}))
        yield Place(rehearsal.running())


def compiled(log: str) -> tuple[str, float]:
    """Hit or miss, and seconds of the log's time line from there until the engine was ready."""
    [kept] = re.findall(f"{HIT}|{MISS}", log)
    [seconds] = re.findall(r"init engine .* took ([\d.]+) s", log)
    return kept, float(seconds)


def test_the_first_replica_waits_for_the_filled_bucket_and_the_second_reads_all_of_it(place: Place) -> None:
    job = place.filled(f"{MODEL}-weights")
    assert "0 of them are there" in job and ": filled, 5 files" in job
    # On a new node the metadata server was late: it was waited for, and the server started.
    [first] = place.pods()
    looked = place.log(first, "weights")
    assert "no token from the metadata server" in job + looked
    assert "whole, 5 files" in looked and "cold, this start fills it" in looked
    assert "[RunAI Streamer] 2 files" in place.log(first, "main")
    written = place.names("weights/")
    place.rehearsal.change(lambda config: config["tpu-serving:models"][0].update({"replicas": 2}))
    place.rehearsal.rehearse().succeeded()
    place.ready(2)
    [second] = set(place.pods()) - {first}
    assert "whole, 5 files" in (looked := place.log(second, "weights")) and "warm, 1 entries" in looked
    (kept, cold), (read, warm) = compiled(place.log(first, "main")), compiled(place.log(second, "main"))
    assert (kept, read) == (MISS, HIT)
    assert warm == pytest.approx(0.43 * cold, rel=0.05)
    assert place.names("weights/") == written and len(place.names("xla-cache/")) == 2  # the program, and `writable`
    print(f"first replica: {kept}, compiled for {cold} s; second: {read}, {warm} s (scaled)")


def test_a_restart_reads_it_too_and_verify_tells_starts_beside_the_plan(place: Place) -> None:
    fresh = place.restart()
    place.ready(2)
    assert compiled(place.log(fresh, "main"))[0] == HIT
    document = serving("verify", str(place.rehearsal.file), "--quick", "--format", "json").succeeded()
    [lines] = document["notes"].values()
    assert len(lines) == 2 and any(line.startswith(fresh) and "planned for a later start:" in line for line in lines)
    print("\n".join(lines))


def test_a_filled_bucket_is_not_filled_again(place: Place) -> None:
    written = place.names("weights/")
    place.fill("again")
    assert "filled already, 5 files" in (said := place.filled("again")) and "1 of" not in said
    assert place.names("weights/") == written


def test_what_is_wrong_in_the_bucket_is_named_before_the_server_starts_and_a_killed_filling_goes_on(
    place: Place,
) -> None:
    shard, marker = place.read(SHARD), place.read(MARKER)
    place.put(f"{FILES}model-foreign.safetensors", b"of another model")
    fresh = place.restart()
    place.verified("weights-not-whole", "model-foreign.safetensors does not belong there")
    place.remove(f"{FILES}model-foreign.safetensors")
    place.put(MARKER, marker.replace(COMMIT.encode(), b"1" * 40))
    place.verified("weights-not-whole", f"the marker is of Qwen/Qwen2.5-7B-Instruct@{'1' * 40}")
    place.put(MARKER, marker)
    place.put(SHARD, b"x" * len(shard))
    place.verified("weights-not-whole", "model-00002-of-00002.safetensors was replaced by something else")
    place.remove(SHARD)
    place.verified("weights-not-whole", "model-00002-of-00002.safetensors is missing")
    assert place.log(fresh, "main") == ""
    untouched = {name: generation for name, generation in place.names(FILES).items() if name != SHARD}
    place.grant(NAMESPACE, "weights-filler", "objectViewer")  # it sees what is there, and can't write yet
    with place.without_role("weights-filler", "objectUser"):
        place.fill("repair")
        place.wait_for_log("repair", "model-00002-of-00002.safetensors: HTTP 403")
        [killed] = place.of_job("repair")
        kube.delete(place.rehearsal.client, "v1", "Pod", killed, NAMESPACE, grace_seconds=0)
    said = place.filled("repair")
    assert place.of_job("repair")[-1] != killed
    assert "4 of them are there" in said and "1 of 1: model-00002-of-00002.safetensors" in said
    assert place.read(SHARD) == shard and untouched.items() <= place.names(FILES).items()
    place.ready(2)
    assert compiled(place.log(fresh, "main"))[0] == HIT


def test_a_missing_role_and_an_absent_bucket_are_named_and_the_server_starts_once_they_are_there(place: Place) -> None:
    with place.without_role(f"{MODEL}-server", "legacyBucketReader"):
        fresh = place.restart()
        place.verified("weights-denied", "HTTP 403")
        assert place.log(fresh, "main") == ""
    place.ready(2)
    cloud.remove(place.folder, BUCKET, place.bucket.id)
    try:
        fresh = place.restart()
        place.verified("weights-not-whole", "The bucket or the revision does not exist")
    finally:
        cloud.write(place.folder, place.bucket)
    place.ready(2)
    assert compiled(place.log(fresh, "main"))[0] == HIT


def test_a_cache_that_cannot_be_written_costs_the_compilation_and_never_the_start(place: Place) -> None:
    for name in place.names("xla-cache/"):
        place.remove(name)
    with place.without_role(f"{MODEL}-server", "objectUser"):
        fresh = place.restart()
        place.ready(2)
        place.verified("compile-cache-closed", "this server compiles by itself")
        wait_until(lambda: serving("verify", str(place.rehearsal.file)).code == 0, lambda: True, lambda: "", pause=1)
    assert compiled(log := place.log(fresh, "main"))[0] == MISS
    assert "Error writing persistent compilation cache entry" in log and "HTTP Error 403" in log
    assert place.names("xla-cache/") == {}
