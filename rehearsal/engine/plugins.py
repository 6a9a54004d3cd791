"""The provider plugins of a rehearsal: the real kubernetes plugin, and an emulator of gcp."""

from __future__ import annotations

import shlex
from importlib.metadata import version
from pathlib import Path

from rehearsal.directory import RehearsalDirectory
from rehearsal.engine.charts import lay_out
from rehearsal.plugins.install import install, install_language_host, launch

# Name of the kubernetes plugin among the assets.
KUBERNETES = "pulumi-resource-kubernetes"
# Nobody listens on the discard port. Go asks no proxy for loopback addresses (golang.org/x/net/http/httpproxy).
_NOWHERE = "http://127.0.0.1:9"
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")


def install_plugins(directory: RehearsalDirectory, kubernetes: Path) -> None:
    """Put both where the engine looks for them, and the charts where the kubernetes plugin does.

    Raises:
        rehearsal.assets.AssetError: a chart can't be had.
    """
    install(directory.pulumi_home, version("pulumi-gcp"), directory.root)
    install_language_host(directory.pulumi_home, version("pulumi"))
    lay_out(directory.pulumi_work)
    install_kubernetes(directory, kubernetes)


def install_kubernetes(directory: RehearsalDirectory, program: Path) -> Path:
    """Write the launcher of the kubernetes plugin into the rehearsal's plugin cache; returns it.

    Whatever a program's provider says, it reaches the API server of the rehearsal and nothing beyond loopback: without a
    kubeconfig of its own it gets the rehearsal's, and everything else is sent to a proxy that is not there. It trusts the
    authority of the rehearsal, also where the kubeconfig names none, as one of a DNS endpoint does.
    """
    helm = directory.root / "helm"
    variables = {
        **directory.environment,
        "KUBECONFIG": str(directory.kubeconfig),
        "SSL_CERT_FILE": str(directory.certs / "ca.crt"),
        "HELM_CACHE_HOME": str(helm / "cache"),
        "HELM_CONFIG_HOME": str(helm / "config"),
        "HELM_DATA_HOME": str(helm / "data"),
        **dict.fromkeys(_PROXIES, _NOWHERE),
    }
    lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    script = "\n".join([*lines, "unset NO_PROXY no_proxy", f'exec {shlex.quote(str(program))} "$@"'])
    return launch(directory.pulumi_home, "kubernetes", version("pulumi-kubernetes"), script)
