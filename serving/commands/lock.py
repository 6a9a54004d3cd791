"""`serving lock`: what is pinned, whether it holds together, and filling it from registries and wheels."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from serving.commands.options import Format, FormatOption

if TYPE_CHECKING:
    from pathlib import Path

    from catalog.lock import Lock


def lock(
    check: Annotated[bool, typer.Option("--check", help="Show the lock and check it; the default.")] = False,
    update_digests: Annotated[bool, typer.Option("--update-digests", help="Ask the registries, fill digests.")] = False,
    output: FormatOption = Format.TEXT,
) -> None:
    """Show, check or refresh pinned charts and images.

    Examples:

        python -m serving lock

        python -m serving lock --update-digests
    """
    from catalog.lock import lock_of
    from catalog.refresh.lock_file import LockFileError

    if check and update_digests:
        typer.echo("--check changes nothing; leave it out with --update-digests", err=True)
        raise typer.Exit(2)
    locked = lock_of(_read())
    report: dict[str, Any] = {"digests": {}, "errors": []}
    try:
        if update_digests:
            _fill_digests(locked, report)
            locked = lock_of(_read())
    except LockFileError as error:
        report["errors"].append(str(error))
    report["problems"] = _problems(locked)
    sys.stdout.write(_render(locked, report, output))
    if report["errors"] or report["problems"]:
        raise typer.Exit(1)


def _read() -> Any:
    """The lock file as it is now, not as it was when the process started."""
    import yaml

    return yaml.safe_load(_path().read_text(encoding="utf-8"))


def _path() -> Path:
    from catalog import files

    return files.DATA_DIR / "lock.yaml"


def _fill_digests(locked: Lock, report: dict[str, Any]) -> None:
    """Ask for every image's digest; write those that were unknown. A changed one is an error and is left alone."""
    import httpx

    from catalog.refresh.lock_file import with_digests, write_whole
    from catalog.refresh.registry import RegistryError, RegistryUnreachableError, digest_of, split_repository

    new: dict[str, str] = {}
    silent: set[str] = set()
    with httpx.Client(follow_redirects=True, timeout=httpx.Timeout(20)) as client:
        for key, image in locked.images.items():
            host, _ = split_repository(image.repository)
            if host in silent:
                report["errors"].append(f"{key}: not asked, {host} did not answer before")
                continue
            _progress(f"asking for {image.repository}:{image.tag}")
            try:
                digest = digest_of(client, image.repository, image.tag)
            except RegistryError as error:
                report["errors"].append(f"{key}: {error}")
                silent |= {host} if isinstance(error, RegistryUnreachableError) else set()
                continue
            if image.digest is None:
                new[key] = digest
            elif image.digest != digest:
                report["errors"].append(
                    f"{key}: {image.repository}:{image.tag} now names {digest}, the lock has {image.digest}. "
                    f"The tag was moved; to accept that, set its digest to null and run this again"
                )
    if new:
        path = _path()
        write_whole(path, with_digests(path.read_text(encoding="utf-8"), new))
    report["digests"] = new


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        typer.echo(f"{text} ...", err=True)


def _problems(locked: Lock) -> list[str]:
    """What in the lock contradicts itself or the tables beside it."""
    from catalog.epp_plugins import epp_versions
    from catalog.lock import is_moving_tag
    from catalog.vllm_flags import flag_versions

    found = [f"image {key}: the tag {i.tag!r} moves" for key, i in locked.images.items() if is_moving_tag(i.tag)]
    found += [
        f"chart {key}: the version {c.version!r} moves" for key, c in locked.charts.items() if is_moving_tag(c.version)
    ]
    if locked.combination_for(locked.versions()) is None:
        found.append("the pinned versions are not a combination that the lock lists")
    vllm, epp = locked.images["vllm-tpu"].tag, locked.images["epp"].tag
    if vllm.removeprefix("v") not in flag_versions():
        found.append(f"no flag table for vllm-tpu {vllm}: run python -m tools.runtime_tables")
    if epp not in epp_versions():
        found.append(f"no plugin table for the endpoint picker {epp} in catalog/data/epp_plugins.yaml")
    return found


# Said wherever its version is shown.
REHEARSED_PICKER = "epp: a rehearsal runs another picker (docs/rehearsal.md, Limits)."


def _render(locked: Lock, report: dict[str, Any], output: Format) -> str:
    if output is Format.JSON:
        content = {
            "date": locked.date.isoformat(),
            "charts": [{"name": k, "chart": c.address, "version": c.version} for k, c in locked.charts.items()],
            "images": [
                {"name": k, "reference": i.reference(), "repository": i.repository, "tag": i.tag, "digest": i.digest}
                for k, i in locked.images.items()
            ],
            "combinations": [c.name for c in locked.combinations],
            "withoutDigest": list(locked.without_digest()),
            **report,
        }
        return json.dumps(content, indent=2) + "\n"
    lines = [f"Lock of {locked.date}", "", f"{'CHART':<30}VERSION"]
    for key, chart in locked.charts.items():
        lines += [f"{key:<30}{chart.version}", f"  {chart.address}"]
    lines += ["", f"{'IMAGE':<30}DIGEST"]
    for key, image in locked.images.items():
        digest = image.digest.removeprefix("sha256:")[:12] if image.digest else "unknown"
        lines += [f"{key:<30}{digest}", f"  {image.repository}:{image.tag}"]
    lines += ["", REHEARSED_PICKER]
    missing = locked.without_digest()
    lines += ["", f"{len(missing)} of {len(locked.images)} images have no digest yet."] if missing else [""]
    if missing and not report["errors"]:
        lines.append("Fill them with: python -m serving lock --update-digests")
    lines += [f"wrote the digest of {key}: {digest}" for key, digest in report["digests"].items()]
    lines += [f"error: {text}" for text in report["errors"]] + [f"problem: {text}" for text in report["problems"]]
    return "\n".join(lines).rstrip() + "\n"
