"""What Slack sends, as facts: messages, changes, presses, commands. Pure."""
