"""Pages of the Google Cloud console about an environment."""

from __future__ import annotations

from urllib.parse import quote

from settings.derive import Deployment

_CONSOLE = "https://console.cloud.google.com"


def alerting_page(deployment: Deployment) -> str:
    """Incidents and policies of the project."""
    return f"{_CONSOLE}/monitoring/alerting?project={quote(deployment.settings.project.id)}"


def pages(deployment: Deployment) -> dict[str, str]:
    """Name and URL of each page: the cluster with its own charts, and the logs of the models' namespace.

    Google documents neither form. Both are as public programs print them (AI-Hypercomputer/xpk for the logs), read
    2026-11-27; not opened against a project.
    """
    project = f"project={quote(deployment.settings.project.id)}"
    cluster = f"{quote(deployment.region)}/{quote(deployment.cluster_name)}"
    query = (
        f'resource.type="k8s_container"\n'
        f'resource.labels.cluster_name="{deployment.cluster_name}"\n'
        f'resource.labels.namespace_name="{deployment.namespace}"'
    )
    return {
        "cluster": f"{_CONSOLE}/kubernetes/clusters/details/{cluster}/observability?{project}",
        "logs": f"{_CONSOLE}/logs/query;query={quote(query, safe='')}?{project}",
    }
