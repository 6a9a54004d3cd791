"""Rules about weights in a bucket, and about revisions (WT)."""

from __future__ import annotations

from collections.abc import Iterator

from catalog.gke import facts, parse_gke_version
from catalog.runtimes import BACKEND_VARIABLE
from catalog.tpu import generations
from checks.registry import Found, models, number_wanted, rule, served_models
from settings.derive import Deployment
from settings.store import revision_of

_LOADER, _STREAMER = "load-format", "runai_streamer"


@rule("WT01")
def bucket_is_used(deployment: Deployment) -> Iterator[Found]:
    """A model's weights need a bucket; a bucket needs something that is kept in it."""
    store = deployment.store
    # At the bucket, so that nothing is said of it where its own value is wrong.
    without = [f"models[{i}]" for i, model in enumerate(deployment.settings.models) if model.weights and store is None]
    if without:
        written = "weights" in deployment.settings.model_fields_set
        below = "Add below `config:` of the file:\n  tpu-serving:weights: {bucket: create}"
        said = f"The environment has no bucket for {', '.join(without)}."
        yield Found(("weights", "bucket"), None, said, "Write bucket: create there." if written else below)
    settings = deployment.settings.weights
    if store is None and not without and settings.model_fields_set & {"compile_cache", "delete_bucket"}:
        said = "There is no bucket that it could be about."
        yield Found(("weights", "bucket"), None, said, "Write bucket: create beside it, or remove the section.")
    if store is not None and not store.created and settings.delete_bucket:
        said = "Only a bucket that was created here is deleted on destroy."
        yield Found(("weights", "deleteBucket"), True, said, "Remove deleteBucket, or write bucket: create.")
    if store is not None and not store.programs and all(m.weights is None for m in deployment.settings.models):
        said = "Nothing is kept in the bucket: no model has weights: bucket, and compileCache is false."
        yield Found(
            ("weights", "bucket"), store.bucket, said, "Write weights: bucket for a model, or remove the section."
        )


@rule("WT02")
def pinned_in_the_bucket(deployment: Deployment) -> Iterator[Found]:
    """The folder in the bucket is that of a commit of a repository of the Hub."""
    for path, model in models(deployment):
        if model.weights is None:
            continue
        revision = revision_of(model.source)
        if revision is None:
            fix = "Name the repository, source: hf://ORG/NAME:COMMIT, or remove weights."
            yield Found((*path, "source"), model.source, "The bucket is filled from the Hugging Face Hub.", fix)
        elif not revision.fixed:
            said = f"{revision.name or 'Without a revision it'} is no commit of {revision.repository}."
            yield Found((*path, "source"), model.source, said, _pin(revision.repository))


def _pin(repository: str) -> str:
    page = f"https://huggingface.co/{repository}/commits/main"
    return f"Write source: hf://{repository}:COMMIT, with the 40 digits of a commit that {page} shows."


@rule("WT03")
def number_of_the_project(deployment: Deployment) -> Iterator[Found]:
    """Roles on the bucket go to Kubernetes service accounts, whose names have the project's number in them."""
    if deployment.store is not None and deployment.settings.project.number is None:
        yield number_wanted(deployment, "Roles on the bucket need the project's number.")


@rule("WT04")
def streamer_reads_the_bucket(deployment: Deployment) -> Iterator[Found]:
    """No flag names another loader."""
    for here, model in served_models(deployment):
        given = model.flags_given.get(_LOADER, _STREAMER)
        if model.streamed is not None and given != _STREAMER:
            path = (*here, "serverFlags", _LOADER)
            yield Found(path, given, f"{given} does not read gs://.", f"Remove {_LOADER}.")


@rule("WT05")
def backend_of_the_streamer(deployment: Deployment) -> Iterator[Found]:
    """The streamer alone moves no model to another backend unnoticed."""
    for here, model in served_models(deployment):
        if model.streamed is None or model.architecture is None or BACKEND_VARIABLE in model.variables:
            continue
        if model.backend != model.runtime.chosen_backend(model.architecture):
            said = (
                f"Streamed, {model.architecture} runs on torchax: its JAX class has no loader that the streamer takes."
            )
            path = (*here, "weights")
            yield Found(path, "bucket", said, f"Write environment: {{{BACKEND_VARIABLE}: vllm}} to accept it.")


@rule("WT06")
def host_memory(deployment: Deployment) -> Iterator[Found]:
    """The server asks for as much memory as its weights were seen to take on their way."""
    for here, model in served_models(deployment):
        needed, asked = model.streaming_memory_gib, model.memory_gib
        if needed is None or asked is None or asked >= needed:
            continue
        machine = generations()[model.shape.generation].machines[model.shape.machine_type]
        said = f"{needed} GiB may pass through host memory; {asked} of {machine.memory_gib} GiB are asked for."
        written = model.settings.resources.memory_gib is not None
        fix = "Leave resources.memoryGib out." if written else "Choose a machine with more memory, or remove weights."
        yield Found((*here, "resources", "memoryGib"), asked, said, fix)


@rule("WT07")
def pinned_in_production(deployment: Deployment) -> Iterator[Found]:
    """A model in production names a commit."""
    if deployment.settings.tier != "production":
        return
    for path, model in models(deployment):
        revision = revision_of(model.source)
        if revision is not None and not revision.fixed and model.weights is None:
            said = f"{revision.name or 'The default branch'} of {revision.repository} can move."
            yield Found((*path, "source"), model.source, said, _pin(revision.repository))


@rule("WT08")
def mounts_on_new_nodes(deployment: Deployment) -> Iterator[Found]:
    """GKE tries a mount of Cloud Storage FUSE again; which version a channel's default is, nobody here knows."""
    version = deployment.settings.cluster.min_version
    parsed = parse_gke_version(version) if version is not None and deployment.mounts_claims else None
    for text in facts()["fuseMountFloors"]:
        floor = parse_gke_version(text)
        if parsed is not None and floor is not None and parsed[:2] == floor[:2] and parsed < floor:
            said = f"GKE {version} is below {text}: a FUSE mount that fails on a new node is not tried again."
            fix = 'Write minVersion: "1.36"; claims of other drivers are not affected.'
            yield Found(("cluster", "minVersion"), version, said, fix)
