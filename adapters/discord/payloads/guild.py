"""What must be known of a server to read a message in it."""

from dataclasses import dataclass, field

THREAD_TYPES = frozenset({10, 11, 12})
"""Announcement, public and private threads (developer docs, Channel Types, read November 2026)."""


@dataclass(slots=True)
class Guild:
    """One server: names of channels, who started which thread ("" where unknown), and the bot's own role there."""

    names: dict[str, str] = field(default_factory=dict[str, str])
    threads: dict[str, str] = field(default_factory=dict[str, str])
    own_role: str | None = None


EMPTY = Guild()
"""A server of which nothing is known, e.g. a direct message. Never changed."""
