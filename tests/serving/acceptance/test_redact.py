"""A record names no project, address, host, person or secret, wherever in a message they stand."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.environment import require
from serving.acceptance.redact import Redactor, redactor
from settings.document import read_document

FILE = """\
config:
  tpu-serving:project: {id: acme-secret-project}
  tpu-serving:location: {zone: us-central1-b}
  tpu-serving:models:
    - name: internal-codename
      source: hf://acme/unreleased-model
      tpu: {generation: v6e, topology: 1x1}
      parametersBillion: 1
      contextLength: 2048
"""
OBJECTS = [{"spec": {"default": {"config": {"requestPath": "/health"}}}}]
AROUND = st.text(st.sampled_from(" \n\t'\"(),;"), min_size=1, max_size=3)
WORDS = st.lists(st.sampled_from(["failed to reach", "Error 403:", "resource", "is not ready", "(see"]), max_size=4)
LABEL = st.from_regex(r"[a-z][a-z0-9-]{1,14}[a-z0-9]", fullmatch=True)
HOST = st.lists(LABEL, min_size=1, max_size=3).map(lambda labels: ".".join([*labels, "corp", "example"]))
OCTET = st.integers(0, 255)
ALPHABET = st.text(
    st.sampled_from("abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"), min_size=36, max_size=36
)
PLANTED = st.one_of(
    HOST,
    st.tuples(LABEL, HOST).map("@".join),
    st.tuples(st.sampled_from(["https", "gs", "hf"]), HOST, LABEL).map(lambda p: f"{p[0]}://{p[1]}/{p[2]}?q={p[2]}"),
    st.tuples(OCTET, OCTET, OCTET, OCTET).map(lambda parts: ".".join(map(str, parts))),
    st.tuples(OCTET, st.integers(1, 65535)).map(lambda p: f"10.20.30.{p[0]}:{p[1]}"),
    st.ip_addresses(v=6).filter(lambda ip: int(ip) > 1 << 64).map(str),
    st.integers(10**11, 10**12 - 1).map(str),
    ALPHABET.map(lambda rest: f"hf_{rest[:34]}"),
    ALPHABET.map(lambda rest: f"ya29.{rest}"),
    ALPHABET.map(lambda rest: f"AIza{rest}"),
    st.sampled_from(["acme-secret-project", "internal-codename", "ACME-secret-project", "acme/unreleased-model"]),
    LABEL.map(lambda name: "/".join(["", "home", name, "tpu-serving"])),
)


@pytest.fixture(scope="module")
def redact(tmp_path_factory: pytest.TempPathFactory) -> Redactor:
    path = tmp_path_factory.mktemp("own") / "Pulumi.own.yaml"
    path.write_text(FILE, encoding="utf-8")
    document = read_document(path)
    return redactor(require(document)[0], document.data, OBJECTS)


@given(PLANTED, WORDS, WORDS, AROUND, AROUND)
def test_what_is_private_is_replaced_wherever_it_stands(
    redact: Redactor, planted: str, before: list[str], after: list[str], left: str, right: str
) -> None:
    said = redact(" ".join(before) + left + planted + right + " ".join(after))
    assert planted not in said
    assert planted.lower() not in said.lower()
    assert [word for word in before if word not in said] == []


@given(LABEL, st.sampled_from(["projects", "organizations", "folders", "billingAccounts"]))
def test_names_of_others_in_resource_paths_are_replaced(redact: Redactor, name: str, kind: str) -> None:
    said = redact(f"Required permission on {kind}/{name}x/locations/us-central1 is missing")
    assert said == f"Required permission on {kind}/<name>/locations/us-central1 is missing"


@pytest.mark.parametrize(
    "text",
    [
        "Error 403: Quota 'TPUS' exceeded",
        "no matches for kind LeaderWorkerSet in version leaderworkerset.x-k8s.io/v1",
        "HealthCheckPolicy spec.default.config.requestPath: wanted /health, found /",
        "GKE 1.34.0-gke.1626000 has no inference.networking.k8s.io/v1",
        "compute.googleapis.com is not enabled in us-central1-b at 12:30:45",
        "2x2 on ct6e-standard-4t needs 4 chips, v0.32.0",
    ],
)
def test_what_helps_stays(redact: Redactor, text: str) -> None:
    assert redact(text) == text


def test_a_text_is_cut_after_its_secrets_are_gone(redact: Redactor) -> None:
    said = redact("word " * 110 + "hf_" + "Ab3" * 12)
    assert len(said) <= 600
    assert "hf_" not in said


def test_the_environments_own_names_are_those_of_its_file(redact: Redactor, tmp_path: Path) -> None:
    said = redact("cluster own-tpu of acme-secret-project in us-central1-b: internal-codename-kserve is not Ready")
    assert "own" not in said.split()[1]
    assert "acme" not in said
    assert "codename" not in said
    assert "us-central1-b" in said
