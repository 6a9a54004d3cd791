"""Which CA goes where."""

from __future__ import annotations

from typing import Any

from rehearsal.cert_manager.certificates import issue_secret
from rehearsal.cert_manager.injection import authority, patch, wants_injection
from tests.rehearsal.cert_manager.objects import SELF_SIGNED, Obj, certificate

FROM, FROM_SECRET = "cert-manager.io/inject-ca-from", "cert-manager.io/inject-ca-from-secret"


def target(annotations: Obj | None = None, body: Obj | None = None, kind: str = "MutatingWebhookConfiguration") -> Obj:
    api = "admissionregistration.k8s.io/v1"
    return {
        "apiVersion": api,
        "kind": kind,
        "metadata": {"name": "t", "annotations": annotations or {}},
        **(body or {}),
    }


def present() -> tuple[Any, Any, str]:
    wanted = certificate()
    secret = issue_secret(wanted, SELF_SIGNED, {})
    return {("ns", "web"): wanted}, {("ns", "web"): secret}, secret["data"]["ca.crt"]


def test_only_annotated_objects_want_a_ca() -> None:
    assert wants_injection(target({FROM: "ns/web"}))
    assert wants_injection(target({FROM_SECRET: "ns/web"}))
    assert not wants_injection(target({"other": "ns/web"}))


def test_the_ca_comes_from_the_certificates_own_secret() -> None:
    certificates, secrets, bundle = present()
    assert authority(target({FROM: "ns/web"}), certificates, secrets) == bundle
    assert authority(target({FROM: "ns/gone"}), certificates, secrets) is None
    assert authority(target({FROM: "ns/web"}), certificates, {}) is None
    secrets["ns", "web"]["metadata"]["annotations"]["cert-manager.io/certificate-name"] = "another"
    assert authority(target({FROM: "ns/web"}), certificates, secrets) is None


def test_a_secret_is_used_directly_only_where_it_allows_that() -> None:
    _, secrets, bundle = present()
    assert authority(target({FROM_SECRET: "ns/web"}), {}, secrets) is None
    secrets["ns", "web"]["metadata"]["annotations"]["cert-manager.io/allow-direct-injection"] = "true"
    assert authority(target({FROM_SECRET: "ns/web"}), {}, secrets) == bundle


def test_every_webhook_of_a_configuration_gets_it_once() -> None:
    body = {"webhooks": [{"name": "a", "clientConfig": {}}, {"name": "b", "clientConfig": {"caBundle": "x"}}]}
    made = patch(target(body=body), "x")
    assert made is not None
    assert made["webhooks"] == [
        {"name": "a", "clientConfig": {"caBundle": "x"}},
        {"name": "b", "clientConfig": {"caBundle": "x"}},
    ]
    assert patch(target(body={"webhooks": made["webhooks"]}), "x") is None


def test_a_definition_with_a_conversion_webhook_gets_it_and_others_do_not() -> None:
    config: Obj = {"strategy": "Webhook", "webhook": {"clientConfig": {"service": {}}}}
    wanted = target(body={"spec": {"conversion": config}}, kind="CustomResourceDefinition")
    made = patch(wanted, "x")
    assert made is not None
    assert made["spec"] == {"conversion": {"webhook": {"clientConfig": {"caBundle": "x"}}}}
    config["webhook"]["clientConfig"]["caBundle"] = "x"
    assert patch(wanted, "x") is None
    assert (
        patch(target(body={"spec": {"conversion": {"strategy": "None"}}}, kind="CustomResourceDefinition"), "x") is None
    )


def test_an_api_service_gets_it() -> None:
    assert patch(target(body={"spec": {}}, kind="APIService"), "x") == {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": "t"},
        "spec": {"caBundle": "x"},
    }
    assert patch(target(body={"spec": {"caBundle": "x"}}, kind="APIService"), "x") is None
