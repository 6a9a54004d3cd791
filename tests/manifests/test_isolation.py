"""NetworkPolicies: what serving needs passes, and nothing else. Evaluated by tests/flows.py."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.environment import require
from manifests.isolation import network_policies
from settings.derive import Deployment
from settings.document import Document
from tests.checks.cases import GOOD
from tests.flows import End, allowed
from tests.manifests.test_manifests import DEPLOYMENTS

PICKER = "llminferenceservice-router-scheduler"
HEALTH_CHECK = End(address="35.191.10.1")
COLLECTOR = End("gmp-system", {"app.kubernetes.io/name": "collector"})
STRANGER = End("default", {"app": "curl"})
INTERNET = End(address="18.155.1.2")
deployment_with_all_alerts = pytest.mark.parametrize("deployment", DEPLOYMENTS.values(), ids=DEPLOYMENTS)


def pod(deployment: Deployment, model: str, component: str) -> End:
    labels = {"app.kubernetes.io/name": model, "app.kubernetes.io/part-of": "llminferenceservice"}
    return End(deployment.namespace, labels | {"app.kubernetes.io/component": component})


def proxy(deployment: Deployment) -> End:
    assert deployment.proxy_range
    return End(address=deployment.proxy_range.replace(".0/", ".7/").partition("/")[0])


@deployment_with_all_alerts
def test_what_serving_needs_passes_and_nothing_else_does(deployment: Deployment) -> None:
    policies = network_policies(deployment)

    def passes(source: End, target: End, port: int, protocol: str = "TCP") -> bool:
        return allowed(policies, source, target, port, protocol)

    for model in deployment.models:
        server = pod(deployment, model.name, "llminferenceservice-workload")
        worker = pod(deployment, model.name, "llminferenceservice-workload-worker")
        picker = pod(deployment, model.name, PICKER)
        for outside in (proxy(deployment), HEALTH_CHECK):
            assert passes(outside, server, 8000)
            assert passes(outside, picker, 9002)
            assert passes(outside, picker, 9003)
        assert passes(picker, server, 8000)
        assert passes(COLLECTOR, server, 8000)
        assert passes(COLLECTOR, picker, 9090)
        assert passes(picker, INTERNET, 443)  # the API server of a public or private control plane
        assert passes(server, INTERNET, 443)
        assert passes(server, End("kube-system", {"k8s-app": "kube-dns"}, "10.8.0.10"), 53, "UDP")
        assert passes(server, End(address="169.254.169.254"), 80)
        for source in (STRANGER, INTERNET, server):
            assert not passes(source, picker, 9002)
        for source in (STRANGER, INTERNET, End(address="10.0.0.9")):
            assert not passes(source, server, 8000)
            assert not passes(source, picker, 9090)
        assert not passes(server, End("default", {"app": "database"}), 5432)
        assert not passes(End("kserve", {}), server, 8000)
        # Hosts of one slice reach each other at any port; those of another model do not.
        assert passes(worker, server, 6379) == passes(server, worker, 8471) == model.shape.multi_host
        other = pod(deployment, f"{model.name}-other", "llminferenceservice-workload")
        assert not passes(other, server, 8000)
        assert not passes(server, other, 6379)
    filler = End(deployment.namespace, {"batch.kubernetes.io/job-name": "fill"})
    assert passes(filler, INTERNET, 443)
    assert not passes(STRANGER, filler, 80)


@deployment_with_all_alerts
def test_the_policy_that_closes_comes_last(deployment: Deployment) -> None:
    assert network_policies(deployment)[-1]["spec"]["podSelector"] == {}


def changed(**more: Any) -> Deployment:
    return require(Document("test", "test.yaml", GOOD | more))[0]


def test_without_the_proxies_range_or_where_they_are_off_there_are_none() -> None:
    existing = {"mode": "existing", "name": "vpc", "subnetwork": "nodes"}
    proxies = {"mode": "existing", "name": "proxies"}
    assert network_policies(changed(network=existing | {"proxyOnlySubnet": proxies})) == ()
    assert network_policies(changed(network=existing | {"proxyOnlySubnet": proxies | {"cidr": "10.200.0.0/23"}}))
    assert network_policies(changed(platform={"networkPolicies": False})) == ()


@given(st.integers(1, 65535), st.sampled_from(["http", "https"]))
def test_the_port_of_an_address_in_a_variable_is_open(port: int, scheme: str) -> None:
    model = GOOD["models"][0] | {"environment": {"HTTPS_PROXY": f"{scheme}://proxy.example.com:{port}"}}
    deployment = changed(models=[model])
    server = pod(deployment, model["name"], "llminferenceservice-workload")
    assert allowed(network_policies(deployment), server, INTERNET, port)


@pytest.mark.parametrize("value", ["http://[", "http://a:b", "http://a:99999", "a:80", "1", ""])
def test_a_value_that_is_no_address_opens_nothing(value: str) -> None:
    model = GOOD["models"][0] | {"environment": {"HF_HUB_NAME": value}}
    assert network_policies(changed(models=[model])) == network_policies(changed())
