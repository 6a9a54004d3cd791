"""What the models need from elsewhere: secrets of Secret Manager, and weights of the Hugging Face Hub."""

from __future__ import annotations

from collections.abc import Iterator

from catalog.tpu import generations
from cluster.errors import CannotAskError
from serving.checking.findings import Finding, failed, passed, unknown
from serving.checking.gcloud import gcloud
from serving.google.errors import GOOGLE_FAILURES
from serving.preflight.context import Context
from serving.preflight.hub import TOKEN_VARIABLE, Repository
from serving.preflight.registry import check
from settings.derive import GIB

_HUB = "hf://"


@check(
    "secrets",
    "The versions of secrets that models name exist and are enabled",
    "Secret Manager, projects.secrets.versions.get (never the secret itself)",
    (*GOOGLE_FAILURES, "secret-not-found", "secret-not-enabled"),
    requests=4,
)
def secrets(context: Context) -> Iterator[Finding]:
    """Kubernetes Secrets and Pulumi's own are not asked for here."""
    named = {
        (token.secret_manager.secret, token.secret_manager.version)
        for model in context.deployment.models
        if (token := model.settings.hugging_face_token) is not None and token.secret_manager is not None
    }
    for secret, version in sorted(named):
        path, name = f"projects/{context.project}/secrets/{secret}/versions/{version}", f"secret {secret}, {version}"
        found = context.google.find("secretmanager", "projects.secrets.versions.get", name=path)
        if found is None:
            fix = gcloud(
                f"secrets create {secret}",
                f"--project={context.project}",
                "--data-file=-",
                say="Create it (the value on standard input); where only the version lacks, `secrets versions add`:",
            )
            yield failed("secret-not-found", name, needed="it exists", message="404", fix=fix)
        elif found.get("state") != "ENABLED":
            number = str(found.get("name", "")).rpartition("/")[2]
            fix = gcloud(f"secrets versions enable {number}", f"--secret={secret}", f"--project={context.project}")
            yield failed("secret-not-enabled", name, needed="ENABLED", message=str(found.get("state")), fix=fix)
        else:
            yield passed(name, f"{secret} ENABLED")


@check(
    "hugging-face",
    "The models' weights are on the Hugging Face Hub, and the token may load gated ones",
    "Hugging Face Hub, /api/models/MODEL and its auth-check",
    ("hub-not-reachable", "hub-token-not-given", "hub-model-not-found", "hub-access-missing", "hub-weights-too-large"),
    requests=4,
)
def hugging_face(context: Context) -> Iterator[Finding]:
    """With the token of this shell (HF_TOKEN), which may be another one than the cluster's."""
    for source in dict.fromkeys(model.settings.source for model in context.deployment.models):
        if not source.startswith(_HUB):
            yield passed(source, "not from the Hub")
            continue
        model, _, revision = source.removeprefix(_HUB).partition(":")
        try:
            yield _access(context, model, revision)
        except CannotAskError as error:
            yield unknown(error.failure, "Hugging Face Hub", message=error.message)


def _access(context: Context, model: str, revision: str) -> Finding:
    hub = context.hub
    found, name = hub.find(model, revision), f"{model}:{revision}" if revision else model
    if found is None:
        secret = "" if hub.has_token else f", or set {TOKEN_VARIABLE} where it is private"
        fix = f"Check {hub.page(model)}; correct models[].source{secret}."
        return failed("hub-model-not-found", name, needed="the Hub shows it", message="not shown", fix=fix)
    if (problem := _too_large(context, model, name, found)) is not None:
        return problem
    if not found.gated:
        return passed(name, f"{name} is open{_size(found)}")
    if not hub.has_token:
        fix = f"Set {TOKEN_VARIABLE} in this shell to the cluster's token, and run again."
        return unknown("hub-token-not-given", name, needed="a token that may load it", message="gated", fix=fix)
    if not hub.may_load(model):
        fix = f"Accept the licence with the token's account: {hub.page(model)}"
        return failed(
            "hub-access-missing", name, needed="access", message=f"gated ({found.gated}), access denied", fix=fix
        )
    return passed(name, f"{name} is open to the token{_size(found)}")


def _size(found: Repository) -> str:
    return "" if found.weights_bytes is None else f", {found.weights_bytes / GIB:.1f} GiB of weights"


def _too_large(context: Context, model: str, name: str, found: Repository) -> Finding | None:
    """The size that the Hub counts, against the slice of every model of that source: `plan` knows it by the name only."""
    for served in context.deployment.models:
        place = served.settings.source.removeprefix(_HUB).partition(":")[0]
        have = served.shape.chips * generations()[served.shape.generation].hbm_gib * GIB
        if place == model and found.weights_bytes is not None and found.weights_bytes > have:
            fix = f"Choose a larger tpu.topology for {served.name}, or a checkpoint of fewer bits."
            said = f"{found.weights_bytes / GIB:.0f} GiB"
            needed = f"at most {have / GIB:.0f} GiB, the memory of {served.shape.generation} {served.shape.topology}"
            return failed("hub-weights-too-large", name, needed=needed, message=said, fix=fix)
    return None
