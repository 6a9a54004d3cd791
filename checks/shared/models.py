"""Judgements about a model's name and source (KS04, KS05)."""

from __future__ import annotations

import re

from checks.shared.problem import Problem
from settings.names import MAX_MODEL_NAME

SCHEMES = ("hf://", "s3://", "pvc://", "oci://", "oci+native://")
# What stands behind a scheme, and how it is written (KServe 0.20 storage initializer and llmisvc workload_storage.go).
_FORMS = {
    "hf": "hf://ORG/NAME",
    "s3": "s3://BUCKET/PATH",
    "pvc": "pvc://CLAIM/PATH",
    "oci": "oci://REGISTRY/NAME:TAG",
    "oci+native": "oci+native://REGISTRY/NAME:TAG",
}
_PLACES = {
    "hf": re.compile(
        r"[\w.-]{1,96}/[\w.-]{1,96}(:[\w.-]+)?", re.ASCII
    ),  # _download_hf: exactly one slash, revision included
    "s3": re.compile(r"[a-z0-9][a-z0-9.-]+(/\S*)?"),
    "pvc": re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?(/\S*)?"),
    "oci": re.compile(r"\S+"),
    "oci+native": re.compile(r"\S+"),
}
_DNS_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")


def name_problem(name: str) -> Problem | None:
    """KS04: a DNS-1035 label of at most 38 characters, so that every derived name is plain concatenation."""
    if len(name) > MAX_MODEL_NAME:
        short = name[:MAX_MODEL_NAME].rstrip("-")
        return Problem(f"The name has {len(name)} characters.", f"Write at most {MAX_MODEL_NAME}: {short}.")
    if _DNS_1035.fullmatch(name) is None:
        letters = re.sub(r"[^a-z0-9-]", "-", name.lower()).strip("-")
        fix = letters if letters[:1].isalpha() else f"m-{letters}".rstrip("-")
        return Problem(f"{name} is not a valid DNS-1035 label.", f"Write name: {fix}.")
    return None


def source_problem(source: str, key: str) -> Problem | None:
    """KS05: a source that KServe can read. `key` is what the value is called where it stands."""
    if source.startswith(SCHEMES):
        scheme, _, rest = source.partition("://")
        if _PLACES[scheme].fullmatch(rest) is None or {".", ".."} & set(rest.split("/")):
            return Problem(f"{source} names no model.", f"Write {key}: {_FORMS[scheme]}.")
        return None
    fix = f"Use one of {', '.join(SCHEMES)}."
    if source.startswith("gs://"):
        fix = (
            "KServe reads no gs:// here. Write hf://ORG/NAME:COMMIT with weights: bucket, which fills a bucket and reads "
            "from it; or mount yours as a volume claim (Cloud Storage FUSE) and write pvc://<claim>/<path>; or read it "
            "through the S3-compatible endpoint with s3://<bucket>/<path>."
        )
    elif page := re.match(r"(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/([\w.-]+/[\w.-]+)", source):
        fix = f"Write {key}: hf://{page[1]}."
    elif re.fullmatch(r"[\w.-]+/[\w.-]+", source):
        fix = f"Write {key}: hf://{source}."
    return Problem(f"KServe can't read {source}.", fix)
