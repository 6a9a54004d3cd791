"""What the Gateway names: address, certificates, SSL policy, Cloud Armor policy."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from cluster.errors import CannotAskError
from serving.checking.findings import Finding, failed, passed, unknown, warned
from serving.checking.gcloud import gcloud
from serving.google.client import last_part
from serving.google.errors import GOOGLE_FAILURES
from serving.preflight.checks.cluster import own_cluster
from serving.preflight.context import Context
from serving.preflight.dns import absolute
from serving.preflight.registry import check
from settings.gateway import ManagedCertificate

_SHARED = "SHARED_LOADBALANCER_VIP"
_SOON = timedelta(days=30)


@check(
    "gateway-address",
    "A named address exists in the region and is of the right kind; the name of a new one is free",
    "Compute Engine, addresses.get",
    (*GOOGLE_FAILURES, "address-not-found", "address-of-another-kind", "address-in-use", "address-name-taken"),
)
def gateway_address(context: Context) -> Iterator[Finding]:
    """Internal: an address that the forwarding rules of a Gateway can share (GW04)."""
    gateway = context.deployment.settings.gateway
    if gateway.address is None:
        return
    name = f"address {gateway.address.name} in {context.region}"
    found = context.google.find(
        "compute", "addresses.get", project=context.project, region=context.region, address=gateway.address.name
    )
    if gateway.address.create:
        if found is None:
            yield passed(name, f"{gateway.address.name} is free")
        elif own_cluster(context):
            yield passed(name, "exists, and so does this environment's cluster")
        else:
            fix = "Write gateway.address.create: false to use it, or another name; or leave it, where an earlier up made it."
            yield warned("address-name-taken", name, needed="a free name", message="exists", fix=fix)
    elif found is None:
        fix = _reserve(context, gateway.address.name)
        yield failed("address-not-found", name, needed="it exists", message="404", fix=fix)
    else:
        yield _fitting(context, name, found)


def _fitting(context: Context, name: str, found: dict[str, Any]) -> Finding:
    gateway = context.deployment.settings.gateway
    kind, purpose = found.get("addressType", "EXTERNAL"), found.get("purpose", "no purpose")
    wanted = "EXTERNAL" if gateway.external else f"INTERNAL, {_SHARED}"
    if (kind == "EXTERNAL") is not gateway.external or (not gateway.external and purpose != _SHARED):
        has = kind if kind == "EXTERNAL" else f"{kind}, {purpose}"
        fix = _reserve(context, "NEW-NAME")
        return failed("address-of-another-kind", name, needed=wanted, message=has, fix=fix)
    users = [last_part(user) for user in found.get("users", ())]
    if found.get("status") == "IN_USE" and not own_cluster(context):
        fix = "Name another address, or remove what uses it."
        return warned("address-in-use", name, needed="in use by nobody", message=", ".join(users) or "IN_USE", fix=fix)
    return passed(name, f"{found.get('address')}, {wanted}")


def _reserve(context: Context, name: str) -> str:
    words = [f"compute addresses create {name}", f"--project={context.project}", f"--region={context.region}"]
    if not context.deployment.settings.gateway.external:
        subnet = context.deployment.nodes_subnet_name
        words += [f"--subnet={subnet}", f"--purpose={_SHARED}"]
    return gcloud(*words, say="Write gateway.address.create: true, or run:")


@check(
    "gateway-security",
    "Certificates, SSL policy and Cloud Armor policy that the Gateway names exist in the region",
    "Certificate Manager, certificates.get; Compute Engine, regionSslCertificates, regionSslPolicies, "
    "regionSecurityPolicies; Cloud DNS, managedZones.get; Google Public DNS, the zone's name servers",
    (
        *GOOGLE_FAILURES,
        "certificate-not-found",
        "certificate-not-active",
        "certificate-expires",
        "dns-zone-not-found",
        "dns-zone-of-another-domain",
        "dns-zone-not-delegated",
        "dns-not-reachable",
        "gateway-policy-not-found",
    ),
    requests=8,
)
def gateway_security(context: Context) -> Iterator[Finding]:
    """A Secret of the cluster is not asked for: before the first `up` there is no cluster."""
    gateway = context.deployment.settings.gateway
    place = {"project": context.project, "region": context.region}
    for name in gateway.tls.certificate_manager_certs if gateway.tls else ():
        yield _managed(context, name)
    if gateway.managed_certificate is not None:
        yield from _created(context, gateway.managed_certificate)
    for name in gateway.tls.pre_shared_certs if gateway.tls else ():
        found = context.google.find("compute", "regionSslCertificates.get", **place, sslCertificate=name)
        yield _certificate(f"SSL certificate {name} in {context.region}", found)
    if gateway.tls and gateway.tls.ssl_policy:
        found = context.google.find("compute", "regionSslPolicies.get", **place, sslPolicy=gateway.tls.ssl_policy)
        yield _policy(context, "ssl-policies", gateway.tls.ssl_policy, found)
    armor = gateway.authentication.security_policy if gateway.authentication else None
    if armor:
        found = context.google.find("compute", "regionSecurityPolicies.get", **place, securityPolicy=armor)
        yield _policy(context, "security-policies", armor, found)


def _created(context: Context, managed: ManagedCertificate) -> Iterator[Finding]:
    """A certificate of ours: its state once there is one, and the zone that gets its record."""
    path = f"projects/{context.project}/locations/{context.region}/certificates/{managed.name}"
    if context.google.find("certificatemanager", "projects.locations.certificates.get", name=path) is not None:
        yield _managed(context, managed.name)
    if managed.dns_zone is None:
        return
    project, hostname = managed.dns_project or context.project, context.deployment.settings.gateway.hostname
    title = f"Cloud DNS zone {managed.dns_zone} of project {project}"
    zone = context.google.find("dns", "managedZones.get", project=project, managedZone=managed.dns_zone)
    if zone is None:
        fix = "Write the name of the zone (not its domain), or leave dnsZone out and make the records elsewhere."
        yield failed("dns-zone-not-found", title, needed="it exists", message="404", fix=fix)
        return
    domain = str(zone.get("dnsName", ""))
    fits = zone.get("visibility", "public") == "public" and f".{hostname}.".endswith(f".{domain}")
    if not fits:
        fix = f"Name the public zone that {hostname} lies in."
        needed, has = f"public, of a domain of {hostname}", f"{zone.get('visibility')}, {domain}"
        yield failed("dns-zone-of-another-domain", title, needed=needed, message=has, fix=fix)
        return
    # Each public zone of Cloud DNS has one set of name servers; another zone of the same domain mostly has another.
    own = {absolute(str(server)) for server in zone.get("nameServers", ())}
    try:
        public = context.dns.name_servers(domain)
    except CannotAskError as error:
        yield unknown(error.failure, title, error.message)
        return
    if own & public:
        yield passed(title, f"{domain} is delegated to it")
    else:
        fix = f"At the registrar or in the parent zone, write NS records of {domain}: {', '.join(sorted(own))}"
        has = ", ".join(sorted(public)) or "none that answers"
        yield warned("dns-zone-not-delegated", title, needed=f"{domain} delegated to it", message=has, fix=fix)


def _managed(context: Context, name: str) -> Finding:
    path = f"projects/{context.project}/locations/{context.region}/certificates/{name}"
    found = context.google.find("certificatemanager", "projects.locations.certificates.get", name=path)
    title = f"certificate {name} in {context.region}"
    managed = (found or {}).get("managed") or {}
    state = managed.get("state", "ACTIVE")
    if state != "ACTIVE":
        reason = (managed.get("provisioningIssue") or {}).get("reason", "")
        fix = gcloud(
            f"certificate-manager certificates describe {name}",
            f"--project={context.project}",
            f"--location={context.region}",
            say="See what its domains lack:",
        )
        make = failed if state == "FAILED" else warned
        return make("certificate-not-active", title, needed="ACTIVE", message=f"{state} {reason}".strip(), fix=fix)
    return _certificate(title, found)


def _certificate(title: str, found: dict[str, Any] | None) -> Finding:
    if found is None:
        fix = "Create it in this region (one of another region, or a global one, is not seen), or correct the name."
        return failed("certificate-not-found", title, needed="it exists", message="404", fix=fix)
    text = str(found.get("expireTime", ""))
    ends = _time(text)
    left = ends - datetime.now(UTC) if ends else None
    own = "managed" not in found
    if left is not None and left < (_SOON if own else timedelta()):
        make = failed if left < timedelta() else warned
        fix = "Put a renewed certificate in its place."
        return make(
            "certificate-expires", title, needed=f"valid for {_SOON.days} days", message=f"until {text}", fix=fix
        )
    return passed(title, f"{title.split()[-3]} valid" + (f" until {text[:10]}" if ends else ""))


def _time(text: str) -> datetime | None:
    """RFC 3339, in Google's forms; None where it is no time."""
    try:
        parsed = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _policy(context: Context, command: str, name: str, found: dict[str, Any] | None) -> Finding:
    title = f"{command} {name} in {context.region}"
    if found is not None:
        return passed(title, f"{name} exists")
    fix = gcloud(
        f"compute {command} list",
        f"--project={context.project}",
        f"--filter=region:{context.region}",
        say="Correct the name, or create it in this region; to see what there is, run:",
    )
    return failed("gateway-policy-not-found", title, needed="it exists in this region", message="404", fix=fix)
