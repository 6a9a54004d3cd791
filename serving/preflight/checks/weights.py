"""The bucket that replicas start from: there, in the region, and ours to grant roles on."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.errors import CannotAskError
from serving.checking.findings import Finding, failed, passed, warned
from serving.checking.gcloud import gcloud
from serving.google.errors import GOOGLE_FAILURES
from serving.preflight.context import Context
from serving.preflight.registry import check
from settings.store import Store

_GRANTING = ("storage.buckets.getIamPolicy", "storage.buckets.setIamPolicy")
_DENIED = "not-allowed-to-ask"


@check(
    "weights-bucket",
    "The bucket for weights and compiled programs can be used, or made",
    "Cloud Storage, buckets.get and buckets.testIamPermissions",
    (
        *GOOGLE_FAILURES,
        *("bucket-not-found", "bucket-taken", "bucket-left-behind"),
        *("bucket-elsewhere", "bucket-not-uniform", "bucket-permission-missing"),
    ),
)
def weights_bucket(context: Context) -> Iterator[Finding]:
    """A bucket of our own is asked for too: names are global."""
    store = context.deployment.store
    if store is None:
        yield passed("bucket", "none is used")
        return
    name = f"gs://{store.bucket}"
    try:
        found = context.google.find("storage", "buckets.get", bucket=store.bucket)
    except CannotAskError as error:
        if not store.created or error.failure != _DENIED:
            raise
        fix = "Write another cluster.name, or name an existing bucket in weights.bucket."
        yield failed("bucket-taken", name, needed="a name that nobody has", message="somebody has it", fix=fix)
        return
    if store.created and found is None:
        yield passed(name, "will be made")
    elif found is None:
        fix = f"Correct weights.bucket, or write create for {context.region}."
        yield failed("bucket-not-found", name, needed="it exists", message="404", fix=fix)
    else:
        if store.created:
            fix = f"Nothing, if this stack made it; else write weights: {{bucket: {store.bucket}}}."
            yield warned("bucket-left-behind", name, needed="this stack's", message="it exists", fix=fix)
        yield from _usable(context, store, found)


def _usable(context: Context, store: Store, found: dict[str, object]) -> Iterator[Finding]:
    name, place = f"gs://{store.bucket}", str(found.get("location", "")).lower()
    if place != context.region:
        fix = f"Name a bucket in {context.region}, or write create."
        yield failed("bucket-elsewhere", name, needed=context.region, message=place or "no place", fix=fix)
    configuration = found.get("iamConfiguration")
    access = configuration.get("uniformBucketLevelAccess") if isinstance(configuration, dict) else None
    if not (isinstance(access, dict) and access.get("enabled") is True):
        fix = gcloud("storage", "buckets", "update", name, "--uniform-bucket-level-access")
        yield failed("bucket-not-uniform", name, needed="uniform bucket-level access", message="off", fix=fix)
    answer = context.google.find(
        "storage", "buckets.testIamPermissions", bucket=store.bucket, permissions=list(_GRANTING)
    )
    granted = (answer or {}).get("permissions") or ()
    missing = [permission for permission in _GRANTING if permission not in granted]
    if missing:
        fix = gcloud(
            *("storage", "buckets", "add-iam-policy-binding", name),
            "--member=user:YOU",
            "--role=roles/storage.admin",
            say="Have an owner of the bucket run:",
        )
        yield failed("bucket-permission-missing", name, needed=", ".join(missing), message="not granted", fix=fix)
    else:
        yield passed(name, f"roles on it can be granted, {place}")
