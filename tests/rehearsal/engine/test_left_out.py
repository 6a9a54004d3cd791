"""What the provider that is built here leaves out is an error that says so, never another object."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pulumi_kubernetes
import pytest
from pulumi_kubernetes.helm.v4 import Chart, RepositoryOptsArgs
from pulumi_kubernetes.yaml.v2 import ConfigGroup

from rehearsal import assets
from rehearsal.engine.engine import EngineError
from rehearsal.engine.plugins import KUBERNETES
from tests.rehearsal.engine.conftest import Cli

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
    make: Callable[[Path, pulumi.ResourceOptions], Any], cli_with_providers: Cli, tmp_path: Path
) -> None:
    if assets.find([KUBERNETES])[KUBERNETES].how not in ("built", "wheel"):
        pytest.skip("the published provider leaves nothing out")

    def program() -> None:
        # Objects become files, so that no cluster is needed.
        provider = pulumi_kubernetes.Provider("files", render_yaml_to_directory=str(tmp_path / "rendered"))
        make(tmp_path, pulumi.ResourceOptions(provider=provider))

    with pytest.raises(EngineError, match="does not support ConfigFile, ConfigGroup"):
        cli_with_providers.up(program)
    assert not list((tmp_path / "rendered").rglob("*.yaml"))
