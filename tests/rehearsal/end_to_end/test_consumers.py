"""Consumers by client certificate from end to end: who is let in, who is not, and an open door that verify names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import trustme

from cluster.load_balancer import read_record
from tests.everything import of_everything
from tests.rehearsal.end_to_end.command import Rehearsal, serving, wait_until
from tests.rehearsal.end_to_end.conftest import copied
from tests.rehearsal.end_to_end.test_undo import await_verdict, run_undone
from tests.rehearsal.load_balancer.clients import certificate_of, context_of

pytestmark = of_everything

ISSUER = trustme.CA()


@pytest.fixture(scope="module")
def rehearsal(binaries: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    """The example, with an authority of which the tests have the key."""
    for made in copied("examples/consumers.yaml", tmp_path_factory.mktemp("consumers")):
        made.change(lambda config: config["tpu-serving:gateway"]["tls"].update(clientCaCertificate=authority()))
        yield made.running()


def authority() -> str:
    return ISSUER.cert_pem.bytes().decode()


def status(rehearsal: Rehearsal, model: str, certificate: Path | None) -> int:
    """Of a model list that a client with this certificate asks for; 0 where it is not even connected."""
    listener = read_record(rehearsal.directory.root / "load-balancer.json").gateway
    assert listener is not None
    url, headers = f"{listener.url}/llm-serving/{model}/v1/models", {"Host": "models.example.com"}
    try:
        context = context_of(certificate)
        return httpx.get(url, headers=headers, verify=context, trust_env=False, timeout=60).status_code
    except httpx.TransportError:
        return 0


def test_a_consumer_asks_its_models_and_nobody_else_does(rehearsal: Rehearsal, tmp_path: Path) -> None:
    search, chat, stranger = (
        certificate_of(ISSUER, f"spiffe://example.com/{name}", tmp_path) for name in ("search", "chat", "stranger")
    )
    first, second = (model["name"] for model in rehearsal.up["outputs"]["models"])
    assert [consumer["name"] for consumer in rehearsal.up["outputs"]["consumers"]] == ["search", "chat"]
    wait_until(lambda: status(rehearsal, second, chat) == 200, lambda: True, lambda: "not served")
    asked = [status(rehearsal, *case) for case in ((first, search), (second, search), (first, chat), (first, stranger))]
    assert asked == [200, 403, 200, 403]
    assert status(rehearsal, first, None) == 0
    whole = ("verify", str(rehearsal.file), "--client-certificate", str(chat), "--wait", "3m", "--format", "json")
    assert serving(*whole).succeeded()["verdict"].startswith("serves")
    alone = serving("verify", str(rehearsal.file), "--format", "json").succeeded()
    assert "no-consumer" in str(alone)


def test_without_the_policies_everybody_with_a_certificate_is_let_in_and_verify_says_so(
    rehearsal: Rehearsal, tmp_path: Path
) -> None:
    stranger = certificate_of(ISSUER, "spiffe://example.com/stranger", tmp_path)
    run_undone(rehearsal, "ED10")
    first = rehearsal.up["outputs"]["models"][0]["name"]
    wait_until(lambda: status(rehearsal, first, stranger) == 200, lambda: True, lambda: "closed")
    await_verdict(rehearsal, "ED10")
    rehearsal.rehearse().succeeded()
    wait_until(lambda: status(rehearsal, first, stranger) == 403, lambda: True, lambda: "open")


def test_where_no_certificate_is_asked_for_nobody_is_known_and_verify_says_so(
    rehearsal: Rehearsal, tmp_path: Path
) -> None:
    chat = certificate_of(ISSUER, "spiffe://example.com/chat", tmp_path)
    run_undone(rehearsal, "ED04")
    first = rehearsal.up["outputs"]["models"][0]["name"]
    wait_until(lambda: status(rehearsal, first, None) == 403, lambda: True, lambda: "not connected")
    assert status(rehearsal, first, chat) == 403
    await_verdict(rehearsal, "ED04")
    rehearsal.rehearse().succeeded()
    wait_until(lambda: status(rehearsal, first, chat) == 200, lambda: True, lambda: "not served")
    assert status(rehearsal, first, None) == 0
