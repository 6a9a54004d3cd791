"""What the program exports for other teams beyond names: pages of the console, and a private authority."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from settings.refusal import RefusedError
from tests.serving.against.comparing import DEV, EXTERNAL, plan_of

CERTIFICATE = "-----BEGIN CERTIFICATE-----\\nTUlJQg==\\n-----END CERTIFICATE-----\\n"
TLS = "tls: {certificateManagerCerts: [models-example-com]"


def outputs(text: str) -> dict[str, Any]:
    return plan_of(text).graph.recording.outputs


def with_authority(pem: str) -> str:
    assert TLS in EXTERNAL
    return DEV + EXTERNAL.replace(TLS, f'{TLS}, caCertificate: "{pem}"')


def test_a_private_authority_is_an_output_and_null_where_there_is_none() -> None:
    assert outputs(with_authority(CERTIFICATE))["gateway"]["caCertificate"].startswith("-----BEGIN CERTIFICATE-----\n")
    assert outputs(DEV)["gateway"]["caCertificate"] is None
    assert outputs(DEV + EXTERNAL)["gateway"]["caCertificate"] is None


@pytest.mark.parametrize(
    "pem", ["models.crt", CERTIFICATE.replace("CERTIFICATE", "PRIVATE KEY"), CERTIFICATE * 2 + "x"]
)
def test_what_is_no_certificate_is_refused_and_a_key_is_not_repeated(pem: str) -> None:
    with pytest.raises(RefusedError) as refused:
        outputs(with_authority(pem))
    assert "caCertificate" in str(refused.value) and "PRIVATE KEY" not in str(refused.value)


def test_the_pages_name_this_environments_project_cluster_and_namespace() -> None:
    pages = {page["name"]: page["url"] for page in outputs(DEV)["dashboards"]}
    assert set(pages) == {"cluster", "logs"}
    for url in pages.values():
        assert urlsplit(url).hostname == "console.cloud.google.com" and url.endswith("project=example-project")
    assert "/europe-west4/tpu-serving-dev/" in pages["cluster"]
    assert 'namespace_name="llm-serving"' in unquote(pages["logs"])
