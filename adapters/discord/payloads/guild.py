"""What must be known of a server to read a message in it."""

from dataclasses import dataclass, field

THREAD_TYPES = frozenset({10, 11, 12})
"""Announcement, public and private threads (developer docs, Channel Types, read November 2026)."""

FORUM_TYPES = frozenset({15, 16})
"""Forum and media channels: they hold threads only, and a post's first message stands in the thread itself."""


@dataclass(slots=True)
class Guild:
    """One server: names of channels, who started which thread ("" where unknown), and the bot's own role there.

    `parents` says in which channel a thread is, where that was told; `forums` are channels that hold posts.
    """

    names: dict[str, str] = field(default_factory=dict[str, str])
    threads: dict[str, str] = field(default_factory=dict[str, str])
    own_role: str | None = None
    parents: dict[str, str] = field(default_factory=dict[str, str])
    forums: set[str] = field(default_factory=set[str])


EMPTY = Guild()
"""A server of which nothing is known, e.g. a direct message. Never changed."""


@dataclass(frozen=True, slots=True)
class Around:
    """What must be known to read a message: who the bot is, what is known of the server, and what the operator allows.

    `free` says that in this channel every message is for the bot; `bots` that other bots may speak to it.
    """

    own_id: str
    guild: Guild = field(default_factory=Guild)
    free: bool = False
    bots: bool = False
