"""The program that fills a bucket and looks at it, against the emulated Hub, bucket and metadata server."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rehearsal.storage.buckets import Answer, Request
from rehearsal.storage.serve import Services
from tests.manifests.weights_world import (
    CACHE,
    FILES,
    MARKER,
    ONE_AT_A_TIME,
    PREFIX,
    READ,
    REPOSITORY,
    REVISION,
    SHARD,
    World,
    both,
    program,
    whole,
    world_of,
)

__all__ = ["both", "program"]  # fixtures


def test_what_a_server_reads_is_brought_in_and_the_marker_comes_last(both: tuple[World, Callable[..., int]]) -> None:
    world, run = both
    assert run("check") == 1  # not filled yet
    assert run("fill") == 0
    assert whole(world)
    assert world.uploads()[-1] == MARKER
    assert run("check", "--cache", CACHE) == 0


def test_a_filled_bucket_is_not_filled_again(both: tuple[World, Callable[..., int]]) -> None:
    world, run = both
    run("fill")
    world.asked.clear()
    assert run("fill") == 0
    assert not world.of_the_hub() and not world.uploads()


def test_going_back_to_a_revision_downloads_nothing(both: tuple[World, Callable[..., int]]) -> None:
    world, run = both
    other = REVISION.replace("9", "8")
    there = [
        "--revision",
        other,
        "--prefix",
        PREFIX.replace(REVISION, other),
        "--marker",
        MARKER.replace(REVISION, other),
    ]
    assert run("fill") == 0
    world.revisions.add(other)
    assert run("fill", *there) == 0
    assert run("check", *there) == 0
    world.asked.clear()
    assert run("fill") == 0 and run("check") == 0
    assert whole(world) and not world.of_the_hub() and not world.uploads()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 45))
def test_a_filling_that_ends_anywhere_goes_on_with_what_is_left(program: Any, last: int) -> None:
    """Whatever request is the last one, the marker is there only over whole files, and none of those is brought twice."""
    with world_of(program) as (world, run):
        world.fault = lambda _request, number: Answer(599) if number >= last else None
        ended = run("fill", *ONE_AT_A_TIME)
        world.fault = lambda _request, _number: None
        assert (("b", MARKER) in world.buckets.objects) <= (world.content().keys() == READ)
        labelled = {n for (_, n), (entry, _) in world.buckets.objects.items() if "metadata" in entry}
        world.asked.clear()
        assert run("fill", *ONE_AT_A_TIME) == 0
        assert whole(world)
        assert not labelled & set(world.uploads())
        assert ended in (0, 1)


def _lost(world: World, request: Request) -> Answer:
    """It is done, and nobody hears of it."""
    Services.answer(world, request)
    return Answer(504)


def _cut(world: World, request: Request) -> Answer:
    """Half of the answer's body, and the connection ends."""
    answer = Services.answer(world, request)
    body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
    more = {"Content-Length": str(len(body)), "Connection": "close"}
    return Answer(answer.status, body[: len(body) // 2], {**answer.headers, **more})


FAULTS: dict[str, Callable[[World, Request], Answer | None]] = {
    "busy": lambda _world, _request: Answer(503),
    "many": lambda _world, _request: Answer(429),
    "no role yet": lambda _world, request: None if "models" in request.path else Answer(403),
    "garbled": lambda _world, _request: Answer(200, b"<html>"),
    "answer lost": _lost,
    "cut short": _cut,
}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.integers(0, 60), st.sampled_from(sorted(FAULTS)), max_size=6))
def test_what_passes_is_waited_for(program: Any, faults: dict[int, str]) -> None:
    with world_of(program) as (world, run):

        def fault(request: Request, number: int) -> Answer | None:
            kind = faults.get(number)
            if kind is None or (
                kind in {"no role yet", "garbled"} and ("resolve" in request.path or request.path[0] == "api")
            ):
                return None  # the Hub's denials are final, and its bytes have a test of their own
            return FAULTS[kind](world, request)

        world.fault = fault
        assert run("fill", *ONE_AT_A_TIME) == 0
        assert whole(world)
        world.fault = lambda _request, _number: None
        assert run("check") == 0


