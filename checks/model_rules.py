"""Rules about models, their server flags, images and secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from catalog.lock import is_moving_tag, load_lock, parse_image
from catalog.models import find_model
from catalog.vllm_flags import check_value, load_flags, load_tpu_limits
from settings.derive import Deployment
from settings.model import Model
from settings.names import MAX_MODEL_NAME
from settings.refusal import Finding, Path

_SCHEMES = ("hf://", "s3://", "pvc://", "oci://", "oci+native://")
# Tokens by their published prefixes: Hugging Face, GitHub, Google API keys, AWS, OpenAI-like, private keys.
_TOKEN = re.compile(
    r"\b(hf_[A-Za-z0-9]{20,}|gh[pousr]_[A-Za-z0-9]{20,}|AIza[\w-]{30,}|AKIA[A-Z0-9]{12,}|sk-[\w-]{20,})|-----BEGIN"
)


def _models(deployment: Deployment) -> Iterator[tuple[Path, Model]]:
    for index, model in enumerate(deployment.settings.models):
        yield ("models", index), model


def distinct(deployment: Deployment) -> Iterator[Finding]:
    """RT06: no two models share a name or a served name."""
    seen: dict[str, str] = {}
    for path, model in _models(deployment):
        if model.name in seen:
            yield Finding(
                "RT06", (*path, "name"), model.name, f"Two models are called {model.name}.", "Give each its own name."
            )
        for name in model.names_for_clients:
            if seen.get(name, model.name) != model.name:
                yield Finding(
                    "RT06",
                    (*path, "servedNames"),
                    name,
                    f"{name} is served by {seen[name]} already.",
                    "Give each model its own served names.",
                )
            seen.setdefault(name, model.name)
        seen.setdefault(model.name, model.name)


def name(deployment: Deployment) -> Iterator[Finding]:
    """KS04."""
    for path, model in _models(deployment):
        if len(model.name) > MAX_MODEL_NAME:
            yield Finding(
                "KS04",
                (*path, "name"),
                model.name,
                f"The name has {len(model.name)} characters.",
                f"Write at most {MAX_MODEL_NAME}: {model.name[:MAX_MODEL_NAME].rstrip('-')}.",
            )


def source(deployment: Deployment) -> Iterator[Finding]:
    """KS05."""
    for path, model in _models(deployment):
        if model.source.startswith(_SCHEMES):
            continue
        fix = f"Use one of {', '.join(_SCHEMES)}."
        if model.source.startswith("gs://"):
            fix = "KServe reads no gs:// here. Two ways work: mount the bucket as a volume claim (Cloud Storage FUSE) and write pvc://<claim>/<path>, or read it through the S3-compatible endpoint with s3://<bucket>/<path>."
        elif re.fullmatch(r"[\w.-]+/[\w.-]+", model.source):
            fix = f"Write source: hf://{model.source}."
        yield Finding("KS05", (*path, "source"), model.source, f"KServe can't read {model.source}.", fix)


def server_flags(deployment: Deployment) -> Iterator[Finding]:
    """VL01 (flags and values the TPU runtime lacks), VL07 (those without effect), VL05 (flags outside the table)."""
    for path, model in _models(deployment):
        for key, value in model.server_flags.items():
            table, limits = load_flags(_flag_version()), load_tpu_limits()
            at = (*path, "serverFlags", key)
            flag_name = "--" + key.removeprefix("--").replace("_", "-")
            flag = table.lookup(flag_name)
            if flag is None:
                foreign = limits.foreign_flag(flag_name)
                near = table.nearest(flag_name, 1)
                fix = f"Write {near[0].removeprefix('--')}, or remove it." if near else "Remove it."
                why = f" {foreign.message}" if foreign else ""
                yield Finding("VL01", at, value, f"vLLM {_flag_version()} for TPU has no {flag_name}.{why}", fix)
                continue
            problem = None if isinstance(value, bool) else check_value(flag, str(value))
            if problem:
                yield Finding("VL01", at, value, f"{flag_name}: {problem}.", "Correct the value.")
            for limit in limits.limits_for(flag, str(value), model.tpu.generation):
                rule = "VL01" if limit.level == "refuse" else "VL07"
                yield Finding(rule, at, value, limit.message, "Remove it.")
        if model.unlisted_server_flags:
            yield Finding(
                "VL05",
                (*path, "unlistedServerFlags"),
                sorted(model.unlisted_server_flags),
                "Flags outside the locked table are not checked.",
                "Add an override of VL05 with a reason and a date, or use serverFlags.",
            )


def _flag_version() -> str:
    return load_lock().images["vllm-tpu"].tag.removeprefix("v")


def lengths(deployment: Deployment) -> Iterator[Finding]:
    """VL06."""
    contexts = {m.name: m.context_length for m in deployment.models}
    for path, model in _models(deployment):
        known, context = find_model(model.source), contexts.get(model.name, model.context_length)
        if known and context and context > known.max_context:
            yield Finding(
                "VL06",
                (*path, "contextLength"),
                context,
                f"The model has a context of {known.max_context} tokens.",
                f"Write contextLength: {known.max_context} or less.",
            )
        if context and model.longest_answer_tokens and model.longest_answer_tokens > context:
            yield Finding(
                "VL06",
                (*path, "longestAnswerTokens"),
                model.longest_answer_tokens,
                f"The longest answer is longer than the context of {context} tokens.",
                f"Write at most {context}, or a larger contextLength.",
            )


def images(deployment: Deployment) -> Iterator[Finding]:
    """SC01, for an image of the user's; the lock's own are held by a test."""
    for path, model in _models(deployment):
        if model.image is None:
            continue
        try:
            image = parse_image(model.image)
        except ValueError as error:
            yield Finding(
                "SC01",
                (*path, "image"),
                model.image,
                f"Not an image reference: {error}.",
                "Write registry/name:tag or name@sha256:....",
            )
            continue
        if image.digest is None and is_moving_tag(image.tag or ""):
            yield Finding(
                "SC01",
                (*path, "image"),
                model.image,
                f"The tag {image.tag or 'latest'} moves.",
                "Name an exact version or a digest, or leave image out.",
            )


def plain_secrets(deployment: Deployment) -> Iterator[Finding]:
    """SC03: a token anywhere in the settings. Its value is not repeated."""
    for path, value in _strings((), deployment.settings.model_dump(by_alias=True, mode="json")):
        if _TOKEN.search(value):
            yield Finding(
                "SC03",
                path,
                "(hidden)",
                "This looks like a secret in clear.",
                "Revoke it, and use a reference: huggingFaceToken: {pulumiConfig: hfToken} with pulumi config set --secret.",
            )


def _strings(path: Path, value: Any) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _strings((*path, key), inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _strings((*path, index), inner)


def gated(deployment: Deployment) -> Iterator[Finding]:
    """SC04."""
    for path, model in _models(deployment):
        known = find_model(model.source)
        if known and known.gated and model.hugging_face_token is None:
            yield Finding(
                "SC04",
                path,
                model.source,
                f"{model.source} is gated.",
                "Add huggingFaceToken: {kubernetesSecret: {name: hf-token}} (or pulumiConfig, secretManager).",
            )


def secret_references(deployment: Deployment) -> Iterator[Finding]:
    """SC05."""
    for path, model in _models(deployment):
        reference = model.hugging_face_token
        if reference is None:
            continue
        given = [
            key
            for key, there in (
                ("kubernetesSecret", reference.kubernetes_secret),
                ("pulumiConfig", reference.pulumi_config),
                ("secretManager", reference.secret_manager),
            )
            if there
        ]
        if len(given) != 1:
            yield Finding(
                "SC05",
                (*path, "huggingFaceToken"),
                given,
                "A reference names exactly one place.",
                "Keep one of kubernetesSecret, pulumiConfig, secretManager.",
            )
        elif reference.secret_manager and deployment.settings.project.number is None:
            yield Finding(
                "SC05",
                ("project", "number"),
                None,
                "Secret Manager access needs the project's number.",
                "Add project.number.",
            )


CHECKS = (distinct, name, source, server_flags, lengths, images, plain_secrets, gated, secret_references)
