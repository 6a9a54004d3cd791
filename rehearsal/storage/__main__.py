"""`python -m rehearsal.storage DIR`: the buckets of a rehearsal's cloud, with the roles that were granted on them."""

from __future__ import annotations

import sys
import threading
from functools import partial
from pathlib import Path

from rehearsal import cloud
from rehearsal.control_plane.names import STORAGE
from rehearsal.emulator import Emulator, main
from rehearsal.storage.buckets import Buckets
from rehearsal.storage.serve import Services, server

BUCKET, GRANT = "gcp:storage/bucket:Bucket", "gcp:storage/bucketIAMMember:BucketIAMMember"
# Of the predefined roles, what the programs in pods use (Google "IAM roles for Cloud Storage").
_ROLES = {
    "roles/storage.legacyBucketReader": {"buckets.get", "objects.list"},
    "roles/storage.objectViewer": {"objects.get", "objects.list"},
    "roles/storage.objectUser": {f"objects.{verb}" for verb in ("get", "list", "create", "update", "delete")},
}


def judge(folder: Path, caller: str, permission: str, bucket: str, name: str) -> int:
    """What a rehearsal's cloud says of a question (`Buckets`), read anew each time: buckets and grants come and go."""
    if cloud.find(folder, BUCKET, bucket) is None:
        return 404
    member = "/subject/ns/{}/sa/{}".format(*caller.split("/"))
    for state in (grant.state for grant in cloud.read_all(folder, GRANT)):
        if state["bucket"] == bucket and state["member"].endswith(member):
            # One on a folder holds for no bucket as a whole, which listing asks for.
            below = (state.get("condition") or {}).get("expression", "").partition("/objects/")[2][:-2]
            held = permission.removeprefix("storage.") in _ROLES[state["role"]]
            if held and name.startswith(below):
                return 200
    return 403


def run(own: Emulator) -> None:
    """Until the process is told to end."""
    services = Services(Buckets(partial(judge, own.directory.cloud)))
    with server(services, "127.0.0.1", own.directory.load_record().ports[STORAGE]) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        own.stop.wait()
        http.shutdown()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], run))
