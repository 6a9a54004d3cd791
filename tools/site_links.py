"""A hook of the documentation's site: a link out of `docs/`, right for who reads the repository, is plain text in the site."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.structure.pages import Page

_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)#\s]+)(#[^)\s]*)?\)")


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Called by MkDocs with the text of each page."""
    return within(markdown, page.file.src_uri)


def within(markdown: str, source: str) -> str:
    """The text without links to files that are no pages. `source`: the page, relative to `docs/`."""

    def replaced(match: re.Match[str]) -> str:
        target = match[2]
        if re.match(r"[a-z]+:", target):
            return match[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        return match[1] if path.startswith("../") else match[0]

    return _LINK.sub(replaced, markdown)
