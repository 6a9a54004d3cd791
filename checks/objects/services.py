"""Rules on LLMInferenceServices and on what must agree with them (KS02 to KS14)."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from catalog.epp_plugins import load_epp_plugins
from catalog.lock import load_lock
from catalog.models import named
from checks.objects.check import Context, Found, Scope, on_each, on_whole
from checks.objects.pods import (
    Container,
    arguments_of,
    is_on_tpu,
    probes_of,
    server_of,
    serves_tls,
)
from checks.objects.releases import chart_of
from checks.objects.resource import RELEASE, Resource
from checks.objects.values import get, items, mapping, number, text
from checks.shared.models import name_problem, source_problem
from settings import names
from settings.derive import NODE_BUDGET_SECONDS
from settings.flags import json_flag
from settings.refusal import Path

_SERVICE = "LLMInferenceService"
_INITIALIZER, _TOKEN = "storage-initializer", "HF_TOKEN"
_SWITCH = "enableLLMInferenceServiceTLS"
_PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
_AWAITED_SECONDS = 600  # pulumi-kubernetes waits this long where nothing else is said


@on_each("KS02", _SERVICE)
def probes_follow_tls(service: Resource, _: Context) -> Iterator[Found]:
    """Probes ask over https exactly where the server has a certificate."""
    container = server_of(service)
    if container is None or not arguments_of(container):
        return
    wanted = "HTTPS" if serves_tls(container) else "HTTP"
    for key in _PROBES:
        check = mapping(container.body, key, "httpGet")
        scheme = text(check, "scheme") or "HTTP"
        if check and scheme != wanted:
            said = "The server has a certificate." if wanted == "HTTPS" else "The server speaks plain HTTP."
            yield Found(service, (*container.path, key, "httpGet", "scheme"), scheme, said, f"Write scheme: {wanted}.")


@on_whole("KS02")
def preset_speaks_http(scope: Scope) -> Iterator[Found]:
    """Probes of a server that KServe's preset starts ask over http, unless the stack turns the switch on."""
    if any(_switch(config) for config in scope.of("ConfigMap") if config.name == "inferenceservice-config"):
        return
    for service in scope.of(_SERVICE):
        container = server_of(service)
        if container is None or items(container.body, "command") + items(container.body, "args"):
            continue
        for key in _PROBES:
            if text(container.body, key, "httpGet", "scheme") == "HTTPS":
                at = (*container.path, key, "httpGet", "scheme")
                said = f"The preset's server speaks plain HTTP where {_SWITCH} is off."
                yield Found(service, at, "HTTPS", said, "Write scheme: HTTP.")


@on_each("SC04", _SERVICE)
def token_of_the_download(service: Resource, _: Context) -> Iterator[Found]:
    """A token that the server has is there for the download too, which comes first."""
    container, uri = server_of(service), text(service.inputs, "spec", "model", "uri")
    known = named(uri).model
    if container is None or not uri.startswith("hf://") or (known is not None and not known.gated):
        return
    pod = container.pod.spec
    downloads = [c for c in items(pod, "initContainers") if text(c, "name") == _INITIALIZER]
    if _has_token(container.body) and not any(map(_has_token, downloads)):
        said = "The server has the token, the storage initializer that downloads the model has not."
        fix = f"Write initContainers: [{{name: {_INITIALIZER}, env: [{{name: {_TOKEN}, valueFrom: ...}}]}}]."
        yield Found(service, ("spec", "template", "initContainers"), None, said, fix)


def _has_token(container: Any) -> bool:
    return any(text(variable, "name") == _TOKEN for variable in items(container, "env"))


@on_each("KS02", "ConfigMap")
def switch_is_written(config: Resource, _: Context) -> Iterator[Found]:
    """KServe's TLS switch is written out, not left to the version's default."""
    if config.name == "inferenceservice-config" and _switch(config) is None:
        yield Found(
            config,
            ("data", "ingress"),
            None,
            f"{_SWITCH} is not written.",
            f'Write "{_SWITCH}": false into data.ingress.',
        )


def _switch(config: Resource) -> bool | None:
    value = json_flag(text(config.inputs, "data", "ingress")).get(_SWITCH)
    return value if isinstance(value, bool) else None


