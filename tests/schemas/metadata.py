"""ObjectMeta: its fields, and the syntax of names, labels and annotations (k8s.io/apimachinery, pkg/api/validation)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from .issues import Issue, join

# A rule for names: the reason to refuse the name, or None.
NameRule = Callable[[str], str | None]

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SERVICE_LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(rf"{_LABEL.pattern}(\.{_LABEL.pattern})*")
_QUALIFIED_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_ANNOTATIONS_LIMIT = 256 * 1024  # bytes, keys and values together

_FIELDS: dict[str, type] = {
    "name": str,
    "generateName": str,
    "namespace": str,
    "labels": dict,
    "annotations": dict,
    "finalizers": list,
    "ownerReferences": list,
    # Set by the server, but part of an object that was read back.
    "uid": str,
    "resourceVersion": str,
    "generation": int,
    "creationTimestamp": str,
    "deletionTimestamp": str,
    "deletionGracePeriodSeconds": int,
    "selfLink": str,
    "managedFields": list,
}


def _syntax(pattern: re.Pattern[str], limit: int, what: str) -> NameRule:
    def rule(name: str) -> str | None:
        return (
            None
            if len(name) <= limit and pattern.fullmatch(name)
            else f"{name!r} is no {what} of at most {limit} characters"
        )

    return rule


dns_label = _syntax(_LABEL, 63, "DNS label")
dns_subdomain = _syntax(_SUBDOMAIN, 253, "DNS subdomain")
service_label = _syntax(_SERVICE_LABEL, 63, "DNS label that begins with a letter")


def path_segment(name: str) -> str | None:
    """Names of RBAC objects."""
    if name in (".", "..") or "/" in name or "%" in name:
        return f"{name!r} may not be '.' or '..' nor hold '/' or '%'"
    return None


def qualified_name(name: str) -> str | None:
    """Keys of labels and annotations: an optional DNS subdomain, `/`, and a name."""
    prefix, slash, local = name.rpartition("/")
    if slash and (reason := dns_subdomain(prefix)):
        return f"prefix {reason}"
    if len(local) > 63 or not _QUALIFIED_NAME.fullmatch(local):
        return f"{local!r} is no qualified name of at most 63 characters"
    return None


def label_value(value: str) -> str | None:
    """Values of labels; may be empty."""
    if value and (len(value) > 63 or not _QUALIFIED_NAME.fullmatch(value)):
        return f"{value!r} is no label value of at most 63 characters"
    return None


def check(value: Any, path: str, name_rule: NameRule | None) -> Iterator[Issue]:
    """Refusals of an ObjectMeta. Without `name_rule` it is a template's, which needs no name."""
    if not isinstance(value, dict):
        yield Issue(path, "must be an object", blocking=True)
        return
    for key, item in value.items():
        if key not in _FIELDS:
            yield Issue(join(path, key), "unknown field")
        elif item is not None and not isinstance(item, _FIELDS[key]):
            yield Issue(join(path, key), f"must be of type {_FIELDS[key].__name__}", blocking=True)
            return
    if name_rule is not None:
        yield from _check_names(value, path, name_rule)
    yield from _check_map(value.get("labels"), join(path, "labels"), qualified_name, label_value)
    yield from _check_map(value.get("annotations"), join(path, "annotations"), _annotation_key, lambda _: None)
    annotations = value.get("annotations") or {}
    size = sum(len(str(key).encode()) + len(str(item).encode()) for key, item in annotations.items())
    if size > _ANNOTATIONS_LIMIT:
        yield Issue(join(path, "annotations"), f"{size} bytes are more than {_ANNOTATIONS_LIMIT}", blocking=True)


def _check_names(value: dict[str, Any], path: str, name_rule: NameRule) -> Iterator[Issue]:
    name = value.get("name") or ""
    if not name and not value.get("generateName"):
        yield Issue(join(path, "name"), "name or generateName is required", blocking=True)
    if name and (reason := name_rule(name)):
        yield Issue(join(path, "name"), reason)
    if (namespace := value.get("namespace")) and (reason := dns_label(namespace)):
        yield Issue(join(path, "namespace"), reason)


def _annotation_key(key: str) -> str | None:
    return qualified_name(key.lower())


def _check_map(entries: dict[Any, Any] | None, path: str, key_rule: NameRule, value_rule: NameRule) -> Iterator[Issue]:
    for key, item in (entries or {}).items():
        if not isinstance(key, str) or not isinstance(item, str):
            yield Issue(join(path, str(key)), "keys and values must be strings", blocking=True)
            continue
        for reason in (key_rule(key), value_rule(item)):
            if reason:
                yield Issue(join(path, key), reason)
