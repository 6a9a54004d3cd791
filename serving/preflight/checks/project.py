"""The project, what the caller may do in it, and its APIs."""

from __future__ import annotations

from collections.abc import Iterator

from catalog.preflight import permissions_for
from catalog.tpu import generations
from serving.checking.findings import Finding, failed, passed, warned
from serving.checking.gcloud import gcloud
from serving.google.errors import GOOGLE_FAILURES
from serving.preflight.context import Context
from serving.preflight.registry import check


@check(
    "project",
    "The project is there and active",
    "Resource Manager, projects.get",
    (*GOOGLE_FAILURES, "project-not-active", "project-number-differs"),
)
def project(context: Context) -> Iterator[Finding]:
    """Google answers 403 for a project that does not exist as for one that the caller may not see."""
    name, wanted = f"project {context.project}", context.deployment.settings.project.number
    found = context.google.find("cloudresourcemanager", "projects.get", name=f"projects/{context.project}")
    if found is None:
        fix = gcloud("projects", "list", say="Correct project.id; to see what there is, run:")
        yield failed("project-not-found", name, needed="it exists", message="404", fix=fix)
        return
    state, number = found.get("state", ""), str(found.get("name", "")).rpartition("/")[2]
    if state != "ACTIVE":
        fix = gcloud("projects", "undelete", context.project, say="Within 30 days of its deletion, run:")
        yield failed("project-not-active", name, needed="ACTIVE", message=state or "no state", fix=fix)
    elif wanted is not None and wanted != number:
        yield failed(
            "project-number-differs", name, needed=f"number {wanted}", message=number, fix=f'Write number: "{number}".'
        )
    else:
        yield passed(name, f"ACTIVE, number {number}")


@check(
    "permissions",
    "Whoever runs `pulumi up` may create what the environment declares",
    "Resource Manager, projects.testIamPermissions",
    (*GOOGLE_FAILURES, "permission-missing"),
)
def permissions(context: Context) -> Iterator[Finding]:
    """Those of the project, and of the host project where the network is another project's."""
    yield from _permissions(context, context.project, _reasons(context))
    if context.network_project != context.project:
        yield from _permissions(context, context.network_project, ("existingNetwork",))
    if _zone_project(context) not in (None, context.project):
        yield from _permissions(context, str(_zone_project(context)), ("createRecords",))


def _zone_project(context: Context) -> str | None:
    """Project of the zone that gets DNS records; None where none are made."""
    managed = context.deployment.settings.gateway.managed_certificate
    return (managed.dns_project or context.project) if managed and managed.dns_zone else None


def _reasons(context: Context) -> tuple[str, ...]:
    """Keys of the catalogue's list that apply to the environment."""
    deployment, settings = context.deployment, context.deployment.settings
    address, network = settings.gateway.address, settings.network
    multi_host = [pool.shape.generation for pool in deployment.pools if pool.shape.multi_host]
    applies = {
        "always": True,
        "enableApis": settings.project.enable_apis,
        "createNetwork": network.mode == "create",
        "existingNetwork": network.mode == "existing" and network.host_project is None,
        "createProxyOnlySubnet": network.proxy_only_subnet.mode == "create",
        "createAddress": address is not None and address.create,
        "createCertificate": settings.gateway.managed_certificate is not None,
        "createRecords": _zone_project(context) == context.project,
        "secretManager": deployment.needs_secret_sync,
        "createBucket": deployment.store is not None and deployment.store.created,
        "alerts": deployment.alerted,
        "logAlerts": deployment.alerted and bool(settings.gateway.certificates),
        "workloadPolicy": any(generations()[generation].workload_policy for generation in multi_host),
    }
    return tuple(reason for reason, wanted in applies.items() if wanted)


def _permissions(context: Context, project_id: str, reasons: tuple[str, ...]) -> Iterator[Finding]:
    wanted, name = permissions_for(reasons), f"project {project_id}"
    answer = context.google.find(
        "cloudresourcemanager",
        "projects.testIamPermissions",
        resource=f"projects/{project_id}",
        body={"permissions": sorted(wanted)},
    )
    granted = set((answer or {}).get("permissions", ()))
    missing = [permission for permission in wanted if permission not in granted]
    if not missing:
        yield passed(name, f"{len(wanted)} permissions")
        return
    roles = dict.fromkeys(wanted[permission] for permission in missing)
    lines = [
        gcloud("projects", "add-iam-policy-binding", project_id, "--member=user:YOU", f"--role={role}", say="")
        for role in roles
    ]
    fix = "Have an owner of the project grant the roles:" + "".join(lines)
    yield failed("permission-missing", name, needed=", ".join(missing), message="not granted", fix=fix)


@check(
    "apis",
    "The Google APIs that the environment uses are on",
    "Service Usage, services.batchGet",
    (*GOOGLE_FAILURES, "api-not-enabled", "api-enabled-by-up"),
)
def apis(context: Context) -> Iterator[Finding]:
    """What is off is turned on by `pulumi up`, unless `enableApis` is false."""
    wanted, parent = context.deployment.apis, f"projects/{context.project}"
    names = [f"{parent}/services/{api}" for api in wanted]
    answer = context.google.find("serviceusage", "services.batchGet", parent=parent, names=names) or {}
    states = {str(item.get("name", "")).rpartition("/")[2]: item.get("state") for item in answer.get("services", ())}
    off = [api for api in wanted if states.get(api) != "ENABLED"]
    if not off:
        yield passed("APIs", f"{len(wanted)} on")
        return
    name, found = f"APIs of project {context.project}", f"off: {', '.join(off)}"
    fix = gcloud("services", "enable", *off, f"--project={context.project}")
    if context.deployment.settings.project.enable_apis:
        yield warned("api-enabled-by-up", name, needed="on", message=found, fix=fix)
    else:
        yield failed("api-not-enabled", name, needed="on, as enableApis is false", message=found, fix=fix)
