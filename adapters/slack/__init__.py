"""Slack: mentions, threads and direct messages, over Socket Mode or HTTP."""
