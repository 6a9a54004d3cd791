"""What the provider that is built here leaves out is an error that says so, never another object."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pulumi_kubernetes
import pytest
from pulumi import automation
from pulumi_kubernetes.helm.v4 import Chart, RepositoryOptsArgs
from pulumi_kubernetes.yaml.v2 import ConfigGroup

from rehearsal import assets
from rehearsal.directory import RehearsalDirectory
from rehearsal.engine import workspace
from rehearsal.engine.plugins import KUBERNETES, install_kubernetes

OBJECT = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\n"


def _chart(folder: Path, opts: pulumi.ResourceOptions) -> Any:
    (folder / "chart/templates").mkdir(parents=True)
    (folder / "chart/Chart.yaml").write_text("apiVersion: v2\nname: chart\nversion: 1.0.0\n", encoding="utf-8")
    (folder / "chart/templates/one.yaml").write_text(OBJECT, encoding="utf-8")
    repository = RepositoryOptsArgs(username="somebody")
    return Chart("made", chart=str(folder / "chart"), repository_opts=repository, opts=opts)


# A ConfigFile takes the way of a ConfigGroup.
@pytest.mark.parametrize(
    "make", [lambda _, opts: ConfigGroup("made", yaml=OBJECT, opts=opts), _chart], ids=["group", "chart"]
)
def test_config_groups_and_charts_of_the_fourth_version_are_refused_in_words(
    make: Callable[[Path, pulumi.ResourceOptions], Any], tmp_path: Path
) -> None:
    found = assets.find(["pulumi", KUBERNETES])
    if len(found) < 2:
        pytest.skip("programs not found: `python -m rehearsal.assets` gets them")
    if found[KUBERNETES].how not in ("built", "wheel"):
        pytest.skip("the published provider leaves nothing out")
    directory = RehearsalDirectory(tmp_path / "rehearsal")
    directory.create()
    (directory.bin / "pulumi").symlink_to(found["pulumi"].path)
    install_kubernetes(directory, found[KUBERNETES].path)

    def program() -> None:
        # Objects become files, so that no cluster is needed.
        provider = pulumi_kubernetes.Provider("files", render_yaml_to_directory=str(tmp_path / "rendered"))
        make(tmp_path, pulumi.ResourceOptions(provider=provider))

    options = automation.LocalWorkspaceOptions(
        work_dir=str(directory.pulumi_work),
        pulumi_home=str(directory.pulumi_home),
        env_vars=workspace.variables(directory),
        pulumi_command=automation.PulumiCommand(root=str(directory.root)),
    )
    stack = automation.create_or_select_stack("test", project_name="test", program=program, opts=options)
    with pytest.raises(automation.CommandError, match="does not support ConfigFile, ConfigGroup"):
        stack.up(color="never")
    assert not list((tmp_path / "rendered").rglob("*.yaml"))
