"""Pods on a real API server become processes, and their status says what the kubelet would say."""

from __future__ import annotations

import re
from typing import Any

import psutil

import cluster as kube
from tests.rehearsal.kubelet.conftest import PYTHON, Namespace, container, is_ready
from tests.rehearsal.plane import until

Json = dict[str, Any]

FOREVER = "import signal; signal.pause()"


def _python(script: str, **more: Any) -> Json:
    return {"command": ["python", "-u", "-c", script], **more}


def _pid(pod: Json, name: str = "c0") -> int:
    return int(container(pod, name)["containerID"].removeprefix("process://"))


def test_init_containers_run_in_order_and_a_failed_one_is_tried_again(namespace: Namespace) -> None:
    mount = [{"name": "shared", "mountPath": "/shared"}]
    append = "open('/shared/order', 'a').write('{}\\n')"
    once = "; import pathlib; p = pathlib.Path('/shared/tried'); ok = p.exists(); p.touch(); assert ok"
    namespace.pod(
        "ordered",
        _python(f"{append.format('main')}; print(open('/shared/order').read()); {FOREVER}", volumeMounts=mount),
        volumes=[{"name": "shared", "emptyDir": {}}],
        initContainers=[
            {"name": "first", "image": PYTHON, **_python(append.format("first") + once, volumeMounts=mount)},
            {"name": "last", "image": PYTHON, **_python(append.format("last"), volumeMounts=mount)},
        ],
    )
    pod = namespace.wait_ready("ordered")
    assert namespace.wait_log("ordered", "main").split() == ["first", "first", "last", "main"]
    assert container(pod, "first")["state"]["terminated"]["exitCode"] == 0
    assert (container(pod, "first")["restartCount"], container(pod, "last")["restartCount"]) == (1, 0)


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
    reference = {"secretKeyRef": {"name": "settings", "key": "a"}}
    namespace.pod(
        "env", _python(f"import os; print(os.environ['A']); {FOREVER}", env=[{"name": "A", "valueFrom": reference}])
    )
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
    pod = namespace.wait_pod("env", lambda p: container(p).get("state", {}).get("waiting", {}).get("message"))
    waiting = container(pod)["state"]["waiting"]
    assert (waiting["reason"], waiting["message"]) == ("CreateContainerConfigError", 'secret "settings" not found')
    namespace.apply("Secret", "settings", stringData={"a": "value"})
    namespace.wait_log("env", "value")


def test_a_pod_with_what_is_not_emulated_does_not_start_and_says_so(namespace: Namespace) -> None:
    probe = {"exec": {"command": ["true"]}}
    namespace.pod("strange", _python(FOREVER, readinessProbe=probe), hostNetwork=True)
    said = "not emulated: spec.containers.readinessProbe.exec, spec.hostNetwork"
    assert namespace.wait_event("strange", "NotEmulated") == said
    pod = namespace.wait_pod("strange", lambda p: container(p).get("state", {}).get("waiting", {}).get("message"))
    assert (pod["status"]["phase"], container(pod)["state"]["waiting"]["message"]) == ("Pending", said)
    namespace.end("strange")


def test_a_crash_is_restarted_and_backs_off_with_the_last_words_in_the_status(namespace: Namespace) -> None:
    script = "import sys; print('x' * 5000); print('unrecognized arguments: --flag'); sys.exit(2)"
    namespace.pod("crash", _python(script, terminationMessagePolicy="FallbackToLogsOnError"))
    pod = namespace.wait_pod(
        "crash", lambda p: container(p).get("state", {}).get("waiting", {}).get("reason") == "CrashLoopBackOff"
    )
    state, ended = container(pod), container(pod)["lastState"]["terminated"]
    assert pod["status"]["phase"] == "Running"
    assert (ended["exitCode"], ended["reason"]) == (2, "Error")
    assert ended["message"].endswith("unrecognized arguments: --flag\n") and len(ended["message"]) == 2048
    # The first wait is a second long here: who looks late sees a later one.
    words = r"back-off (10|20|40|80|160|300)s restarting failed container"
    assert re.match(words, state["state"]["waiting"]["message"])
    namespace.wait_pod("crash", lambda p: container(p)["restartCount"] >= 2)
    namespace.wait_log("crash", "unrecognized", restart=2)
    assert namespace.wait_event("crash", "BackOff")


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


def test_termination_waits_for_the_hook_then_asks_then_kills(namespace: Namespace) -> None:
    polite = (
        "import signal, sys; signal.signal(15, lambda *_: (print('asked'), sys.exit())); print('up'); signal.pause()"
    )
    stubborn = "import signal; signal.signal(15, signal.SIG_IGN); print('up')\nwhile True: signal.pause()"
    # Not shortened, it would take all of the grace period, and more.
    hook = {"preStop": {"exec": {"command": ["/bin/sleep", "15"]}}}
    namespace.pod("ending", _python(polite, lifecycle=hook), _python(stubborn), terminationGracePeriodSeconds=4)
    pod = namespace.wait_ready("ending")
    for name in ("c0", "c1"):
        namespace.wait_log("ending", "up", name)
    pids = [_pid(pod, name) for name in ("c0", "c1")]
    namespace.end("ending")
    assert "asked" in namespace.log("ending")
    assert not any(psutil.pid_exists(pid) for pid in pids)
    folder = namespace.directory.pods / namespace.name / "ending" / pod["metadata"]["uid"]
    assert sorted(path.name for path in folder.iterdir()) == ["c0", "c1"], "logs stay, files go"


def test_an_image_that_the_table_does_not_know_is_ready_and_listed_and_a_pod_removed_by_force_ends(
    namespace: Namespace,
) -> None:
    unknown = {"image": "example.com/some/thing:v1", "readinessProbe": {"tcpSocket": {"port": 1}}}
    namespace.pod("both", _python(FOREVER), unknown)
    pid = _pid(namespace.wait_ready("both"))
    lines = namespace.directory.unknown_images.read_text()
    assert f"{namespace.name}/both c1 example.com/some/thing:v1\n" in lines
    kube.delete(namespace.client, "v1", "Pod", "both", namespace.name, grace_seconds=0)
    until(lambda: not psutil.pid_exists(pid))
