"""Telling GitHub, against a server that keeps comments and issues as GitHub's API does."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tools.ci.github import MARK, cut, main

SHA = "a" * 40
RUN = {
    "head_sha": SHA,
    "head_branch": "topic",
    "head_repository": {"owner": {"login": "stranger"}},
    "html_url": "https://github.com/o/r/actions/runs/1",
}
BOT = {"login": "github-actions[bot]"}


class Api:
    """What the server holds, and every call it got."""

    def __init__(self) -> None:
        self.pulls: list[dict[str, Any]] = [{"number": 7, "head": {"sha": SHA}}]
        self.comments: list[dict[str, Any]] = []
        self.issues: list[dict[str, Any]] = []
        self.calls: list[tuple[str, str]] = []
        self.status = 200

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: dict[str, Any]) -> Any:
        self.calls.append((method, path))
        page = slice(*(100 * (int(query.get("page", ["1"])[0]) + n) for n in (-1, 0)))
        if path == "/repos/o/r/pulls":
            return self.pulls if query["head"] == ["stranger:topic"] else []
        if path == "/repos/o/r/issues/7/comments":
            if method == "GET":
                return self.comments[page]
            self.comments.append({"id": len(self.comments), "user": BOT, **body})
            return self.comments[-1]
        if found := re.fullmatch(r"/repos/o/r/issues/comments/(\d+)", path):
            self.comments[int(found[1])].update(body)
            return self.comments[int(found[1])]
        if path == "/repos/o/r/issues" and method == "POST":
            self.issues.append({"number": len(self.issues) + 1, **body})
            return self.issues[-1]
        if path == "/repos/o/r/issues":
            return self.issues[page]
        number = int(path.rsplit("/", 1)[1])
        self.issues[number - 1].update(body)
        return self.issues[number - 1]


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Api]:
    held = Api()

    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else {}
            assert self.headers["Authorization"] == "Bearer t0ken"
            data = json.dumps(held.answer(self.command, parts.path, parse_qs(parts.query), body)).encode()
            self.send_response(held.status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = _any  # noqa: N815 - the base class's names

        def log_message(self, *arguments: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"workflow_run": RUN}), encoding="utf-8")
    for name, value in {
        "GITHUB_API_URL": f"http://127.0.0.1:{server.server_port}",
        "GITHUB_REPOSITORY": "o/r",
        "GITHUB_TOKEN": "t0ken",
        "GITHUB_EVENT_PATH": str(event),
    }.items():
        monkeypatch.setenv(name, value)
    yield held
    server.shutdown()
    server.server_close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "review.md"
    path.write_text("### `dev`: restarts\n", encoding="utf-8")
    return path


def test_a_comment_is_made_once_and_updated_after(api: Api, file: Path) -> None:
    assert main(["comment", str(file)]) == 0
    file.write_text("### `dev`: no change\n", encoding="utf-8")
    assert main(["comment", str(file)]) == 0
    [comment] = api.comments
    assert comment["body"].startswith(MARK) and "no change" in comment["body"] and RUN["html_url"] in comment["body"]


def test_somebody_elses_comment_is_left_alone_and_ours_is_found_behind_a_hundred(api: Api, file: Path) -> None:
    api.comments = [{"id": n, "user": {"login": "person"}, "body": f"{MARK} mine"} for n in range(120)]
    assert main(["comment", str(file)]) == 0 and len(api.comments) == 121
    assert main(["comment", str(file)]) == 0 and len(api.comments) == 121
    assert all(comment["body"] == f"{MARK} mine" for comment in api.comments[:120])


def test_a_run_whose_commit_no_open_pull_request_has_is_told_to_nobody(api: Api, file: Path) -> None:
    api.pulls = [{"number": 7, "head": {"sha": "b" * 40}}]
    assert main(["comment", str(file)]) == 0
    assert not api.comments and all(method == "GET" for method, _ in api.calls)


def test_a_strangers_text_notifies_nobody_and_takes_no_place_of_ours(api: Api, file: Path) -> None:
    file.write_text(f"@team look {MARK}", encoding="utf-8")
    assert main(["comment", str(file)]) == 0
    assert "@team" not in api.comments[0]["body"] and api.comments[0]["body"].count(MARK) == 1


def test_findings_open_one_issue_and_update_it(api: Api, file: Path) -> None:
    for text in ("one finding", "two findings"):
        file.write_text(text, encoding="utf-8")
        assert main(["issue", str(file), "--title", "nightly: dev"]) == 0
    assert main(["issue", str(file), "--title", "nightly: prod"]) == 0
    assert [(i["title"], i["body"]) for i in api.issues] == [
        ("nightly: dev", "two findings"),
        ("nightly: prod", "two findings"),
    ]


def test_a_refusal_of_githubs_is_said_without_the_token(
    api: Api, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    api.status = 403
    assert main(["comment", str(file)]) == 1
    said = capsys.readouterr()
    assert "403" in said.err and "t0ken" not in said.err + said.out


def test_outside_a_workflow_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    monkeypatch.delenv("GITHUB_API_URL", raising=False)
    with pytest.raises(SystemExit) as ended:
        main(["comment", str(file)])
    assert ended.value.code == 2


def test_a_text_is_never_longer_than_github_takes() -> None:
    assert cut("x" * 65_536) == "x" * 65_536
    assert len(cut("x" * 65_537)) == 65_536 and cut("x" * 65_537).endswith("(cut: the run has all of it)\n")
