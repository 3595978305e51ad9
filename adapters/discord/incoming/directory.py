"""What the gateway has told about servers, as far as reading a message needs it: threads, names, the bot's roles.

It knows no messages and no members. A channel costs an id and a name, some 150 bytes (estimated), so a full shard
of 2,500 servers with 50 channels each stays around 20 MB. Everything also works while it is empty, as it is after a
RESUME in a new process: Discord then names no server again.
"""

from collections.abc import Callable, Sequence
from typing import cast

from adapters.discord.payloads.fields import Payload, number
from adapters.discord.payloads.guild import EMPTY, FORUM_TYPES, THREAD_TYPES, Guild

THREADS_MAX = 2_000
"""Threads remembered of one server, the latest. Discord allows 1,000 active ones; archived ones send an event
when somebody writes in them again."""


class Directory:
    """All servers the gateway has named, kept up to date by its events."""

    def __init__(self) -> None:
        self.own_id = ""
        self._guilds: dict[str, Guild] = {}

    def guild(self, guild_id: str | None) -> Guild:
        """What is known of a server; an empty one where nothing is."""
        return self._guilds.get(guild_id or "", EMPTY)

    def learn(self, channel: Payload) -> None:
        """Note a channel or thread that the REST API has told about."""
        _put(self._known(channel), channel)

    def learn_role(self, guild_id: str, role: Payload) -> None:
        """Note a server's role that the REST API has told about."""
        self._note_role(self._known({"guild_id": guild_id}), role)

    def handlers(self) -> dict[str, Callable[[Payload], None]]:
        """The gateway events it listens to."""
        return {
            "READY": self._ready,
            "GUILD_CREATE": self._guild_create,
            "GUILD_DELETE": self._guild_delete,
            "GUILD_ROLE_CREATE": self._role,
            "GUILD_ROLE_UPDATE": self._role,
            "CHANNEL_CREATE": self._channel,
            "CHANNEL_UPDATE": self._channel,
            "CHANNEL_DELETE": self._channel_delete,
            "THREAD_CREATE": self._channel,
            "THREAD_UPDATE": self._channel,
            "THREAD_DELETE": self._channel_delete,
            "THREAD_LIST_SYNC": self._threads,
        }

    def _ready(self, data: Payload) -> None:
        """A new session names all servers of its shard again: forget those the bot has left meanwhile.

        READY holds `shard` where the IDENTIFY did; a server's is `(id >> 22) % count` (developer docs, Sharding).
        """
        number, count = cast(Sequence[int], data.get("shard") or (0, 1))
        present = {str(guild["id"]) for guild in data.get("guilds", ())}

        def stays(guild_id: str) -> bool:
            return guild_id in present or (int(guild_id or 0) >> 22) % count != number

        self._guilds = {key: guild for key, guild in self._guilds.items() if stays(key)}

    def _guild_create(self, data: Payload) -> None:
        guild = self._guilds[str(data["id"])] = Guild()
        for channel in (*data.get("channels", ()), *data.get("threads", ())):
            _put(guild, channel)
        for role in data.get("roles", ()):
            self._note_role(guild, role)

    def _guild_delete(self, data: Payload) -> None:
        if not data.get("unavailable"):  # an outage of Discord's is no farewell
            self._guilds.pop(str(data["id"]), None)

    def _role(self, data: Payload) -> None:
        self._note_role(self._known(data), data["role"])

    def _note_role(self, guild: Guild, role: Payload) -> None:
        tags = cast(Payload, role.get("tags") or {})
        if self.own_id and str(tags.get("bot_id")) == self.own_id:
            guild.own_role = str(role["id"])

    def _channel(self, data: Payload) -> None:
        _put(self._known(data), data)

    def _channel_delete(self, data: Payload) -> None:
        guild = self._known(data)
        guild.names.pop(str(data["id"]), None)
        guild.threads.pop(str(data["id"]), None)
        guild.parents.pop(str(data["id"]), None)
        guild.forums.discard(str(data["id"]))

    def _threads(self, data: Payload) -> None:
        for thread in data.get("threads", ()):
            _put(self._known(data), thread)

    def _known(self, data: Payload) -> Guild:
        return self._guilds.setdefault(str(data.get("guild_id") or ""), Guild())


def _put(guild: Guild, channel: Payload) -> None:
    key = str(channel["id"])
    guild.names[key] = str(channel.get("name") or "")
    if number(channel, "type") in FORUM_TYPES:
        guild.forums.add(key)
    if number(channel, "type") in THREAD_TYPES:
        guild.threads.pop(key, None)  # the newest stands last
        guild.threads[key] = str(channel.get("owner_id") or "")
        if channel.get("parent_id"):
            guild.parents[key] = str(channel["parent_id"])
        if len(guild.threads) > THREADS_MAX:
            oldest = next(iter(guild.threads))
            for known in (guild.threads, guild.names, guild.parents):
                known.pop(oldest, None)
