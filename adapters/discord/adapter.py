"""Discord as a platform for the core: put together here, done in the files beside it."""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import cast

import discord

from adapters.discord.answers.archived import Archived
from adapters.discord.answers.files import Files
from adapters.discord.answers.pace import Pace
from adapters.discord.answers.places import MESSAGE, MESSAGES, channel_of
from adapters.discord.answers.posting import Posting
from adapters.discord.api.client import CONTENT_FLAGS, Client, Payload
from adapters.discord.api.rest import Rest
from adapters.discord.gateway.connection import FRAME_MAX_S, WITHOUT_CONTENT, Gateway
from adapters.discord.incoming.directory import Directory
from adapters.discord.incoming.intake import WAITING_MAX, Arrival, Intake
from adapters.discord.payloads.parse import Around, answer_to, author, history, mention
from adapters.discord.settings import DiscordSettings
from adapters.discord.text.render import LIMITS, render
from bot.errors import ConfigError, Forbidden, Gone, PlatformError, Rejected, Unreachable
from bot.events import Mention, Message
from bot.platform import Limits, Stage, Submit
from bot.services import Services

log = logging.getLogger(__name__)

TYPING = "/channels/{channel_id}/typing"
TYPING_MAX_S = 4.0
"""A typing call that hangs must not arrive after the answer; it shows for 10 s (Trigger Typing Indicator)."""

HISTORY_MAX = 50
CHAIN_CALLS_MAX = 8
"""Calls spent on following replies upwards; each brings two messages."""

DRAIN_MAX_S = 5.0
"""How long a stopping listener waits for what it has received to be taken."""


