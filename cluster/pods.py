"""Where a pod's ports are reached: its own address, or in a rehearsal the address of the process that runs it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

# On a pod of a rehearsal: JSON object, container port -> "host:port" where its process really listens.
PORTS_ANNOTATION = "rehearsal.tpu-serving/ports"


def pod_address(pod: Mapping[str, Any], port: int) -> tuple[str, int]:
    """Host and port at which a container port of a pod is reached."""
    annotation = (pod["metadata"].get("annotations") or {}).get(PORTS_ANNOTATION, "")
    try:
        matched = re.fullmatch(r"([0-9.]+):(\d+)", json.loads(annotation)[str(port)])
    except (KeyError, TypeError, ValueError):
        matched = None
    if matched is None:  # no annotation, not this port, or not of our making: the pod's own address
        return str(pod["status"]["podIP"]), port
    return matched[1], int(matched[2])
