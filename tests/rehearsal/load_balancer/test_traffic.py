"""Traffic through the real Envoy: routing, health, time limits, TLS."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import socket
import ssl
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from rehearsal.load_balancer.certificates import self_signed
from rehearsal.load_balancer.model import gke_defaults
from tests.rehearsal.gke.objects import https, listener
from tests.rehearsal.load_balancer.objects import (
    backend_policy,
    bare_route,
    gateway,
    health_policy,
    pod,
    service,
    service_route,
)
from tests.rehearsal.load_balancer.rig import Rig, endpoints_in_force, rig
from tests.rehearsal.load_balancer.servers import Server, serving


@pytest.fixture
def lb(tmp_path: Path) -> Iterator[Rig]:
    with rig(tmp_path) as made:
        yield made


@pytest.fixture
def server() -> Iterator[Server]:
    with serving("one") as made:
        yield made


def policy(**default: object) -> dict[str, object]:
    return health_policy("web", "Service", **default)


NO_UPSTREAM = "no healthy upstream"


def test_a_prefix_is_routed_and_rewritten(lb: Rig, server: Server) -> None:
    lb.serve(gateway(), service_route(), service(), policy(), pod("one", server.address))
    assert lb.says("/ns/m/v1/models?a=b", 200, "one").text == "one /v1/models?a=b"
    assert lb.get("/ns/m").text == "one /"
    for path in ("/ns/mm/v1/models", "/", "/other"):
        answer = lb.get(path)
        assert (answer.status_code, answer.text) == (404, "fault filter abort")


def test_a_gateway_is_reached_at_its_own_address_where_that_is_allowed(lb: Rig, server: Server) -> None:
    front = gateway()
    front["status"]["addresses"] = [{"type": "IPAddress", "value": "127.90.255.9"}]
    lb.serve(front, service_route(), service(), policy(), pod("one", server.address))
    lb.says("/ns/m/x", 200, "one")
    try:
        asked = httpx.get("http://127.90.255.9/ns/m/x", trust_env=False)
    except httpx.ConnectError:
        unprivileged = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text(encoding="utf-8"))
        assert os.geteuid() != 0 and unprivileged > 80, "this user may listen on port 80"
    else:
        assert (asked.status_code, asked.text) == (200, "one /x")


def test_a_gateway_whose_own_address_is_taken_or_not_of_this_machine_is_served_all_the_same(
    lb: Rig, server: Server
) -> None:
    front = gateway()
    for address in ("192.0.2.7", server.address[0]):
        front["status"]["addresses"] = [{"type": "IPAddress", "value": address}]
        front["spec"]["listeners"][0]["port"] = server.address[1]
        lb.serve(front, service_route(), service(), policy(), pod("one", server.address))
        lb.says("/ns/m/x", 200, "one")


def test_only_the_hosts_of_listener_and_route_are_served(lb: Rig, server: Server) -> None:
    front = gateway({**listener(), "hostname": "models.example.com"})
    lb.serve(front, service_route(), service(), policy(), pod("one", server.address))
    lb.says("/ns/m/x", 200, "one", headers={"Host": "models.example.com:8080"})
    assert lb.get("/ns/m/x").status_code == 404


def test_an_endpoint_that_fails_its_check_gets_no_traffic_until_it_passes(lb: Rig, server: Server) -> None:
    with serving("two") as second:
        pods = [pod("one", server.address), pod("two", second.address)]
        lb.serve(gateway(), service_route(), service(), policy(), *pods)
        lb.until(lambda: lb.healthy("web") == [True, True])
        server.statuses["/health"] = 503
        lb.until(lambda: lb.healthy("web") == [False, True])
        host, port = server.address
        lb.until(lambda: f"{host}:{port}" not in endpoints_in_force(lb.directory))
        asked = len(server.requests())
        assert {lb.get("/ns/m/x").text for _ in range(10)} == {"two /x"}
        assert len(server.requests()) == asked
        second.statuses["/health"] = 500
        lb.says("/ns/m/x", 503, NO_UPSTREAM)
        server.statuses["/health"] = 200
        lb.says("/ns/m/x", 200, "one")


def test_one_failed_check_is_not_enough_where_the_policy_asks_for_more(lb: Rig, server: Server) -> None:
    lb.serve(gateway(), service_route(), service(), policy(unhealthyThreshold=3), pod("one", server.address))
    lb.until(lambda: lb.healthy("web") == [True])
    checks = len(server.seen)
    server.statuses["/health"] = 503
    lb.until(lambda: lb.healthy("web") == [False])
    assert len(server.seen) - checks >= 3


def test_without_a_policy_the_root_is_asked_and_a_server_that_has_none_gets_nothing(lb: Rig, server: Server) -> None:
    """Field issues 5 and 13."""
    lb.serve(gateway(), service_route(), service(), pod("one", server.address))
    lb.until(lambda: ("GET", "/") in server.seen)
    lb.says("/ns/m/x", 503, NO_UPSTREAM)
    assert lb.healthy("web") == [False]
    lb.serve(gateway(), service_route(), service(), policy(), pod("one", server.address))
    lb.says("/ns/m/x", 200, "one")


def test_a_pod_that_is_not_ready_gets_no_traffic(lb: Rig, server: Server) -> None:
    lb.serve(gateway(), service_route(), service(), policy(), pod("one", server.address, ready=False))
    lb.says("/ns/m/x", 503, NO_UPSTREAM)
    lb.serve(gateway(), service_route(), service(), policy(), pod("one", server.address))
    lb.says("/ns/m/x", 200, "one")


def test_https_to_a_plain_server_is_a_wrong_version_number(lb: Rig, server: Server) -> None:
    """Field issues 6 and 15: the check is satisfied, every request fails."""
    https = service(appProtocol="https")
    lb.serve(gateway(), service_route(), https, policy(), pod("one", server.address))
    answer = lb.says("/ns/m/x", 503, "upstream connect error")
    assert "WRONG_VERSION_NUMBER" in answer.text


def test_a_long_answer_is_cut_without_a_policy_and_survives_with_one(lb: Rig, server: Server) -> None:
    short = dataclasses.replace(gke_defaults(), time_limit=1)
    base = (gateway(), service_route(), service(), policy(), pod("one", server.address))
    lb.serve(*base, defaults=short)
    lb.says("/ns/m/x", 200, "one")
    lb.until(lambda: _streamed(lb) == "")
    lb.serve(*base, backend_policy("web", "Service", timeoutSec=10), defaults=short)
    lb.until(lambda: "10s" in lb.routes())

    def survives() -> bool:
        text = _streamed(lb)
        return text.endswith("end") and text.count("tick") > 10

    lb.until(survives)


def _streamed(lb: Rig) -> str:
    try:
        return lb.get("/ns/m/stream?seconds=3").text
    except httpx.RemoteProtocolError:
        return ""


def test_a_server_that_does_not_answer_in_time_is_a_504(lb: Rig, server: Server) -> None:
    quick = backend_policy("web", "Service", timeoutSec=1)
    lb.serve(gateway(), service_route(), service(), policy(), quick, pod("one", server.address))
    lb.says("/ns/m/x", 200, "one")
    answer = lb.get("/ns/m/silent")
    assert (answer.status_code, answer.text) == (504, "upstream request timeout")


def test_an_unprogrammed_gateway_does_not_listen_and_gets_its_port_back(lb: Rig, server: Server) -> None:
    rest = (service_route(), service(), policy(), pod("one", server.address))
    lb.serve(gateway(), *rest)
    lb.says("/ns/m/x", 200, "one")
    url = lb.url()
    lb.serve(gateway(programmed=False), *rest)

    def refused() -> bool:
        try:
            httpx.get(url, trust_env=False)
        except httpx.ConnectError:
            return True
        except httpx.TransportError:  # it was in the queue of the listener that went away
            return False
        return False

    lb.until(refused)
    lb.serve(gateway(), *rest)
    lb.says("/ns/m/x", 200, "one")
    assert lb.url() == url


def test_a_listener_that_goes_away_ends_its_connections_after_a_while(lb: Rig, server: Server) -> None:
    rest = (service_route(), service(), policy(), pod("one", server.address))
    lb.serve(gateway(), *rest)
    lb.says("/ns/m/x", 200, "one")
    with httpx.stream("GET", f"{lb.url()}/ns/m/stream?seconds=60", trust_env=False) as answer:
        parts = answer.iter_text()
        assert "tick" in next(parts)
        lb.serve(gateway(programmed=False), *rest)
        with pytest.raises(httpx.TransportError):
            list(parts)
    log = lb.directory.logs / "envoy.log"
    lb.until(lambda: "GET /ns/m/x HTTP/1.1" in log.read_text())


def test_the_server_is_told_who_asked_in_envoys_headers(lb: Rig, server: Server) -> None:
    lb.serve(gateway(), service_route(), service(), policy(), pod("one", server.address))
    lb.says("/ns/m/x", 200, "one")
    told = lb.get("/ns/m/headers").text
    assert "x-forwarded-for: " in told  # for a client on loopback the machine's own address
    assert "x-forwarded-proto: http" in told
    assert "x-request-id: " in told
    assert "via: " not in told


def envoy_of_this_process() -> psutil.Process:
    """The only one; other tests of this process have children of other names."""
    [found] = [child for child in psutil.Process().children() if child.name() == "envoy"]
    return found


def test_envoy_takes_no_inotify_instance(lb: Rig, server: Server) -> None:
    """A user has 128 for all programs together; Envoy aborts, and goes on aborting, where it gets none."""
    lb.serve(gateway(), service_route(), service(), policy(), pod("one", server.address))
    lb.says("/ns/m/x", 200, "one")
    opened = [
        os.readlink(item) for item in Path(f"/proc/{envoy_of_this_process().pid}/fd").iterdir() if item.is_symlink()
    ]
    assert opened
    assert "anon_inode:inotify" not in opened


def test_only_its_own_envoy_is_told_the_configuration(lb: Rig, server: Server) -> None:
    lb.serve(gateway(), service_route(), service(), policy(), pod("one", server.address))
    lb.says("/ns/m/x", 200, "one")
    start = json.loads((lb.directory.root / "load-balancer" / "bootstrap.json").read_text())
    [cluster] = start["static_resources"]["clusters"]
    [host] = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
    url = f"http://127.0.0.1:{host['endpoint']['address']['socket_address']['port_value']}/v3/discovery:listeners"
    answer = httpx.post(url, json={"node": start["node"]}, trust_env=False)
    assert [item["name"] for item in answer.json()["resources"]] == ["ns_gw_http"]
    stranger = httpx.post(url, json={"node": {**start["node"], "id": "other"}}, trust_env=False)
    assert (stranger.status_code, stranger.text) == (403, "")


def test_a_tls_listener_speaks_with_the_secrets_certificate_and_http_leads_to_it(lb: Rig, server: Server) -> None:
    chain, key = self_signed(["models.example.com"])
    data = {name: b64encode(value.encode()).decode() for name, value in (("tls.crt", chain), ("tls.key", key))}
    secret = {"metadata": {"name": "cert", "namespace": "ns"}, "data": data}
    front = gateway(listener(), https(certificateRefs=[{"name": "cert"}]))
    parent = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "gw"}
    redirect = bare_route(
        {"filters": [{"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "statusCode": 301}}]},
        name="redirect",
        parent={**parent, "sectionName": "http"},
    )
    route = service_route()
    route["spec"]["parentRefs"] = [{**parent, "sectionName": "https"}]
    lb.serve(front, redirect, route, service(), policy(), pod("one", server.address), secrets=[secret])
    lb.says("/ns/m/x", 200, "one", listener="https", verify=False)
    address = lb.url("https").removeprefix("https://").rpartition(":")
    seen = ssl.get_server_certificate((address[0], int(address[2])))
    assert seen.strip() == chain.strip()
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for protocol in ("h2", "http/1.1"):
        context.set_alpn_protocols([protocol])
        with socket.create_connection((address[0], int(address[2]))) as plain, context.wrap_socket(plain) as secure:
            assert secure.selected_alpn_protocol() == protocol
    answer = lb.get("/ns/m/x")
    assert (answer.status_code, answer.headers["location"]) == (301, f"{lb.url('https')}/ns/m/x")


def test_a_listener_with_a_certificate_of_google_cloud_has_one_made_here(lb: Rig, server: Server) -> None:
    front = gateway(https(options={"networking.gke.io/cert-manager-certs": "a"}))
    lb.serve(front, service_route(), service(), policy(), pod("one", server.address))
    lb.says("/ns/m/x", 200, "one", listener="https", verify=False)


@pytest.mark.parametrize(("draining", "ends"), [(60, True), (1, False), (None, False)])
def test_an_endpoint_that_leaves_has_the_policys_time_to_finish(
    draining: int | None, ends: bool, lb: Rig, server: Server
) -> None:
    given = {} if draining is None else {"connectionDraining": {"drainingTimeoutSec": draining}}
    with serving("two") as second:
        base = (gateway(), service_route(), service(), policy(), backend_policy("web", "Service", **given))
        lb.serve(*base, pod("one", server.address))
        lb.says("/ns/m/x", 200, "one")
        url = f"{lb.url()}/ns/m/stream?seconds={4 if ends else 60}"
        with httpx.stream("GET", url, trust_env=False) as answer:
            parts = answer.iter_text()
            text = next(parts)
            lb.serve(*base, pod("one", server.address, ready=False), pod("two", second.address))
            lb.says("/ns/m/x", 200, "two")
            until = time.monotonic() + 1.5
            lb.until(lambda: time.monotonic() > until)
            with contextlib.suppress(httpx.RemoteProtocolError):
                for part in parts:
                    text += part
        assert text.endswith("end") is ends


def test_an_endpoint_that_becomes_unhealthy_finishes_what_it_began(lb: Rig, server: Server) -> None:
    lb.serve(gateway(), service_route(), service(), policy(), pod("one", server.address))
    lb.says("/ns/m/x", 200, "one")
    with httpx.stream("GET", f"{lb.url()}/ns/m/stream?seconds=4", trust_env=False) as answer:
        parts = answer.iter_text()
        text = next(parts)
        server.statuses["/health"] = 503
        lb.says("/ns/m/x", 503, NO_UPSTREAM)
        assert (text + "".join(parts)).endswith("end")


def test_a_change_of_routes_leaves_running_answers_alone(lb: Rig, server: Server) -> None:
    base = (gateway(), service(), policy(), pod("one", server.address))
    lb.serve(*base, service_route())
    lb.says("/ns/m/x", 200, "one")
    with httpx.stream("GET", f"{lb.url()}/ns/m/stream?seconds=3", trust_env=False) as answer:
        parts = answer.iter_text()
        text = next(parts)
        lb.serve(*base, service_route("/new"))
        lb.says("/new/x", 200, "one")
        assert lb.get("/ns/m/x").status_code == 404
        assert (text + "".join(parts)).endswith("end")
