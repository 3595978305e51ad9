"""The core of routernesia-bot: it knows no chat platform and imports none."""

__version__ = "0.1.0"
