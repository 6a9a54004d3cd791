"""The rehearsal's own certificate authority, one key pair for every server and client, and the service account key."""

from __future__ import annotations

from pathlib import Path

import trustme

from rehearsal.directory import write_private


def make(folder: Path, first_service_address: str) -> None:
    """Write `ca.crt`, `tls.crt`, `tls.key` and `service-account.key`.

    The pair is the API server's, etcd's and the egress proxy's, as servers and as clients of each other: they are one
    user's processes on one machine. A pod trusts `ca.crt` and has no key.
    """
    authority = trustme.CA(organization_name="tpu-serving rehearsal")
    names = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "monitoring.googleapis.com")
    pair = authority.issue_cert("127.0.0.1", first_service_address, *names, common_name="kube-apiserver")
    files = {
        "ca.crt": authority.cert_pem,
        "tls.crt": pair.cert_chain_pems[0],
        "tls.key": pair.private_key_pem,
        "service-account.key": authority.issue_cert(common_name="service-account").private_key_pem,
    }
    for name, pem in files.items():
        write_private(folder / name, pem.bytes().decode())
