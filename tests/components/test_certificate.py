"""A managed certificate: what is made for it, what waits for it, and what a person is told to do."""

from __future__ import annotations

import io

import pytest

from serving.plan.plan import Plan
from serving.plan.text import render_text
from tests.graph.planning import of_kind
from tests.serving.against.comparing import DEV, plan_of

ZONE, ADDRESS = ", dnsZone: example-com", "\n    address: {name: models, create: true}"


def planned(zone: str, address: str) -> Plan:
    managed = f"{{managedCertificate: {{name: models{zone}}}}}"
    gateway = f"    hostname: models.example.com\n    tls: {managed}{address}\n"
    return plan_of(DEV + f"  tpu-serving:gateway:\n{gateway}")


@pytest.mark.parametrize(
    ("zone", "address", "records"), [(ZONE, ADDRESS, {"proof", "name"}), (ZONE, "", {"proof"}), ("", ADDRESS, set())]
)
def test_records_are_made_in_a_named_zone_and_nothing_waits_for_them(
    zone: str, address: str, records: set[str]
) -> None:
    plan = planned(zone, address)
    made = of_kind(plan, "RecordSet")
    assert {r.name for r in made} == {f"certificate-{name}" for name in records}
    [certificate], [gateway] = of_kind(plan, "Certificate")[-1:], of_kind(plan, "Gateway")[-1:]
    assert certificate.urn in gateway.depends_on
    assert certificate.inputs["managed"]["domains"] == ["models.example.com"]
    assert certificate.inputs["location"] == "europe-west4"
    assert not {r.urn for r in made} & {urn for r in plan.graph.resources.values() for urn in r.depends_on}


@pytest.mark.parametrize(
    ("zone", "address", "said", "unsaid"),
    [
        (ZONE, ADDRESS, "delegated to the name servers of example-com", "point models.example.com"),
        (ZONE, "", "point models.example.com to the Gateway's address", "dns-authorizations"),
        (
            "",
            ADDRESS,
            "gcloud certificate-manager dns-authorizations describe models --location=europe-west4",
            "delegated",
        ),
    ],
)
def test_the_plan_says_what_is_left_to_do(zone: str, address: str, said: str, unsaid: str) -> None:
    text = render_text(planned(zone, address), io.StringIO())
    assert said in text
    assert unsaid not in text
