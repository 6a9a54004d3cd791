"""The documentation's site: built without a warning, so without a broken link, and complete; it fetches nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tools.site_links import within

ROOT = Path(__file__).resolve().parent.parent.parent


def _built(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder), *options]
    variables = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = _built(folder)
    assert done.returncode == 0 and "WARNING" not in done.stderr, done.stderr
    return folder


def test_every_page_is_there_and_in_the_navigation(site: Path) -> None:
    pages = {page.relative_to(ROOT / "docs").with_suffix(".html") for page in (ROOT / "docs").rglob("*.md")}
    pages = {page.with_name("index.html") if page.name == "README.html" else page for page in pages}
    assert {page for page in pages if not (site / page).is_file()} == set()
    navigation = (site / "index.html").read_text(encoding="utf-8")
    assert {page.as_posix() for page in pages} <= {*re.findall(r'<a href="([^"#]+)" class="md-nav__link', navigation)}


class _Fetched(HTMLParser):
    """Addresses that a browser asks for by itself when it shows a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}
        address = dict(attrs).get(names.get(tag, ""))
        if address:
            self.found.append(address)


def test_showing_a_page_asks_nobody_else(site: Path) -> None:
    for page in site.rglob("*.html"):
        parser = _Fetched()
        parser.feed(page.read_text(encoding="utf-8"))
        assert parser.found
        assert [address for address in parser.found if re.match(r"([a-z]+:)?//", address)] == [], page.name
    for style in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?(https?:)?//", style.read_text(encoding="utf-8")), style.name


def test_a_broken_link_stops_the_build(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "index.md").write_text("# A page\n\n[nowhere](missing.md) and [no place](index.md#missing)\n")
    config = tmp_path / "mkdocs.yml"
    config.write_text((ROOT / "mkdocs.yml").read_text().replace("tools/", f"{ROOT}/tools/"))
    done = _built(tmp_path / "site", "--config-file", str(config))
    assert done.returncode != 0
    assert "missing.md" in done.stderr and "#missing" in done.stderr


def test_only_links_out_of_the_documents_become_text() -> None:
    text = "[a](../b.md) [out](../../catalog/lock.yaml) [web](https://example.com/a) ![p](../x.svg) [here](#h)"
    assert within(text, "guide/a.md") == "[a](../b.md) out [web](https://example.com/a) ![p](../x.svg) [here](#h)"
