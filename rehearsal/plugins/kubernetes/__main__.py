from rehearsal.plugins.frame import serve
from rehearsal.plugins.kubernetes.provider import KubernetesProvider

serve(KubernetesProvider())
