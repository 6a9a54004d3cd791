"""Pods on a real API server become processes, and their status says what the kubelet would say."""

from __future__ import annotations

import json
import os
import re
from typing import Any

import psutil
import pytest

import cluster as kube
from manifests.readiness import script
from rehearsal.kubelet.container import pause_of
from rehearsal.kubelet.mounts import ACCOUNT
from tests.rehearsal.kubelet.conftest import NODE, Namespace, container, is_ready, wait_for

Json = dict[str, Any]

FOREVER = "import signal; signal.pause()"


def _python(script: str, **more: Any) -> Json:
    return {"command": ["python", "-u", "-c", script], **more}


def _pid(pod: Json, name: str = "c0") -> int:
    return int(container(pod, name)["containerID"].removeprefix("process://"))


def test_a_node_is_ready_and_its_lease_is_renewed(client: kube.DynamicClient) -> None:
    def ready() -> bool:
        node = kube.get(client, "v1", "Node", NODE) or {}
        return any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"].get("conditions") or [])

    wait_for("the node's Ready condition", ready)

    def renewed() -> str:
        lease = kube.get(client, "coordination.k8s.io/v1", "Lease", NODE, "kube-node-lease") or {}
        return str((lease.get("spec") or {}).get("renewTime", ""))

    first = wait_for("the lease", renewed)
    wait_for("a renewal", lambda: renewed() != first)


def test_a_pod_runs_with_its_own_address_environment_and_account(namespace: Namespace) -> None:
    script = """
import json, os, ssl, urllib.request
folder = "/var/run/secrets/kubernetes.io/serviceaccount"
token = open(folder + "/token").read()
url = f"https://{os.environ['KUBERNETES_SERVICE_HOST']}:{os.environ['KUBERNETES_SERVICE_PORT']}"
body = json.dumps({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}).encode()
request = urllib.request.Request(url + "/apis/authentication.k8s.io/v1/selfsubjectreviews", data=body,
    headers={"Authorization": "Bearer " + token, "Content-Type": "application/json"})
answer = json.load(urllib.request.urlopen(request, context=ssl.create_default_context(cafile=folder + "/ca.crt")))
print(json.dumps({"user": answer["status"]["userInfo"]["username"], "env": dict(os.environ),
    "namespace": open(folder + "/namespace").read()}))
import signal; signal.pause()
"""
    env = [{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}, {"name": "A", "value": "$(IP):1"}]
    os.environ["OF_THE_DEVELOPER"] = "1"
    namespace.pod("one", _python(script, env=env))
    pod = namespace.wait_ready("one")
    namespace.wait_log("one", "}")
    said = json.loads(namespace.log("one"))
    assert said["user"] == f"system:serviceaccount:{namespace.name}:default"
    assert said["namespace"] == namespace.name
    assert said["env"]["A"] == f"{pod['status']['podIP']}:1"
    assert pod["status"]["podIP"].startswith("127.")
    assert pod["status"]["podIPs"] == [{"ip": pod["status"]["podIP"]}]
    extra = {name for name in said["env"] if name.startswith(("PULUMI", "GOOGLE", "OF_", "VIRTUAL_ENV", "SSH"))}
    assert not extra
    assert said["env"]["HOME"].startswith(str(namespace.directory.pods))
    assert container(pod)["started"] is True
    folder = namespace.directory.pods / namespace.name / "one" / pod["metadata"]["uid"]
    (token,) = (folder / "_volumes").glob("*/..data/token")
    assert token.stat().st_mode & 0o777 == 0o600
    assert token.read_text() not in (namespace.directory.logs / "kubelet.log").read_text()
    assert (folder / "c0" / "0.log").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("policy", ["File", "FallbackToLogsOnError"])
def test_the_last_words_of_a_failed_container_are_in_its_status(namespace: Namespace, policy: str) -> None:
    script = "import sys; print('x' * 5000); print('unrecognized arguments: --flag'); sys.exit(2)"
    name = f"ends-{policy.lower()}"
    namespace.pod(name, _python(script, terminationMessagePolicy=policy))
    pod = namespace.wait_pod(name, lambda found: container(found).get("lastState"))
    last = container(pod)["lastState"]["terminated"]
    assert last["exitCode"] == 2
    message = last.get("message", "")
    assert message.endswith("unrecognized arguments: --flag\n") is (policy != "File")
    assert len(message) <= 2048


