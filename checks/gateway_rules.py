"""Rules about the Gateway and what it exposes (GW)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from checks.registry import Found, at, rule
from checks.shared import clock
from checks.shared.gateway import certificate_problem, class_problem, host_problem
from settings.derive import Deployment
from settings.names import RESOURCE_NAME
from settings.refusal import Path

_PATH: Path = ("gateway",)


@rule("GW01")
def gateway_class(deployment: Deployment) -> Iterator[Found]:
    """One of the two classes that take an InferencePool."""
    name = deployment.settings.gateway.gateway_class_name
    yield from at((*_PATH, "gatewayClassName"), name, class_problem(name))


@rule("GW03")
def exposure(deployment: Deployment) -> Iterator[Found]:
    """External needs TLS and authentication, or a written waiver that has not ended."""
    gateway = deployment.settings.gateway
    if not gateway.external:
        return
    authentication = gateway.authentication
    edge = authentication is not None and (authentication.iap_client_id or authentication.security_policy)
    authenticated = edge or gateway.consumers
    lacks = [name for name, there in (("TLS", gateway.tls), ("authentication", authenticated)) if not there]
    if not lacks or (gateway.waiver is not None and clock.holds(gateway.waiver.until)):
        return
    said = f"The Gateway is external without {' and '.join(lacks)}."
    if gateway.waiver is not None:
        fix = f"Write until: {clock.later()} if the reason still holds, or add tls and authentication."
        ended = f"{said} The waiver ended on {gateway.waiver.until}."
        yield Found((*_PATH, "waiver", "until"), str(gateway.waiver.until), ended, fix)
        return
    snippet = {
        "TLS": "tls: {certificateManagerCerts: [my-certificate]}",
        "authentication": "authentication: {securityPolicy: my-allow-list}",
    }
    wanted = "\n".join(snippet[name] for name in lacks)
    fix = f"Write gatewayClassName: gke-l7-rilb to stay inside, give a waiver, or add:\n{wanted}"
    yield Found((*_PATH, "gatewayClassName"), gateway.gateway_class_name, said, fix)


@rule("GW04")
def address(deployment: Deployment) -> Iterator[Found]:
    """A name of a regional address: no address, no path, no other project."""
    named = deployment.settings.gateway.address
    if named is None or re.fullmatch(RESOURCE_NAME, named.name):
        return
    path, name = (*_PATH, "address", "name"), named.name
    region = deployment.region
    if "/" in name:
        said = "This is the path of an address; GKE takes the name of one in the same project and region."
        yield Found(path, name, said, f"Write name: {name.rstrip('/').rsplit('/', 1)[-1]}.")
    elif _is_address(name):
        said = "This is an address, not the name of one."
        command = f"gcloud compute addresses create models --region={region} --addresses={name}"
        yield Found(path, name, said, f"Write name: models, and reserve the address under that name:\n{command}")
    else:
        said = "A name has small letters, digits and dashes, at most 63, and begins with a letter."
        cleaned = "".join(c if c.isascii() and c.isalnum() else "-" for c in name.lower()).strip("-")[:63].rstrip("-")
        fitting = cleaned if cleaned[:1].isalpha() else f"a-{cleaned}".rstrip("-")[:63]
        yield Found(path, name, said, f"Write name: {fitting}.")


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


@rule("GW05")
def certificate(deployment: Deployment) -> Iterator[Found]:
    """Exactly one of the four sources."""
    tls = deployment.settings.gateway.tls
    if tls is None:
        return
    choices = {
        "managedCertificate": tls.managed_certificate,
        "certificateManagerCerts": tls.certificate_manager_certs,
        "preSharedCerts": tls.pre_shared_certs,
        "secretName": tls.secret_name,
    }
    given = [key for key, there in choices.items() if there]
    yield from at((*_PATH, "tls"), given, certificate_problem(given, tuple(choices)))


@rule("GW14")
def managed_certificate(deployment: Deployment) -> Iterator[Found]:
    """A certificate is issued for a name; a project without a zone says nothing."""
    gateway = deployment.settings.gateway
    managed = gateway.managed_certificate
    if managed is None:
        return
    if gateway.hostname is None:
        said = "A certificate is issued for a host name, and the Gateway has none."
        yield Found((*_PATH, "hostname"), None, said, "Write hostname: llm.example.com, a name of a domain of yours.")
    if managed.dns_project is not None and managed.dns_zone is None:
        path = (*_PATH, "tls", "managedCertificate", "dnsProject")
        yield Found(
            path,
            managed.dns_project,
            "No zone is named, so nothing reads it.",
            "Write dnsZone beside it, or remove it.",
        )


@rule("GW07")
def listener_secret(deployment: Deployment) -> Iterator[Found]:
    """The cluster is made by the same `up`, so a Secret can only be there if somebody says so."""
    tls = deployment.settings.gateway.tls
    if tls is None or tls.secret_name is None or tls.secret_exists:
        return
    said = (
        f"The Secret {tls.secret_name} can't be in a cluster that is still to be made; "
        "the Gateway comes before anybody could create it."
    )
    command = (
        f"kubectl create secret tls {tls.secret_name} \\\n"
        f"  --namespace={deployment.namespace} --cert=tls.crt --key=tls.key"
    )
    fix = (
        "Use certificateManagerCerts. Or run the first up without tls, create the Secret, then "
        f"write secretExists: true beside it:\n{command}"
    )
    yield Found((*_PATH, "tls", "secretName"), tls.secret_name, said, fix)


@rule("GW11")
def without_effect(deployment: Deployment) -> Iterator[Found]:
    """Nothing is said that only matters beside something else that is not there."""
    gateway = deployment.settings.gateway
    if gateway.global_access and gateway.external:
        said = "Global access is for the internal class; an external Gateway is reached from everywhere anyway."
        yield Found((*_PATH, "globalAccess"), True, said, "Remove it, or write gatewayClassName: gke-l7-rilb.")
    tls, authentication = gateway.tls, gateway.authentication
    if tls is not None and tls.secret_exists and tls.secret_name is None:
        yield Found((*_PATH, "tls", "secretExists"), True, "No Secret is named.", "Remove it.")
    if authentication is not None and authentication.iap_client_secret_name and not authentication.iap_client_id:
        path = (*_PATH, "authentication", "iapClientSecretName")
        said = "Without iapClientId there is no Identity-Aware Proxy, and nothing reads the Secret."
        yield Found(path, authentication.iap_client_secret_name, said, "Write iapClientId beside it, or remove it.")


@rule("GW12")
def identity_aware_proxy(deployment: Deployment) -> Iterator[Found]:
    """Identity-Aware Proxy only behind an HTTPS listener."""
    gateway = deployment.settings.gateway
    authentication = gateway.authentication
    if authentication is None or not authentication.iap_client_id or gateway.tls is not None:
        return
    path = (*_PATH, "authentication", "iapClientId")
    fix = "Remove it, or add below `gateway:`\ntls: {certificateManagerCerts: [my-certificate]}"
    yield Found(path, authentication.iap_client_id, "The Gateway has no TLS, and IAP signs in over https only.", fix)


@rule("BP04")
def security_policy(deployment: Deployment) -> Iterator[Found]:
    """A Cloud Armor policy by its name; a path would name another scope."""
    authentication = deployment.settings.gateway.authentication
    name = authentication.security_policy if authentication else None
    if name is None or re.fullmatch(RESOURCE_NAME, name):
        return
    said = "This is not the name of a Cloud Armor policy."
    if "/" in name:
        said = f"The policy is named, not located: GKE looks for it in {deployment.region}."
    own = re.sub(r"[^a-z0-9]+", "-", name.rstrip("/").rsplit("/", 1)[-1].lower()).strip("-")
    fix = f"Write securityPolicy: {own or 'my-allow-list'}, the name of a policy made with --region."
    yield Found((*_PATH, "authentication", "securityPolicy"), name, said, fix)


@rule("GW13")
def host_name(deployment: Deployment) -> Iterator[Found]:
    """Clients, certificates and routes use a name of DNS."""
    if (name := deployment.settings.gateway.hostname) is not None:
        yield from at((*_PATH, "hostname"), name, host_problem(name))
