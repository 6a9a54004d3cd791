"""Rules on Helm releases (KS01, KS09, SC02)."""

from __future__ import annotations

from collections.abc import Iterator

from checks.objects.check import Context, Found, Scope, on_each, on_whole
from checks.objects.resource import RELEASE, Resource
from checks.objects.values import get, text
from checks.shared.versions import combination_problem, kserve_version_problem

_CREATE_CRDS = ("values", "kserve", "llmisvc", "createGIECRDs")
# Charts whose version is the version of a part of the lock's combinations.
_PARTS = {"cert-manager": "cert-manager", "lws": "lws", "kserve-llmisvc-resources": "kserve"}


def chart_of(release: Resource) -> str:
    """Name of the chart, without its location."""
    return text(release.inputs, "chart").rstrip("/").rpartition("/")[2]


@on_each("KS01", RELEASE)
def kserve_is_tested(release: Resource, _: Context) -> Iterator[Found]:
    """KServe's charts have a version that was tested."""
    if chart_of(release).startswith("kserve"):
        version = text(release.inputs, "version")
        if (problem := kserve_version_problem(version, "version")) is not None:
            yield Found(release, ("version",), version or None, *problem)


@on_each("KS09", RELEASE)
def pool_crd_is_gkes(release: Resource, _: Context) -> Iterator[Found]:
    """The chart leaves the InferencePool CRD to GKE."""
    if chart_of(release) == "kserve-llmisvc-resources" and get(release.inputs, *_CREATE_CRDS) is not False:
        yield Found(
            release,
            _CREATE_CRDS,
            get(release.inputs, *_CREATE_CRDS),
            "The chart would install CRDs that GKE owns.",
            "Write values: {kserve: {llmisvc: {createGIECRDs: false}}}.",
        )


@on_each("SC02", RELEASE)
def version_is_written(release: Resource, _: Context) -> Iterator[Found]:
    """A chart from a registry or repository has a version."""
    chart = text(release.inputs, "chart")
    if chart and not chart.startswith((".", "/")) and not text(release.inputs, "version"):
        yield Found(release, ("version",), None, f"{chart} has no version.", "Write version: <exact version>.")


@on_whole("SC02", graph=True)
def versions_fit_together(scope: Scope) -> Iterator[Found]:
    """The releases of a stack are a combination that the lock file lists."""
    releases = {_PARTS[chart_of(r)]: r for r in scope.of(RELEASE) if chart_of(r) in _PARTS}
    versions = {part: text(r.inputs, "version") for part, r in releases.items() if text(r.inputs, "version")}
    if "kserve" not in versions or (problem := combination_problem(versions)) is None:
        return
    release = releases["kserve"]
    yield Found(release, ("version",), ", ".join(f"{p} {v}" for p, v in sorted(versions.items())), *problem)
