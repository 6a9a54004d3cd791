"""The consumer example under mocks: what it builds from the contract, and what it says of one it does not know."""

from __future__ import annotations

import asyncio
import json
import runpy
from typing import Any

import pulumi
import pytest
from pulumi.runtime import MockCallArgs, MockResourceArgs, Mocks, set_mocks

from catalog.lock import load_lock
from settings.document import ROOT
from tests.serving.against.comparing import DEV, SECOND, plan_of

PROGRAM = ROOT / "examples/consumer/__main__.py"


class Serving(Mocks):
    """A serving stack with these outputs; keeps what the consumer registers."""

    def __init__(self, outputs: dict[str, Any]) -> None:
        self.outputs = outputs
        self.made: dict[str, dict[str, Any]] = {}

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        if args.typ == "pulumi:pulumi:StackReference":
            assert args.inputs["name"] == "organization/tpu-serving/dev"
            return args.name, {**args.inputs, "outputs": self.outputs, "secretOutputNames": []}
        self.made[args.name] = args.inputs
        return args.name, {**args.inputs, "metadata": {"name": args.name}}

    def call(self, args: MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        return {}, None


def outputs(**changes: Any) -> dict[str, Any]:
    """The outputs of dev with a second model, as its program exports them."""
    data: dict[str, Any] = json.loads(json.dumps(plan_of(DEV + SECOND).graph.recording.outputs))
    for model in data["models"]:
        model["url"] = f"http://10.0.0.9/llm-serving/{model['name']}"
    return {**data, **changes}


def run(data: dict[str, Any], **config: str) -> Serving:
    """The program, run to its end."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        mocks = Serving(data)
        pulumi.runtime.settings.reset_options()  # a run that was refused leaves calls behind
        set_mocks(mocks, project="chat-client", stack="dev", preview=False)
        values = {"serving": "organization/tpu-serving/dev", **config}
        pulumi.runtime.set_all_config({f"chat-client:{key}": value for key, value in values.items()})
        runpy.run_path(str(PROGRAM), run_name="__main__")
        loop.run_until_complete(pulumi.runtime.stack.wait_for_rpcs())
        return mocks
    finally:
        loop.close()
        asyncio.set_event_loop(None)


def variables(made: Serving) -> dict[str, str]:
    [container] = made.made["client"]["spec"]["template"]["spec"]["containers"]
    return {entry["name"]: entry["value"] for entry in container["env"]}


def test_the_client_knows_the_model_by_the_outputs_alone() -> None:
    assert variables(run(outputs())) == {
        "URL": "http://10.0.0.9/llm-serving/qwen2-5-3b",
        "MODEL": "Qwen/Qwen2.5-3B-Instruct",
        "TIMEOUT_SECONDS": "300",
        "CA_CERTIFICATE": "",
    }


def test_a_model_is_chosen_by_name_and_a_private_authority_is_handed_on() -> None:
    gateway = {**outputs()["gateway"], "caCertificate": "-----BEGIN CERTIFICATE-----"}
    found = variables(run(outputs(gateway=gateway), model="qwen3-8b"))
    assert found["URL"].endswith("/qwen3-8b") and found["CA_CERTIFICATE"].startswith("-----BEGIN")


@pytest.mark.parametrize("version", ["1.0", "1.99"])
def test_a_minor_version_is_read(version: str) -> None:
    data = outputs(contractVersion=version, somethingNew=1)
    del data["gateway"]["caCertificate"]
    assert variables(run(data))["MODEL"] == "Qwen/Qwen2.5-3B-Instruct"


@pytest.mark.parametrize("version", ["2.0", "0.9", "10.1"])
def test_an_unknown_contract_ends_the_run_with_a_sentence(version: str) -> None:
    with pytest.raises(pulumi.RunError, match=f"follows contract {version}; this program knows 1.x"):
        run(outputs(contractVersion=version))


def test_a_model_that_is_not_there_ends_the_run_with_the_names_there_are() -> None:
    with pytest.raises(pulumi.RunError, match="no model 'other'; it has: qwen2-5-3b, qwen3-8b"):
        run(outputs(), model="other")


def test_the_clients_image_is_one_that_the_lock_has() -> None:
    [container] = run(outputs()).made["client"]["spec"]["template"]["spec"]["containers"]
    image = load_lock().images["readiness"]
    assert container["image"] == f"{image.repository}:{image.tag}"