@on_whole("KS02")
def service_follows_server(scope: Scope) -> Iterator[Found]:
    """No Service, and no switch of KServe, says https over a server that speaks plain HTTP (field issues 6, 15)."""
    plain = {}
    for service in scope.of(_SERVICE):
        container = server_of(service)
        if container is not None and _is_plain(container):
            plain[(service.namespace, service.name)] = service
    for front in scope.of("Service"):
        behind = _served_by(front, plain)
        if behind is None:
            continue
        for index, port in enumerate(items(front.inputs, "spec", "ports")):
            said = text(port, "appProtocol")
            if said.lower() == "https":
                at = ("spec", "ports", index, "appProtocol")
                yield Found(front, at, said, f"{behind.label} speaks plain HTTP.", "Write appProtocol: http.")
    for config in scope.of("ConfigMap"):
        if plain and config.name == "inferenceservice-config" and _switch(config):
            label = next(iter(plain.values())).label
            said = f"KServe would say https before {label}, which speaks plain HTTP."
            yield Found(config, ("data", "ingress", _SWITCH), True, said, f'Write "{_SWITCH}": false.')


def _is_plain(container: Container) -> bool:
    if arguments_of(container):
        return not serves_tls(container)
    probes = probes_of(container)
    return bool(probes) and all(probe.scheme == "HTTP" for probe in probes)


def _served_by(front: Resource, servers: Mapping[tuple[str, str], Resource]) -> Resource | None:
    selected = text(front.inputs, "spec", "selector", "app.kubernetes.io/name")
    for (namespace, name), service in servers.items():
        if front.namespace == namespace and (front.name == names.workload_service(name) or selected == name):
            return service
    return None


@on_whole("KS03", graph=True)
def group_controller_first(scope: Scope) -> Iterator[Found]:
    """LeaderWorkerSet is there before KServe's controller starts, which decides then what it watches."""
    spread = [s for s in scope.of(_SERVICE) if mapping(s.inputs, "spec", "worker")]
    groups = [r for r in scope.of(RELEASE) if chart_of(r) == "lws"]
    for controller in scope.of(RELEASE):
        if not spread or chart_of(controller) != "kserve-llmisvc-resources":
            continue
        for group in groups:
            if not scope.comes_before(group, controller):
                said = f"{group.label} does not come before it, and {spread[0].label} is multi-host."
                yield Found(controller, (), None, said, f"Make it depend on {group.label}.")


@on_each("KS04", _SERVICE)
def name_is_short(service: Resource, _: Context) -> Iterator[Found]:
    """The name leaves room for everything KServe derives from it."""
    if service.name and (problem := name_problem(service.name)) is not None:
        yield Found(service, ("metadata", "name"), service.name, *problem)


@on_each("KS05", _SERVICE)
def source_is_readable(service: Resource, _: Context) -> Iterator[Found]:
    """KServe can read the model's source."""
    uri = text(service.inputs, "spec", "model", "uri")
    if get(service.inputs, "spec", "storageInitializer", "enabled") is False and "://" in uri:
        return  # the server reads it itself, and KServe takes any scheme
    if (problem := source_problem(uri, "uri")) is not None:
        yield Found(service, ("spec", "model", "uri"), uri, *problem)


@on_each("KS06", _SERVICE)
def replicas_or_scaling(service: Resource, _: Context) -> Iterator[Found]:
    """Replicas or autoscaling, not both."""
    for at in (("spec",), ("spec", "prefill")):
        workload = mapping(service.inputs, *at)
        if get(workload, "replicas") is not None and get(workload, "scaling") is not None:
            count = get(workload, "replicas")
            yield Found(
                service, (*at, "replicas"), count, "Both replicas and scaling are given.", "Remove one of them."
            )


@on_each("KS07", _SERVICE)
def served_name_is_set(service: Resource, _: Context) -> Iterator[Found]:
    """A server with a command line of its own is told the name clients use; else they must say `/mnt/models`."""
    container = server_of(service)
    if container is None or not items(container.body, "command") + items(container.body, "args"):
        return
    arguments = arguments_of(container)
    wanted = text(service.inputs, "spec", "model", "name") or service.name
    served = [value for a in arguments if a.name == "--served-model-name" for value in a.values]
    if arguments and wanted not in served:
        key = "args" if items(container.body, "args") else "command"
        said = f"It serves {', '.join(served)}." if served else "Clients would have to say /mnt/models."
        fix = f"Add --served-model-name={wanted}."
        yield Found(service, (*container.path, key), served or None, said, fix)


@on_each("KS10", _SERVICE)
def picker_is_written_out(service: Resource, _: Context) -> Iterator[Found]:
    """The picker's configuration is ours, and every plugin in it is one that the pinned endpoint picker knows."""
    at: Path = ("spec", "router", "scheduler")
    scheduler = get(service.inputs, *at)
    if not isinstance(scheduler, Mapping) or get(scheduler, "pool", "ref") is not None:
        return
    config = get(scheduler, "config", "inline")
    if config is None and get(scheduler, "config", "ref") is None:
        fix = "Write config: {inline: {apiVersion: ..., kind: EndpointPickerConfig, plugins: [...]}}."
        yield Found(service, (*at, "config"), None, "The weights are left to KServe's changing defaults.", fix)
    elif isinstance(config, Mapping):
        yield from _known_plugins(service, config, (*at, "config", "inline"))


