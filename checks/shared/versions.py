"""Judgements about versions: GKE (CL02), KServe (KS01), charts that fit together (SC02), images that stay put (SC01)."""

from __future__ import annotations

from collections.abc import Mapping

from catalog.gke import inference_pool_floor, parse_gke_version
from catalog.lock import is_moving_tag, load_lock, parse_image
from checks.shared.problem import Problem


def gke_version_problem(version: str, key: str, floor: str | None = None) -> Problem | None:
    """CL02: not below the floor, that of the InferencePool CRD where none is given. `key` is what the value is called."""
    floor = floor or inference_pool_floor()
    parsed, wanted = parse_gke_version(version), parse_gke_version(floor)
    if parsed is not None and wanted is not None and parsed >= wanted:
        return None
    message = f"GKE {version} is below {floor}." if parsed else f"{version} is not a GKE version."
    # Not the floor itself: channels stop offering a version long before its features end (2026-10-08: 1.34.11 at least). A
    # minor version above it, which GKE resolves to the newest patch that it offers.
    major, minor = (wanted or (1, 35))[:2]
    fix = f'Leave {key} out: every channel\'s default is newer. Or write {key}: "{major}.{minor + 1}".'
    return Problem(message, fix)


def kserve_version_problem(version: str, key: str) -> Problem | None:
    """KS01: a tested version; `""` is one that nobody said."""
    plain = version.removeprefix("v")
    tested = [listed.removeprefix("v") for c in load_lock().combinations for listed in c.components["kserve"]]
    if plain in tested:
        return None
    said = f"KServe {plain} is not tested." if plain else "The version of KServe is not said."
    return Problem(said, f"Write {key}: {tested[0]}.")


def combination_problem(versions: Mapping[str, str]) -> Problem | None:
    """SC02: the given parts (`kserve`, `lws`, `cert-manager`, ...) stand together in one of the lock's combinations."""
    if load_lock().combination_for(versions) is not None:
        return None
    best = min(load_lock().combinations, key=lambda c: len(c.misfits(versions)))
    wrong = best.misfits(versions)
    fix = ", ".join(f"{name}: {best.components[name][0]}" for name in wrong if name in best.components)
    said = ", ".join(f"{name} {versions[name]}" for name in wrong)
    return Problem(f"{said} is in no listed combination with the rest.", f"Use {fix} ({best.name}).")


def image_problem(reference: str) -> Problem | None:
    """What is wrong with an image reference: it is none, or its tag may name another image tomorrow."""
    try:
        image = parse_image(reference)
    except ValueError as error:
        return Problem(f"Not an image reference: {error}.", "Write registry/name:tag or name@sha256:....")
    if image.digest is None and is_moving_tag(image.tag or ""):
        return Problem(f"The tag {image.tag or 'latest'} moves.", "Name an exact version or a digest.")
    return None
