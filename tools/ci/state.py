"""Sets up where an environment's state is kept, and with which key its secrets are encrypted; what is there already is left.

    python -m tools.ci.state bucket dev --bucket example-pulumi-state     a bucket and a KMS key of your own
    python -m tools.ci.state pulumi-cloud dev --organization example      Pulumi Cloud, its own encryption

`--dry-run` prints the commands. Exit codes: 0 good, 1 a command failed, 2 the call was wrong. docs/state.md says more.
"""

from __future__ import annotations

import argparse
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass

from checks.environment import require
from settings.derive import Deployment
from settings.document import ROOT, find_environment, read_document
from settings.names import PROJECT_NAME
from settings.refusal import RefusedError

KEY_RING = "pulumi"
# Google Cloud, "Cloud Storage bucket name requirements"; names with dots need a verified domain.
_BUCKET = re.compile(r"[a-z0-9][a-z0-9_-]{1,61}[a-z0-9]")
_ORGANIZATION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


@dataclass(frozen=True)
class Step:
    """A command; it is left out where `unless` succeeds."""

    command: tuple[str, ...]
    unless: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """As a person would type it."""
        text = shlex.join(self.command)
        return f"{shlex.join(self.unless)} || {text}" if self.unless else text


def bucket(deployment: Deployment, name: str) -> list[Step]:
    """State in a bucket that keeps old versions, secrets by a key that only this environment has."""
    project, region = deployment.settings.project.id, deployment.region
    at = ("--location", region, "--project", project)
    key = f"projects/{project}/locations/{region}/keyRings/{KEY_RING}/cryptoKeys/{deployment.name}"
    url = f"gs://{name}"
    return [
        Step(("gcloud", "services", "enable", "storage.googleapis.com", "cloudkms.googleapis.com", "--project", project)),
        Step(
            ("gcloud", "storage", "buckets", "create", url, *at, "--uniform-bucket-level-access",
             "--public-access-prevention"),
            ("gcloud", "storage", "buckets", "describe", url),
        ),
        Step(("gcloud", "storage", "buckets", "update", url, "--versioning")),
        Step(
            ("gcloud", "kms", "keyrings", "create", KEY_RING, *at),
            ("gcloud", "kms", "keyrings", "describe", KEY_RING, *at),
        ),
        Step(
            ("gcloud", "kms", "keys", "create", deployment.name, "--keyring", KEY_RING, *at, "--purpose", "encryption"),
            ("gcloud", "kms", "keys", "describe", deployment.name, "--keyring", KEY_RING, *at),
        ),
        Step(("pulumi", "login", url)),
        _stack(deployment.name, "--secrets-provider", f"gcpkms://{key}"),
    ]  # fmt: skip


def pulumi_cloud(deployment: Deployment, organization: str) -> list[Step]:
    """State and secrets at Pulumi Cloud."""
    return [Step(("pulumi", "login")), _stack(f"{organization}/{PROJECT_NAME}/{deployment.name}")]


def _stack(name: str, *options: str) -> Step:
    return Step(
        ("pulumi", "stack", "init", name, *options, "--non-interactive"),
        ("pulumi", "stack", "select", name, "--non-interactive"),
    )


def run(steps: list[Step]) -> int:
    """Run them until one fails."""
    for step in steps:
        if step.unless and _ends_well(step.unless, quiet=True):
            sys.stderr.write(f"= {shlex.join(step.unless)}\n")
            continue
        sys.stderr.write(f"+ {shlex.join(step.command)}\n")
        if not _ends_well(step.command, quiet=False):
            return 1
    return 0


def _ends_well(command: tuple[str, ...], *, quiet: bool) -> bool:
    stream = subprocess.DEVNULL if quiet else None
    done = subprocess.run(command, cwd=ROOT, stdout=stream, stderr=stream, check=False)
    return done.returncode == 0


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
    try:
        deployment, _ = require(read_document(find_environment(options.environment)))
    except RefusedError as refused:
        sys.stderr.write(f"{refused}\n")
        return 2
    if options.where == "bucket":
        if not _BUCKET.fullmatch(options.bucket or ""):
            parser.error("--bucket: 3 to 63 lower-case letters, digits, - and _")
        steps = bucket(deployment, options.bucket)
    else:
        if not _ORGANIZATION.fullmatch(options.organization or ""):
            parser.error("--organization: the name in the URL of your organization at Pulumi Cloud")
        steps = pulumi_cloud(deployment, options.organization)
    if options.dry_run:
        print("\n".join(step.shown for step in steps))
        return 0
    if missing := sorted({s.command[0] for s in steps if shutil.which(s.command[0]) is None}):
        sys.stderr.write(f"not on the PATH: {', '.join(missing)}\n")
        return 2
    return run(steps)


if __name__ == "__main__":
    sys.exit(main())
