"""One installation of the app: its token, who the bot is there, and all that is kept for that workspace.

It answers in the workspace and reads from it; it holds no rule of its own about text or events.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.answers.begun import Begun
from adapters.slack.answers.files import Files
from adapters.slack.answers.live import Stream
from adapters.slack.answers.pace import Pace
from adapters.slack.answers.posting import Pause, Posting
from adapters.slack.answers.private import Private
from adapters.slack.answers.sessions import Sessions
from adapters.slack.answers.stopping import Stopping
from adapters.slack.answers.streaming import Streaming
from adapters.slack.answers.styles import Styles
from adapters.slack.api.budgets import STOP, UPDATE, Metered
from adapters.slack.api.calls import Answer, Api
from adapters.slack.api.chores import Chores
from adapters.slack.api.latches import Latches
from adapters.slack.api.names import Names
from adapters.slack.api.reading import PAGE, PAGE_DISTRIBUTED, TooMany, messages, stored
from adapters.slack.payloads.parse import Identity, Json, message, named_in
from adapters.slack.text.render import rendered
from bot.errors import Forbidden, Gone, Rejected
from bot.events import Mention, Message
from bot.platform import Stage
from bot.services import Services

log = logging.getLogger(__name__)

_BACKFILL_MAX: Final = 50


@dataclass(frozen=True, slots=True)
class Options:
    """What the operator allows in every workspace; `services` is None where the bot runs without the core's."""

    streaming: bool = True
    agent: bool = True
    distributed: bool = False
    services: Services | None = None


