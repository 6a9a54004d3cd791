"""Kinds of Kubernetes itself: structure from the published OpenAPI, and the few rules that only its code knows.

The schemas come from the package `kubernetes-validate`, which carries those of each Kubernetes minor version. Only its
data is used: the structural checks here refuse unknown fields and duplicates the way the API server does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from importlib.resources import files
from typing import Any

from . import metadata
from .issues import Issue, Schema, join
from .structural import OBJECT_META, check, with_defaults

# The Kubernetes minor version of the lowest GKE version supported (catalog.gke.inference_pool_floor).
VERSION = "1.34"
VARIANT = f"kubernetes-{VERSION}"

_REFERENCE = "#/$defs/"
_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_NUMBER = r"(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))"
_QUANTITY_PATTERN = rf"^(\+|-)?{_NUMBER}(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?{_NUMBER}))?$"
_KEPT = ("required", "enum", "x-kubernetes-list-type", "x-kubernetes-list-map-keys")
_FORMATS = ("byte", "int32", "int64", "date-time")
_MEBIBYTE = 1 << 20
_RBAC = "rbac.authorization.k8s.io"
_CLUSTER_SCOPED = frozenset({"Namespace", "ClusterRole", "ClusterRoleBinding"})
_NAME_RULES = {
    "Namespace": metadata.dns_label,
    "Service": metadata.service_label,
    **dict.fromkeys(("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"), metadata.path_segment),
}


@cache
def _definitions() -> dict[str, Any]:
    folder = files("kubernetes_validate") / "kubernetes-json-schema" / f"v{VERSION}.0-local-strict"
    definitions: dict[str, Any] = json.loads((folder / "_definitions.json").read_bytes())["$defs"]
    return definitions


@cache
def _kinds() -> dict[tuple[str, str], str]:
    """Name of the definition of each (apiVersion, kind)."""
    found = {}
    for name, definition in _definitions().items():
        group_kinds = definition.get("x-kubernetes-group-version-kind", ())
        if len(group_kinds) == 1 and "metadata" in definition.get("properties", {}):
            group, version, kind = (group_kinds[0][key] for key in ("group", "version", "kind"))
            found[f"{group}/{version}" if group else version, kind] = name
    return found


@cache
def schema(api_version: str, kind: str) -> Schema | None:
    """Structural schema of a built-in kind without apiVersion, kind and metadata; None for other kinds."""
    name = _kinds().get((api_version, kind))
    if name is None:
        return None
    result = _structural({"$ref": _REFERENCE + name}, ())
    for key in ("apiVersion", "kind", "metadata"):
        del result["properties"][key]
    return result


def _structural(source: dict[str, Any], seen: tuple[str, ...]) -> Schema:
    """A JSON Schema of the package as a structural schema, with its references resolved."""
    if "$ref" in source:
        name = source["$ref"].removeprefix(_REFERENCE)
        if name == _META:
            return {"type": "object", OBJECT_META: True}
        if name == _INT_OR_STRING:
            return {"x-kubernetes-int-or-string": True}
        if name == _QUANTITY:
            return {"x-kubernetes-int-or-string": True, "pattern": _QUANTITY_PATTERN}
        if name in seen:  # the schema of schemas in CustomResourceDefinition
            return {"x-kubernetes-preserve-unknown-fields": True}
        return _structural(_definitions()[name], (*seen, name))
    result: Schema = {key: source[key] for key in _KEPT if key in source}
    types = source.get("type", [])
    # A null is the same as no field here, which is what with_defaults makes of it.
    named = [name for name in ([types] if isinstance(types, str) else types) if name != "null"]
    if len(named) == 1:
        result["type"] = named[0]
    else:
        result["x-kubernetes-preserve-unknown-fields"] = True
    if source.get("format") in _FORMATS:
        result["format"] = source["format"]
    if "properties" in source:
        result["properties"] = {name: _structural(value, seen) for name, value in source["properties"].items()}
    elif named == ["object"] and "additionalProperties" not in source:
        result["x-kubernetes-preserve-unknown-fields"] = True
    if "items" in source:
        result["items"] = _structural(source["items"], seen)
    if isinstance(source.get("additionalProperties"), dict):
        result["additionalProperties"] = _structural(source["additionalProperties"], seen)
    return result


def validate(obj: dict[str, Any]) -> list[Issue]:
    """Refusals of an object whose kind `schema` knows."""
    kind = obj["kind"]
    found = schema(obj["apiVersion"], kind)
    assert found is not None
    body = {key: value for key, value in obj.items() if key not in ("apiVersion", "kind", "metadata")}
    issues = list(metadata.check(obj.get("metadata"), "metadata", _NAME_RULES.get(kind, metadata.dns_subdomain)))
    body = with_defaults(body, found)
    issues.extend(check(body, found))
    if any(issue.blocking for issue in issues):
        return issues
    if kind in _CLUSTER_SCOPED and obj["metadata"].get("namespace"):
        issues.append(Issue("metadata.namespace", "not allowed on this type"))
    if rules := _RULES.get(kind):
        issues.extend(rules(body, obj["metadata"]))
    return issues


def _config_map(body: dict[str, Any], _: dict[str, Any]) -> Iterator[Issue]:
    text, binary = body.get("data", {}), body.get("binaryData", {})
    for key in text.keys() & binary.keys():
        yield Issue(join("data", key), "also in binaryData")
    yield from _check_keys({"data": text, "binaryData": binary})


def _secret(body: dict[str, Any], meta: dict[str, Any]) -> Iterator[Issue]:
    text, binary = body.get("stringData", {}), body.get("data", {})
    yield from _check_keys({"stringData": text, "data": binary})
    if body.get("type") == "kubernetes.io/tls":
        for key in {"tls.crt", "tls.key"} - text.keys() - binary.keys():
            yield Issue(join("data", key), "required")
    account = "kubernetes.io/service-account.name"
    if body.get("type") == "kubernetes.io/service-account-token" and not (meta.get("annotations") or {}).get(account):
        yield Issue(join("metadata.annotations", account), "required")


def _check_keys(maps: dict[str, dict[str, str]]) -> Iterator[Issue]:
    for path, values in maps.items():
        for key in values:
            if len(key) > 253 or not re.fullmatch(r"[-._a-zA-Z0-9]+", key) or key == "." or key.startswith(".."):
                yield Issue(join(path, key), "is no valid key: letters, digits, '-', '_' and '.' only")
    size = sum(len(value.encode()) for values in maps.values() for value in values.values())
    if size > _MEBIBYTE:
        yield Issue("", f"{size} bytes of data are more than {_MEBIBYTE}")


def _role(body: dict[str, Any], meta: dict[str, Any]) -> Iterator[Issue]:
    for index, rule in enumerate(body.get("rules", ())):
        path = f"rules[{index}]"
        if not rule.get("verbs"):
            yield Issue(f"{path}.verbs", "required")
        if rule.get("nonResourceURLs"):
            if meta.get("namespace"):
                yield Issue(f"{path}.nonResourceURLs", "namespaced rules cannot apply to non-resource URLs")
            if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
                yield Issue(
                    f"{path}.nonResourceURLs", "rules cannot apply to both regular resources and non-resource URLs"
                )
            continue
        for key in ("apiGroups", "resources"):
            if not rule.get(key):
                yield Issue(f"{path}.{key}", "required")


def _binding(body: dict[str, Any], meta: dict[str, Any]) -> Iterator[Issue]:
    role = body["roleRef"]
    if role["apiGroup"] != _RBAC:
        yield Issue("roleRef.apiGroup", f"{role['apiGroup']!r} is not {_RBAC!r}")
    if role["kind"] not in (("Role", "ClusterRole") if meta.get("namespace") else ("ClusterRole",)):
        yield Issue("roleRef.kind", f"{role['kind']!r} is not allowed here")
    for index, subject in enumerate(body.get("subjects", ())):
        path = f"subjects[{index}]"
        account = subject["kind"] == "ServiceAccount"
        if subject["kind"] not in ("ServiceAccount", "User", "Group"):
            yield Issue(f"{path}.kind", f"{subject['kind']!r} is none of ServiceAccount, User, Group")
        if account and not subject.get("namespace"):
            yield Issue(f"{path}.namespace", "required")
        if subject.get("apiGroup", "" if account else _RBAC) != ("" if account else _RBAC):
            yield Issue(f"{path}.apiGroup", f"{subject['apiGroup']!r} is not allowed for a {subject['kind']}")


def _job(body: dict[str, Any], _: dict[str, Any]) -> Iterator[Issue]:
    policy = body.get("spec", {}).get("template", {}).get("spec", {}).get("restartPolicy")
    if policy not in ("Never", "OnFailure"):
        yield Issue("spec.template.spec.restartPolicy", f"{policy!r} is none of Never, OnFailure")


def _pod_disruption_budget(body: dict[str, Any], _: dict[str, Any]) -> Iterator[Issue]:
    if {"minAvailable", "maxUnavailable"} <= body.get("spec", {}).keys():
        yield Issue("spec", "minAvailable and maxUnavailable cannot be both set")


_RULES: dict[str, Callable[[dict[str, Any], dict[str, Any]], Iterator[Issue]]] = {
    "ConfigMap": _config_map,
    "Secret": _secret,
    "Role": _role,
    "ClusterRole": _role,
    "RoleBinding": _binding,
    "ClusterRoleBinding": _binding,
    "Job": _job,
    "PodDisruptionBudget": _pod_disruption_budget,
}
