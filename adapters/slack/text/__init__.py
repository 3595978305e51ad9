"""Slack's text: the model's CommonMark for Slack, Slack's markup as CommonMark. Pure."""
