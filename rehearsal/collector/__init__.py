"""What managed Prometheus collects: PodMonitorings, scraped by a real Prometheus."""
