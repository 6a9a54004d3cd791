"""Options with which a command finds a deployed environment: the running rehearsal, or the cloud by its stack outputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from cluster.target import Target

OutputsFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="The cloud's stack: pulumi stack output --json > FILE.")
]
Kubeconfig = Annotated[Path | None, typer.Option(metavar="FILE", help="The cluster to ask.")]
Url = Annotated[str | None, typer.Option(metavar="URL", help="Scheme and host to send to, for example of a tunnel.")]
AuthorityFile = Annotated[Path | None, typer.Option(metavar="FILE", help="Certificate authority to trust (PEM).")]
TokenFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Bearer token for requests (identity or API key).")
]
ClientCertificate = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Certificate of a consumer: chain and key in one file (PEM).")
]


def chosen_target(
    environment: str,
    *,
    outputs: Path | None,
    kubeconfig: Path | None,
    url: str | None = None,
    ca_file: Path | None = None,
    token_file: Path | None = None,
    client_certificate: Path | None = None,
) -> Target:
    """The environment that the options name; without --outputs its running rehearsal.

    Raises:
        RefusedError: there is no such environment.
        TargetError: it can't be found.
        ValueError: a file is not what it should be.
    """
    from cluster.target import cloud_target, find_rehearsal
    from serving.program.outputs import planned_outputs

    with_options = options_of(kubeconfig=kubeconfig, url=url, ca_file=ca_file, token_file=token_file)
    certificate = _certificate(client_certificate)
    found = find_rehearsal(environment, planned_outputs) if outputs is None else cloud_target(environment, outputs)
    return replace(with_options(found), client_certificate=certificate)


def options_of(
    *, kubeconfig: Path | None, url: str | None, ca_file: Path | None, token_file: Path | None
) -> Callable[[Target], Target]:
    """What puts the options into a target, once they have been read.

    Raises:
        TargetError: the URL has no scheme or host.
        ValueError: a file is not what it should be.
    """
    from cluster.target import checked_url

    read = {"kubeconfig": _file(kubeconfig), "ca_file": _authority(ca_file)}
    given, token = checked_url(url) if url else None, _text(token_file)
    return lambda target: target.with_options(url=given, token=token, **read)


def _file(path: Path | None) -> Path | None:
    if path is not None and not path.is_file():
        raise ValueError(f"{path} is not a file")
    return path


def _authority(path: Path | None) -> Path | None:
    import ssl

    if _file(path) is not None:
        try:
            ssl.create_default_context(cafile=path)
        except (ssl.SSLError, OSError) as error:
            raise ValueError(f"{path} does not hold a PEM certificate ({error})") from None
    return path


def _text(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeError) as error:
        said = getattr(error, "strerror", None) or "it is not plain text"
        raise ValueError(f"{path} can't be read as a token: {said}") from None
    if not text or any(character.isspace() for character in text):
        raise ValueError(f"{path} does not hold one token")
    return text


def _certificate(path: Path | None) -> Path | None:
    import ssl

    if path is not None:
        try:  # an empty password, or an encrypted key would be asked for
            ssl.create_default_context().load_cert_chain(path, password="")
        except (ssl.SSLError, OSError) as error:
            raise ValueError(f"{path} does not hold a certificate and its key in PEM ({error})") from None
    return path