def test_init_containers_run_in_order_and_a_sidecar_keeps_running(namespace: Namespace) -> None:
    mount = [{"name": "shared", "mountPath": "/shared"}]
    append = "open('/shared/order', 'a').write('{}\\n')"
    side = "import pathlib, signal; pathlib.Path('/shared/order').open('a').write('side\\n'); signal.pause()"
    there = {"exec": {"command": ["grep", "-q", "side", "/shared/order"]}, "periodSeconds": 1}
    there |= {"timeoutSeconds": 30, "failureThreshold": 60}
    namespace.pod(
        "ordered",
        _python(f"{append.format('main')}; print(open('/shared/order').read()); {FOREVER}", volumeMounts=mount),
        volumes=[{"name": "shared", "emptyDir": {}}],
        initContainers=[
            {"name": "first", "image": "python:3", **_python(append.format("first"), volumeMounts=mount)},
            {"name": "side", "image": "python:3", "restartPolicy": "Always", "startupProbe": there}
            | _python(side, volumeMounts=mount),
            {"name": "last", "image": "python:3", **_python(append.format("last"), volumeMounts=mount)},
        ],
    )
    pod = namespace.wait_ready("ordered")
    order = namespace.wait_log("ordered", "main").split()
    assert order == ["first", "side", "last", "main"]
    assert container(pod, "first")["state"]["terminated"]["exitCode"] == 0
    assert psutil.pid_exists(_pid(pod, "side"))
    namespace.delete("ordered")
    namespace.wait_gone("ordered")
    assert not psutil.pid_exists(_pid(pod, "side"))


def test_a_missing_secret_is_waited_for_and_a_mounted_one_follows_its_changes(namespace: Namespace) -> None:
    script = """
import pathlib, time
path = pathlib.Path("/etc/secret/key")
seen = ""
while True:
    if (now := path.read_text()) != seen:
        seen = now
        print("saw", seen)
    time.sleep(0.05)
"""
    namespace.pod(
        "late",
        _python(script, volumeMounts=[{"name": "s", "mountPath": "/etc/secret"}]),
        volumes=[{"name": "s", "secret": {"secretName": "later"}}],
    )
    assert 'secret "later" not found' in namespace.wait_event("late", "FailedMount")
    pod = namespace.wait_pod("late", lambda p: container(p).get("state"))
    assert pod["status"]["phase"] == "Pending"
    assert container(pod)["state"]["waiting"]["reason"] == "ContainerCreating"
    namespace.apply("Secret", "later", stringData={"key": "one"})
    namespace.wait_log("late", "saw one")
    namespace.apply("Secret", "later", stringData={"key": "two"})
    namespace.wait_log("late", "saw two")


def test_a_missing_config_map_key_is_a_config_error_until_it_is_there(namespace: Namespace) -> None:
    reference = {"configMapKeyRef": {"name": "settings", "key": "a"}}
    namespace.pod(
        "env", _python(f"import os; print(os.environ['A']); {FOREVER}", env=[{"name": "A", "valueFrom": reference}])
    )
    pod = namespace.wait_pod(
        "env", lambda p: container(p).get("state", {}).get("waiting", {}).get("reason") == "CreateContainerConfigError"
    )
    assert container(pod)["state"]["waiting"]["message"] == 'configmap "settings" not found'
    assert pod["status"]["phase"] == "Pending"
    namespace.apply("ConfigMap", "settings", data={"a": "value"})
    namespace.wait_ready("env")
    namespace.wait_log("env", "value")


