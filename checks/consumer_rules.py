"""Rules about consumers: who may ask which models (ED)."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from checks.registry import Found, rule, served_models
from settings.consumers import Consumer
from settings.derive import Deployment
from settings.refusal import Path

# networking.gke.io_gcpauthzpolicies.yaml: rules of a policy; 5 sources of a rule with 10 identities each.
_RULES, _OF_A_RULE = 10, 50
_FIELDS = {"serviceAccount": "service_account", "tags": "tags", "certificate": "certificate"}


def _consumers(deployment: Deployment) -> Iterator[tuple[Path, Consumer]]:
    for index, consumer in enumerate(deployment.settings.gateway.consumers):
        yield ("gateway", "consumers", index), consumer


@rule("ED01")
def known_models(deployment: Deployment) -> Iterator[Found]:
    """A consumer asks models of the environment, each named once."""
    there = [model.name for model in deployment.models]
    for path, consumer in _consumers(deployment):
        for index, name in enumerate(consumer.models):
            if name not in there:
                near = difflib.get_close_matches(name, there, n=1)
                fix = f"Write {near[0]}." if near else f"Write models: [{', '.join(there)}], or fewer of them."
                yield Found((*path, "models", index), name, f"There is no model {name}.", fix)
            elif name in consumer.models[:index]:
                yield Found((*path, "models", index), name, f"{name} is listed twice.", "Remove one of the two.")


@rule("ED02")
def one_identity(deployment: Deployment) -> Iterator[Found]:
    """Each consumer is known by exactly one identity; all of a Gateway by certificates, or none."""
    first = ""
    for path, consumer in _consumers(deployment):
        given = [key for key in ("serviceAccount", "tags", "certificate") if getattr(consumer, _FIELDS[key])]
        if len(given) != 1:
            said = "It has no identity." if not given else f"Given are {' and '.join(given)}."
            fix = "Keep exactly one of serviceAccount, tags, certificate."
            yield Found(path, consumer.name, f"A consumer is known by one identity. {said}", fix)
            continue
        first = first or given[0]
        if (given[0] == "certificate") is not (first == "certificate"):
            said = f"Others of this Gateway are known by {first}; with mutual TLS every client must show a certificate."
            yield Found((*path, given[0]), consumer.identity[1], said, f"Write {first} for every consumer.")


@rule("ED03")
def told_apart(deployment: Deployment) -> Iterator[Found]:
    """No two consumers have the same name or identity."""
    names: set[str] = set()
    identities: set[tuple[str, str]] = set()
    for path, consumer in _consumers(deployment):
        key, value = consumer.identity
        if consumer.name in names:
            yield Found((*path, "name"), consumer.name, "Another consumer has this name.", "Write another name.")
        elif value and (key, value) in identities:
            said = "Another consumer has this identity; nobody could tell them apart."
            yield Found((*path, key), value, said, "Write another identity, or list the models at one of the two.")
        names.add(consumer.name)
        identities.add((key, value))


@rule("ED04")
def mutual_tls(deployment: Deployment) -> Iterator[Found]:
    """Certificates are seen only where the Gateway asks for one."""
    tls = deployment.settings.gateway.tls
    if tls is not None and tls.client_ca_certificate:
        return
    for path, consumer in _consumers(deployment):
        if consumer.certificate is not None:
            said = "The Gateway asks clients for no certificate: tls.clientCaCertificate is missing."
            fix = "Write below gateway.tls: clientCaCertificate, the PEM of the authority that signs the clients'."
            yield Found((*path, "certificate"), consumer.certificate.uri_san, said, fix)
            return


@rule("ED05")
def internal_only(deployment: Deployment) -> Iterator[Found]:
    """Service account and tags of a VM are known inside its VPC only."""
    if not deployment.settings.gateway.external:
        return
    for path, consumer in _consumers(deployment):
        key, value = consumer.identity
        if key != "certificate" and value:
            said = "The Gateway is external, and knows nothing of the VM that asks."
            fix = "Write gatewayClassName: gke-l7-rilb, or name consumers by certificate."
            yield Found((*path, key), value, said, fix)


@rule("ED06")
def limits(deployment: Deployment) -> Iterator[Found]:
    """One policy holds 10 models, and 50 identities for each."""
    consumers = deployment.settings.gateway.consumers
    models = dict.fromkeys(model for consumer in consumers for model in consumer.models)
    if len(models) > _RULES:
        said = f"Consumers name {len(models)} models; a policy has {_RULES} rules, one a model."
        yield Found(("gateway", "consumers"), len(models), said, "Serve the others in another environment.")
    for model in models:
        count = sum(model in consumer.models for consumer in consumers)
        if count > _OF_A_RULE:
            said = f"{model} has {count} consumers; a rule holds {_OF_A_RULE} identities."
            yield Found(("gateway", "consumers"), count, said, "Give teams one identity together.")


@rule("ED07")
def preview(deployment: Deployment) -> Iterator[Found]:
    """GCPAuthzPolicy is in Preview."""
    if consumers := deployment.settings.gateway.consumers:
        said = "GKE checks consumers by GCPAuthzPolicy, which is in Preview since 2026-08-26 (GKE 1.36)."
        fix = "Try it in staging first. A project has at most ten such policies, an environment two."
        yield Found(("gateway", "consumers"), len(consumers), said, fix)


@rule("ED08")
def every_model_has_one(deployment: Deployment) -> Iterator[Found]:
    """Nobody may ask a model that no consumer names."""
    consumers = deployment.settings.gateway.consumers
    named = {model for consumer in consumers for model in consumer.models}
    for path, model in served_models(deployment):
        if consumers and model.name not in named:
            said = f"No consumer names {model.name}: every request to it is answered with 403."
            yield Found((*path, "name"), model.name, said, f"Add {model.name} to the models of a consumer.")
