"""tpu-serving: one environment file becomes one dependency graph."""

import pulumi

from checks.environment import load_deployment
from components.environment import ServingEnvironment
from components.outputs import export_outputs

deployment = load_deployment(pulumi.get_stack(), pulumi.Config().get_object, pulumi.Config().get)
environment = ServingEnvironment(deployment)
export_outputs(deployment, environment)