def test_bytes_that_are_not_the_hubs_never_become_whole(
    both: tuple[World, Callable[..., int]], capsys: pytest.CaptureFixture[str]
) -> None:
    world, run = both
    wrong = Answer(200, b"x" * len(FILES[SHARD]))
    world.fault = lambda request, _number: wrong if request.path[-1] == SHARD and "resolve" in request.path else None
    assert run("fill") == 1
    assert "sha256" in (said := capsys.readouterr().err) and f"{SHARD} did not arrive whole" in said
    assert SHARD not in world.content() and ("b", MARKER) not in world.buckets.objects


def test_what_the_bucket_garbles_is_sent_again(both: tuple[World, Callable[..., int]]) -> None:
    world, run = both
    left = [1]

    def fault(request: Request, _number: int) -> Answer | None:
        if request.method == "PUT" and left and request.query["upload_id"] and len(request.body) < 65536:
            left.pop()
            return Services.answer(world, request._replace(body=b"y" * len(request.body)))
        return None

    world.fault = fault
    assert run("fill") == 0
    assert not left and whole(world)


def _gone(world: World) -> None:
    del world.buckets.objects["b", PREFIX + SHARD]


def _replaced(world: World) -> None:
    world.buckets.put("b", PREFIX + SHARD, b"z" * len(FILES[SHARD]))


def _relabelled(world: World) -> None:
    labels = world.buckets.objects["b", PREFIX + SHARD][0]["metadata"]
    _replaced(world)
    world.buckets.objects["b", PREFIX + SHARD][0]["metadata"] = labels


def _shorter(world: World) -> None:
    world.buckets.put("b", PREFIX + SHARD, b"z")


def _other_revision(world: World) -> None:
    content = json.loads(world.buckets.objects["b", MARKER][1]) | {"revision": "0" * 40}
    world.buckets.put("b", MARKER, json.dumps(content).encode())


def _torn_marker(world: World) -> None:
    world.buckets.put("b", MARKER, b'{"files": {"a": 1}, "repo')


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (_gone, f"{SHARD} is missing"),
        (_replaced, f"{SHARD} was replaced by something else"),
        (_relabelled, f"{SHARD} was replaced by something else"),
        (_shorter, f"{SHARD} has 1 bytes"),
        (_other_revision, f"the marker is of {REPOSITORY}@{'0' * 40}"),
        (_torn_marker, "the marker can't be read"),
    ],
)
def test_what_is_broken_is_found_before_a_server_starts_and_brought_in_again(
    both: tuple[World, Callable[..., int]],
    capsys: pytest.CaptureFixture[str],
    break_it: Callable[[World], None],
    said: str,
) -> None:
    world, run = both
    run("fill")
    break_it(world)
    capsys.readouterr()
    assert run("check") == 1
    assert said in capsys.readouterr().err
    assert run("fill") == 0
    assert whole(world)
    assert run("check") == 0


def test_a_foreign_file_is_named_and_nobody_deletes_it(
    both: tuple[World, Callable[..., int]], capsys: pytest.CaptureFixture[str]
) -> None:
    world, run = both
    run("fill")
    world.buckets.put("b", f"{PREFIX}model-other.safetensors", b"not of this revision")
    assert run("check") == 1 and run("fill") == 1
    assert capsys.readouterr().err.count("model-other.safetensors") >= 2
    assert "model-other.safetensors" in world.content()


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (None, "does not exist"),
        ({"pytorch_model.bin": b"x", "config.json": b"{}"}, "no safetensors"),
        ({"model.safetensors.index.json": b"no"}, "can't be read"),
        ({"model.safetensors.index.json": b'{"weight_map": {"a": "gone.safetensors"}}'}, "gone.safetensors"),
    ],
)
def test_a_repository_that_cannot_be_streamed_is_refused(
    both: tuple[World, Callable[..., int]],
    capsys: pytest.CaptureFixture[str],
    files: dict[str, bytes] | None,
    said: str,
) -> None:
    world, run = both
    world.files = files
    assert run("fill") == 1
    assert said in capsys.readouterr().err
    assert not world.buckets.objects


