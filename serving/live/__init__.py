"""A deployed environment: its endpoint, its servers and their counters, its load balancer at Google."""
