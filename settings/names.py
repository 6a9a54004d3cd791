"""Every derived name, once. KServe's follow its rule: parent plus suffix, plain while the parent has <= 38 characters."""

from __future__ import annotations

PROJECT_NAME = "tpu-serving"  # of Pulumi, and the namespace of the keys in an environment file
SYSTEM_NAMESPACE = "tpu-serving-system"  # of what the program runs in the cluster for itself
MAX_MODEL_NAME = 38
WEIGHTS_ACCOUNT = "weights-filler"  # of the Jobs that fill the bucket
# The preset that KServe asks for with pipeline parallelism and does not ship (kserve#5047).
PIPELINE_PRESET = "kserve-config-llm-worker-pipeline-parallel"
# RFC 1035: what Service names and Google resource names have in common.
RESOURCE_NAME = r"^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$"


def inference_pool(model: str) -> str:
    """The InferencePool that KServe makes for a service."""
    return f"{model}-inference-pool"


def workload_service(model: str) -> str:
    """The Service that KServe puts before the servers."""
    return f"{model}-kserve-workload-svc"


def picker_service(model: str) -> str:
    """The Service of the endpoint picker."""
    return f"{model}-epp-service"


def workload(model: str, multi_host: bool) -> str:
    """The Deployment (single-host) or LeaderWorkerSet (multi-host)."""
    return f"{model}-kserve-mn" if multi_host else f"{model}-kserve"


def route(model: str) -> str:
    """Our HTTPRoute; never `<model>-kserve-route`, which KServe would try to delete (RT03)."""
    return f"{model}-route"


def kserve_route(model: str) -> str:
    """The HTTPRoute that KServe would make for a service, and deletes where the service names another."""
    return f"{model}-kserve-route"


def service_account(model: str) -> str:
    """The servers' service account."""
    return f"{model}-server"


def weights_job(model: str) -> str:
    """The Job that fills the bucket with a model's weights."""
    return f"{model}-weights"


def scaled_object(model: str) -> str:
    """Our ScaledObject; never `<model>-kserve-keda`, which KServe would try to delete (AS06)."""
    return f"{model}-replicas"


def base_path(namespace: str, model: str) -> str:
    """Path prefix of a model; KServe's own status prefers exactly this one."""
    return f"/{namespace}/{model}"


def token_secret(model: str) -> str:
    """The Secret with the Hugging Face token that we make from a reference."""
    return f"{model}-hf-token"


def type_token(api_version: str, kind: str) -> str:
    """The engine's for a Kubernetes object: `v1`, `Secret` -> `kubernetes:core/v1:Secret`; any other group as it is."""
    return f"kubernetes:{api_version if '/' in api_version else f'core/{api_version}'}:{kind}"


def shortened(name: str, most: int) -> str:
    """A name of at most `most` characters; what is cut off is told apart by a checksum."""
    if len(name) <= most:
        return name
    import hashlib  # only a long name needs it

    return f"{name[: most - 7].rstrip('-')}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def server_flag(name: str) -> str:
    """A flag of the model server as it calls it, without the dashes before it; underscores are dashes to it."""
    return name.lstrip("-").replace("_", "-")
