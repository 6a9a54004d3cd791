"""A Pulumi CLI that keeps its stack in one JSON file, and fails where that file says so.

`{"stack": none or resources, "faults": {command: message}, "hang": command, "calls": [...]}`
"""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

FILE = Path(os.environ["FAKE_PULUMI"])


def main() -> int:
    arguments = sys.argv[1:]
    state = json.loads(FILE.read_text())
    words = arguments[:2] if arguments[0] == "stack" else arguments[:1]
    command = " ".join(words)
    state["calls"].append(command)
    if "--event-log" in arguments:
        return engine(command, arguments, state)
    if command in state["faults"]:
        sys.stderr.write(f"error: {state['faults'][command]}\n")
        return 255
    if command == "version":
        print("v3.259.0")
    elif command == "stack export":
        if state["stack"] is None:
            sys.stderr.write("error: no stack named 'own' found\n")
            return 255
        own = [{"type": "pulumi:pulumi:Stack"}] * bool(state["stack"])
        print(json.dumps({"deployment": {"resources": own + [{"type": "x"}] * state["stack"]}}))
    elif command == "stack init":
        state["stack"] = 0
    elif command == "stack rm":
        assert state["stack"] == 0
        state["stack"] = None
    elif command == "stack output":
        print("{}")
    FILE.write_text(json.dumps(state))
    return 0


def engine(command: str, arguments: list[str], state: dict[str, Any]) -> int:
    assert state["stack"] is not None
    log = Path(arguments[arguments.index("--event-log") + 1])
    settings = Path(arguments[arguments.index("--config-file") + 1]).read_text()
    changes = {"same": state["stack"]}
    if command == "up" and not state["stack"]:
        state["stack"], changes = 3, {"create": 3}
    elif command == "up" and settings != state.get("settings"):
        changes = {"same": 2, "update": 1}
    elif command == "destroy":
        changes, state["stack"] = {"delete": state["stack"]}, 0
    fault = state["faults"].get(command)
    if fault:
        state["stack"] = 2
    elif command == "up":
        state["settings"] = settings
    FILE.write_text(json.dumps(state))
    if state.get("hang") == command:
        interrupts = []
        signal.signal(signal.SIGINT, lambda *_: interrupts.append(1))
        print("hanging", flush=True)
        while not interrupts:
            time.sleep(0.01)
        state["interrupts"] = len(interrupts)
        FILE.write_text(json.dumps(state))
        return 255
    urn = "urn:pulumi:own::tpu-serving::a:b:C$gcp:container/cluster:Cluster::cluster-control-plane"
    metadata = {"op": "create", "urn": urn, "type": "gcp:container/cluster:Cluster"}
    events = [
        {"timestamp": 100, "resourcePreEvent": {"metadata": metadata}},
        {"timestamp": 700, "resOutputsEvent": {"metadata": metadata}},
        {"timestamp": 701, "summaryEvent": {"resourceChanges": changes}},
    ]
    if fault:
        events[1:] = [
            {"timestamp": 101, "diagnosticEvent": {"urn": urn, "severity": "error", "message": f"<{{%fg 1%}}>{fault}"}}
        ]
    log.write_text("".join(json.dumps(event) + "\n" for event in events) + '{"cut off')
    print("Updating (own)")
    return 255 if fault else 0


sys.exit(main())
