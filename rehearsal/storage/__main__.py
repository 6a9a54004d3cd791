"""`python -m rehearsal.storage DIR`: the buckets of a rehearsal's cloud, with the roles that were granted on them."""

from __future__ import annotations

import re
import sys
import threading

from rehearsal import cloud
from rehearsal.control_plane.names import STORAGE
from rehearsal.directory import RehearsalDirectory
from rehearsal.emulator import Emulator, main
from rehearsal.storage.buckets import Buckets
from rehearsal.storage.hub import Hub
from rehearsal.storage.serve import Services, server

BUCKET = "gcp:storage/bucket:Bucket"
GRANT = "gcp:storage/bucketIAMMember:BucketIAMMember"
# Of the predefined roles, what the programs in pods use (Google "IAM roles for Cloud Storage").
_ROLES = {
    "roles/storage.legacyBucketReader": {"storage.buckets.get", "storage.objects.list"},
    "roles/storage.objectViewer": {"storage.objects.get", "storage.objects.list"},
    "roles/storage.objectUser": {f"storage.objects.{verb}" for verb in ("get", "list", "create", "update", "delete")},
}
_FOLDER = re.compile(r'resource\.name\.startsWith\("projects/_/buckets/[^/]+/objects/([^"]*)"\)')


class Rights:
    """What the rehearsal's cloud says of buckets, read anew for each question: grants come and go."""

    def __init__(self, directory: RehearsalDirectory) -> None:
        self._folder = directory.cloud

    def exists(self, bucket: str) -> bool:
        """Whether there is a bucket of this name."""
        return cloud.find(self._folder, BUCKET, bucket) is not None

    def allowed(self, caller: str, permission: str, bucket: str, name: str) -> bool:
        """Whether `NAMESPACE/ACCOUNT` has a permission on an object; on the bucket itself where the name is empty."""
        namespace, _, account = caller.partition("/")
        member = f"/subject/ns/{namespace}/sa/{account}"
        for grant in cloud.read_all(self._folder, GRANT):
            state = grant.state
            if state["bucket"] != bucket or not state["member"].endswith(member):
                continue
            condition = state.get("condition")
            folder = _FOLDER.fullmatch(condition["expression"]) if condition else None
            below = condition is None or (folder is not None and bool(name) and name.startswith(folder[1]))
            if below and permission in _ROLES[state["role"]]:
                return True
        return False


def run(own: Emulator) -> None:
    """Until the process is told to end."""
    rights = Rights(own.directory)
    services = Services(Buckets(rights.exists, rights.allowed), Hub())
    with server(services, "127.0.0.1", own.directory.load_record().ports[STORAGE]) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        own.stop.wait()
        http.shutdown()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], run))