class DiscordPlatform:
    """Discord, spoken by one shard and as many writers as there are processes."""

    def __init__(
        self,
        settings: DiscordSettings,
        *,
        frame_max_s: float = FRAME_MAX_S,
        waiting_max: int = WAITING_MAX,
        drain_max_s: float = DRAIN_MAX_S,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._settings = settings
        self._drain_max_s = drain_max_s
        self._directory = Directory()
        self._services: Services | None = None
        self._submit: Submit | None = None
        self._intake = Intake(waiting_max=waiting_max, pause=pause, chance=chance)
        self._typing: dict[str, asyncio.Task[None]] = {}
        self._client = Client(settings.discord_api_url, self._handlers(), heartbeat_timeout_s=2 * frame_max_s)
        self._rest = Rest(self._client)
        self._pace = Pace()
        archived = Archived(self._rest, services=lambda: self._services)
        own_id = lambda: self._directory.own_id  # noqa: E731 -- it is known only once the platform is open
        self._posting = Posting(self._rest, archived, self._pace, own_id=own_id, pause=pause, now=now)
        self._files = Files(self._rest, archived, own_id=own_id, pause=pause, now=now)
        self._gateway = Gateway(self._client, self._rest, frame_max_s=frame_max_s, pause=pause, chance=chance)

    def use(self, services: Services) -> None:
        """Share state with the other processes of the bot. Called before `open`."""
        self._services = services

    @property
    def name(self) -> str:
        """`discord`."""
        return "discord"

    def limits(self, mention: Mention) -> Limits:
        """2,000 characters; an edit every 1.2 s, less often where the channel is busy."""
        every_s = self._pace.edit_every_s(channel_of(mention), mention.event_id)
        return replace(LIMITS, edit_every_s=every_s, parts_max=self._settings.discord_parts_max, stages=True)

    @property
    def connected(self) -> bool:
        """Whether the gateway's socket is open and was heard of within 90 s, and the token is good."""
        return self._gateway.connected and not self._rest.token_refused

    @property
    def user_id(self) -> str:
        """The bot's own id; "" before `open`."""
        return self._directory.own_id

    async def open(self) -> None:
        """Log in over REST and learn whether the Message Content intent is granted.

        Raises ConfigError when the token is missing or refused, Unreachable otherwise.
        """
        token = self._settings.discord_token
        if token is None:
            raise ConfigError("DISCORD_TOKEN is not set.")
        # discord.py's debug lines hold message texts, its other lines repeat what is logged here.
        logging.getLogger("discord").setLevel(max(logging.WARNING, logging.getLogger("discord").level))
        try:
            user = await self._client.sign_in(token.get_secret_value())
            application = cast(Payload, await self._rest.get("/oauth2/applications/@me"))
        except discord.LoginFailure as error:
            raise ConfigError("Discord refuses DISCORD_TOKEN; make a new one in the developer portal.") from error
        except Exception as error:  # the adapter's edge
            raise Unreachable(f"Discord does not answer the login ({type(error).__name__})") from error
        self._directory.own_id = str(user["id"])
        granted = bool(int(application.get("flags") or 0) & CONTENT_FLAGS)
        self._client.want_content(granted)
        if not granted:
            log.info("message_content_missing", extra={"without_it": WITHOUT_CONTENT})

    async def listen(self, submit: Submit) -> None:
        """Receive until cancelled. What has arrived by then is still taken, within `drain_max_s`."""
        self._submit = submit
        try:
            await self._gateway.run()
        finally:
            await self._intake.drain(limit_s=self._drain_max_s)
            self._submit = None

    async def post(
        self, mention: Mention, text: str, *, key: str, first: bool, recover: bool = False, stage: Stage = "last"
    ) -> str:
        """Write a message once. Raises PlatformError; Ambiguous after a few unclear tries with one nonce."""
        return await self._posting.create(mention, render(text), key=key, first=first, recover=recover, stage=stage)

    async def edit(self, mention: Mention, message_id: str, text: str, *, stage: Stage = "last") -> None:
        """Replace a message's text. May return seconds later: discord.py sleeps where the limit is spent."""
        await self._posting.edit(mention, message_id, render(text), stage=stage)

    async def delete(self, mention: Mention, message_id: str) -> None:
        """Remove a message; one that is gone is fine."""
        with contextlib.suppress(Gone):
            await self._rest.remove(MESSAGE, channel_id=channel_of(mention), message_id=message_id)

    async def upload(self, mention: Mention, text: str, *, name: str, key: str, recover: bool) -> str:
        """Put a Markdown file under the answer once. Raises PlatformError; Ambiguous where it may stand."""
        return await self._files.upload(mention, text, name=name, key=key, recover=recover)

    async def remove(self, mention: Mention, file_id: str) -> None:
        """Remove a file of the bot's; one that is gone is fine."""
        await self._files.remove(mention, file_id)

    async def working(self, mention: Mention, *, on: bool) -> None:
        """Show "is typing" for 10 s; off only stops a call under way, since the answer itself ends it."""
        running = self._typing.pop(mention.message_id, None)
        if running is not None:
            running.cancel()
        if not on:
            return
        task = self._typing[mention.message_id] = asyncio.create_task(self._type(mention))
        try:
            await asyncio.wait((task,))
        finally:
            task.cancel()
            if self._typing.get(mention.message_id) is task:
                del self._typing[mention.message_id]

    async def backfill(self, mention: Mention, *, limit: int) -> Sequence[Message]:
        """What was said before: the thread or direct message, or the replies that lead up to the mention.

        () where Discord refuses for good. Raises Unreachable and RateLimited.
        """
        try:
            if mention.place.kind == "channel":
                found = await self._chain(mention, limit=limit)
            else:
                found = await self._before(mention, limit=limit)
        except (Forbidden, Gone, Rejected) as error:
            log.info("backfill_refused", extra={"event_id": mention.event_id, "error": type(error).__name__})
            return ()
        return history(found, self._around(mention.place.workspace))[-limit:] if limit > 0 else ()

    async def aclose(self) -> None:
        """Free sockets and sessions."""
        for task in self._typing.values():
            task.cancel()
        await self._client.close()

    async def _type(self, mention: Mention) -> None:
        try:
            async with asyncio.timeout(TYPING_MAX_S):
                await self._rest.signal(TYPING, need="spare", channel_id=channel_of(mention))
        except (PlatformError, TimeoutError) as error:
            log.debug("typing_failed", extra={"event_id": mention.event_id, "error": type(error).__name__})

    async def _before(self, mention: Mention, *, limit: int) -> list[Payload]:
        params = {"before": mention.message_id, "limit": str(max(1, min(limit, HISTORY_MAX)))}
        found = await self._rest.get(MESSAGES, params=params, channel_id=channel_of(mention))
        return cast(list[Payload], found)

    async def _chain(self, mention: Mention, *, limit: int) -> list[Payload]:
        """The replies above, if they begin at a message of the bot's: others' are quoted in the text already."""
        found: list[Payload] = []
        above = mention.reply_to
        for _ in range(CHAIN_CALLS_MAX):
            if above is None or len(found) >= limit:
                break
            message = cast(Payload, await self._rest.get(MESSAGE, channel_id=channel_of(mention), message_id=above))
            if not found and author(message).id != self.user_id:
                break
            answered = cast(Payload, message.get("referenced_message") or {})
            found += (one for one in (message, answered) if one)
            above = answer_to(answered)
        return found

    def _around(self, guild_id: str | None) -> Around:
        return Around(own_id=self._directory.own_id, guild=self._directory.guild(guild_id))

    def _handlers(self) -> dict[str, Callable[[Payload], None]]:
        handlers = self._directory.handlers()
        learn_servers = handlers["READY"]

        def ready(data: Payload) -> None:
            self._gateway.established()
            learn_servers(data)
            log.info("gateway_ready", extra={"servers": len(data.get("guilds", ()))})

        def resumed(_: Payload) -> None:
            self._gateway.established()
            log.info("gateway_resumed")

        handlers |= {"READY": ready, "RESUMED": resumed, "MESSAGE_CREATE": self._message}
        return {event: _walled(event, handle) for event, handle in handlers.items()}

    def _message(self, data: Payload) -> None:
        found, submit = mention(data, self._around(data.get("guild_id"))), self._submit
        if found is not None and submit is not None:
            channel = found.place.thread or found.place.channel
            self._intake.put(channel, Arrival(found.event_id, take=partial(submit, found)))


def _walled(event: str, handle: Callable[[Payload], None]) -> Callable[[Payload], None]:
    """A handler that cannot take the connection down with it."""

    def walled(data: Payload) -> None:
        try:
            handle(data)
        except Exception as error:  # noqa: BLE001 -- wall: one odd event must not end the connection
            log.error("event_not_understood", extra={"type": event, "error": type(error).__name__})

    return walled
