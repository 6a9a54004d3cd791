"""Charts rendered by the real kubernetes provider, as its Helm does it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import json_format
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

_MESSAGE = 400 << 20


def rendered(plugin: Path, chart: Path, namespace: str, values: dict[str, Any]) -> list[dict[str, Any]]:
    """The objects of a chart's folder, with its definitions."""
    options = {"path": str(chart), "release_name": "t", "namespace": namespace, "values": values}
    with subprocess.Popen([plugin, "127.0.0.1:9"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        address = f"127.0.0.1:{int(process.stdout.readline())}"
        with grpc.insecure_channel(address, [("grpc.max_receive_message_length", _MESSAGE)]) as channel:
            provider = provider_pb2_grpc.ResourceProviderStub(channel)
            # Without a cluster: nothing is asked of one.
            variables = {"kubernetes:config:kubeconfig": "{}", "kubernetes:config:renderYamlToDirectory": "unused"}
            provider.Configure(provider_pb2.ConfigureRequest(variables=variables, acceptSecrets=True))
            asked = provider_pb2.InvokeRequest(tok="kubernetes:helm:template")
            asked.args.update({"jsonOpts": json.dumps(options)})
            answer = json_format.MessageToDict(getattr(provider.Invoke(asked), "return"))
        process.kill()
    return list(answer["result"])