def test_a_crash_is_restarted_and_backs_off(namespace: Namespace) -> None:
    namespace.pod("crash", _python("import sys; print('failing'); sys.exit(3)"))
    pod = namespace.wait_pod(
        "crash", lambda p: container(p).get("state", {}).get("waiting", {}).get("reason") == "CrashLoopBackOff"
    )
    state = container(pod)
    assert pod["status"]["phase"] == "Running"
    assert state["lastState"]["terminated"]["exitCode"] == 3
    assert state["lastState"]["terminated"]["reason"] == "Error"
    # The first wait is a second long here: who looks late sees a later one (test_backoff.py has their order).
    assert re.match(
        r"back-off (10|20|40|80|160|300)s restarting failed container", state["state"]["waiting"]["message"]
    )
    namespace.wait_pod("crash", lambda p: container(p)["restartCount"] >= 2)
    assert "failing" in namespace.wait_log("crash", "failing", restart=2)
    assert namespace.wait_event("crash", "BackOff")


def test_a_program_that_is_not_there_is_a_start_error(namespace: Namespace) -> None:
    namespace.pod("nothing", {"command": ["no-such-program"]}, restartPolicy="Never")
    ended = container(namespace.wait_phase("nothing", "Failed"))["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (128, "StartError")
    assert "executable file not found" in ended["message"]


def test_a_jobs_pods_end_by_exit_code(namespace: Namespace) -> None:
    for name, code in (("good", 0), ("bad", 1)):
        one = {"name": "c0", "image": "python:3", **_python(f"raise SystemExit({code})")}
        template = {"spec": {"restartPolicy": "Never", "containers": [one]}}
        namespace.apply("Job", name, "batch/v1", spec={"template": template, "backoffLimit": 0})

    def conditions(name: str) -> list[str]:
        job = kube.get(namespace.client, "batch/v1", "Job", name, namespace.name) or {}
        return [c["type"] for c in (job.get("status") or {}).get("conditions") or [] if c["status"] == "True"]

    wait_for("the good job", lambda: "Complete" in conditions("good"), lambda: conditions("good"))
    wait_for("the bad job", lambda: "Failed" in conditions("bad"), lambda: conditions("bad"))


SERVER = """
import http.server, os, pathlib
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(503 if pathlib.Path("/state" + self.path).exists() else 200)
        self.end_headers()
pathlib.Path("/state/live").unlink(missing_ok=True)  # once is enough
http.server.ThreadingHTTPServer((os.environ["TPU_SERVING_POD_IP"], 8000), Handler).serve_forever()
"""


def test_probes_decide_over_readiness_and_life(namespace: Namespace) -> None:
    def probe(path: str, **more: int) -> Json:
        return {"httpGet": {"path": path, "port": "http"}, "periodSeconds": 1, "failureThreshold": 2, **more}

    namespace.pod(
        "probed",
        _python(
            SERVER,
            ports=[{"name": "http", "containerPort": 8000}],
            volumeMounts=[{"name": "state", "mountPath": "/state"}],
            startupProbe=probe("/start", failureThreshold=60),
            readinessProbe=probe("/ready"),
            livenessProbe=probe("/live", timeoutSeconds=30),
        ),
        volumes=[{"name": "state", "emptyDir": {}}],
    )
    pod = namespace.wait_ready("probed")
    uid = pod["metadata"]["uid"]
    state = namespace.directory.pods / namespace.name / "probed" / uid / "_volumes" / "state"
    (state / "ready").touch()
    pod = namespace.wait_pod("probed", lambda p: not is_ready(p))
    assert container(pod)["restartCount"] == 0
    (state / "ready").unlink()
    namespace.wait_ready("probed")
    (state / "live").touch()
    assert "failed liveness probe" in namespace.wait_event("probed", "Killing")
    namespace.wait_pod("probed", lambda p: container(p)["restartCount"] == 1 and is_ready(p))
    namespace.wait_event("probed", "Unhealthy", "Liveness probe failed: HTTP probe failed with statuscode: 503")


def test_termination_runs_the_hook_then_asks_then_kills(namespace: Namespace) -> None:
    polite = """
import os, signal, sys
def end(*_):
    print("asked, hooked:", os.path.exists("/out/hook"))
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("up")
signal.pause()
"""
    stubborn = "import signal; signal.signal(15, signal.SIG_IGN); print('up')\nwhile True: signal.pause()"
    hook = {"preStop": {"exec": {"command": ["/bin/sh", "-c", "echo hooked > /out/hook"]}}}
    mount = [{"name": "out", "mountPath": "/out"}]
    namespace.pod(
        "ending",
        _python(polite, lifecycle=hook, volumeMounts=mount),
        _python(stubborn),
        volumes=[{"name": "out", "emptyDir": {}}],
        terminationGracePeriodSeconds=10,
    )
    pod = namespace.wait_ready("ending")
    for name in ("c0", "c1"):
        namespace.wait_log("ending", "up", name)
    pids = [_pid(pod, name) for name in ("c0", "c1")]
    namespace.delete("ending")
    namespace.wait_gone("ending")
    assert "asked, hooked: True" in namespace.log("ending")
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert "FailedPreStopHook" not in {reason for reason, _ in namespace.events("ending")}
    folder = namespace.directory.pods / namespace.name / "ending" / pod["metadata"]["uid"]
    assert sorted(path.name for path in folder.iterdir()) == ["c0", "c1"], "logs stay, files go"


def test_a_hook_that_only_sleeps_is_shortened(namespace: Namespace) -> None:
    hook = {"exec": {"command": ["/bin/sleep", "20"]}}
    namespace.pod("waits", _python(FOREVER, lifecycle={"preStop": hook}), terminationGracePeriodSeconds=15)
    namespace.wait_ready("waits")
    namespace.delete("waits")
    namespace.wait_gone("waits")
    # Not shortened, it would have been cut off after the 15 s.
    assert "FailedPreStopHook" not in {reason for reason, _ in namespace.events("waits")}


@pytest.mark.parametrize(
    ("hook", "pause"),
    [
        ({"sleep": {"seconds": 20}}, 20),
        ({"exec": {"command": ["sleep", "20"]}}, 20),
        ({"exec": {"command": ["/bin/sh", "-c", "sleep 20"]}}, None),
        ({"exec": {"command": ["sleep", "1h"]}}, None),
        ({"exec": {}}, None),
        ({"httpGet": {"port": 80}}, None),
    ],
    ids=str,
)
def test_a_hook_that_does_more_than_sleep_is_run(hook: Json, pause: float | None) -> None:
    assert pause_of(hook) == pause


def test_the_readiness_gates_program_reaches_the_api_server_unchanged(namespace: Namespace) -> None:
    namespace.apply("ConfigMap", "gate", data={"wait.py": script()})
    arguments = ["--gateway-class", "some", "--crd", "no.such.crd", "--budget-seconds", "0"]
    arguments += ["--service-account", ACCOUNT]
    gate = {"command": ["python", "-u", "/scripts/wait.py"], "args": arguments}
    namespace.pod(
        "gate",
        {**gate, "volumeMounts": [{"name": "scripts", "mountPath": "/scripts"}]},
        volumes=[{"name": "scripts", "configMap": {"name": "gate"}}],
        restartPolicy="Never",
    )
    namespace.wait_phase("gate", "Failed")
    # 403 is the server's answer to an account without rights: address, authority and token are right.
    assert "waiting for the Kubernetes API (HTTP Error 403: Forbidden)" in namespace.log("gate")


def test_an_image_that_the_table_does_not_know_is_ready_and_listed(namespace: Namespace) -> None:
    namespace.pod("strange", {"image": "example.com/some/thing:v1", "readinessProbe": {"tcpSocket": {"port": 1}}})
    pod = namespace.wait_ready("strange")
    listed = json.loads(pod["metadata"]["annotations"]["rehearsal.tpu-serving/unknown-images"])
    assert listed == {"c0": "example.com/some/thing:v1"}
    lines = namespace.directory.unknown_images.read_text()
    assert f"{namespace.name}/strange c0 example.com/some/thing:v1\n" in lines
    namespace.delete("strange")
    namespace.wait_gone("strange")


def test_a_pod_that_is_removed_by_force_ends_too(namespace: Namespace) -> None:
    namespace.pod("forced", _python(FOREVER))
    pid = _pid(namespace.wait_ready("forced"))
    kube.delete(namespace.client, "v1", "Pod", "forced", namespace.name, grace_seconds=0)
    wait_for("the end of the process", lambda: not psutil.pid_exists(pid))


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
