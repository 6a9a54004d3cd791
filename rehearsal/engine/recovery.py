"""After a kill: the engine's lock goes, and what it was creating is taken over where it came to be, forgotten where not.

Without this the next `up` would create such an object a second time, and the API server or Google would refuse it.
They are put into the state by hand: after the engine's own `refresh --import-pending-creates` (v3.259.0) five of five
were missing from it (seen in one run, cause unknown). A pending operation's dependencies are complete, so the end of
the list is a valid place.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
from pulumi import automation

from rehearsal import cloud
from rehearsal.control_plane.processes import exists, wait_gone
from rehearsal.directory import MARK, RehearsalDirectory

_END_SECONDS = 10


def recover(
    stack: automation.Stack, directory: RehearsalDirectory, run: Callable[..., str], *, restarted: bool
) -> list[str]:
    """Remove locks of dead processes and settle pending operations; what was done, in words.

    `restarted`: the control plane had ended, and Helm may have lost it in the middle of its work.

    Raises:
        automation.CommandError: the engine refused; another engine that is alive holds the lock.
    """
    done = []
    for holder in _lock_holders(directory):
        if not exists(holder):  # ours was ended before the state was looked at
            stack.cancel()
            done.append(f"removed the lock of an engine that was cut off (process {holder})")
            break
    exported = stack.export_stack()
    deployment = dict(exported.deployment or {})
    pending = deployment.pop("pending_operations", None) or []
    if not pending and not (restarted and deployment.get("resources")):
        return done
    if pending:
        creating = [operation["resource"] for operation in pending if operation["type"] == "creating"]
        found = dict(_found(creating, directory))
        taken_over = [{**resource, "id": found[resource["urn"]]} for resource in creating if resource["urn"] in found]
        deployment["resources"] = [*(deployment.get("resources") or []), *taken_over]
        stack.import_stack(automation.Deployment(exported.version, deployment))
        # Reads what became of them, and fills in their outputs.
        run("refresh", "--yes", "--skip-preview")
        again = len(pending) - len(found)
        done.append(
            f"settled {len(pending)} operations that were cut off: {len(found)} taken over, {again} to be done again"
        )
    return done


def end_engines(directory: RehearsalDirectory) -> None:
    """End engines of ours that outlived their command: until then they may still write the state.

    Somebody's own CLI does not carry the rehearsal's mark and is left alone.
    """
    for holder in _lock_holders(directory):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            process = psutil.Process(holder)
            if process.environ().get(MARK) == str(directory.root):
                process.kill()
                # Looked at, not waited for: an exit code goes to one who waits, and who started it would be told 0.
                wait_gone([holder], _END_SECONDS)


def mend(backend: Path) -> None:
    """Remove halves of files that a killed engine left beside its state.

    Its file backend writes a file's attributes (`.attrs`) in place, and can't read the state beside an empty one: "failed
    to load checkpoint: EOF" (seen with v3.259.0). Without them it reads the state.
    """
    for path in (backend / ".pulumi").rglob("*.attrs"):
        try:
            json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            path.unlink(missing_ok=True)
        except FileNotFoundError:
            continue


def unprotect(stack: automation.Stack) -> None:
    """Take `protect` and GKE's deletion protection out of the state, so that `destroy` may run."""
    exported = stack.export_stack()
    changed = False
    for resource in (exported.deployment or {}).get("resources") or []:
        if resource.pop("protect", False):
            changed = True
        for part in ("inputs", "outputs"):
            if (resource.get(part) or {}).get("deletionProtection") is True:
                resource[part]["deletionProtection"] = False
                changed = True
    if changed:
        stack.import_stack(exported)


def _lock_holders(directory: RehearsalDirectory) -> Iterator[int]:
    for path in (directory.pulumi_backend / ".pulumi" / "locks").rglob("*.json"):
        try:
            yield int(json.loads(path.read_text(encoding="utf-8"))["pid"])
        except (OSError, ValueError, KeyError):
            continue


def _found(creating: list[dict[str, Any]], directory: RehearsalDirectory) -> Iterator[tuple[str, str]]:
    """URN and id of each resource that came to be although the engine did not hear of it."""
    import cluster as kube

    client: Any = None
    made = {(r.type, r.name): r.id for r in cloud.read_all(directory.cloud, provisioning=True)}
    for resource in creating:
        inputs = resource.get("inputs") or {}
        if resource["type"].startswith("gcp:"):
            for name in (inputs.get("name"), inputs.get("accountId"), inputs.get("service")):
                if name and (resource["type"], name) in made:
                    yield resource["urn"], made[resource["type"], name]
                    break
        elif resource["type"].startswith("kubernetes:") and not resource["type"].endswith(":Release"):
            client = client or kube.connect(directory.kubeconfig)
            metadata = inputs.get("metadata") or {}
            namespace = metadata.get("namespace")
            name = metadata.get("name")
            if name and kube.get(client, inputs["apiVersion"], inputs["kind"], name, namespace) is not None:
                yield resource["urn"], f"{namespace}/{name}" if namespace else str(name)
