"""The servers' own counters: each is asked, and what can't be asked is said."""

from __future__ import annotations

from cluster.reading import Cluster
from serving.bench.counters import Counters, Reading
from serving.live.context import Context
from tests.serving.verify.conftest import Scene, make, scene

__all__ = ["make", "scene"]  # fixtures

PAGE = """# TYPE vllm:prefix_cache_hits counter
vllm:prefix_cache_hits_total{engine="0"} 30.0
vllm:prefix_cache_hits_total{engine="1"} 10.0
vllm:prefix_cache_queries_total{engine="0"} 80.0
vllm:generation_tokens_total{engine="0"} 500.0
vllm:num_requests_running{engine="0"} 3.0
vllm:num_requests_waiting{engine="0"} 2.0
"""


def reading(scene: Scene, pages: dict[str, str] | None = None) -> Reading:
    """What is read of servers with this page, or, by the last part of their name, with others."""
    target = scene.target()
    scene.api.pod_page = lambda pod: (pages or {}).get(pod.rpartition("-")[2], PAGE)
    return Counters(Context(target, Cluster(target.kubeconfig), 2.0), target.outputs.models[0]).read()


def test_every_server_is_asked_and_the_engines_of_one_are_added_up(scene: Scene) -> None:
    found = reading(scene)
    assert len({server.name for server in found.servers}) == 3
    for server in found.servers:
        assert (server.prefix_hits, server.prefix_queries, server.generated) == (40.0, 80.0, 500.0)
        assert (server.running, server.waiting) == (3.0, 2.0)
    assert Reading.parse(found.as_json()) == found


def test_a_server_without_a_counter_is_named_and_the_others_are_read(scene: Scene) -> None:
    found = reading(scene, {"1": PAGE.replace("vllm:generation_tokens_total", "other")})
    assert len(found.servers) == 2
    [said] = [text for text in found.missing if "-1:" in text]
    assert "no metric vllm:generation_tokens_total" in said


def test_without_a_kubeconfig_nothing_is_read_and_it_is_said(scene: Scene) -> None:
    scene.kubernetes = False
    found = reading(scene)
    assert found.servers == ()
    assert any("--kubeconfig" in text for text in found.missing)
