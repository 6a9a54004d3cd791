"""tpu-serving: one environment file becomes one dependency graph."""

import pulumi

from checks.environment import load_deployment
from components.environment import ServingEnvironment
from components.outputs import export_outputs
from settings.refusal import RefusedError

try:
    deployment = load_deployment(pulumi.get_stack(), pulumi.Config().get_object, pulumi.Config().get)
except RefusedError as refused:
    raise pulumi.RunError(str(refused)) from None  # the engine prints it without a traceback
environment = ServingEnvironment(deployment)
export_outputs(deployment, environment)
