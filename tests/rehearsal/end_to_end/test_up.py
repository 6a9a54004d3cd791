"""`up` of dev: what is there after it, that a second run writes nothing, and that a change changes what it is about."""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import os
import re
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

import cluster as kube
from catalog.gke import facts
from cluster.target import find_rehearsal
from rehearsal.control_plane.processes import marked
from serving.checking.findings import Finding, Verdict
from serving.program.outputs import planned_outputs
from serving.verify.run import verify
from tests.everything import of_everything
from tests.rehearsal.end_to_end.command import PLANTED, Rehearsal, begun, is_ready, listening, refreshed, wait_until

MODEL = "qwen2-5-3b"
_PICKER = "app.kubernetes.io/component=llminferenceservice-router-scheduler"


def test_every_resource_is_created_and_the_controller_says_ready(dev: Rehearsal) -> None:
    assert set(dev.up["summary"]) == {"create"}
    assert Path(dev.up["kubeconfig"]).is_file()
    assert dev.up["summary"]["create"] == len(dev.state()["resources"])
    dev.assert_nothing_twice()
    assert is_ready(dev.service(MODEL))
    assert list(kube.list_objects(dev.client, "v1", "Event", field_selector="reason=SYNC,involvedObject.kind=Gateway"))


def test_stack_outputs_are_read_by_the_ordinary_cli_with_the_printed_variables(dev: Rehearsal, tmp_path: Path) -> None:
    """From a folder that has nothing to do with the project."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PULUMI_")}
    command = [
        str(dev.directory.bin / "pulumi"),
        "stack",
        "output",
        "--json",
        "--stack",
        "organization/tpu-serving/dev",
    ]
    read = subprocess.run(command, cwd=tmp_path, env={**clean, **dev.up["variables"]}, check=True, capture_output=True)
    assert json.loads(read.stdout) == dev.last["outputs"]


def secrets(rehearsal: Rehearsal) -> Iterator[str]:
    """What nobody else may read: keys of certificates, tokens of accounts, and the admin's."""
    yield (rehearsal.directory.certs / "tokens.csv").read_text(encoding="utf-8").split(",")[0]
    for secret in kube.list_objects(rehearsal.client, "v1", "Secret"):
        for key, value in (secret.get("data") or {}).items():
            if secret["type"] == "Opaque" or key in ("tls.key", "token"):
                yield base64.b64decode(value).decode(errors="replace").strip()
    for path in rehearsal.directory.pods.rglob("token"):
        if path.is_file():
            yield path.read_text(encoding="utf-8")


def test_secrets_are_the_users_alone_and_in_no_log_state_release_or_command_line(dev: Rehearsal) -> None:
    # A key has lines: its first is a heading. What is shorter than 16 characters is no secret.
    known = {max(secret.splitlines(), key=len)[:48].encode() for secret in secrets(dev) if len(secret) >= 16}
    assert len(known) > 3
    assert stat.S_IMODE(dev.directory.root.stat().st_mode) == 0o700
    files = list(dev.files())
    holding = [path for path, content in files if any(secret in content for secret in known)]
    assert {dev.directory.kubeconfig, dev.directory.certs / "tokens.csv"} <= set(holding)
    assert [path for path in holding if path.stat().st_mode & 0o077] == []
    shown = [content for path, content in files if path.suffix in (".log", ".json")]
    shown += [" ".join(process.cmdline()).encode() for process in marked(dev.directory)]
    shown += [
        gzip.decompress(base64.b64decode(base64.b64decode(release["data"]["release"])))
        for release in kube.list_objects(dev.client, "v1", "Secret", field_selector="type=helm.sh/release.v1")
    ]
    assert not [text[:200] for text in shown if any(secret in text for secret in known)]


def test_a_token_of_the_person_who_runs_it_reaches_no_file_and_no_process_that_stays(dev: Rehearsal) -> None:
    wanted = (PLANTED.encode(), base64.b64encode(PLANTED.encode()).rstrip(b"="))
    assert [path for path, content in dev.files() if any(text in content for text in wanted)] == []
    for process in marked(dev.directory):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            assert PLANTED not in process.environ().values()


def test_nothing_listens_beyond_loopback_but_what_can_not_be_told_an_address(dev: Rehearsal) -> None:
    everywhere = {
        Path(process.exe()).name
        for process in marked(dev.directory)
        for host, _ in listening(process)
        if not host.removeprefix("::ffff:").startswith("127.")
    }
    assert everywhere <= {"kserve-llmisvc", "epp"}
    assert len(dev.ports()) > 10


