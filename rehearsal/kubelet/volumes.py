"""A pod's volumes as folders: ConfigMaps, Secrets, projected and downward API files, empty folders for the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rehearsal.kubelet import atomic_folder
from rehearsal.kubelet.atomic_folder import File
from rehearsal.kubelet.downward import field, resource
from rehearsal.kubelet.environment import Surroundings
from rehearsal.kubelet.objects import MissingReferenceError, config_map_data, secret_data

Json = dict[str, Any]

_FILE_SOURCES = ("configMap", "secret", "projected", "downwardAPI")
_DEFAULT_TOKEN_SECONDS = 3600


@dataclass(frozen=True)
class TokenNeed:
    """A service account token that a projected volume asks for."""

    audience: str | None
    seconds: int


class Volumes:
    """All volumes of one pod below one folder."""

    def __init__(self, pod: Json, folder: Path) -> None:
        self._volumes: list[Json] = pod["spec"].get("volumes") or []
        self._folder = folder

    def folder(self, name: str) -> Path:
        """The folder of a volume."""
        return self._folder / name

    def source(self, name: str) -> Json:
        """A volume's declaration. Raises KeyError for a name that the pod does not have."""
        return next((volume for volume in self._volumes if volume["name"] == name), None) or _unknown(name)

    def has_files(self, name: str) -> bool:
        """True where the volume's files come from the API, False where it is a folder of its own."""
        return any(self.source(name).get(kind) for kind in _FILE_SOURCES)

    def token_needs(self) -> set[TokenNeed]:
        """All tokens that the volumes hold."""
        return {
            _token_need(source["serviceAccountToken"])
            for volume in self._volumes
            for source in (volume.get("projected") or {}).get("sources") or []
            if source.get("serviceAccountToken")
        }

    def refers_to(self) -> set[tuple[str, str]]:
        """(`ConfigMap` or `Secret`, name) of everything that is mounted."""
        found = set()
        for volume in self._volumes:
            for source in [volume, *((volume.get("projected") or {}).get("sources") or [])]:
                if reference := source.get("configMap"):
                    found.add(("ConfigMap", str(reference["name"])))
                if reference := source.get("secret"):
                    found.add(("Secret", str(reference.get("secretName") or reference["name"])))
        return found

    def write(self, around: Surroundings, tokens: Mapping[TokenNeed, str]) -> None:
        """Bring every volume to its present content.

        Raises MissingReferenceError for the first volume that can't be set up, with the kubelet's words.
        """
        for volume in self._volumes:
            name = volume["name"]
            if not self.has_files(name):
                self.folder(name).mkdir(parents=True, exist_ok=True)
                continue
            try:
                files = dict(_files(volume, around, tokens))
            except MissingReferenceError as error:
                raise MissingReferenceError(f'MountVolume.SetUp failed for volume "{name}" : {error}') from error
            atomic_folder.write(self.folder(name), files)


def _unknown(name: str) -> Json:
    raise KeyError(f"the pod has no volume {name}")


def _token_need(source: Json) -> TokenNeed:
    return TokenNeed(source.get("audience") or None, int(source.get("expirationSeconds") or _DEFAULT_TOKEN_SECONDS))


def _files(volume: Json, around: Surroundings, tokens: Mapping[TokenNeed, str]) -> Iterator[tuple[str, File]]:
    if source := volume.get("projected"):
        mode = source.get("defaultMode")
        for part in source.get("sources") or []:
            yield from _source_files(part, around, tokens, mode)
        return
    source = next(volume[kind] for kind in _FILE_SOURCES if volume.get(kind))
    yield from _source_files(volume, around, tokens, source.get("defaultMode"))


def _source_files(
    source: Json, around: Surroundings, tokens: Mapping[TokenNeed, str], mode: int | None
) -> Iterator[tuple[str, File]]:
    if reference := source.get("configMap"):
        optional = bool(reference.get("optional"))
        data = config_map_data(around.objects, around.namespace, reference["name"], optional=optional)
        yield from _items(data, reference, mode, private=False)
    elif reference := source.get("secret"):
        optional = bool(reference.get("optional"))
        name = reference.get("secretName") or reference["name"]
        yield from _items(secret_data(around.objects, around.namespace, name, optional=optional), reference, mode)
    elif reference := source.get("downwardAPI"):
        for item in reference.get("items") or []:
            yield item["path"], File(_downward(item, around).encode(), _mode(item.get("mode") or mode, private=False))
    elif reference := source.get("serviceAccountToken"):
        token = tokens.get(_token_need(reference))
        if token is None:
            raise MissingReferenceError("service account token is not there yet")
        yield reference["path"], File(token.encode(), 0o600)
    else:
        raise MissingReferenceError(f"volume source {sorted(set(source) - {'name'})} is not offered here")


def _items(
    data: dict[str, bytes], reference: Json, mode: int | None, *, private: bool = True
) -> Iterator[tuple[str, File]]:
    items = reference.get("items")
    if not items:
        for key, content in data.items():
            yield key, File(content, _mode(mode, private=private))
        return
    for item in items:
        if item["key"] in data:
            yield item["path"], File(data[item["key"]], _mode(item.get("mode") or mode, private=private))
        elif not reference.get("optional"):
            raise MissingReferenceError(f"references non-existent config key: {item['key']}")


def _downward(item: Json, around: Surroundings) -> str:
    if reference := item.get("fieldRef"):
        return field(around.pod, reference["fieldPath"], around.addresses)
    return resource(around.pod, item["resourceFieldRef"], {}, around.allocatable)


def _mode(mode: int | None, *, private: bool) -> int:
    # A Secret is readable by this user only, whatever the pod asks for: there is no other user in the pod.
    wanted = 0o644 if mode is None else mode
    return (0o600 | wanted & 0o100) if private else wanted | 0o400
