"""The data plane of GKE's regional load balancer: the real Envoy, configured from the objects of the cluster."""
