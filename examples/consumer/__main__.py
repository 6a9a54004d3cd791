"""A client of a served model: a Deployment that knows the model only by the outputs of the serving stack.

Its pod starts when an init container has got an answer, so `pulumi up` ends well only where the model really answers.
"""

from pathlib import Path
from typing import Any

import pulumi
from pulumi_kubernetes.apps.v1 import Deployment
from pulumi_kubernetes.core.v1 import ConfigMap

CONTRACT = 1  # the major version of the outputs contract this program was written for
IMAGE = "docker.io/library/python:3.13.12-slim-bookworm"


def model_of(outputs: list[Any], wanted: str) -> dict[str, str]:
    """Variables of the client, from `contractVersion`, `models` and `gateway` of the serving stack.

    Raises:
        pulumi.RunError: another contract, or no such model.
    """
    version, models, gateway = outputs
    if str(version).split(".")[0] != str(CONTRACT):
        raise pulumi.RunError(
            f"The serving stack follows contract {version}; this program knows {CONTRACT}.x. Read "
            "docs/contract/CHANGELOG.md of tpu-serving, change what is read here, then raise CONTRACT."
        )
    found = next((model for model in models if wanted in ("", model["name"])), None)
    if found is None:
        names = ", ".join(model["name"] for model in models)
        raise pulumi.RunError(f"The serving stack has no model '{wanted}'; it has: {names}.")
    return {
        "URL": found["url"],
        "MODEL": found["servedNames"][0],
        "TIMEOUT_SECONDS": str(int(found["answerTimeoutSeconds"])),
        "CA_CERTIFICATE": gateway.get("caCertificate") or "",
    }


config = pulumi.Config()
serving = pulumi.StackReference(config.require("serving"))
client = pulumi.Output.all(*(serving.require_output(name) for name in ("contractVersion", "models", "gateway"))).apply(
    lambda outputs: model_of(outputs, config.get("model") or "")
)

labels = {"app": "chat-client"}
script = ConfigMap("script", data={"client.py": Path(__file__).with_name("client.py").read_text(encoding="utf-8")})


def container(name: str, *arguments: str) -> dict[str, Any]:
    """The client under a name."""
    return {
        "name": name,
        "image": IMAGE,
        "command": ["python", "/client/client.py", *arguments],
        "env": client.apply(lambda values: [{"name": k, "value": v} for k, v in values.items()]),
        "volume_mounts": [{"name": "script", "mount_path": "/client"}],
    }


deployment = Deployment(
    "client",
    spec={
        "selector": {"match_labels": labels},
        "template": {
            "metadata": {"labels": labels},
            "spec": {
                "automount_service_account_token": False,
                "init_containers": [container("first-answer", "--once")],
                "containers": [container("client")],
                "volumes": [{"name": "script", "config_map": {"name": script.metadata.name}}],
            },
        },
    },
)

pulumi.export("url", client.apply(lambda values: values["URL"]))
pulumi.export("model", client.apply(lambda values: values["MODEL"]))
pulumi.export("deployment", deployment.metadata.name)
