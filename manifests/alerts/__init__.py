"""What tells people: signals in PromQL, alerts on them, and one dashboard in two forms."""
