"""CA injection: which object wants whose CA, and the smallest apply that puts it there (cert-manager "CA injector")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Obj = Mapping[str, Any]

_FROM = "cert-manager.io/inject-ca-from"
_FROM_SECRET = "cert-manager.io/inject-ca-from-secret"
_ALLOW = "cert-manager.io/allow-direct-injection"
KINDS = {
    "MutatingWebhookConfiguration": "admissionregistration.k8s.io/v1",
    "ValidatingWebhookConfiguration": "admissionregistration.k8s.io/v1",
    "CustomResourceDefinition": "apiextensions.k8s.io/v1",
    "APIService": "apiregistration.k8s.io/v1",
}


def wants_injection(obj: Obj) -> bool:
    """Whether an annotation asks for a CA."""
    annotations = obj["metadata"].get("annotations") or {}
    return _FROM in annotations or _FROM_SECRET in annotations


def authority(
    obj: Obj, certificates: Mapping[tuple[str, str], Obj], secrets: Mapping[tuple[str, str], Obj]
) -> str | None:
    """The CA that an object wants, base64; None where it is not there (yet)."""
    annotations = obj["metadata"].get("annotations") or {}
    if _FROM in annotations:
        certificate = certificates.get(_key(annotations[_FROM]))
        if certificate is None:
            return None
        secret = secrets.get((certificate["metadata"]["namespace"], certificate["spec"]["secretName"]))
        owner = ((secret or {}).get("metadata", {}).get("annotations") or {}).get("cert-manager.io/certificate-name")
        if owner != certificate["metadata"]["name"]:
            return None
    else:
        secret = secrets.get(_key(annotations[_FROM_SECRET]))
        if ((secret or {}).get("metadata", {}).get("annotations") or {}).get(_ALLOW) != "true":
            return None
    found = ((secret or {}).get("data") or {}).get("ca.crt")
    return str(found) if found else None


def _key(text: str) -> tuple[str, str]:
    namespace, _, name = text.partition("/")
    return namespace, name


def patch(obj: Obj, bundle: str) -> dict[str, Any] | None:
    """What to apply so that the object has the CA; None where it has it, or has no place for one."""
    body = _webhooks(obj, bundle) if "webhooks" in obj else _spec(obj, bundle)
    if body is None:
        return None
    identity = {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": {"name": obj["metadata"]["name"]}}
    return {**identity, **body}


def _webhooks(obj: Obj, bundle: str) -> dict[str, Any] | None:
    if all(item["clientConfig"].get("caBundle") == bundle for item in obj["webhooks"]):
        return None
    return {"webhooks": [{"name": item["name"], "clientConfig": {"caBundle": bundle}} for item in obj["webhooks"]]}


def _spec(obj: Obj, bundle: str) -> dict[str, Any] | None:
    spec = obj.get("spec") or {}
    if obj["kind"] == "APIService":
        return {"spec": {"caBundle": bundle}} if spec.get("caBundle") != bundle else None
    conversion = spec.get("conversion") or {}
    config = (conversion.get("webhook") or {}).get("clientConfig")
    if conversion.get("strategy") != "Webhook" or config is None or config.get("caBundle") == bundle:
        return None
    return {"spec": {"conversion": {"webhook": {"clientConfig": {"caBundle": bundle}}}}}
