"""Not there for an operator who has not asked for traces; redis-py would load its metrics."""

raise ImportError("opentelemetry is an extra")
