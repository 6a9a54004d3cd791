"""What routes lead to and policies are for: the pool and the Service that KServe makes of a model."""

from __future__ import annotations

from catalog.gke import POOL_GROUP
from cluster.errors import CannotAskError
from serving.live.context import Context
from settings.outputs import ModelOutput

# Group, kind and name, as routes and policies refer to it.
Backend = tuple[str, str, str]


def backends_of(model: ModelOutput) -> tuple[Backend, Backend]:
    """The pool and the servers' Service."""
    return (POOL_GROUP, "InferencePool", model.inference_pool), ("", "Service", model.service)


def not_made(context: Context) -> set[Backend]:
    """Backends of our models that are not there: who refers to one is right, and the model's own checks say why."""
    declared = {backend for model in context.models for backend in backends_of(model)}
    return {backend for backend in declared if not _may_be_there(context, backend)}


def _may_be_there(context: Context, backend: Backend) -> bool:
    group, kind, name = backend
    try:
        found = context.objects(f"{group}/v1" if group else "v1", kind)
    except CannotAskError:
        return True
    return any(item["metadata"]["name"] == name for item in found)
