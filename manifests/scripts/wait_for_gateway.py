"""Wait until a GatewayClass is Accepted and CRDs are Established. Runs in a Job; standard library only."""

import argparse
import functools
import http.client
import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

PERIOD_SECONDS = 10
# An answer cut short or not JSON is as temporary as none: a control plane that is being resized gives all three.
UNREACHABLE = (OSError, ValueError, http.client.HTTPException)


def has_condition(document, kind):
    """True where an object's status says that a condition holds."""
    conditions = (document.get("status") or {}).get("conditions") or []
    return any(c.get("type") == kind and c.get("status") == "True" for c in conditions)


def server():
    """The API server as every pod is told of it; an IPv6 address in brackets."""
    host = os.environ.get("KUBERNETES_SERVICE_HOST", "kubernetes.default.svc")
    port = os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"


def get(path, account):
    """An object of the API, {} where there is none yet."""
    # The token is read at every call: the kubelet renews it.
    token = (account / "token").read_text(encoding="utf-8")
    request = urllib.request.Request(server() + path, headers={"Authorization": f"Bearer {token}"})
    context = ssl.create_default_context(cafile=str(account / "ca.crt"))
    try:
        with urllib.request.urlopen(request, context=context, timeout=30) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return {}
        raise


def missing(gateway_class, crds, fetch):
    """What is not there yet, in words."""
    left = []
    if not has_condition(fetch(f"/apis/gateway.networking.k8s.io/v1/gatewayclasses/{gateway_class}"), "Accepted"):
        left.append(f"GatewayClass {gateway_class} Accepted")
    for crd in crds:
        path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{crd}"
        if not has_condition(fetch(path), "Established"):
            left.append(f"CRD {crd} Established")
    return left


def main(argv=None, fetch=None, clock=time.monotonic, sleep=time.sleep):
    """Exit code 0 when everything is there, 1 when the budget is used up."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--gateway-class", required=True)
    parser.add_argument("--crd", action="append", default=[])
    parser.add_argument("--budget-seconds", type=int, required=True)
    parser.add_argument("--service-account", type=Path, required=True)
    arguments = parser.parse_args(argv)
    fetch = fetch or functools.partial(get, account=arguments.service_account)
    start = clock()
    while True:
        try:
            left = missing(arguments.gateway_class, arguments.crd, fetch)
        except UNREACHABLE as error:
            left = [f"the Kubernetes API ({error})"]
        waited = int(clock() - start)
        if not left:
            print(f"ready after {waited} s")
            return 0
        print(f"{waited} s of {arguments.budget_seconds} s: waiting for {', '.join(left)}")
        if waited >= arguments.budget_seconds:
            print("GKE's Gateway did not come up. Is the Gateway channel standard and HTTP load balancing on?")
            return 1
        sleep(PERIOD_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
