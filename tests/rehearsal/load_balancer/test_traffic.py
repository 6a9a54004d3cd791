"""Traffic through the real Envoy: routing, health, limits, TLS."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
import trustme

from manifests.gateway import gateway_objects
from rehearsal.control_plane.children import ChildError
from rehearsal.load_balancer.record import authority
from settings.gateway import Gateway
from tests.rehearsal.gke import objects
from tests.rehearsal.gke.objects import Obj, health_policy, https, listener, policy, pool, redirect, route
from tests.rehearsal.load_balancer.clients import certificate_of, context_of
from tests.rehearsal.load_balancer.harness import LoadBalancer, endpoints_in_force, load_balancer
from tests.rehearsal.load_balancer.objects import OWN, PICKER, gateway, pod, web, web_route
from tests.rehearsal.load_balancer.servers import Server, serving

NO_UPSTREAM = "no healthy upstream"
CHECK = health_policy("web")


@pytest.fixture
def server() -> Iterator[Server]:
    with serving("one") as made:
        yield made


def one(server: Server, ready: bool = True) -> Obj:
    return pod("one", server.address, ready=ready)


def test_a_prefix_is_routed_and_rewritten_and_the_server_told_who_asked(lb: LoadBalancer, server: Server) -> None:
    lb.serve(gateway(), web_route(), web(), CHECK, one(server))
    assert lb.says("/ns/m/v1/models?a=b", 200, "one").text == "one /v1/models?a=b"
    assert lb.get("/ns/m").text == "one /"
    for path in ("/ns/mm/v1/models", "/", "/other"):
        answer = lb.get(path)
        assert (answer.status_code, answer.text) == (404, "fault filter abort")
    told = lb.get("/ns/m/headers").text
    assert "x-forwarded-for: " in told  # for a client on loopback the machine's own address
    assert "x-forwarded-proto: http" in told
    assert "x-request-id: " in told
    assert "via: " not in told


def test_a_gateway_is_reached_at_its_own_address_where_that_is_allowed(lb: LoadBalancer, server: Server) -> None:
    rest = (web_route(), web(), CHECK, one(server))
    lb.serve(gateway(), *rest)
    lb.says("/ns/m/x", 200, "one")
    try:
        asked = httpx.get(f"http://{OWN}/ns/m/x", trust_env=False)
    except httpx.ConnectError:
        unprivileged = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text(encoding="utf-8"))
        assert os.geteuid() != 0 and unprivileged > 80, "this user may listen on port 80"
    else:
        assert (asked.status_code, asked.text) == (200, "one /x")
    # Not of this machine, or taken: served all the same.
    for address in ("192.0.2.7", server.address[0]):
        lb.serve(gateway(listener(port=server.address[1]), address=address), *rest)
        lb.says("/ns/m/x", 200, "one")


def test_only_the_listeners_host_name_is_served_whatever_the_port(lb: LoadBalancer, server: Server) -> None:
    front = gateway(listener(hostname="models.example.com"))
    lb.serve(front, web_route(hostnames=["models.example.com"]), web(), CHECK, one(server))
    lb.says("/ns/m/x", 200, "one", headers={"Host": "models.example.com:8080"})
    assert lb.get("/ns/m/x").status_code == 404


def test_an_endpoint_that_fails_its_check_gets_no_traffic_until_it_passes(lb: LoadBalancer, server: Server) -> None:
    with serving("two") as second:
        lb.serve(gateway(), web_route(), web(), CHECK, one(server), pod("two", second.address))
        lb.until(lambda: lb.healthy() == [True, True])
        checks = len(server.seen)
        server.statuses["/health"] = 503
        lb.until(lambda: lb.healthy() == [False, True])
        assert len(server.seen) - checks >= 2  # the policy's threshold
        host, port = server.address
        lb.until(lambda: f"{host}:{port}" not in endpoints_in_force(lb.directory))
        asked = len(server.requests())
        assert {lb.get("/ns/m/x").text for _ in range(10)} == {"two /x"}
        assert len(server.requests()) == asked
        second.statuses["/health"] = 500
        lb.says("/ns/m/x", 503, NO_UPSTREAM)
        server.statuses["/health"] = 200
        lb.says("/ns/m/x", 200, "one")


def test_without_a_policy_the_root_is_asked_and_neither_a_404_nor_a_pod_that_is_not_ready_gets_traffic(
    lb: LoadBalancer, server: Server
) -> None:
    """Field issues 5 and 13."""
    lb.serve(gateway(), web_route(), web(), one(server))
    lb.until(lambda: ("GET", "/") in server.seen)
    lb.says("/ns/m/x", 503, NO_UPSTREAM)
    lb.until(lambda: lb.healthy() == [False])
    lb.serve(gateway(), web_route(), web(), CHECK, one(server))
    lb.says("/ns/m/x", 200, "one")
    lb.serve(gateway(), web_route(), web(), CHECK, one(server, ready=False))
    lb.says("/ns/m/x", 503, NO_UPSTREAM)


def test_an_unprogrammed_gateway_ends_its_connections_and_gets_its_port_back(lb: LoadBalancer, server: Server) -> None:
    rest = (web_route(), web(), CHECK, one(server))
    lb.serve(gateway(), *rest)
    lb.says("/ns/m/x", 200, "one")
    url = lb.url()
    with httpx.stream("GET", f"{url}/ns/m/stream?seconds=60", trust_env=False) as answer:
        parts = answer.iter_text()
        assert "tick" in next(parts)
        lb.serve(gateway(programmed=False), *rest)
        with pytest.raises(httpx.TransportError):
            list(parts)
    with pytest.raises(httpx.ConnectError):
        httpx.get(url, trust_env=False)
    log = lb.directory.logs / "envoy.log"
    lb.until(lambda: "GET /ns/m/x HTTP/1.1" in log.read_text())
    lb.serve(gateway(), *rest)
    lb.says("/ns/m/x", 200, "one")
    assert lb.url() == url


def test_envoy_takes_no_inotify_instance_and_no_other_is_told_its_configuration(server: Server, tmp_path: Path) -> None:
    """A user has 128 for all programs together; Envoy aborts, and goes on aborting, where it gets none."""
    with load_balancer(tmp_path) as lb:
        lb.serve(gateway(), web_route(), web(), CHECK, one(server))
        lb.says("/ns/m/x", 200, "one")
        found = [child for child in psutil.Process().children() if child.name() == "envoy"]
        [process] = [child for child in found if str(tmp_path) in " ".join(child.cmdline())]
        opened = [os.readlink(item) for item in Path(f"/proc/{process.pid}/fd").iterdir() if item.is_symlink()]
        assert opened
        assert "anon_inode:inotify" not in opened
        start = json.loads((lb.directory.root / "load-balancer" / "bootstrap.json").read_text())
        [cluster] = start["static_resources"]["clusters"]
        [host] = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
        url = f"http://127.0.0.1:{host['endpoint']['address']['socket_address']['port_value']}/v3/discovery:listeners"
        answer = httpx.post(url, json={"node": start["node"]}, trust_env=False)
        assert [item["name"] for item in answer.json()["resources"]] == ["ns_gw_http"]
        stranger = httpx.post(url, json={"node": {**start["node"], "id": "other"}}, trust_env=False)
        assert (stranger.status_code, stranger.text) == (403, "")
        process.kill()
        with pytest.raises(ChildError, match="envoy was ended by SIGKILL"):
            lb.until(lambda: False)


def test_a_tls_listener_has_the_secrets_certificate_and_http_leads_to_it(lb: LoadBalancer, server: Server) -> None:
    issuer = trustme.CA()
    pair = issuer.issue_cert("models.example.com", "127.0.0.1")
    [chain], key = pair.cert_chain_pems, pair.private_key_pem
    data = {"tls.crt": base64.b64encode(chain.bytes()).decode(), "tls.key": base64.b64encode(key.bytes()).decode()}
    secret = {"kind": "Secret", "metadata": {"name": "tls", "namespace": "ns"}, "data": data}
    front = gateway(listener(), https(certificateRefs=[{"name": "tls"}]))
    parent = {"name": "gw", "sectionName": "https"}
    to_https = route(redirect(), name="redirect", parent={**parent, "sectionName": "http"})
    lb.serve(front, to_https, web_route(parent=parent), web(), CHECK, one(server), secret)
    context = ssl.create_default_context()
    issuer.configure_trust(context)
    lb.says("/ns/m/x", 200, "one", listener="https", verify=context)
    address = httpx.URL(lb.url("https"))
    for protocol in ("h2", "http/1.1"):
        context.set_alpn_protocols([protocol])
        with (
            socket.create_connection((address.host, address.port or 443)) as plain,
            context.wrap_socket(plain, server_hostname="models.example.com") as secure,
        ):
            assert secure.selected_alpn_protocol() == protocol
    answer = lb.get("/ns/m/x")
    assert (answer.status_code, answer.headers["location"]) == (301, f"{address}/ns/m/x")
    assert authority(lb.directory) is None


def test_a_certificate_of_google_cloud_is_made_here_by_an_authority_that_clients_can_trust(
    lb: LoadBalancer, server: Server
) -> None:
    front = gateway(https(options={"networking.gke.io/cert-manager-certs": "a"}))
    lb.serve(front, web_route(), web(), CHECK, one(server))
    context = ssl.create_default_context(cafile=str(authority(lb.directory)))
    lb.says("/ns/m/x", 200, "one", listener="https", verify=context)


@pytest.mark.parametrize(("draining", "ends"), [(60, True), (1, False), (None, False)])
def test_an_endpoint_that_leaves_has_the_policys_time_to_finish(
    draining: int | None, ends: bool, lb: LoadBalancer, server: Server
) -> None:
    given: Obj = {} if draining is None else {"connectionDraining": {"drainingTimeoutSec": draining}}
    with serving("two") as second:
        base = (gateway(), web_route(), web(), CHECK, policy("GCPBackendPolicy", "web", **given))
        lb.serve(*base, one(server))
        lb.says("/ns/m/x", 200, "one")
        with httpx.stream("GET", f"{lb.url()}/ns/m/stream?seconds={4 if ends else 60}", trust_env=False) as answer:
            parts = answer.iter_text()
            text = next(parts)
            lb.serve(*base, one(server, ready=False), pod("two", second.address))
            lb.says("/ns/m/x", 200, "two")
            until = time.monotonic() + 1.5
            lb.until(lambda: time.monotonic() > until)
            with contextlib.suppress(httpx.RemoteProtocolError):
                for part in parts:
                    text += part
        assert text.endswith("end") is ends


def test_a_change_of_routes_or_health_leaves_running_answers_alone(lb: LoadBalancer, server: Server) -> None:
    base = (gateway(), web(), CHECK, one(server))
    lb.serve(*base, web_route())
    lb.says("/ns/m/x", 200, "one")
    with httpx.stream("GET", f"{lb.url()}/ns/m/stream?seconds=5", trust_env=False) as answer:
        parts = answer.iter_text()
        text = next(parts)
        lb.serve(*base, web_route("/new"))
        lb.says("/new/x", 200, "one")
        assert lb.get("/ns/m/x").status_code == 404
        server.statuses["/health"] = 503
        lb.says("/new/x", 503, NO_UPSTREAM)
        assert (text + "".join(parts)).endswith("end")


def test_an_endpoint_that_is_named_but_unhealthy_gets_nothing(lb: LoadBalancer) -> None:
    """Envoy's override_host would take it at its word."""
    with serving("one") as one, serving("two") as two:
        one.statuses["/health"] = 503
        pods = [pod(item.name, item.address) for item in (one, two)]
        lb.serve(gateway(), route(), pool(failure_mode="FailOpen"), PICKER, health_policy(), *pods)
        lb.until(lambda: lb.healthy("pool") == [False, True])
        lb.says("/ns/m/v1/models", 200, "two")
        named = {"x-gateway-destination-endpoint": f"{one.address[0]}:{one.address[1]}"}
        assert {lb.get("/ns/m/x", headers=named).text for _ in range(4)} == {"two /x"}
        one.statuses["/health"] = 200
        lb.until(lambda: lb.get("/ns/m/x", headers=named).text == "one /x")
        assert {lb.get("/ns/m/x", headers=named).text for _ in range(4)} == {"one /x"}


