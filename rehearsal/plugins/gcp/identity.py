"""APIs of a project, service accounts and who may do what."""

from __future__ import annotations

import json

from rehearsal.cloud import CloudResource
from rehearsal.plugins.frame import ProviderError, Values
from rehearsal.plugins.gcp import google
from rehearsal.plugins.gcp.kind import Kind
from rehearsal.plugins.gcp.world import ACCOUNT, SERVICE, World, fingerprint, number_for


class Service(Kind):
    """An API of a project. Enabling one that is on is no error."""

    token = SERVICE
    idempotent = True

    def outputs(self, inputs: Values, world: World) -> Values:
        return {"deletionPolicy": "DELETE"}

    def stays(self, state: Values) -> bool:
        return state.get("disableOnDestroy") is not True


class Account(Kind):
    """A service account."""

    token = ACCOUNT

    def outputs(self, inputs: Values, world: World) -> Values:
        email = f"{inputs['accountId']}@{inputs['project']}.iam.gserviceaccount.com"
        name = self.id(inputs)
        return {
            "email": email,
            "member": f"serviceAccount:{email}",
            "name": name,
            "uniqueId": number_for(name, 21),
            "deletionPolicy": "DELETE",
        }

    create_error = "Error creating service account: "

    def taken(self, resource_id: str, inputs: Values) -> ProviderError:
        details = [{"@type": "type.googleapis.com/google.rpc.ResourceInfo", "resourceName": resource_id}]
        message = f"Service account {inputs['accountId']} already exists within project projects/{inputs['project']}."
        return google.CloudError(409, f"{message}\nDetails:\n{json.dumps(details, indent=2)}\n", "alreadyExists")


class _Member(Kind):
    """One member of one role; adding one that is there is no error."""

    idempotent = True

    def outputs(self, inputs: Values, world: World) -> Values:
        return {"etag": fingerprint(inputs)}

    def refuse(self, inputs: Values, world: World, old: CloudResource | None) -> None:
        kind, _, email = inputs["member"].partition(":")
        domain = f"@{inputs['project']}.iam.gserviceaccount.com"
        if kind == "serviceAccount" and email.endswith(domain):
            account = f"projects/{inputs['project']}/serviceAccounts/{email}"
            if world.find(ACCOUNT, account) is None:
                raise google.CloudError(400, f"Service account {email} does not exist.", "badRequest")


class ProjectMember(_Member):
    """A member of a role of the project."""

    token = "gcp:projects/iAMMember:IAMMember"
    create_error = (
        'Error applying IAM policy for project "{project}": Error setting IAM policy for project "{project}": '
    )


class SecretMember(_Member):
    """A member of a role of a secret. Secrets themselves are none of the program's resources: any name is taken."""

    token = "gcp:secretmanager/secretIamMember:SecretIamMember"
    create_error = (
        'Error applying IAM policy for secretmanager secret "projects/{project}/secrets/{secretId}": '
        'Error setting IAM policy for secretmanager secret "projects/{project}/secrets/{secretId}": '
    )
