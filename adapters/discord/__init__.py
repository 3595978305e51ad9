"""Discord: the gateway brings messages in, the REST API takes answers out."""
