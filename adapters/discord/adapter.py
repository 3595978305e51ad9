"""Discord as a platform for the core: put together here, done in the files beside it."""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import cast

import discord
from aiohttp import web

from adapters.discord.answers.archived import Archived
from adapters.discord.answers.files import Files
from adapters.discord.answers.neighbours import Neighbours
from adapters.discord.answers.pace import Pace
from adapters.discord.answers.places import MESSAGE, channel_of
from adapters.discord.answers.posting import Posting
from adapters.discord.answers.private import FOLLOW_UPS_MAX, Private
from adapters.discord.answers.titles import Titles
from adapters.discord.answers.typing import Typing
from adapters.discord.api.client import APPLICATION, CONTENT_FLAGS, Client
from adapters.discord.api.refusals import UNAUTHORIZED
from adapters.discord.api.rest import Rest
from adapters.discord.api.webhooks import Webhooks
from adapters.discord.gateway.connection import FRAME_MAX_S, WITHOUT_CONTENT
from adapters.discord.gateway.gateway import PACES
from adapters.discord.gateway.plan import Paces
from adapters.discord.incoming.directory import Directory
from adapters.discord.incoming.intake import WAITING_MAX
from adapters.discord.incoming.interactions import STEP_S
from adapters.discord.incoming.lines import Lines
from adapters.discord.incoming.marks import Marks
from adapters.discord.incoming.reading import Reading
from adapters.discord.listening import Listening
from adapters.discord.payloads.fields import Payload
from adapters.discord.settings import DiscordSettings
from adapters.discord.text.render import LIMITS, render
from bot.errors import ConfigError, Gone, Unreachable
from bot.events import Mention, Message
from bot.platform import LEAVE_S, Limits, Stage, Submit
from bot.services import Services

log = logging.getLogger(__name__)


DRAIN_MAX_S = 3.0
"""How long a stopping listener waits for what it has received to be taken; the next one is sent the rest again."""


