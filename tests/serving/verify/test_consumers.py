"""Consumers: verify names policies that let in others than declared, and asks as a consumer or says that it did not."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from manifests.gateway import gateway_objects
from serving.checking.findings import Verdict
from settings.gateway import Gateway
from settings.outputs import ConsumerOutput
from tests.serving.verify.certificate import self_signed
from tests.serving.verify.conftest import Scene, outcome
from tests.serving.verify.deployed import find
from tests.serving.verify.web import Reply

WHO = "spiffe://example.com/search"


@pytest.fixture
def declared(scene: Scene) -> Scene:
    (model,) = scene.deployment.models
    consumer = {"name": "search", "models": [model.name], "certificate": {"uriSan": WHO}}
    settings = Gateway.model_validate({"consumers": [consumer]})
    scene.objects.extend(copy.deepcopy(gateway_objects(settings, scene.deployment.namespace).consumers))
    find(scene.objects, "Gateway", "")["spec"]["tls"] = {
        "frontend": {"default": {"validation": {"mode": "AllowValidOnly"}}}
    }
    scene.changes["consumers"] = [
        ConsumerOutput(name="search", models=[model.name], known_by="certificate", identity=WHO)
    ]
    return scene


def said(scene: Scene) -> tuple[str, str]:
    worst = outcome(scene.report(quick=True), "policies-attached").worst
    return worst.failure, worst.message


def test_policies_that_say_what_the_outputs_say_are_right(declared: Scene) -> None:
    assert said(declared)[0] == ""


def test_a_missing_or_changed_policy_is_named(declared: Scene) -> None:
    allow, closed = (find(declared.objects, "GCPAuthzPolicy", end) for end in ("-consumers", "-closed"))
    rule = allow["spec"]["rules"][0]
    before = copy.deepcopy(rule)
    del rule["from"]
    assert said(declared)[0] == "consumers-not-checked"
    assert "everybody is let in" in said(declared)[1]
    rule.update(copy.deepcopy(before))
    rule["from"]["sources"][0]["principals"][0]["principal"]["value"] = "spiffe://example.com/other"
    assert "spiffe://example.com/other is let in to " in said(declared)[1]
    rule.update(before)
    allow["status"] = {"ancestors": [{"conditions": [{"type": "Accepted", "status": "False", "message": "too many"}]}]}
    assert said(declared)[0] == "policy-not-attached"
    declared.objects.remove(closed)
    assert said(declared) == ("consumers-not-checked", "no GCPAuthzPolicy denies by default")


def test_a_gateway_that_need_not_see_a_certificate_is_named(declared: Scene) -> None:
    spec = find(declared.objects, "Gateway", "")["spec"]
    spec["tls"]["frontend"]["default"]["validation"]["mode"] = "AllowInsecureFallback"
    assert said(declared) == ("consumers-not-checked", "certificates are asked for in mode AllowInsecureFallback")
    del spec["tls"]
    assert said(declared) == ("consumers-not-checked", "clients are asked for no certificate")


def test_tags_of_a_vm_in_any_order_are_the_declared_ones(scene: Scene) -> None:
    (model,) = scene.deployment.models
    settings = Gateway.model_validate({"consumers": [{"name": "search", "models": [model.name], "tags": [12, 7]}]})
    policies = copy.deepcopy(gateway_objects(settings, scene.deployment.namespace).consumers)
    scene.objects.extend(policies)
    known_by, identity = settings.consumers[0].identity
    who = {"name": "search", "models": [model.name], "known_by": known_by, "identity": identity}
    scene.changes["consumers"] = [ConsumerOutput.model_validate(who, by_name=True)]
    assert said(scene)[0] == ""
    (source,) = find(scene.objects, "GCPAuthzPolicy", "-consumers")["spec"]["rules"][0]["from"]["sources"]
    source["resources"][0]["tagValueIdSet"] = [12]
    assert "tagValues/12 is let in to " in said(scene)[1]


def test_without_a_certificate_nothing_is_asked_but_that_strangers_are_refused(declared: Scene) -> None:
    declared.answer = lambda *_: Reply(403)
    report = declared.report()
    assert {outcome(report, name).worst.failure for name in ("model-list", "chat")} == {"no-consumer"}
    assert outcome(report, "strangers-refused").worst.verdict is Verdict.PASS
    declared.answer = lambda *_: Reply.json({})
    assert outcome(declared.report(), "strangers-refused").worst.failure == "not-refused"


def test_with_the_certificate_of_a_consumer_it_is_asked(declared: Scene, tmp_path: Path) -> None:
    declared.client_certificate = self_signed(tmp_path)
    assert outcome(declared.report(), "chat").worst.verdict is Verdict.PASS
