"""What the real engine prints where it does not begin or was cut off is what the runbook is searched by."""

from __future__ import annotations

import json

import pulumi
from pulumi import automation

from rehearsal.engine import workspace
from tests.rehearsal.engine.conftest import Cli
from tests.words import not_printed

URN = "urn:pulumi:dev::tpu-serving::{}::{}"
NETWORK = URN.format("gcp:compute/network:Network", "network-vpc")


def nothing() -> None:
    pulumi.export("said", "something")


def test_a_locked_stack(cli: Cli) -> None:
    """A second run while the first works, and after the advice the lock is gone."""
    seen: list[tuple[int, str]] = []

    def program() -> None:
        seen.append(cli.call("refresh", "--yes", "--skip-preview"))
        seen.append(cli.call("cancel", "--yes"))
        nothing()

    cli.up(program)
    (code, printed), cancelled = seen
    assert code != 0
    assert not_printed("stack-in-use", "test_a_locked_stack", printed) == []
    assert cancelled[0] == 0, cancelled[1]
    assert not list((cli.directory.pulumi_backend / ".pulumi/locks").rglob("*.json"))


def test_an_operation_that_a_killed_runner_left(cli: Cli) -> None:
    """The state of a runner that was killed while it created a network; after the advice nothing is pending."""
    cli.up(nothing)
    # An import of a state leaves out what is pending.
    [file] = (cli.directory.pulumi_backend / ".pulumi/stacks").rglob("dev.json")
    state = json.loads(file.read_text(encoding="utf-8"))
    resource = {"urn": NETWORK, "custom": True, "type": "gcp:compute/network:Network", "inputs": {}, "outputs": {}}
    state["checkpoint"]["latest"]["pending_operations"] = [{"resource": resource, "type": "creating"}]
    file.write_text(json.dumps(state), encoding="utf-8")
    printed = _up(cli)
    assert not_printed("pending-operations", "test_an_operation_that_a_killed_runner_left", printed) == []
    code, printed = cli.call("refresh", "--yes", "--skip-preview", "--clear-pending-creates")
    assert code == 0, printed
    assert "pending_operations" not in json.loads(cli.call("stack", "export")[1])["deployment"]


def _up(cli: Cli) -> str:
    made = automation.LocalWorkspace(
        work_dir=str(cli.directory.pulumi_work),
        pulumi_home=str(cli.directory.pulumi_home),
        env_vars=workspace.variables(cli.directory),
        pulumi_command=automation.PulumiCommand(root=str(cli.directory.root)),
        program=nothing,
    )
    done = automation.Stack.select("dev", made).up(color="never")
    return str(done.stdout) + str(done.stderr)