class DiscordPlatform:
    """Discord, heard by the shards of this process and spoken by as many writers as there are processes."""

    def __init__(
        self,
        settings: DiscordSettings,
        *,
        frame_max_s: float = FRAME_MAX_S,
        waiting_max: int = WAITING_MAX,
        drain_max_s: float = DRAIN_MAX_S,
        leave_s: float = LEAVE_S,
        paces: Paces = PACES,
        step_s: float = STEP_S,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._settings = settings
        self._directory = Directory()
        self._services: Services | None = None
        self._client = Client(settings.discord_api_url, heartbeat_timeout_s=2 * frame_max_s)
        self._rest = Rest(self._client)
        self._typing = Typing(self._rest)
        self._pace = Pace()
        archived = Archived(self._rest, services=lambda: self._services, pause=pause)
        own_id = lambda: self._directory.own_id  # noqa: E731 -- it is known only once the platform is open
        shared = lambda: self._services.shared if self._services else None  # noqa: E731 -- as above
        neighbours = Neighbours(shared)
        self._posting = Posting(self._rest, archived, self._pace, neighbours, own_id=own_id, pause=pause, now=now)
        self._files = Files(self._rest, archived, own_id=own_id, pause=pause, now=now)
        self._titles = Titles(self._rest, own_id=own_id, by_model=settings.discord_thread_titles == "model")
        marks = Marks(shared)
        self._lines = Lines(self._rest, marks)
        self._reading = Reading(self._rest, self._directory, sees_all=lambda: self._client.wants_content)
        self._webhooks = Webhooks(
            settings.discord_api_url, user_agent=self._client.http.user_agent, on_answer=self._rest.heard
        )
        self._private = Private(self._webhooks, self._rest, self._posting, now=now)
        self._listening = Listening(
            settings,
            self._client,
            self._rest,
            self._webhooks,
            self._directory,
            marks=marks,
            lines=self._lines,
            frame_max_s=frame_max_s,
            waiting_max=waiting_max,
            drain_max_s=drain_max_s,
            leave_s=leave_s,
            paces=paces,
            step_s=step_s,
            pause=pause,
            now=now,
            chance=chance,
        )

    def use(self, services: Services) -> None:
        """Share state with the other processes of the bot. Called before `open`."""
        self._services = services
        self._listening.use(services)

    @property
    def name(self) -> str:
        """`discord`."""
        return "discord"

    def limits(self, mention: Mention) -> Limits:
        """2,000 characters; an edit every 1.25 s, less often where the channel is busy.

        A private answer ends with the last follow-up that Discord takes.
        """
        if mention.private:  # one message less than Discord takes: the last says that the answer is longer
            return replace(LIMITS, parts_max=FOLLOW_UPS_MAX)
        every_s = self._pace.edit_every_s(channel_of(mention), mention.event_id)
        return replace(LIMITS, edit_every_s=every_s, parts_max=self._settings.discord_parts_max, stages=True)

    @property
    def connected(self) -> bool:
        """Whether the socket of each shard held here is open and was heard of within 90 s, and the token is good.

        A process that holds no shard stands by for others: it counts as connected while it can ask for one. One that
        takes interactions over HTTP alone is connected while it takes them.
        """
        return self._listening.connected and not self._rest.token_refused

    @property
    def last_heard_s(self) -> float | None:
        """Seconds since the last frame, of the shard that is silent for longest; None while none is held here."""
        return self._listening.gateway.last_heard_s

    @property
    def refusal(self) -> str | None:
        """What to do about a token that Discord no longer takes; None while it does."""
        return UNAUTHORIZED if self._rest.token_refused else None

    @property
    def refused_calls(self) -> Mapping[int, int]:
        """Answers within 10 minutes that count towards a ban of the address, by status: 401, 403, 429."""
        return self._rest.refused_calls

    @property
    def limited_calls(self) -> int:
        """Answers with 429 since the start, those that discord.py waits out included."""
        return self._rest.limited_calls

    @property
    def notes(self) -> Sequence[str]:
        """Which shards are listened to here; () where none can be."""
        return self._listening.gateway.notes

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
            application = cast(Payload, await self._rest.get(APPLICATION))
        except discord.LoginFailure as error:
            raise ConfigError(UNAUTHORIZED) from error
        except Exception as error:  # the adapter's edge
            raise Unreachable(f"Discord does not answer the login ({type(error).__name__})") from error
        self._directory.own_id = str(user["id"])
        granted = bool(int(application.get("flags") or 0) & CONTENT_FLAGS)
        self._client.want_content(granted)
        if not granted:
            log.info("message_content_missing", extra={"without_it": WITHOUT_CONTENT})
        self._listening.open(application_id=str(application["id"]))

    def renew(self, settings: object) -> frozenset[str]:
        """Go on with a renewed token. A gateway that was refused with the old one identifies again at once."""
        if not isinstance(settings, DiscordSettings) or settings.discord_token is None:
            return frozenset()
        if settings.discord_token != self._settings.discord_token:
            self._settings = self._settings.model_copy(update={"discord_token": settings.discord_token})
            self._rest.use_token(settings.discord_token.get_secret_value())
        return frozenset({"discord_token"})

    async def listen(self, submit: Submit) -> None:
        """Receive until cancelled. What has arrived by then is still taken, within `drain_max_s`.

        Raises ConfigError where the settings name shards that do not exist.
        """
        await self._listening.run(submit)

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """POST /discord/interactions, where the public key is set. May be asked before `open`."""
        return self._listening.routes()

    async def post(
        self, mention: Mention, text: str, *, key: str, first: bool, recover: bool = False, stage: Stage = "last"
    ) -> str:
        """Write a message once. Raises PlatformError; Ambiguous after a few unclear tries with one nonce."""
        if mention.private:
            return await self._private.post(mention, render(text), key=key, first=first, recover=recover)
        message_id = await self._posting.create(
            mention, render(text), key=key, first=first, recover=recover, stage=stage
        )
        self._lines.answered(mention)
        return message_id

    async def edit(self, mention: Mention, message_id: str, text: str, *, stage: Stage = "last") -> None:
        """Replace a message's text. May return seconds later: discord.py sleeps where the limit is spent."""
        await self._posting.edit(mention, message_id, render(text), stage=stage)

    async def delete(self, mention: Mention, message_id: str) -> None:
        """Remove a message; one that is gone is fine."""
        self._lines.withdrawn(mention)
        with contextlib.suppress(Gone):
            await self._rest.remove(MESSAGE, channel_id=channel_of(mention), message_id=message_id)

    async def upload(self, mention: Mention, text: str, *, name: str, key: str, recover: bool) -> str:
        """Put a Markdown file under the answer once. Raises PlatformError; Ambiguous where it may stand."""
        return await self._files.upload(mention, text, name=name, key=key, recover=recover)

    async def remove(self, mention: Mention, file_id: str) -> None:
        """Remove a file of the bot's; one that is gone is fine."""
        await self._files.remove(mention, file_id)

    async def working(self, mention: Mention, *, on: bool) -> None:
        """Show "is typing" for 10 s; off stops a call under way, since the answer itself ends it.

        Without the Message Content intent the end of a thread's first answer also says how to go on there.
        """
        if mention.private:  # the deferred response says that the bot is thinking, to the one person whom it concerns
            return
        if on:
            await self._typing.show(mention)
            return
        self._typing.stop(mention)
        if self._services and not self._client.wants_content:
            await self._lines.hint(mention)

    async def backfill(self, mention: Mention, *, limit: int, since: str = "") -> Sequence[Message]:
        """What was said before: the thread or direct message, or the replies that lead up to the mention.

        () where Discord refuses for good. Raises Forbidden, Unreachable and RateLimited; see `Reading.before`.
        """
        return await self._reading.before(mention, limit=limit, since=since)

    async def wants_title(self, mention: Mention) -> bool:
        """Whether the mention's thread was opened for it and is still named after it. Raises PlatformError."""
        return await self._titles.wanted(mention)

    async def retitle(self, mention: Mention, name: str) -> None:
        """Name the thread. Raises PlatformError; then it keeps its name."""
        await self._titles.give(mention, name)

    async def aclose(self) -> None:
        """Free sockets and sessions."""
        self._typing.close()
        await self._webhooks.aclose()
        await self._client.close()