class Workspace:
    """What the bot can do in one workspace."""

    def __init__(
        self,
        client: AsyncWebClient,
        me: Identity,
        *,
        pause: Pause = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
        options: Options | None = None,
    ) -> None:
        self.options = options = options or Options()
        self.client = client
        self.me = me
        self.api = api = Api(client)
        self.pace = Pace(clock)
        self.names = Names(api)
        shared = options.services.shared if options.services else None
        begun = Begun(shared, team=me.team_id) if shared else None
        latches, self._chores = Latches(clock), Chores()
        self.sessions = Sessions(
            api,
            team=me.team_id,
            shared=shared,
            latches=latches,
            chores=self._chores,
            allowed=options.agent,
            pause=pause,
            clock=clock,
        )
        styles = Styles(latches)
        stop = Stopping(Metered(api, STOP, team=me.team_id, shared=shared, clock=clock), self.sessions, styles, latches)
        self._page = PAGE_DISTRIBUTED if options.distributed else PAGE
        self._posting = Posting(
            api,
            me,
            pace=self.pace,
            update=Metered(api, UPDATE, team=me.team_id, shared=shared, clock=clock),
            stop=stop,
            styles=styles,
            begun=begun,
            page=self._page,
            pause=pause,
        )
        self._streaming = Streaming(
            api,
            team=me.team_id,
            posting=self._posting,
            stop=stop,
            sessions=self.sessions,
            latches=latches,
            chores=self._chores,
            shared=shared,
            begun=begun,
            fell_back=self._fell_back,
            allowed=options.streaming,
            pause=pause,
            clock=clock,
        )
        self._private = Private(api)
        self._files = Files(api, me, page=self._page, pause=pause)

    async def post(self, mention: Mention, text: str, *, key: str, recover: bool, stage: Stage) -> str:
        """Write a message into the mention's thread once, or show a private one to its author; see `Posting.post`."""
        if mention.private:
            return await self._private.deliver(mention, text, key=key)
        return await self._posting.post(mention, rendered(text), key=key, recover=recover, stage=stage)

    async def edit(self, mention: Mention, message_id: str, text: str, *, stage: Stage) -> None:
        """Replace the text of one of the bot's messages. That edits unfurl no links is unverified."""
        if mention.private:
            raise Rejected("a private answer is never edited")
        await self._posting.update(mention, message_id, rendered(text), stage=stage)

    async def delete(self, mention: Mention, message_id: str) -> None:
        """Remove one of the bot's messages. What one person saw goes by itself."""
        if not mention.private:
            await self._posting.delete(mention, message_id)

    def may_stream(self, mention: Mention) -> bool:
        """Whether an answer may be streamed, as far as it is known before. See `bot.platform.Streams`."""
        return self._streaming.may_begin(mention)

    async def begin(self, mention: Mention, text: str, *, key: str) -> Stream | None:
        """Begin a message that grows; None where it cannot be streamed. See `bot.platform.Streams`."""
        return await self._streaming.begin(mention, text, key=key)

    async def upload(self, mention: Mention, text: str, *, name: str, key: str, recover: bool) -> str:
        """Put a Markdown file under the answer; see `Files.upload`."""
        return await self._files.upload(mention, text, name=name, key=key, recover=recover)

    async def remove(self, file_id: str) -> None:
        """Remove a file of the bot's; see `Files.remove`."""
        await self._files.remove(file_id)

    async def whisper(self, channel: str, user: str, text: str, *, thread_ts: str | None = None) -> None:
        """Say one line that only this person sees. Raises PlatformError."""
        await self._private.whisper(channel, user, text, thread_ts=thread_ts)

    async def working(self, mention: Mention, *, on: bool) -> None:
        """Show that an answer is being prepared, or that it stands. Never fails."""
        if on:
            await self.sessions.processing(mention)
            return
        self.pace.ended(mention.event_id)
        await self.sessions.settled(mention)

    async def backfill(self, mention: Mention, *, limit: int, since: str = "") -> Sequence[Message]:
        """The thread before the mention, oldest first; () where there is none.

        A private mention is about a thread, not in it: it gets all of it. Where Slack lets a thread be read only once a
        minute, that is kept for those that the bot is called into: nothing is read `since` a message. Raises Forbidden
        where the thread may not be read, Unreachable and RateLimited.
        """
        thread = mention.place.thread
        if thread is None or (thread == mention.message_id and not mention.private):
            return ()
        if since and self.options.distributed:
            return ()
        found: deque[Json] = deque(maxlen=max(0, min(limit, _BACKFILL_MAX)))
        try:
            async for raw in self._thread(mention, since=since):
                ts = str(raw.get("ts"))
                # Slack gives the thread's first message whatever the bounds.
                if ts >= since and (mention.private or ts != mention.message_id) and message(raw, self.me):
                    found.append(raw)
        except Gone:
            return ()
        except (Rejected, TooMany) as error:
            raise Forbidden(f"the thread cannot be read: {error}") from error
        names = await self.names.of({user: None for raw in found for user in named_in(raw, self.me)})
        return tuple(line for raw in found if (line := message(raw, self.me, names)))

    async def aclose(self) -> None:
        """End what runs for the workspace."""
        await self._chores.aclose()
        await self.names.aclose()

    async def _thread(self, mention: Mention, *, since: str) -> AsyncIterator[Json]:
        latest = None if mention.private else mention.message_id
        if not self.options.distributed:
            async for raw in stored(
                self.api, mention, latest=latest, oldest=since or None, inclusive="true" if since else None
            ):
                yield raw
            return
        # One call in a minute is all there is, so a second page cannot be had: what Slack gives first has to do.
        place = mention.place
        answer = await self.api.read(
            "conversations.replies", channel=place.channel, ts=place.thread, limit=self._page, latest=latest
        )
        for raw in messages(answer):
            yield raw

    def _fell_back(self, reason: str) -> None:
        log.debug("slack_not_streamed", extra={"reason": reason})
        if self.options.services:
            self.options.services.fell_back("slack", reason)


def identity(auth_test: Answer) -> Identity:
    """Who the bot is, from the answer of `auth.test`."""
    said = (str(auth_test.data.get(name) or "") for name in ("team_id", "user_id", "bot_id", "enterprise_id"))
    team, user, bot, enterprise = said
    granted = auth_test.headers.get("x-oauth-scopes") or ""
    scopes = frozenset(name for one in granted.split(",") if (name := one.strip()))
    return Identity(team, user, bot, scopes, enterprise)
