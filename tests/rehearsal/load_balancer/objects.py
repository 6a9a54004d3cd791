"""What the load balancer sees beyond the Gateway controller's objects: pods, and a Gateway that is programmed."""

from __future__ import annotations

import json
from typing import Any

from cluster.pods import PORTS_ANNOTATION
from tests.rehearsal.gke import objects
from tests.rehearsal.gke.objects import WEB_REF, Obj, obj, rule

OWN = "127.90.255.9"
PICKER = objects.service("pool-epp", 9002, "picker")


def gateway(*listeners: Obj, programmed: bool = True, address: str = OWN) -> Obj:
    made = objects.gateway(*listeners)
    programmed_condition = {"type": "Programmed", "status": "True" if programmed else "False"}
    made["status"] = {"conditions": [programmed_condition], "addresses": [{"type": "IPAddress", "value": address}]}
    return made


def web_route(prefix: str = "/ns/m", **spec: Any) -> Obj:
    """A route to the Service `web`."""
    return objects.route(rule(prefix, backendRefs=[WEB_REF]), **spec)


def web(**port: Any) -> Obj:
    return objects.service("web", 80, "pool", 8000, **port)


def pod(name: str, address: tuple[str, int], app: str = "pool", ready: bool = True, **ports: str) -> Obj:
    """A pod whose port 8000 is at an address; `ports` are further ones: p9002="127.0.0.1:1"."""
    where = {"8000": f"{address[0]}:{address[1]}", **{key[1:]: value for key, value in ports.items()}}
    container = {"name": "main", "image": "example.com/server", "ports": [{"name": "http", "containerPort": 8000}]}
    made = obj("v1", "Pod", name, {"containers": [container]})
    made["metadata"] |= {"labels": {"app": app}, "annotations": {PORTS_ANNOTATION: json.dumps(where)}}
    condition = {"type": "Ready", "status": "True" if ready else "False"}
    made["status"] = {"podIP": address[0], "phase": "Running", "conditions": [condition]}
    return made
