"""From a file, or from the engine's configuration, to a `Deployment` that no rule refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from checks.rules import on_settings
from checks.secrets_in_clear import secrets_in_clear
from settings.derive import Deployment
from settings.document import ROOT, Document, read_document
from settings.load import known_keys, parse
from settings.names import PROJECT_NAME
from settings.refusal import Finding, Path, RefusedError, explain, refusals


def check(document: Document) -> tuple[Deployment | None, list[Finding]]:
    """Everything that can be said of a document: structure first, then every rule on what is left of it."""
    environment, structural, replaced = parse(document)
    findings = [explain(finding) for finding in (*structural, *secrets_in_clear(document))]
    if environment is None:
        return None, findings
    deployment = Deployment(document.name, environment)
    for finding in on_settings(deployment):
        if not _touches(finding.path, replaced):
            findings.append(replace(finding, line=document.line_of(finding.path)))
    findings += _missing_secrets(document, deployment)
    findings.sort(key=lambda f: (f.line or 0, f.rule))
    return deployment, findings


def _missing_secrets(document: Document, deployment: Deployment) -> Iterator[Finding]:
    """SC05: what a model's token refers to stands, encrypted, in the file."""
    for index, model in enumerate(deployment.settings.models):
        key = model.hugging_face_token.pulumi_config if model.hugging_face_token else None
        if key is None or document.secrets is None or key in document.secrets:
            continue
        path: Path = ("models", index, "huggingFaceToken", "pulumiConfig")
        fix = f"Set it; the value is asked for:\npulumi config set --secret {PROJECT_NAME}:{key}"
        said = f"The file has no secret {PROJECT_NAME}:{key}."
        yield explain(Finding("SC05", path, key, said, fix, line=document.line_of(path)))


def require(document: Document) -> tuple[Deployment, list[Finding]]:
    """The deployment and its warnings.

    Raises:
        RefusedError: with every refusal at once.
    """
    deployment, findings = check(document)
    if deployment is None or refusals(findings):
        raise RefusedError(findings, document.origin)
    return deployment, findings


def load_deployment(stack: str, get_object: Callable[[str], Any], get: Callable[[str], str | None]) -> Deployment:
    """The deployment of a running program, from the engine's configuration.

    Raises:
        RefusedError: nothing has been created yet, and nothing will be.
    """
    data: dict[str, Any] = {}
    for key in known_keys(()):
        value = get(key) if key == "tier" else get_object(key)
        if value is not None:
            data[key] = value
    path = ROOT / f"Pulumi.{stack}.yaml"
    if not path.is_file():
        return require(Document(stack, f"the configuration of stack {stack}", data))[0]
    # What counts is what the engine says; the file gives line numbers, and keys that nobody would ask the engine for.
    document = read_document(path)
    known = known_keys(())
    unknown = {key: value for key, value in document.data.items() if key not in known}
    return require(Document(stack, str(path), {**unknown, **data}, document.lines, None, document.findings))[0]


def _touches(path: Path, replaced: set[Path]) -> bool:
    return any(path[: len(r)] == r or (r[: len(path)] == path and len(path) > 1) for r in replaced)
