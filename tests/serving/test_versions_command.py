"""`serving versions` names the lists that are too old to decide anything by."""

from __future__ import annotations

import datetime
import json

import pytest
from typer.testing import CliRunner

from catalog.lists import dated_lists
from checks.shared import clock
from serving.cli import application
from serving.commands import versions


@pytest.mark.parametrize(("days", "old"), [(183, False), (184, True)])
def test_a_list_older_than_six_months_is_named(monkeypatch: pytest.MonkeyPatch, days: int, old: bool) -> None:
    oldest, day = next(iter(dated_lists().items()))
    assert {"zones.yaml", "tpu_shapes.yaml", "prices.yaml"} <= dated_lists().keys()
    monkeypatch.setattr(clock, "today", lambda: day + datetime.timedelta(days=days))
    monkeypatch.setattr(versions, "_lines", lambda: iter(()))
    text = CliRunner().invoke(application(["versions"]), ["versions"]).stdout
    assert any(line.split()[:2] == ["list", oldest] for line in text.splitlines()) == old
    rows = json.loads(CliRunner().invoke(application(["versions"]), ["versions", "--format", "json"]).stdout)
    assert [row["old"] for row in rows if row["name"] == oldest] == [old]
