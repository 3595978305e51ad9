"""What becomes of messages, edits and deletions: from the gateway into the inbox, in each channel's order.

What is nothing to the bot costs no call and no wait: it is told from the payload and the directory alone. For the rest
the arrival's `take` finds out what it must (what the channel is, whether its writer may), and ends in `submit`.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from adapters.discord.incoming import bots
from adapters.discord.incoming.access import Access
from adapters.discord.incoming.directory import Directory
from adapters.discord.incoming.intake import Arrival, Done, Intake, nothing
from adapters.discord.incoming.lines import Lines
from adapters.discord.incoming.lookup import Lookup
from adapters.discord.incoming.marks import Marks
from adapters.discord.incoming.opening import Opening
from adapters.discord.payloads.changes import deletions, edits, says_channel
from adapters.discord.payloads.content import readable
from adapters.discord.payloads.fields import Payload, key, keys, record
from adapters.discord.payloads.guild import Around
from adapters.discord.payloads.parse import answers_the_bot, begins_anew, may_speak, mention, says_thread
from bot.events import Change, Mention, Place
from bot.platform import Submit
from bot.services import Command, Services

ANEW_KEPT_S: Final = 86_400.0  # as long as the inbox knows a message again (SEEN_TTL_S)


def _forgotten(_: Mention) -> None: ...


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator set for what comes in."""

    access: Access = field(default_factory=Access)
    free: frozenset[str] = frozenset()
    bots: bool = False


