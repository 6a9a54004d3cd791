"""Wait until the cluster is ready for what comes next. Runs in a Job; standard library only.

Ready is: a GatewayClass Accepted, CRDs Established, objects there, objects taken by the API server and its webhooks in a dry run.
"""

import argparse
import http.client
import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

# Between two looks: soon at first, when most of it comes, then every five seconds.
FIRST_PAUSE_SECONDS, PERIOD_SECONDS = 0.5, 5
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


class Api:
    """The API server, asked as the pod's service account."""

    def __init__(self, account):
        self._account = account

    def _ask(self, method, path, body=None):
        # The token is read at every call: the kubelet renews it.
        token = (self._account / "token").read_text(encoding="utf-8")
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(server() + path, data=data, headers=headers, method=method)
        context = ssl.create_default_context(cafile=str(self._account / "ca.crt"))
        with urllib.request.urlopen(request, context=context, timeout=30) as answer:
            return json.load(answer)

    def get(self, path):
        """An object, {} where there is none yet."""
        try:
            return self._ask("GET", path)
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return {}
            raise

    def refused(self, path, body):
        """Why a dry run of a creation did not get an answer from the webhooks; empty when it did.

        A webhook that says no is there. Missing kinds, missing rights and unreachable webhooks are not.
        """
        try:
            self._ask("POST", path + "?dryRun=All", body)
        except urllib.error.HTTPError as error:
            said = error.read().decode(errors="replace")
            try:
                said = json.loads(said).get("message", said)
            except ValueError:
                pass
            return "" if "admission webhook" in said and "denied the request" in said else f"{error.code}, {said}"
        return ""


def missing(arguments, api):
    """What is not there yet, in words."""
    left = []
    wanted = arguments.gateway_class
    if wanted:
        path = f"/apis/gateway.networking.k8s.io/v1/gatewayclasses/{wanted}"
        if not has_condition(api.get(path), "Accepted"):
            left.append(f"GatewayClass {wanted} Accepted")
    for crd in arguments.crd:
        path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{crd}"
        if not has_condition(api.get(path), "Established"):
            left.append(f"CRD {crd} Established")
    left += [f"{path.rsplit('/', 1)[-1]} there" for path in arguments.exists if not api.get(path)]
    for path, body in arguments.accepts:
        if why := api.refused(path, json.loads(body)):
            left.append(f"{path.rsplit('/', 1)[-1]} accepted ({why})")
    return left


def parse(argv):
    """The command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--gateway-class", help="wait until it is Accepted")
    parser.add_argument("--crd", action="append", default=[], help="wait until it is Established")
    parser.add_argument("--exists", action="append", default=[], metavar="PATH", help="wait until it can be read")
    parser.add_argument(
        "--accepts", action="append", default=[], nargs=2, metavar=("PATH", "JSON"), help="wait for its webhooks"
    )
    parser.add_argument("--advice", default="", help="what to say when the budget is used up")
    parser.add_argument("--budget-seconds", type=int, required=True)
    parser.add_argument("--service-account", type=Path, required=True)
    return parser.parse_args(argv)


def main(argv=None, api=None, clock=time.monotonic, sleep=time.sleep):
    """Exit code 0 when everything is there, 1 when the budget is used up."""
    arguments = parse(argv)
    api = api or Api(arguments.service_account)
    start, pause = clock(), FIRST_PAUSE_SECONDS
    while True:
        try:
            left = missing(arguments, api)
        except UNREACHABLE as error:
            left = [f"the Kubernetes API ({error})"]
        waited = int(clock() - start)
        if not left:
            print(f"ready after {waited} s")
            return 0
        print(f"{waited} s of {arguments.budget_seconds} s: waiting for {', '.join(left)}")
        if waited >= arguments.budget_seconds:
            print(arguments.advice)
            return 1
        sleep(pause)
        pause = min(2 * pause, PERIOD_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
