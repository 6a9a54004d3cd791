"""SC01: an image is named by something that stays put."""

from __future__ import annotations

from catalog.lock import is_moving_tag, parse_image
from checks.shared.problem import Problem


def image_problem(reference: str) -> Problem | None:
    """What is wrong with an image reference: it is none, or its tag may name another image tomorrow."""
    try:
        image = parse_image(reference)
    except ValueError as error:
        return Problem(f"Not an image reference: {error}.", "Write registry/name:tag or name@sha256:....")
    if image.digest is None and is_moving_tag(image.tag or ""):
        return Problem(f"The tag {image.tag or 'latest'} moves.", "Name an exact version or a digest.")
    return None