def _known_plugins(service: Resource, config: Mapping[str, Any], at: Path) -> Iterator[Found]:
    version = load_lock().images["epp"].tag
    table = load_epp_plugins(version)
    declared: set[str] = set()
    for index, plugin in enumerate(items(config, "plugins")):
        kind = text(plugin, "type")
        declared.add(text(plugin, "name") or kind)
        if kind not in table["plugins"]:
            near = difflib.get_close_matches(kind, table["plugins"], n=1, cutoff=0.5)
            fix = f"Write type: {near[0]}." if near else "Remove it."
            said = f"The picker {version} knows no plugin {kind}."
            yield Found(service, (*at, "plugins", index, "type"), kind, said, fix)
    for index, profile in enumerate(items(config, "schedulingProfiles")):
        for place, used in enumerate(items(profile, "plugins")):
            name = text(used, "pluginRef")
            if name not in declared:
                path = (*at, "schedulingProfiles", index, "plugins", place, "pluginRef")
                yield Found(service, path, name, f"No plugin {name} is declared.", f"Add {{type: {name}}} to plugins.")
    for key in config:
        if key not in table["config"]["topLevelKeys"]:
            yield Found(service, (*at, key), None, f"The picker {version} stops at the key {key}.", f"Remove {key}.")


@on_each("KS11", _SERVICE)
def start_has_a_budget(service: Resource, context: Context) -> Iterator[Found]:
    """The server has a startup probe with a budget, and no probe a fixed delay."""
    container = server_of(service)
    if container is None or not is_on_tpu(container.pod):
        return
    for key in _PROBES:
        delay = number(container.body, key, "initialDelaySeconds")
        if delay:
            at = (*container.path, key, "initialDelaySeconds")
            said = f"{key} sleeps {delay} s, however fast the server is."
            yield Found(service, at, delay, said, "Remove initialDelaySeconds; the startup probe has the budget.")
    needed = context.startup_seconds.get(service.name)
    probe, covered = mapping(container.body, "startupProbe"), _covered(container)
    if not probe or (needed is not None and covered < needed):
        said = f"The startup probe covers {covered} s." if probe else "There is no startup probe."
        count = -(-(needed or 3600) // 10)
        fix = f"Write startupProbe: {{periodSeconds: 10, failureThreshold: {count}, httpGet: ...}}."
        yield Found(service, (*container.path, "startupProbe"), covered or None, said, fix)


def _covered(container: Container) -> int:
    """Seconds that the startup probe gives the server; none without one."""
    probe = mapping(container.body, "startupProbe")
    return (number(probe, "periodSeconds") or 10) * (number(probe, "failureThreshold") or 3) if probe else 0


@on_each("KS11", _SERVICE, graph=True)
def engine_waits(service: Resource, _: Context) -> Iterator[Found]:
    """The engine waits for a node and the whole startup budget."""
    container = server_of(service)
    awaited = get(service.inputs, "metadata", "annotations", "pulumi.com/waitFor")
    if container is None or not is_on_tpu(container.pod) or service.create_seconds is None or not awaited:
        return
    waits = service.create_seconds or _AWAITED_SECONDS
    wanted = _covered(container) + NODE_BUDGET_SECONDS
    if waits < wanted:
        said = f"The engine waits {waits:.0f} s; node and start may take {wanted} s."
        yield Found(service, ("customTimeouts", "create"), waits, said, f"Write custom_timeouts: create {wanted}s.")


@on_whole("KS14")
def pipeline_preset(scope: Scope) -> Iterator[Found]:
    """A service with a pipeline finds the preset that KServe asks for and does not ship."""
    presets = {config.name for config in scope.of("LLMInferenceServiceConfig")}
    for service in scope.of(_SERVICE):
        pipeline = number(service.inputs, "spec", "parallelism", "pipeline")
        if pipeline and mapping(service.inputs, "spec", "worker") and names.PIPELINE_PRESET not in presets:
            said = f"KServe asks for the preset {names.PIPELINE_PRESET}, and nothing here makes it."
            fix = "Make an LLMInferenceServiceConfig of that name in the service's namespace."
            yield Found(service, ("spec", "parallelism", "pipeline"), pipeline, said, fix)
