"""Texts for a record: what names a person, a project, a host or a secret is replaced; what is not known to be safe as well."""

from __future__ import annotations

import contextlib
import getpass
import ipaddress
import re
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from catalog.secret_forms import secret_forms
from settings.derive import Deployment

_LONGEST = 600
# Of a text, what is looked at: the end of what is cut off here is never among the first 600 characters.
_LOOKED_AT = 20_000
# Shorter values are words of every message.
_SHORTEST_NAME = 3
_EMAIL = re.compile(r"[\w.+%-]+@[\w.-]*\w")
# With its path: a host's name is often in the path of somebody else's URL.
_URL = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s\"'<>`)\]]+", re.IGNORECASE)
_RESOURCE = re.compile(r"\b(projects|organizations|folders|billingAccounts|serviceAccounts)/[^\s/\"'`,;:)\]]+")
_PATH = re.compile(r"(?<![\w/.-])~?/(?:home|root|Users|tmp|work|var|mnt|opt|private)/[^\s\"'`:,;)\]]*")
_DOTTED = re.compile(r"(?<![\w.-])[\w-]+(?:\.[\w-]+)+(?![\w-])")
_IPV4 = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.]*\d)")
_IPV6 = re.compile(r"[0-9a-fA-F:]*:[0-9a-fA-F:]*:[0-9a-fA-F:]*")
_NUMBER = re.compile(r"(?<!\d)\d{9,}(?!\d)")
_OPAQUE = re.compile(r"(?=[\w+/=-]*\d)(?=[\w+/=-]*[A-Za-z])[\w+/=-]{24,}")
# Domains of the API groups and services that messages are about.
_SAFE_DOMAINS = ("k8s.io", "x-k8s.io", "gke.io", "kserve.io", "cert-manager.io", "kubernetes.io")
_API = re.compile(r"[a-z]+\.googleapis\.com")
_VERSION = re.compile(r"v?\d+(\.\d+)+([-+][\w.]+)?")


class Redactor:
    """Replaces what may not be published.

    Args:
        names: values that are the user's own, whatever they look like.
        keys: words of the plan's objects: a dotted name made of them alone is the path of a field.
    """

    def __init__(self, names: Iterable[str], keys: Iterable[str]) -> None:
        found = sorted({name for name in names if len(name) >= _SHORTEST_NAME}, key=len, reverse=True)
        self._names = re.compile(
            "|".join(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])" for name in found) or r"(?!)", re.IGNORECASE
        )
        self._keys = frozenset(keys)

    def __call__(self, text: str) -> str:
        """The text in one line, cut after 600 characters."""
        text = secret_forms().sub("<secret>", text[:_LOOKED_AT])
        text = _URL.sub("<url>", text)
        text = _EMAIL.sub("<account>", text)
        text = _RESOURCE.sub(lambda match: f"{match[1]}/<name>", text)
        text = _PATH.sub("<path>", text)
        text = self._names.sub("<name>", text)
        text = _IPV6.sub(_without_address, _IPV4.sub("<address>", text))
        text = _DOTTED.sub(self._dotted, text)
        text = _OPAQUE.sub("<id>", text)
        text = " ".join(_NUMBER.sub("<number>", text).split())
        return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."

    def _dotted(self, match: re.Match[str]) -> str:
        text = match[0]
        domain = any(text.lower() == safe or text.lower().endswith(f".{safe}") for safe in _SAFE_DOMAINS)
        if (
            domain
            or _API.fullmatch(text)
            or _VERSION.fullmatch(text)
            or all(part in self._keys for part in text.split("."))
        ):
            return text
        return "<host>"


def _without_address(match: re.Match[str]) -> str:
    """A run of hexadecimal digits and colons; a label may stand before the address."""
    run = match[0]
    for start in [0, *(m.end() for m in re.finditer(":", run))]:
        for candidate in (run[start:], run[start:].rstrip(":")):
            try:
                ipaddress.IPv6Address(candidate)
            except ValueError:
                continue
            return f"{run[:start]}<address>"
    return run


def redactor(deployment: Deployment, data: Any, objects: Iterable[Any]) -> Redactor:
    """The redactor of an environment: its own file's names, those that follow from them, this machine and its user."""
    derived = (
        deployment.settings.project.id,
        deployment.name,
        deployment.cluster_name,
        deployment.network_name,
        deployment.nodes_subnet_name,
        deployment.proxy_only_subnet_name,
        deployment.node_account_id,
        deployment.network_project,
    )
    values = [value for path, value in _leaves(data) if not _PUBLIC.intersection(path[-1:])]
    # Also what is left of a URL or path where only a part of it is said.
    own = [part for value in values for part in (value, value.rpartition("://")[2], *re.split(r"[/@]", value))]
    return Redactor([*derived, *own, *_machine()], {key for item in objects for key in _keys(item)})


def _machine() -> Iterator[str]:
    """A user without a name of their own (root, in a container) is none to hide."""
    users = {Path.home().name}
    with contextlib.suppress(KeyError, OSError):  # a user without an entry
        users.add(getpass.getuser())
    yield from users - {"root"}
    yield from {socket.gethostname()} - {"localhost"}


# Keys of an environment file whose values are words of everybody.
_PUBLIC = frozenset(
    [
        "zone",
        "region",
        "tier",
        "generation",
        "topology",
        "machineType",
        "purchase",
        "releaseChannel",
        "version",
        "rule",
        "exposure",
        "scheme",
        "task",
        "runtime",
        "schedulerProfile",
        "pickerFailureMode",
    ]
)


def _leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, str(key)))
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, path)
    elif isinstance(value, str):
        yield path, value


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield str(key)
            yield from _keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _keys(inner)
