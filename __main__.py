"""tpu-serving: one environment file becomes one dependency graph."""

import pulumi

from checks.environment import load_deployment
from checks.objects import context_of, require_objects
from components.environment import ServingEnvironment
from components.outputs import export_outputs
from manifests.rendered import rendered
from settings.refusal import RefusedError

try:
    deployment = load_deployment(pulumi.get_stack(), pulumi.Config().get_object, pulumi.Config().get)
    objects = rendered(deployment)
    require_objects(objects.objects(), context_of(deployment), f"the objects of stack {deployment.name}")
except RefusedError as refused:
    raise pulumi.RunError(str(refused)) from refused  # the engine prints it without a traceback
environment = ServingEnvironment(deployment, objects)
export_outputs(deployment, environment)
