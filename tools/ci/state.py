"""Sets up where an environment's state is kept, and with which key its secrets are encrypted; what is there already is left.

    python -m tools.ci.state bucket dev --bucket example-pulumi-state     a bucket and a KMS key of your own
    python -m tools.ci.state pulumi-cloud dev --organization example      Pulumi Cloud, its own encryption

`--dry-run` prints the commands. Exit codes: 0 good, 1 a command failed, 2 the call was wrong. docs/state.md says more.
"""

from __future__ import annotations

import argparse
import re
import sys
from functools import partial

from settings.derive import Deployment
from settings.names import PROJECT_NAME
from tools.ci.commands import Command, run_or_print

KEY_RING = "pulumi"
# Google Cloud, "Cloud Storage bucket name requirements"; names with dots need a verified domain.
_BUCKET = re.compile(r"[a-z0-9][a-z0-9_-]{1,61}[a-z0-9]")
_ORGANIZATION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


def bucket(deployment: Deployment, name: str) -> list[Command]:
    """State in a bucket that keeps old versions, secrets by a key that only this environment has."""
    project, region = deployment.settings.project.id, deployment.region
    at = ("--location", region, "--project", project)
    key = f"projects/{project}/locations/{region}/keyRings/{KEY_RING}/cryptoKeys/{deployment.name}"
    url = f"gs://{name}"
    return [
        Command(("gcloud", "services", "enable", "storage.googleapis.com", "cloudkms.googleapis.com", "--project", project)),
        Command(
            ("gcloud", "storage", "buckets", "create", url, *at, "--uniform-bucket-level-access",
             "--public-access-prevention"),
            unless=("gcloud", "storage", "buckets", "describe", url),
        ),
        Command(("gcloud", "storage", "buckets", "update", url, "--versioning")),
        Command(
            ("gcloud", "kms", "keyrings", "create", KEY_RING, *at),
            unless=("gcloud", "kms", "keyrings", "describe", KEY_RING, *at),
        ),
        Command(
            ("gcloud", "kms", "keys", "create", deployment.name, "--keyring", KEY_RING, *at, "--purpose", "encryption"),
            unless=("gcloud", "kms", "keys", "describe", deployment.name, "--keyring", KEY_RING, *at),
        ),
        Command(("pulumi", "login", url)),
        _stack(deployment.name, "--secrets-provider", f"gcpkms://{key}"),
    ]  # fmt: skip


def pulumi_cloud(deployment: Deployment, organization: str) -> list[Command]:
    """State and secrets at Pulumi Cloud."""
    return [Command(("pulumi", "login")), _stack(f"{organization}/{PROJECT_NAME}/{deployment.name}")]


def _stack(name: str, *options: str) -> Command:
    return Command(
        ("pulumi", "stack", "init", name, *options, "--non-interactive"),
        unless=("pulumi", "stack", "select", name, "--non-interactive"),
    )


def main(arguments: list[str] | None = None) -> int:
    """Set up, or with `--dry-run` print the commands."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.ci.state", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("where", choices=["bucket", "pulumi-cloud"])
    parser.add_argument("environment", metavar="ENV", help="name of an environment, which becomes the stack's")
    parser.add_argument("--bucket", metavar="NAME", help="one for all environments, or one for each")
    parser.add_argument("--organization", metavar="NAME", help="your organization at Pulumi Cloud")
    parser.add_argument("--dry-run", action="store_true", help="print the commands and run none")
    options = parser.parse_args(arguments)
    if options.where == "bucket":
        if not _BUCKET.fullmatch(options.bucket or ""):
            parser.error("--bucket: 3 to 63 lower-case letters, digits, - and _")
        commands_of = partial(bucket, name=options.bucket)
    else:
        if not _ORGANIZATION.fullmatch(options.organization or ""):
            parser.error("--organization: the name in the URL of your organization at Pulumi Cloud")
        commands_of = partial(pulumi_cloud, organization=options.organization)
    return run_or_print(options.environment, commands_of, dry_run=options.dry_run)


if __name__ == "__main__":
    sys.exit(main())
