"""Discord's REST API: the client, and its failures as our errors."""
