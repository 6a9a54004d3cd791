"""Resources that are one Kubernetes object: create, update, read and delete, as pulumi-kubernetes does them.

Source: github.com/pulumi/pulumi-kubernetes provider/pkg/provider/provider.go and provider/pkg/await/await.go.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from providers.kubernetes import differences, managed_fields, overrides
from providers.kubernetes.differences import Mutability
from providers.kubernetes.values import annotation, at, name_of
from rehearsal.plugins.frame import (
    UNKNOWN,
    CheckFailure,
    DiffResult,
    Engine,
    PartialFailureError,
    ProviderError,
    ReadResult,
    Resource,
    Secret,
    Values,
    contains_unknown,
)
from rehearsal.plugins.kubernetes import tokens
from rehearsal.plugins.kubernetes.api import CREATE_MANAGER, Api, ApiError, NoMatchError, UnreachableError
from rehearsal.plugins.kubernetes.waiting import NotReadyError, Waiter

KubeObject = dict[str, Any]

# A create that finds no kind or no namespace is tried again after so many seconds, as the real one does.
RETRY_SECONDS = (1, 2, 4, 8, 16)
_MANAGER, _INITIAL_VERSION = "__fieldManager", "__initialApiVersion"
_EXISTS_HELP = """

The resource already exists in the cluster. This can happen when:

  - Renaming a Pulumi resource: use an alias to preserve the identity,
    or use deleteBeforeReplace if the resource needs replacement.
  - Managing an existing resource: use a Patch resource (e.g. NamespacePatch)
    to manage specific fields without owning the resource lifecycle.
  - Adopting a resource into Pulumi: use `pulumi import`. Note that
    protected resources (e.g. kube-system) cannot be deleted on destroy.
  - Intentional upsert: set upsertExistingObjects on the provider to allow
    server-side apply to update existing objects on create."""
_CONFLICT_HELP = (
    "server-side apply field conflict detected, see https://www.pulumi.com/registry/packages/kubernetes/how-to-guides/"
    "managing-resources-with-server-side-apply/#handle-field-conflicts-on-existing-resources for troubleshooting help"
)


@dataclass(frozen=True)
class Options:
    """The provider's options that concern objects."""

    namespace: str = "default"
    mutability: Mutability = field(default_factory=Mutability)
    patch_force: bool = False
    upsert: bool = False


