"""Calling Slack: the Web API with its errors, budgets, refusals and clients."""
