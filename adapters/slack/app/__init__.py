"""The app as Slack knows it: its manifest, and whether it is configured as this bot needs it."""