class Hearing:
    """Takes gateway events. `services` and `submit` give what the core offers, None while it does not.

    `talked` hears of each message that may be for the bot, where it stands.
    """

    def __init__(
        self,
        rules: Rules,
        intake: Intake,
        directory: Directory,
        *,
        lookup: Lookup,
        opening: Opening,
        marks: Marks,
        lines: Lines,
        services: Callable[[], Services | None],
        submit: Callable[[], Submit | None],
        talked: Callable[[Mention], None] = _forgotten,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._rules = rules
        self._intake = intake
        self._directory = directory
        self._lookup = lookup
        self._opening = opening
        self._marks = marks
        self._lines = lines
        self._services = services
        self._submit = submit
        self._talked = talked
        self._now = now

    def created(self, payload: Payload, done: Done = nothing) -> None:
        """MESSAGE_CREATE. `done` is called once it is through."""
        around = self._around(payload)
        if found := mention(payload, around):
            self._marks.expect(found.place)
        elif not self._unclear(payload, around):
            done()
            return
        self._put(payload, f"discord:{key(payload, 'id')}", partial(self._message, payload), done)

    def updated(self, payload: Payload, done: Done = nothing) -> None:
        """MESSAGE_UPDATE. `done` is called once it is through."""
        if found := edits(payload, self._around(payload)):
            self._put(payload, found[0].event_id, partial(self._edit, payload), done)
        else:
            done()

    def deleted(self, payload: Payload, done: Done = nothing) -> None:
        """MESSAGE_DELETE and MESSAGE_DELETE_BULK. `done` is called once it is through."""
        if found := deletions(payload, self._around(payload).guild, at=self._now()):
            self._put(payload, found[0].event_id, partial(self._changes, found), done)
        else:
            done()

    def _put(self, payload: Payload, event_id: str, take: Callable[[Submit], Awaitable[None]], done: Done) -> None:
        if submit := self._submit():
            self._intake.put(key(payload, "channel_id"), Arrival(event_id, partial(take, submit), done))

    async def _message(self, payload: Payload, submit: Submit) -> None:
        around = await self._clear(payload)
        found = mention(payload, around)
        if found is None or not await self._may(payload, found):
            return
        if found.place.kind == "dm" and begins_anew(payload, around):
            await self._begin_anew(found)
        asked = found
        self._talked(asked)
        if not answers_the_bot(payload, around):
            found = await self._opening.opened(found)
        if found.addressed:
            await self._marks.join(found.place)
        if found is asked:
            await submit(found)
        else:
            self._talked(found)
            await self._first(found, submit)

    async def _first(self, found: Mention, submit: Submit) -> None:
        """Hand over what a thread was opened for, before all that follows there."""
        through = asyncio.Event()
        self._intake.put(found.place.channel, Arrival(found.event_id, partial(submit, found), through.set))
        await through.wait()

    async def _edit(self, payload: Payload, submit: Submit) -> None:
        """An edit, unless its writer may not use the bot any more; they may still take a message back."""
        found = edits(payload, await self._clear(payload))
        if found and found[0].now and await self._refusal(payload, found[0].now) is None:
            await self._changes(found, submit)

    async def _changes(self, found: list[Change], submit: Submit) -> None:
        for change in found:
            if await self._marks.known(change.place):
                await submit(change)

    async def _may(self, payload: Payload, found: Mention) -> bool:
        if why := await self._refusal(payload, found):
            if found.addressed and not found.author.is_bot:
                await self._lines.refuse(found, why)
            return False
        services = self._services()
        return not found.author.is_bot or await bots.may_go_on(found, services.shared if services else None)

    async def _refusal(self, payload: Payload, found: Mention) -> str | None:
        place = found.place
        return self._rules.access.refusal(
            found.author,
            guild=place.workspace,
            channel=place.channel,
            parent=self._directory.guild(place.workspace).parents.get(place.channel, ""),
            roles=await self._roles(payload, found),
        )

    async def _roles(self, payload: Payload, found: Mention) -> list[str]:
        """The writer's. The REST API, from which missed messages are read, does not tell them with a message."""
        if "member" in payload or not found.place.workspace or not self._rules.access.roles:
            return keys(record(payload, "member"), "roles")
        return await self._lookup.roles_of(found.author.id, found.place.workspace)

    async def _begin_anew(self, found: Mention) -> None:
        """Forget the direct conversation before a fresh mention in it: once, however often the message comes.

        Nobody goes on before it is forgotten; what would be forgotten else is the new conversation. Raises StoreError.
        """
        if (services := self._services()) is None:
            return
        what = f"anew:discord:{found.place.workspace}:{found.message_id}"
        reset = partial(services.command, Command("reset", "", found.place, found.author))
        await services.shared.once(what, reset, tenant=found.place.workspace, ttl_s=ANEW_KEPT_S)

    def _around(self, payload: Payload) -> Around:
        guild, channel = self._directory.guild(key(payload, "guild_id")), key(payload, "channel_id")
        free = not self._rules.free.isdisjoint((channel, guild.parents.get(channel, "")))
        return Around(own_id=self._directory.own_id, guild=guild, free=free, bots=self._rules.bots)

    def _unclear(self, payload: Payload, around: Around) -> bool:
        """Whether a message that seems nothing to the bot may be for it, once its channel is known."""
        if not key(payload, "guild_id") or not may_speak(payload, around):
            return False
        if self._role_unknown(payload, around):
            return True
        if not readable(payload):
            return False
        if self._rules.free:
            return self._kind_unknown(payload, around) or self._parent_unknown(payload, around)
        return self._kind_unknown(payload, around) and self._marks.remembered(_here(payload)) is not False

    async def _clear(self, payload: Payload) -> Around:
        """What must be known to read a message; Discord is asked where that decides about it."""
        around = self._around(payload)
        guild_id, channel = key(payload, "guild_id"), key(payload, "channel_id")
        if not guild_id:
            return around
        if self._role_unknown(payload, around):
            await self._lookup.learn_roles(guild_id)
            around = self._around(payload)
        if self._kind_unknown(payload, around):
            asks = self._rules.free or mention(payload, around) or await self._marks.known(_here(payload))
        else:
            asks = (self._rules.free or self._rules.access.channels) and self._parent_unknown(payload, around)
        if asks:
            await self._lookup.learn(guild_id, channel)
        return self._around(payload)

    def _role_unknown(self, payload: Payload, around: Around) -> bool:
        """Whether a role is mentioned that may be the bot's own, of which nothing is known."""
        return bool(payload.get("mention_roles")) and around.guild.own_role is None

    def _kind_unknown(self, payload: Payload, around: Around) -> bool:
        told = says_thread(payload) or says_channel(payload)
        return not told and key(payload, "channel_id") not in around.guild.names

    def _parent_unknown(self, payload: Payload, around: Around) -> bool:
        channel = key(payload, "channel_id")
        thread = channel in around.guild.threads or says_thread(payload)
        return thread and channel not in around.guild.parents


def _here(payload: Payload) -> Place:
    """The channel or thread of a message, for notes, which do not tell the one from the other."""
    return Place("discord", key(payload, "guild_id"), key(payload, "channel_id"), None, "channel")
