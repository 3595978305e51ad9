"""Installing the app into many workspaces by OAuth: records, tokens, their renewal and their end."""
