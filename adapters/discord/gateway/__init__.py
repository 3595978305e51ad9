"""Connections to Discord's gateway, kept alive."""
