"""Rules about images, versions and secrets (SC)."""

from __future__ import annotations

from collections.abc import Iterator

from catalog.lock import is_moving_tag, load_lock, parse_image
from catalog.models import named
from checks.registry import Found, at, models, number_wanted, rule
from checks.shared.problem import one_of
from checks.shared.versions import combination_problem, image_problem
from settings.derive import Deployment

_SERVER_IMAGE = "vllm-tpu"
# Published servers for GPUs and CPUs; any other name may be a copy of the TPU image in a registry of one's own.
_OTHER_CHIPS = {"vllm-openai", "vllm-openai-rocm", "llm-d-cuda", "sglang", "text-generation-inference"}
_OCI = ("oci", "oci+native")


@rule("SC01")
def images(deployment: Deployment) -> Iterator[Found]:
    """A user's image, or a model in one, stays put; the lock's own are held by a test."""
    for path, model in models(deployment):
        if model.image is not None:
            yield from at((*path, "image"), model.image, image_problem(model.image))
        scheme, found, reference = model.source.partition("://")
        if found and reference and scheme in _OCI:
            yield from at((*path, "source"), model.source, image_problem(reference))


@rule("SC02")
def combination(deployment: Deployment) -> Iterator[Found]:
    """A user's server image is of a version that was seen with the rest. One under another name can't be judged."""
    for path, model in models(deployment):
        if model.image is None:
            continue
        try:
            image = parse_image(model.image)
        except ValueError:
            continue  # SC01 says so
        name = image.repository.rsplit("/", 1)[-1]
        locked = load_lock().images[_SERVER_IMAGE]
        fix = f"Write image: {locked.repository}:{locked.tag}, or leave it out."
        if name in _OTHER_CHIPS:
            said = f"{image.repository} is a server for other chips; it finds no TPU."
            yield Found((*path, "image"), model.image, said, fix)
        if name != _SERVER_IMAGE or image.tag is None or is_moving_tag(image.tag):
            continue
        problem = combination_problem({**load_lock().versions(), _SERVER_IMAGE: image.tag})
        if problem is not None:
            yield Found((*path, "image"), model.image, problem.message, fix)


@rule("SC07")
def digests(deployment: Deployment) -> Iterator[Found]:
    """The lock's images, in production."""
    if deployment.settings.tier != "production":
        return
    lock = load_lock()
    if unknown := lock.without_digest():
        said = f"{len(unknown)} of {len(lock.images)} images of the lock file have no digest."
        yield Found(("tier",), "production", said, "Run python -m serving lock --update-digests, and commit the file.")


@rule("SC04")
def gated(deployment: Deployment) -> Iterator[Found]:
    """A gated model has a token."""
    for path, model in models(deployment):
        name = named(model.source)  # a copy under another name may be open to all; MD02 says that nobody knows
        known = name.model if name.exact else None
        if known and known.gated and model.hugging_face_token is None:
            fix = (
                f"Accept the licence at {known.page}, then write (or with pulumiConfig, secretManager):\n"
                "huggingFaceToken: {kubernetesSecret: {name: hf-token}}"
            )
            said = f"{known.id} is gated, and no token is named."
            yield Found((*path, "huggingFaceToken"), None, said, fix)


@rule("SC05")
def secret_references(deployment: Deployment) -> Iterator[Found]:
    """A reference names exactly one place, and Secret Manager needs the project's number."""
    for path, model in models(deployment):
        reference = model.hugging_face_token
        if reference is None:
            continue
        choices = {
            "kubernetesSecret": reference.kubernetes_secret,
            "pulumiConfig": reference.pulumi_config,
            "secretManager": reference.secret_manager,
        }
        given = [key for key, there in choices.items() if there]
        yield from at((*path, "huggingFaceToken"), given, one_of("A token is in one place.", given, choices))
        if len(given) == 1 and reference.secret_manager and deployment.settings.project.number is None:
            yield number_wanted(deployment, "Secret Manager access needs the project's number.")
