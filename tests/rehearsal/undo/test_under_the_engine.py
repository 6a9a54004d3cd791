"""What is left out, the real engine never hears of, and what depended on it is made all the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi import automation

from rehearsal import assets
from rehearsal.engine.engine import link
from rehearsal.undo import monitor, undone
from rehearsal.undo.edits import LEFT_OUT

TYPE = "gcp:storage/bucket:Bucket"


class Bucket(pulumi.CustomResource):
    """No plugin is there to make one."""

    name: pulumi.Output[str]

    def __init__(self, name: str) -> None:
        super().__init__(TYPE, name, {"name": name})


class User(pulumi.ComponentResource):
    """Depends on it."""

    def __init__(self, bucket: Bucket) -> None:
        super().__init__("test:index:User", "user", None, pulumi.ResourceOptions(depends_on=[bucket]))
        self.register_outputs({"name": bucket.name})


def program() -> None:
    """Two resources, one of which uses the other."""
    User(Bucket("bucket"))


def test_what_is_left_out_is_not_in_the_state_and_nothing_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = assets.find(["pulumi"]).get("pulumi")
    if found is None:
        pytest.skip("pulumi not found; `python -m rehearsal.assets` gets it")
    (tmp_path / "bin").mkdir()
    link(found.path, tmp_path / "bin" / "pulumi")
    monkeypatch.setattr(monitor, "EDITS", {"RULE": {TYPE: lambda _inputs: LEFT_OUT}})
    variables = {
        "PULUMI_BACKEND_URL": tmp_path.as_uri(),
        "PULUMI_CONFIG_PASSPHRASE": "test",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
    }
    workspace = automation.LocalWorkspace(
        work_dir=str(tmp_path),
        pulumi_home=str(tmp_path / "home"),
        env_vars=variables,
        pulumi_command=automation.PulumiCommand(root=str(tmp_path)),
        project_settings=automation.ProjectSettings("tpu-serving", "python"),
        program=undone(program, ["RULE"]),
    )
    stack = automation.Stack.create("dev", workspace)
    stack.up(color="never", show_secrets=False)
    resources: list[dict[str, Any]] = (stack.export_stack().deployment or {})["resources"]
    by_type = {resource["type"]: resource for resource in resources}
    assert set(by_type) == {"pulumi:pulumi:Stack", "test:index:User"}
    assert not by_type["test:index:User"].get("dependencies")
    assert by_type["test:index:User"]["outputs"] == {"name": "bucket"}
