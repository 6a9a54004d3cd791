"""Mount paths in texts become real folders, whole components only, longest first."""

from __future__ import annotations

from pathlib import Path

import pytest

from rehearsal.kubelet.paths import PathMap, inside

PATHS = PathMap({"/mnt/models": Path("/r/models"), "/mnt": Path("/r/mnt"), "/home": Path("/r/home")})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/mnt/models", "/r/models"),
        ("/mnt/models/a/b", "/r/models/a/b"),
        ("/mnt/models-2", "/r/mnt/models-2"),
        ("/mnt/other", "/r/mnt/other"),
        ("/mnt2/models", "/mnt2/models"),
        ("--path=/home", "--path=/r/home"),
        ("a:/home:/mnt/models", "a:/r/home:/r/models"),
        ("/data/mnt/models", "/data/mnt/models"),
        ("hf://owner/home", "hf://owner/home"),
        ("https://x/mnt/models", "https://x/mnt/models"),
        ("ls /home && cat '/mnt/models/x'", "ls /r/home && cat '/r/models/x'"),
        ("/homepage", "/homepage"),
        ("/home.d", "/home.d"),
    ],
)
def test_only_whole_components_are_rewritten(text: str, expected: str) -> None:
    assert PATHS.rewrite(text) == expected


def test_a_replaced_path_is_not_replaced_again() -> None:
    paths = PathMap({"/a": Path("/b/x"), "/b": Path("/c")})
    assert paths.rewrite("/a /b") == "/b/x /c"


def test_no_mounts_change_nothing() -> None:
    assert PathMap({}).rewrite("/mnt") == "/mnt"


def test_a_mount_path_stays_below_the_root(tmp_path: Path) -> None:
    assert inside(tmp_path, "/a//b/./c") == tmp_path / "a" / "b" / "c"
    with pytest.raises(ValueError, match=r"'\.\.'"):
        inside(tmp_path, "/a/../../b")
