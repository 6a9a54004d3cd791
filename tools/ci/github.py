"""Tells GitHub what a run found: `comment FILE` on a pull request, `issue FILE --title TITLE`; each is updated, not repeated.

In a workflow GitHub's own variables say where; GITHUB_TOKEN is given to the step. `comment` runs after the pull request's
own workflow, with the code of the default branch (`workflow_run`): FILE is the text of a stranger, and the pull request
is found by what GitHub says of that run, never by what the text says.
Exit codes: 0 told, or nobody to tell; 1 GitHub refused; 2 the call was wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

import httpx

# By this line a comment is found again.
MARK = "<!-- tpu-serving: review -->"
_LABEL = "nightly"
_BOT = "github-actions[bot]"
# GitHub refuses longer texts.
_LONGEST = 65_536
_PAGE = 100
_MOST_PAGES = 20


class GitHub:
    """The parts of GitHub's REST API that are needed, for one repository."""

    def __init__(self, client: httpx.Client, repository: str) -> None:
        self._client = client
        self._at = f"/repos/{repository}"

    def comment(self, run: dict[str, Any], text: str) -> str:
        """Put a text on the open pull request whose commit a run was for; says what was done."""
        head = f"{run['head_repository']['owner']['login']}:{run['head_branch']}"
        pulls = self._all("/pulls", state="open", head=head)
        number = next((pull["number"] for pull in pulls if pull["head"]["sha"] == run["head_sha"]), None)
        if number is None:
            return f"no open pull request has the commit {run['head_sha']} any more"
        body = cut(
            f"{MARK}\n{harmless(text)}\n\n<sub>Made by [this run]({run['html_url']}), with its own code.</sub>\n"
        )
        for comment in self._all(f"/issues/{number}/comments"):
            if comment["user"]["login"] == _BOT and comment["body"].startswith(MARK):
                self._send("PATCH", f"/issues/comments/{comment['id']}", body=body)
                return f"updated the comment on #{number}"
        self._send("POST", f"/issues/{number}/comments", body=body)
        return f"commented on #{number}"

    def issue(self, title: str, text: str) -> str:
        """Open an issue, or update the open one of that title; says what was done."""
        for issue in self._all("/issues", state="open", labels=_LABEL):
            if issue["title"] == title and "pull_request" not in issue:
                self._send("PATCH", f"/issues/{issue['number']}", body=cut(text))
                return f"updated issue #{issue['number']}"
        made = self._send("POST", "/issues", title=title, body=cut(text), labels=[_LABEL])
        return f"opened issue #{made['number']}"

    def _all(self, path: str, **parameters: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for page in range(1, _MOST_PAGES + 1):
            answer = self._client.get(self._at + path, params={**parameters, "per_page": _PAGE, "page": page})
            rows = answer.raise_for_status().json()
            found += rows
            if len(rows) < _PAGE:
                break
        return found

    def _send(self, method: str, path: str, **data: Any) -> dict[str, Any]:
        made: dict[str, Any] = self._client.request(method, self._at + path, json=data).raise_for_status().json()
        return made


def harmless(text: str) -> str:
    """A stranger's text without our mark, and without a name that GitHub would notify."""
    return text.replace(MARK, "").strip().replace("@", "@\u200b")


def cut(text: str) -> str:
    """What GitHub takes of a text; it says so where something is left out."""
    if len(text) <= _LONGEST:
        return text
    end = "\n\n(cut: the run has all of it)\n"
    return text[: _LONGEST - len(end)] + end


def main(arguments: list[str] | None = None) -> int:
    """Comment, or open an issue."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.ci.github",
        description=__doc__,
        epilog='example: python -m tools.ci.github issue findings.md --title "nightly: dev"',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=["comment", "issue"])
    parser.add_argument("file", type=Path, metavar="FILE", help="Markdown")
    parser.add_argument("--title", help="of the issue")
    options = parser.parse_args(arguments)
    if (options.what == "issue") != bool(options.title):
        parser.error("an issue has a --title, a comment has none")
    try:
        text = options.file.read_text(encoding="utf-8")
        variables = {name: os.environ[name] for name in ("GITHUB_API_URL", "GITHUB_REPOSITORY", "GITHUB_TOKEN")}
        event = Path(os.environ["GITHUB_EVENT_PATH"]).read_text(encoding="utf-8") if options.what == "comment" else ""
    except KeyError as missing:
        parser.error(f"{missing.args[0]} is not set: this runs in a workflow")
    except (OSError, UnicodeDecodeError) as error:
        parser.error(str(error))
    headers = {
        "Accept": "application/vnd.github+json",
        "Authorization": f"Bearer {variables['GITHUB_TOKEN']}",
        "X-GitHub-Api-Version": "2022-11-28",
    }
    with httpx.Client(base_url=variables["GITHUB_API_URL"], headers=headers, timeout=30) as client:
        github = GitHub(client, variables["GITHUB_REPOSITORY"])
        try:
            if options.what == "comment":
                print(github.comment(json.loads(event)["workflow_run"], text))
            else:
                print(github.issue(options.title, text))
        except httpx.HTTPError as error:
            sys.stderr.write(f"GitHub: {error}\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
