"""Errors as the provider and Google word them. Which words are verified, and where: `behaviour.yaml`."""

from __future__ import annotations

import json

from rehearsal.plugins.frame import ProviderError

_API_TITLES = {
    "cloudresourcemanager.googleapis.com": "Cloud Resource Manager API",
    "compute.googleapis.com": "Compute Engine API",
    "container.googleapis.com": "Kubernetes Engine API",
    "iam.googleapis.com": "Identity and Access Management (IAM) API",
    "secretmanager.googleapis.com": "Secret Manager API",
}


class CloudError(ProviderError):
    """What Google's API answers."""

    def __init__(self, code: int, message: str, reason: str = "") -> None:
        super().__init__(f"googleapi: Error {code}: {message}{f', {reason}' if reason else ''}")


def service_disabled(service: str, project: str) -> CloudError:
    """The API that a resource belongs to is not on in the project."""
    title = _API_TITLES.get(service, service)
    details = [
        {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "domain": "googleapis.com",
            "metadata": {"consumer": f"projects/{project}", "service": service},
            "reason": "SERVICE_DISABLED",
        }
    ]
    return CloudError(
        403,
        f"{title} has not been used in project {project} before or it is disabled. Enable it by visiting "
        f"https://console.developers.google.com/apis/api/{service}/overview?project={project} then retry. If you "
        "enabled this API recently, wait a few minutes for the action to propagate to our systems and retry.\n"
        f"Details:\n{json.dumps(details, indent=2)}\n",
        "accessNotConfigured",
    )


def exists(resource_id: str) -> CloudError:
    """A compute resource of this name is there."""
    return CloudError(409, f"The resource '{resource_id}' already exists", "alreadyExists")


def not_found(resource_id: str) -> CloudError:
    """A compute resource is not there."""
    return CloudError(404, f"The resource '{resource_id}' was not found", "notFound")


def unresolved(field: str, link: str, what: str) -> CloudError:
    """A field names a resource that is not there."""
    return invalid(field, link, f"The referenced {what} resource cannot be found.")


def invalid(field: str, value: str, why: str) -> CloudError:
    """A field's value is refused."""
    return CloudError(400, f"Invalid value for field 'resource.{field}': '{value}'. {why}", "invalid")


def in_use(what: str, resource_id: str, user_id: str) -> ProviderError:
    """A resource can't be deleted because another one needs it."""
    return ProviderError(f"The {what} resource '{resource_id}' is already being used by '{user_id}'")
