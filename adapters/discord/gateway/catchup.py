"""Reads afterwards what no session has delivered: a RESUME was refused, or there was none.

Rules of the platform (developer docs, Gateway Events and Message Resource, read November 2026): GUILD_CREATE, which
follows READY for each server, names the last message of every channel and active thread; direct messages are named
nowhere, so those in which people lately talked with the bot are asked for. Without the Message Content intent the REST
API empties the same messages as the gateway does, and mentions of the bot keep their content.

What is read goes the way of every message, and the inbox takes each only once. It is bounded: nothing that is older
than an answer may be late, a number of channels and pages, a pace.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from adapters.discord.api.rest import Rest
from adapters.discord.gateway.connection import Handle, Room
from adapters.discord.gateway.progress import Done
from adapters.discord.gateway.sessions import Shard
from adapters.discord.gateway.talked import Talked
from adapters.discord.payloads.fields import Payload
from adapters.discord.payloads.parse import DISCORD_EPOCH_MS
from bot.errors import Forbidden, Gone, PlatformError, Rejected

log = logging.getLogger(__name__)

YOUNGER_THAN_S = 600.0
"""What was written longer ago is not answered any more. Chosen: the default of MENTION_DEADLINE_SECONDS."""

MARGIN_S = 5.0
"""Discord's clock, which makes the ids, and ours may differ."""

CHANNELS_MAX = 200
PAGE, PAGES_MAX = 100, 10
"""Discord gives at most 100 messages in one call. Chosen: a channel with more than 1,000 in ten minutes is a crowd."""

CALL_EVERY_S = 0.1
"""Chosen: a fifth of the 50 calls a second that Discord allows a bot; the rest is for answers."""

DESCRIBED_WITHIN_S = 15.0
"""How long servers may take to be described after READY; those that do not come have an outage."""

AGAIN_AFTER_S = 10.0

MESSAGES = "/channels/{channel_id}/messages"


@dataclass(slots=True)
class Gap:
    """What one shard has missed since a time (Unix seconds).

    `undescribed` are the servers of which nothing is known yet ("" stands for direct messages, which nobody describes),
    None where the session was resumed and none will be described. `channels` are those in which something was said
    since, each with its server.
    """

    shard: Shard
    since: float
    undescribed: set[str] | None
    channels: dict[str, str] = field(default_factory=dict[str, str])
    all_described: asyncio.Event = field(default_factory=asyncio.Event)

    def describe(self, guild: Payload) -> None:
        """Take a GUILD_CREATE."""
        key, after = str(guild["id"]), snowflake(self.since)
        if self.undescribed is None or key not in self.undescribed:
            return
        for channel in (*guild.get("channels", ()), *guild.get("threads", ())):
            if int(channel.get("last_message_id") or 0) > after:
                self.channels[str(channel["id"])] = key
        self.undescribed.discard(key)
        self.settle()

    def settle(self) -> None:
        """Note when nothing more will be described."""
        if self.undescribed is None or self.undescribed <= {""}:
            self.all_described.set()

    def may_have_missed(self, guild: str) -> bool:
        """Whether any channel of a server may hold something new, for all that is known."""
        return self.undescribed is None or guild in self.undescribed


