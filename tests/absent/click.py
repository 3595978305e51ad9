"""Not there for an operator: import-linter brings it here, and httpx would load its command line with it."""

raise ImportError("click is a tool of developers alone")