def written(rehearsal: Rehearsal) -> Iterator[tuple[str, Any]]:
    """What a write by the engine would change: of an object without status everything, and of one whose status its
    controller renews the generation and what the engine's field managers own, with the time of their last write."""
    for urn, found in rehearsal.objects():
        assert found is not None, urn
        metadata = found["metadata"]
        owned = [entry for entry in metadata["managedFields"] if entry.get("subresource") != "status"]
        engine = [entry for entry in owned if entry["manager"].startswith("pulumi")]
        assert engine, f"no field manager of the engine's in {urn}"
        version = metadata.get("generation") if "status" in found else metadata["resourceVersion"]
        yield urn, (metadata["uid"], version, engine)
    yield "Helm releases", rehearsal.releases()
    for path in sorted(rehearsal.directory.cloud.rglob("*.json")):
        yield f"cloud {path.name}", path.read_text(encoding="utf-8")


def test_the_picker_asks_for_what_the_cpu_pool_is_sized_by(dev: Rehearsal) -> None:
    """KServe itself takes the tokenizer out where no scorer needs it (catalog/data/gke.yaml)."""
    (pod,) = kube.list_objects(dev.client, "v1", "Pod", "llm-serving", label_selector=_PICKER)
    asked = {c["name"]: c["resources"]["requests"] for c in pod["spec"]["containers"]}
    wanted = facts()["cpuPoolRequests"]["picker"]
    assert asked == {"main": {"cpu": str(wanted["cpu"]), "memory": f"{wanted['memoryGib']}Gi"}}


def test_a_second_run_writes_nothing_and_the_preview_says_so(dev: Rehearsal) -> None:
    before = dict(written(dev))
    resources = len(dev.state()["resources"])
    preview, again = dev.rehearse("--preview"), dev.rehearse()
    assert preview.succeeded()["summary"] == again.succeeded()["summary"] == {"same": resources}
    assert preview.steps == again.steps == []
    assert dict(written(dev)) == before


def test_a_refresh_finds_no_difference(dev: Rehearsal) -> None:
    """Google answers more than was sent (providers/google/answers.yaml), and none of it is taken for a change."""
    assert f"{len(dev.state()['resources'])} unchanged" in refreshed(dev.directory, "dev")


def test_of_two_commands_at_once_the_second_is_refused(dev: Rehearsal) -> None:
    with dev.directory.locked():
        second = dev.rehearse()
    assert (second.code, f"(process {os.getpid()})" in second.document["error"]) == (1, True)


def test_a_changed_request_timeout_changes_exactly_the_backend_policies(dev: Rehearsal) -> None:
    resources, before = len(dev.state()["resources"]), dict(written(dev))
    dev.change(lambda config: config["tpu-serving:models"][0].update(longestAnswerSeconds=900))
    policies = {f"{MODEL}-pool-policy-backend", f"{MODEL}-service-policy-backend"}
    preview, run = dev.rehearse("--preview"), dev.rehearse()
    assert preview.succeeded()["summary"] == run.succeeded()["summary"] == {"same": resources - 2, "update": 2}
    assert set(preview.steps) == {("to update", "GCPBackendPolicy", name) for name in policies}
    assert set(run.steps) == {("updated", "GCPBackendPolicy", name) for name in policies}
    after = dict(written(dev))
    assert {urn.rpartition("::")[2] for urn in before if after[urn] != before[urn]} == policies
    limits = [
        found["spec"]["default"]["timeoutSec"] for urn, found in dev.objects() if found and "-policy-backend" in urn
    ]
    assert limits == [900, 900]
    assert run.document["outputs"]["models"][0]["answerTimeoutSeconds"] == 900


@of_everything
def test_verify_names_the_drain_of_the_only_replica_while_it_lasts_and_the_lost_seconds_after_it(
    dev: Rehearsal, tmp_path: Path
) -> None:
    def found() -> Finding:
        report = verify(find_rehearsal(str(dev.file), planned_outputs), quick=True)
        return next(o.worst for o in report.outcomes if o.check.name == "endpoints")

    log = tmp_path / "log"
    with begun(log, "rehearse", str(dev.file), "--drain", MODEL, "--format", "json") as process:
        wait_until(
            lambda: found().failure == "node-drained", lambda: process.poll() is None, lambda: log.read_text("utf-8")
        )
        assert process.wait() == 0, log.read_text(encoding="utf-8")
    text = log.read_text(encoding="utf-8")
    done = json.loads(text[text.index("\n{") :])
    assert done["drain"]["failed"] and done["verify"]["verdict"] == "serves"
    assert 0 < done["drain"]["secondsWithoutAnswer"] <= done["seconds"]["drain"]
    said = found()
    assert (said.failure, said.verdict) == ("was-away", Verdict.WARN)
    assert f"on node {done['drain']['nodes'][0]}, which is gone" in said.message
    [lost] = re.findall(r"no ready endpoint for (\d+) s", said.message)
    assert 0 < int(lost) <= done["seconds"]["drain"]
