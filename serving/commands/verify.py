"""`serving verify`: whether an environment serves, and if not, which object says what and what to do."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from serving.verify import Target


class Format(StrEnum):
    """Output formats."""

    TEXT = "text"
    JSON = "json"


OutputsFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="The cloud's stack: pulumi stack output --json > FILE.")
]
Url = Annotated[str | None, typer.Option(metavar="URL", help="Scheme and host to send to, for example of a tunnel.")]
TokenFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Bearer token for requests (identity or API key).")
]


def verify(
    environment: Annotated[str, typer.Argument(metavar="ENV", help="Name of an environment, or path of its file.")],
    quick: Annotated[bool, typer.Option("--quick", help="Configuration and conditions only; no request.")] = False,
    wait: Annotated[str, typer.Option(metavar="TIME", help="Ask again for so long: 90s, 40m, 1h30m.")] = "0",
    timeout: Annotated[str, typer.Option(metavar="TIME", help="What one request may take.")] = "60s",
    outputs: OutputsFile = None,
    kubeconfig: Annotated[Path | None, typer.Option(metavar="FILE", help="The cluster to ask.")] = None,
    url: Url = None,
    ca_file: Annotated[Path | None, typer.Option(metavar="FILE", help="Certificate authority to trust (PEM).")] = None,
    token_file: TokenFile = None,
    output: Annotated[Format, typer.Option("--format", help="text, or json (one document at the end).")] = Format.TEXT,
) -> None:
    """Say whether an environment serves: conditions, policies, backends, and requests as a client sends them.

    Without --outputs it is the running rehearsal of ENV. Exit codes: 0 it serves, 1 it does not (or nobody can say),
    2 the call was wrong.

    Examples:

        python -m serving verify dev

        python -m serving verify dev --quick --format json

        pulumi stack output --json --stack prod > prod.json

        python -m serving verify prod --outputs prod.json --kubeconfig prod.kubeconfig --wait 40m
    """
    from rehearsal.directory import DirectoryError
    from serving.refused import print_findings
    from serving.verify import TargetError
    from serving.verify.duration import parse_duration
    from serving.verify.target import find_target
    from settings.refusal import RefusedError

    try:
        wait_seconds, request_seconds = parse_duration(wait), parse_duration(timeout)
        if request_seconds <= 0:
            raise ValueError("--timeout 0: a request needs some time")
        found = find_target(environment, outputs).with_options(
            kubeconfig=_file(kubeconfig), url=url, token=_text(token_file), ca_file=_authority(ca_file)
        )
    except RefusedError as refused:
        print_findings(refused.findings, refused.origin, output is Format.JSON)
        raise typer.Exit(2) from None
    except (TargetError, DirectoryError, ValueError) as error:
        wrong_call(str(error), output is Format.JSON)
    raise typer.Exit(_run(found, quick, wait_seconds, request_seconds, output))


def _run(found: Target, quick: bool, wait_seconds: float, request_seconds: float, output: Format) -> int:
    """Ask, print the report, and give the exit code. Progress goes to standard error."""
    from rich.console import Console

    from serving.verify import verify as ask
    from serving.verify.show import print_report

    errors = Console(stderr=True, soft_wrap=True)

    def tell(text: str) -> None:
        errors.print(f"  {text}", highlight=False, markup=False)

    report = ask(found, quick=quick, wait_seconds=wait_seconds, request_seconds=request_seconds, progress=tell)
    if output is Format.JSON:
        sys.stdout.write(json.dumps(report.as_json(), indent=2) + "\n")
    else:
        print_report(Console(), report)
    return report.exit_code


def _file(path: Path | None) -> Path | None:
    if path is not None and not path.is_file():
        raise ValueError(f"{path} is no file")
    return path


def _authority(path: Path | None) -> Path | None:
    import ssl

    if _file(path) is not None:
        try:
            ssl.create_default_context(cafile=path)
        except (ssl.SSLError, OSError) as error:
            raise ValueError(f"{path} holds no certificate in PEM form ({error})") from None
    return path


def _text(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeError) as error:
        raise ValueError(f"{path} can't be read as a token: {error}") from None
    if not text or any(character.isspace() for character in text):
        raise ValueError(f"{path} does not hold one token")
    return text


def wrong_call(message: str, as_json: bool) -> NoReturn:
    """Say what is wrong with the call and leave with 2."""
    if as_json:
        sys.stdout.write(json.dumps({"error": message}, indent=2) + "\n")
    else:
        typer.secho(message, fg="red", err=True)
    raise typer.Exit(2) from None