class Objects:
    """All resources of one API server that are one object each."""

    def __init__(self, api: Api, options: Options, engine: Engine, cancelled: threading.Event) -> None:
        self._api, self._options, self._engine, self._cancelled = api, options, engine, cancelled

    def check(self, resource: Resource, old: Values, new: Values, seed: bytes) -> tuple[Values, list[CheckFailure]]:
        """Inputs with apiVersion, kind, a name and, where the kind has one, a namespace."""
        inputs = tokens.with_kind(resource, new)
        patch = tokens.is_patch(resource, inputs)
        if inputs.get("metadata") is UNKNOWN:
            return inputs, []
        inputs["metadata"] = metadata = {
            key: value for key, value in (inputs.get("metadata") or {}).items() if key not in differences.READ_ONLY
        }
        if patch and not metadata.get("name"):
            raise ProviderError("patch resources require the `.metadata.name` field to be set")
        if not metadata.get("name"):
            if metadata.get("generateName"):
                raise ProviderError("the `.metadata.generateName` field is not supported in Server-Side Apply mode")
            old_name = at(old, "metadata", "name") if overrides.is_true(old, overrides.AUTONAMED) else None
            if old and not old_name:
                raise ProviderError("the `.metadata.name` field was removed; an object can't lose its name")
            metadata["name"] = old_name or f"{resource.name}-{tokens.suffix(seed)}"
            if metadata.get("annotations") is not UNKNOWN:
                metadata["annotations"] = {**(metadata.get("annotations") or {}), overrides.AUTONAMED: "true"}
        if not metadata.get("namespace") and self._namespaced(inputs, old):
            metadata["namespace"] = self._options.namespace
        return inputs, []

    def diff(self, resource: Resource, old_inputs: Values, state: Values, new: Values, ignore: list[str]) -> DiffResult:
        """What differs between the object as the state has it and the new inputs."""
        live = tokens.outgoing(state)
        new = tokens.outgoing(new)
        old = differences.as_asked(live, tokens.outgoing(old_inputs))
        force_new = ["metadata.name", "metadata.namespace"]
        if not tokens.is_patch(resource, new):
            force_new = differences.force_new(new, self._options.mutability)
        found = differences.compare(old, new, force_new)
        found = {path: change for path, change in found.items() if not differences.ignored(path, ignore)}
        if overrides.is_true(new, overrides.REPLACE_UNREADY) and self._unready_job(resource, new, live):
            found[f'metadata.annotations["{overrides.REPLACE_UNREADY}"]'] = "update-replace"
        replaced = any(change.endswith("replace") for change in found.values())
        same_place = name_of(new) == name_of(live)
        named = not overrides.is_true(new, overrides.AUTONAMED)
        return DiffResult(found, delete_before_replace=replaced and named and same_place)

    def create(self, resource: Resource, inputs: Values, timeout: float, preview: bool) -> tuple[str, Values]:
        """Make the object and wait for it; a preview asks the server for a dry run where it can."""
        obj = tokens.outgoing(inputs)
        patch = tokens.is_patch(resource, obj)
        manager = self._manager(obj, {})
        if preview:
            if patch or contains_unknown(obj):
                return "", inputs
            return "", self._previewed_create(resource, obj, manager, inputs)
        try:
            live = self._made(resource, obj, manager, patch)
        except NoMatchError as error:
            raise ProviderError(
                f'creation of resource "{resource.urn}" with kind {tokens.shown(obj)} failed because the Kubernetes API '
                "server reported that the apiVersion for this resource does not exist. Verify that any required CRDs "
                f"have been created: {error}"
            ) from None
        except ApiError as error:
            raise ProviderError(
                f'resource "{resource.urn}" was not successfully created by the Kubernetes API server: '
                f"{_refusal(error, manager)}"
            ) from None
        words = (
            f'resource "{resource.urn}" was successfully created, but the Kubernetes API server reported that it failed '
            "to fully initialize or become live"
        )
        ready = self._await(resource, obj, live, timeout, manager, inputs, words)
        return name_of(ready), self._state(ready, manager, ready["apiVersion"])

    def update(self, resource: Resource, state: Values, new: Values, timeout: float, preview: bool) -> Values:
        """Apply the new inputs and wait again; a preview asks the server for a dry run where it can."""
        obj = tokens.outgoing(new)
        manager, before = self._manager(obj, state), self._manager({}, state)
        if preview and contains_unknown(obj):
            return new
        try:
            live = self._api.get({**obj, "metadata": {**obj["metadata"], "name": state["metadata"]["name"]}})
            changed = self._changed(resource, obj, live, manager, preview)
        except NoMatchError as error:
            if preview:
                return new
            raise ProviderError(
                f'update of resource "{resource.urn}" failed because the Kubernetes API server reported that the '
                f"apiVersion for this resource does not exist. Verify that any required CRDs have been created: {error}"
            ) from None
        except UnreachableError:
            if preview:
                return new
            raise
        except ApiError as error:
            if preview and error.code == 403:
                return new
            raise self._update_failed(resource, obj, state, error, manager, new) from None
        initial = str(state.get(_INITIAL_VERSION) or obj["apiVersion"])
        if preview:
            return self._state({k: v for k, v in changed.items() if k != "status"}, manager, initial)
        words = (
            f'the Kubernetes API server reported that "{name_of(changed)}" failed to fully initialize or become live'
        )
        ready = self._await(resource, obj, changed, timeout, manager, new, words)
        if before != manager:
            self._relinquish(ready, before)
        return self._state(ready, manager, initial)

    def read(self, resource: Resource, resource_id: str, inputs: Values, state: Values) -> ReadResult | None:
        """The live object, its inputs as they are now; None where object or kind is gone."""
        imported = not inputs and not state
        namespace, _, name = resource_id.rpartition("/")
        asked = tokens.with_kind(resource, tokens.outgoing(inputs or {}))
        asked["metadata"] = {
            **({"namespace": namespace} if namespace else {}),
            **(asked.get("metadata") or {}),
            "name": name,
        }
        try:
            live = self._api.get(asked)
        except NoMatchError:
            return None
        except ApiError as error:
            if error.code == 404:
                return None
            raise ProviderError(str(error)) from None
        now = _imported(live) if imported else differences.as_asked(live, asked)
        asked_now = _sealed(tokens.incoming(now))
        manager = self._manager(asked, state)
        result = self._state(live, manager, str(state.get(_INITIAL_VERSION) or live["apiVersion"]))
        if not imported:
            reasons = Waiter(self._api, self._engine, self._cancelled, resource).check_once(asked, live)
            if reasons is not None:
                words = f"Resource '{name}' was created but failed to initialize"
                raise PartialFailureError(resource_id, result, asked_now, [words, *reasons])
        return ReadResult(resource_id, result, asked_now)

    def delete(self, resource: Resource, resource_id: str, inputs: Values, state: Values, timeout: float) -> None:
        """Delete the object and wait until it is gone; a Patch resource only gives its fields back."""
        obj, live = tokens.outgoing(inputs), tokens.outgoing(state)
        live = {**live, "metadata": {**live["metadata"], "name": resource_id.rpartition("/")[2]}}
        try:
            if tokens.is_patch(resource, obj):
                self._relinquish(live, self._manager(obj, state))
                return
            self._api.delete(live, overrides.propagation_of(obj))
            if overrides.skips_deletion_wait(obj):
                return
            waiter = Waiter(self._api, self._engine, self._cancelled, resource)
            waiter.until_gone(live, overrides.timeout_of(obj, timeout))
        except NoMatchError:
            return
        except NotReadyError as error:
            left = self._state(error.live, self._manager(obj, state), str(state.get(_INITIAL_VERSION)))
            raise PartialFailureError(resource_id, left, inputs, [str(error), *error.reasons]) from None
        except ApiError as error:
            if error.code == 404:
                return
            required = [
                c["field"] for c in error.details.get("causes") or [] if c.get("reason") == "FieldValueRequired"
            ]
            if tokens.is_patch(resource, obj) and required:
                raise ProviderError(
                    "this Patch resource is currently managing a required field, so it can't be deleted directly. "
                    "Either set the `retainOnDelete` resource option, or transfer ownership of the field before "
                    f"deleting: {required[0]}"
                ) from None
            raise ProviderError(str(error)) from None

    def _namespaced(self, obj: KubeObject, old: Values) -> bool:
        """A kind that can't be asked for is what it was; a new one (its CRD may come later) is taken for namespaced."""
        try:
            return self._api.kind(obj["apiVersion"], obj["kind"]).namespaced
        except (NoMatchError, UnreachableError):
            return not old or bool(at(old, "metadata", "namespace"))

    def _manager(self, obj: KubeObject, state: Values) -> str:
        return annotation(obj, overrides.PATCH_FIELD_MANAGER) or str(
            state.get(_MANAGER) or f"{CREATE_MANAGER}-{tokens.suffix(b'')}"
        )

    def _force(self, obj: KubeObject) -> bool:
        return self._options.patch_force or overrides.is_true(obj, overrides.PATCH_FORCE)

    def _previewed_create(self, resource: Resource, obj: KubeObject, manager: str, inputs: Values) -> Values:
        try:
            if self._options.upsert:
                made = self._api.apply(obj, manager, force=True, dry_run=True)
            else:
                made = self._api.create(obj, dry_run=True)
        except (NoMatchError, UnreachableError):
            return inputs
        except ApiError as error:
            no_namespace = error.code == 404 and error.details.get("kind") == "namespaces"
            no_dry_run = error.code == 400 and "does not support dry run" in str(error)
            if error.code == 403 or error.reason == "AlreadyExists" or no_namespace or no_dry_run:
                return inputs
            raise ProviderError(
                f'resource "{resource.urn}" was not successfully created by the Kubernetes API server: {error}'
            ) from None
        return self._state({k: v for k, v in made.items() if k != "status"}, manager, obj["apiVersion"])

    def _made(self, resource: Resource, obj: KubeObject, manager: str, patch: bool) -> KubeObject:
        for pause in (*RETRY_SECONDS, None):
            try:
                if patch or self._options.upsert:
                    return self._api.apply(obj, manager, force=self._force(obj))
                return self._api.create(obj)
            except (NoMatchError, ApiError) as error:
                missing = isinstance(error, NoMatchError) or error.code == 404
                if not missing or pause is None or self._cancelled.is_set():
                    raise
                self._engine.log("info", f"Retry; creation failed: {error}", resource.urn, status=True)
                self._cancelled.wait(pause)
        raise AssertionError("the last try raises")

    def _changed(
        self, resource: Resource, obj: KubeObject, live: KubeObject, manager: str, preview: bool
    ) -> KubeObject:
        if obj["kind"] == "CustomResourceDefinition":
            obj = {**obj, "metadata": {**obj["metadata"], "resourceVersion": live["metadata"]["resourceVersion"]}}
            return self._api.replace(obj, manager, dry_run=preview)
        force = self._force(obj) or not at(live, "metadata", "managedFields")
        if preview:
            return self._api.apply(obj, manager, force=force or managed_fields.forces_preview(live), dry_run=True)
        if not tokens.is_patch(resource, obj) and (operations := managed_fields.take_over(live, manager)):
            self._api.json_patch(live, operations)
        return self._api.apply(obj, manager, force=force)

    def _update_failed(
        self, resource: Resource, obj: KubeObject, state: Values, error: ApiError, manager: str, new: Values
    ) -> ProviderError:
        """The engine keeps the object as it is now, with the reason; without an object there is only the reason."""
        reason = f'update of resource "{resource.urn}" failed: {_refusal(error, manager)}'
        try:
            live = self._api.get(obj)
        except (ApiError, NoMatchError, UnreachableError):
            return ProviderError(reason)
        now = self._state(live, manager, str(state.get(_INITIAL_VERSION) or obj["apiVersion"]))
        words = f'the Kubernetes API server reported that "{name_of(live)}" failed to fully initialize or become live'
        return PartialFailureError(name_of(live), now, new, [f"{words}: {_refusal(error, manager)}"])

    def _await(
        self,
        resource: Resource,
        obj: KubeObject,
        live: KubeObject,
        timeout: float,
        manager: str,
        inputs: Values,
        words: str,
    ) -> KubeObject:
        try:
            waiter = Waiter(self._api, self._engine, self._cancelled, resource)
            return waiter.until_ready(obj, live, overrides.timeout_of(obj, timeout))
        except ProviderError as error:
            # Whatever went wrong, the object is there and must not be lost.
            last = error.live if isinstance(error, NotReadyError) else live
            reasons = error.reasons if isinstance(error, NotReadyError) else []
            state = self._state(last, manager, obj["apiVersion"])
            raise PartialFailureError(name_of(last), state, inputs, [f"{words}: {error}", *reasons]) from None

    def _unready_job(self, resource: Resource, new: KubeObject, live: KubeObject) -> bool:
        if new["kind"] != "Job":
            self._engine.log("warning", "replaceUnready annotation is not supported for this resource", resource.urn)
            return False
        try:
            now = self._api.get(live)
            return Waiter(self._api, self._engine, self._cancelled, resource).check_once({}, now) is not None
        except (ApiError, NoMatchError, UnreachableError):
            return False

    def _relinquish(self, live: KubeObject, manager: str) -> None:
        """Own no field any more: apply nothing but the identity."""
        metadata = {key: live["metadata"][key] for key in ("name", "namespace") if live["metadata"].get(key)}
        self._api.apply({"apiVersion": live["apiVersion"], "kind": live["kind"], "metadata": metadata}, manager)

    def _state(self, live: KubeObject, manager: str, initial: str) -> Values:
        """Outputs: the live object, and what the provider must remember."""
        return {**_sealed(tokens.incoming(live)), _INITIAL_VERSION: initial, _MANAGER: manager}


def _sealed(values: Values) -> Values:
    """What a Secret holds is secret, wherever it came from."""
    if values.get("apiVersion") != "v1" or values.get("kind") != "Secret":
        return values
    return {key: Secret(value) if key in ("data", "stringData") else value for key, value in values.items()}


def _refusal(error: ApiError, manager: str) -> str:
    if error.reason == "AlreadyExists":
        return f"{error}{_EXISTS_HELP}"
    if error.code == 409 and error.reason == "Conflict":
        return f'{_CONFLICT_HELP}\nThe resource managed by field manager "{manager}" had an apply conflict: {error}'
    return str(error)


def _imported(live: KubeObject) -> KubeObject:
    """Inputs of an object that no inputs are known of: what this provider wrote, else all but status and read-only."""
    owned = managed_fields.owned_by_provider(live)
    found = owned if owned is not None else {k: v for k, v in live.items() if k != "status"}
    metadata = {k: v for k, v in found["metadata"].items() if k not in differences.READ_ONLY}
    return {**found, "metadata": metadata}