class CatchUp:
    """Reads gaps, one for each shard at a time."""

    def __init__(
        self,
        rest: Rest,
        handle: Handle,
        talked: Talked,
        *,
        room: Room,
        now: Callable[[], float],
        pause: Callable[[float], Awaitable[None]],
    ) -> None:
        self._rest = rest
        self._handle = handle
        self._talked = talked
        self._room = room
        self._now = now
        self._pause = pause
        self._gaps: dict[Shard, Gap] = {}

    def open(self, shard: Shard, since: float, *, guilds: Iterable[str] | None) -> Gap:
        """Begin to gather. `guilds` are the servers that READY has named, None where the session was resumed."""
        since = max(since - MARGIN_S, self._now() - YOUNGER_THAN_S)
        gap = self._gaps[shard] = Gap(shard, since, None if guilds is None else {"", *guilds})
        gap.settle()
        return gap

    def describe(self, guild: Payload) -> None:
        """Take a GUILD_CREATE; each belongs to one shard."""
        for gap in self._gaps.values():
            gap.describe(guild)

    async def run(self, gap: Gap) -> None:
        """Read what was missed, and return when all of it is through, or too old by now."""
        try:
            async with asyncio.timeout(DESCRIBED_WITHIN_S):
                await gap.all_described.wait()
        except TimeoutError:
            log.info("catch_up_without_servers", extra={"shard": gap.shard.id})
        reading = _Reading()
        left = dict(self._channels(gap))
        while left and self._now() - gap.since < YOUNGER_THAN_S + MARGIN_S:
            for channel in list(left):
                if await self._read(channel, left[channel], gap, reading):
                    del left[channel]
                await self._pause(CALL_EVERY_S)
            if left:
                await self._pause(AGAIN_AFTER_S)
        await reading.through()
        if self._gaps.get(gap.shard) is gap:
            del self._gaps[gap.shard]
        log.info("caught_up", extra={"shard": gap.shard.id, "messages": reading.messages, "unread": len(left)})

    def _channels(self, gap: Gap) -> Iterator[tuple[str, str]]:
        """Which channels to read, with their servers: first where people talk with the bot."""
        talks = self._talked.of(gap.shard)
        # Where a server has been described, `channels` says exactly where something was said.
        unknown = {one.channel: one.guild for one in talks if gap.may_have_missed(one.guild)}
        known = {one.channel: one.guild for one in talks if one.channel in gap.channels}
        found = list((unknown | known | gap.channels).items())
        if len(found) > CHANNELS_MAX:
            log.warning("catch_up_cut", extra={"shard": gap.shard.id, "channels": len(found), "read": CHANNELS_MAX})
        yield from found[:CHANNELS_MAX]

    async def _read(self, channel: str, guild: str, gap: Gap, reading: "_Reading") -> bool:
        """Whether a channel is done with: read, or not readable at all."""
        after = snowflake(gap.since)
        try:
            for _ in range(PAGES_MAX):
                params = {"after": str(after), "limit": str(PAGE)}
                page = cast(list[Payload], await self._rest.get(MESSAGES, params=params, channel_id=channel))
                for message in sorted(page, key=lambda one: int(one["id"])):
                    await self._room.room()
                    self._handle(_as_sent(message, guild), reading.hold)
                    after = int(message["id"])
                if len(page) < PAGE:
                    break
            else:
                log.warning("catch_up_channel_cut", extra={"channel": channel, "read": PAGES_MAX * PAGE})
        except (Forbidden, Gone, Rejected):
            return True
        except PlatformError as error:
            log.info("catch_up_waits", extra={"channel": channel, "error": type(error).__name__})
            return False
        return True


class _Reading:
    """What was read and is not through yet."""

    def __init__(self) -> None:
        self.messages = 0
        self._held: set[int] = set()
        self._moved = asyncio.Event()

    def hold(self) -> Done:
        """As for an event of the gateway."""
        self.messages += 1
        number = self.messages
        self._held.add(number)

        def done() -> None:
            self._held.discard(number)
            self._moved.set()

        return done

    async def through(self) -> None:
        """Wait until nothing is held."""
        while self._held:
            self._moved.clear()
            await self._moved.wait()


def snowflake(at: float) -> int:
    """The smallest id of a time, in Unix seconds."""
    return max(0, int(at * 1000) - DISCORD_EPOCH_MS) << 22


def _as_sent(message: Payload, guild: str) -> Mapping[str, Any]:
    """A message of the REST API as MESSAGE_CREATE holds it, but without its author's roles."""
    return {**message, "guild_id": guild} if guild else message