def test_only_a_consumers_certificate_is_let_in_and_only_to_its_models(
    lb: LoadBalancer, server: Server, tmp_path: Path
) -> None:
    """What the program renders for two consumers, enforced by Envoy: rung one, end to end."""
    issuer = trustme.CA()
    uris = {name: f"spiffe://example.com/{name}" for name in ("search", "chat")}
    settings = Gateway.model_validate(
        {
            "name": "gw",
            "tls": {"preSharedCerts": ["a"], "clientCaCertificate": issuer.cert_pem.bytes().decode()},
            "consumers": [
                {"name": "search", "models": ["m"], "certificate": {"uriSan": uris["search"]}},
                {"name": "chat", "models": ["m", "mm"], "certificate": {"uriSan": uris["chat"]}},
            ],
        }
    )
    made = gateway_objects(settings, "ns")
    front = gateway(https(options={"networking.gke.io/pre-shared-certs": "a"}))
    front["spec"]["tls"] = made.gateway["spec"]["tls"]
    routes = web_route(), objects.route(objects.rule("/ns/mm", backendRefs=[objects.WEB_REF]), name="second")
    base = (front, *routes, web(), CHECK, one(server), made.client_authority or {})
    lb.serve(*base, *made.consumers)
    asked = {name: context_of(certificate_of(issuer, uri, tmp_path)) for name, uri in uris.items()}
    lb.says("/ns/m/x", 200, "one", listener="https", verify=asked["search"])
    lb.says("/ns/mm/x", 200, "one", listener="https", verify=asked["chat"])
    assert lb.get("/ns/m/x", "https", verify=asked["chat"]).status_code == 200
    # Another's model, by whatever name its path is given.
    for path in ("/ns/mm/x", "/ns/m", "/ns/m/../mm/x", "/ns/m%2F..%2Fmm/x", "//ns/mm/x", "/"):
        answer = lb.get(path, "https", verify=asked["search"])
        assert (answer.status_code, answer.text) == (403, "RBAC: access denied"), path
    stranger = context_of(certificate_of(issuer, "spiffe://example.com/stranger", tmp_path))
    assert lb.get("/ns/m/x", listener="https", verify=stranger).status_code == 403
    with pytest.raises(httpx.TransportError):
        httpx.get(lb.url("https"), verify=context_of(None), trust_env=False)
    # Revoked: the next request is refused, also on a connection that was let in.
    with httpx.Client(verify=asked["search"], trust_env=False) as kept:
        assert kept.get(lb.url("https") + "/ns/m/x").status_code == 200
        [closed, _] = made.consumers
        lb.serve(*base, closed)
        lb.until(lambda: kept.get(lb.url("https") + "/ns/m/x").status_code == 403)
