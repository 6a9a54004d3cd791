"""The load balancer behind a rehearsal's Gateways: a real Envoy, configured from the cluster's objects."""
