"""The Google APIs the environment uses. Never disabled on destroy: other systems of the project may need them."""

from __future__ import annotations

import pulumi

from components.base import Component
from components.sdk import projects
from settings.derive import Deployment


class ProjectServices(Component):
    """Enabled APIs, by name: `service("container.googleapis.com")`."""

    def __init__(self, deployment: Deployment, opts: pulumi.ResourceOptions) -> None:
        super().__init__("tpu-serving:project:ProjectServices", "apis", opts)
        self._services = {
            api: projects.Service(
                f"apis-{api.split('.')[0]}",
                project=deployment.settings.project.id,
                service=api,
                disable_on_destroy=False,
                opts=self.child(),
            )
            for api in deployment.apis
            if deployment.settings.project.enable_apis
        }
        self.register_outputs({})

    def service(self, *names: str) -> list[pulumi.Resource]:
        """The APIs of these short names (`compute`), as dependencies; none where the environment enables none."""
        return [s for api, s in self._services.items() if api.split(".")[0] in names]
