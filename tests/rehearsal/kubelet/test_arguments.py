"""The table's rules on a command line: flags dropped, ports of one's own, programs of this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from rehearsal.kubelet.arguments import Programs, StartError, apply_rules, find_flag, port_of, with_flag
from rehearsal.kubelet.images import Image, find
from rehearsal.kubelet.paths import PathMap
from rehearsal.kubelet.ports import PortMap

NO_PATHS = PathMap({})


def _image(name: str) -> Image:
    image = find(name)
    assert image is not None
    return image


@pytest.fixture
def ports() -> PortMap:
    return PortMap("127.65.0.10")


def test_kserve_drops_leader_election_and_gets_ports_of_its_own(ports: PortMap, tmp_path: Path) -> None:
    args = ["--metrics-addr=127.0.0.1:8443", "--leader-elect", "--zap-encoder=json"]
    result = apply_rules(_image("kserve/llmisvc-controller:v0.20.0"), args, ports, tmp_path, NO_PATHS)
    assert result == [
        f"--metrics-addr=127.0.0.1:{ports.real(8443)}",
        "--zap-encoder=json",
        f"--webhook-port={ports.real(9443)}",
        f"--health-probe-addr=127.0.0.1:{ports.real(8081)}",
    ]
    assert len({ports.real(8443), ports.real(8081), ports.real(9443)}) == 3


def test_a_server_that_is_off_stays_off(ports: PortMap, tmp_path: Path) -> None:
    result = apply_rules(_image("kserve/llmisvc-controller:v0.20.0"), ["--metrics-addr=0"], ports, tmp_path, NO_PATHS)
    assert result[0] == "--metrics-addr=0"
    assert "8443" not in ports.as_annotation()


def test_the_picker_loses_empty_words_and_keeps_separate_values(ports: PortMap, tmp_path: Path) -> None:
    args = ["--pool-name", "p", "", "--grpc-port", "9002", "--grpc-health-port=9003", ""]
    result = apply_rules(_image("ghcr.io/llm-d/llm-d-router-endpoint-picker:v0.9.0"), args, ports, tmp_path, NO_PATHS)
    assert result == [
        *["--pool-name", "p", "--grpc-port", str(ports.real(9002))],
        f"--grpc-health-port={ports.real(9003)}",
        f"--metrics-port={ports.real(9090)}",
    ]


def test_lws_gets_a_changed_copy_of_its_configuration(ports: PortMap, tmp_path: Path) -> None:
    source = tmp_path / "controller_manager_config.yaml"
    source.write_text("webhook: {port: 9443}\nmetrics: {bindAddress: ':8443'}\nleaderElection: {leaderElect: true}\n")
    paths = PathMap({"/tmp": Path("/r/tmp")})
    result = apply_rules(
        _image("registry.k8s.io/lws/lws:v0.8.0"), [f"--config={source}"], ports, tmp_path / "copy", paths
    )
    assert result == [f"--config={tmp_path / 'copy' / source.name}"]
    assert yaml.safe_load((tmp_path / "copy" / source.name).read_text()) == {
        "webhook": {
            "port": ports.real(9443),
            "host": "127.0.0.1",
            "certDir": "/r/tmp/k8s-webhook-server/serving-certs",
        },
        "metrics": {"bindAddress": f"127.0.0.1:{ports.real(8443)}"},
        "health": {"healthProbeBindAddress": f"127.0.0.1:{ports.real(8081)}"},
        "leaderElection": {"leaderElect": False},
    }
    assert "true" in source.read_text(), "the mounted file stays"


def test_a_missing_configuration_file_is_named(ports: PortMap, tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"nothing.yaml: No such file"):
        apply_rules(_image("lws/lws"), ["--config", str(tmp_path / "nothing.yaml")], ports, tmp_path, NO_PATHS)


def test_flags_are_found_in_every_form() -> None:
    assert find_flag(["--a=1", "-b", "2"], "--a") is not None
    found = find_flag(["--a=1", "-b", "2"], "--b")
    assert found is not None and (found.value, found.separate) == ("2", True)
    assert find_flag(["--ab=1"], "--a") is None
    assert with_flag(["--a=1", "x"], "--a", "2") == ["--a=2", "x"]
    assert [port_of(text) for text in ("9443", ":8081", "127.0.0.1:8080", "0")] == [9443, 8081, 8080, None]
    with pytest.raises(StartError, match="not a port"):
        port_of("metrics")


def test_programs_are_local_and_an_unknown_one_has_the_runtimes_message() -> None:
    programs = Programs(_image("python:3.13"), lambda _: None)
    assert programs.command(["/usr/local/bin/python", "-u", "x"]) == [sys.executable, "-u", "x"]
    assert programs.command(["/bin/sh", "-c", "true"])[1:] == ["-c", "true"]
    with pytest.raises(StartError, match=r'exec: "no-such-program": executable file not found'):
        programs.command(["no-such-program"])


def test_an_asset_that_is_not_there_says_what_to_do() -> None:
    with pytest.raises(StartError, match=r"asset lws is not there: .*--prepare"):
        Programs(_image("lws/lws"), lambda _: None).command(["manager"])


def test_a_shell_in_a_pod_finds_the_images_programs(tmp_path: Path) -> None:
    Programs(_image("python:3.13"), lambda _: None).write_shims(tmp_path)
    script = "python -c 'import sys; print(sys.argv[1:])' \"a b\""
    done = subprocess.run(
        ["/bin/sh", "-c", script], env={"PATH": f"{tmp_path}:{os.defpath}"}, capture_output=True, text=True, check=True
    )
    assert done.stdout == "['a b']\n"