def test_without_an_index_the_shards_of_the_top_folder_are_the_weights(both: tuple[World, Callable[..., int]]) -> None:
    world, run = both
    world.files = {"model.safetensors": b"m", "2_Dense/model.safetensors": b"d", "config.json": b"", "a/b.json": b"{}"}
    assert run("fill") == 0
    assert world.content().keys() == {"model.safetensors", "config.json", "a/b.json"}


@pytest.mark.parametrize(
    "permission", ["storage.buckets.get", "storage.objects.get", "storage.objects.list", "storage.objects.create"]
)
def test_a_missing_permission_is_named(
    both: tuple[World, Callable[..., int]], capsys: pytest.CaptureFixture[str], permission: str
) -> None:
    world, run = both
    run("fill")
    world.denied = {permission}
    if permission == "storage.objects.create":
        _gone(world)
        world.buckets.objects.pop(("b", MARKER))
        assert run("fill") == 1
    else:
        assert run("check") == 1
    assert permission in (said := capsys.readouterr().err) and "docs/runbook/verify.md" in said


def test_the_hubs_refusal_is_final_and_says_what_to_do(
    both: tuple[World, Callable[..., int]], capsys: pytest.CaptureFixture[str]
) -> None:
    world, run = both
    world.fault = lambda request, _number: Answer(403, {"error": "gated"}) if "api" in request.path else None
    assert run("fill") == 1
    assert len(world.of_the_hub()) == 1
    assert "licence" in capsys.readouterr().err


def test_a_late_metadata_server_is_waited_for(both: tuple[World, Callable[..., int]]) -> None:
    world, run = both
    left = [Answer(404)] * 5
    world.fault = lambda request, _number: left.pop() if "computeMetadata" in request.path and left else None
    assert run("fill") == 0
    assert not left and whole(world)


def test_without_an_identity_it_ends_after_a_minute_and_says_so_and_the_next_start_goes_on(
    both: tuple[World, Callable[..., int]], capsys: pytest.CaptureFixture[str]
) -> None:
    world, run = both
    world.fault = lambda request, _number: Answer(404) if "computeMetadata" in request.path else None
    assert run("fill") == 1
    assert "no token from the metadata server" in capsys.readouterr().err.splitlines()[-1]
    world.fault = lambda _request, _number: None
    assert run("fill") == 0 and whole(world)


@pytest.mark.parametrize("denied", ["storage.objects.create", "storage.objects.list", ""])
def test_a_cache_that_is_cold_warm_or_closed_never_keeps_a_server_from_starting(
    both: tuple[World, Callable[..., int]], capsys: pytest.CaptureFixture[str], denied: str
) -> None:
    world, run = both
    assert run("check", "--cache", CACHE, weights=False) == 0
    assert "cold" in capsys.readouterr().err
    world.buckets.put("b", f"{CACHE}jit_step-abc-cache", b"program")
    world.denied = {denied}
    assert run("check", "--cache", CACHE, weights=False) == 0
    said = capsys.readouterr().err
    assert ("warm, 1 entries" in said) != bool(denied)
    assert bool(denied) == ("this server compiles by itself" in said)


@pytest.mark.parametrize(("host", "kept"), [("127.0.0.1", True), ("localhost", False)])
def test_the_hubs_token_goes_to_the_hub_alone(both: tuple[World, Callable[..., int]], host: str, kept: bool) -> None:
    """A file's bytes come from a signed address of another host, which must not see the token."""
    world, run = both
    seen = []

    def fault(request: Request, _number: int) -> Answer | None:
        if "resolve" not in request.path:
            return None
        if "signed" in request.query:
            seen.append(request.caller)
            return None
        port = request.headers["Host"].rpartition(":")[2]
        return Answer(302, None, {"Location": f"http://{host}:{port}/{'/'.join(request.path)}?signed=1"})

    world.fault = fault
    assert run("fill") == 0
    assert len(seen) >= len(READ)
    assert set(seen) == ({"a-token-of-the-hub"} if kept else {""})
