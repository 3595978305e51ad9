"""One installation of the app: its token, who the bot is there, and all that is kept for that workspace.

It answers in the workspace and reads from it; it holds no rule of its own about text or events.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from typing import Final

from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.calls import Answer, Api, Unscoped, Unsupported
from adapters.slack.names import Names
from adapters.slack.pace import Pace
from adapters.slack.parse import Identity, Json, message, named_in
from adapters.slack.posting import Pause, Posting, TooMany, stored
from adapters.slack.render import rendered
from bot.errors import Forbidden, Gone, PlatformError, Rejected
from bot.events import Mention, Message
from bot.platform import Stage

log = logging.getLogger(__name__)

_BACKFILL_MAX: Final = 50


class Workspace:
    """What the bot can do in one workspace."""

    def __init__(self, client: AsyncWebClient, me: Identity, *, pause: Pause = asyncio.sleep) -> None:
        self.client = client
        self.me = me
        self.api = Api(client)
        self.pace = Pace()
        self.names = Names(self.api)
        self._posting = Posting(self.api, me, pace=self.pace, pause=pause)
        self._shows_status = True

    async def post(self, mention: Mention, text: str, *, key: str, recover: bool, stage: Stage) -> str:
        """Write a message into the mention's thread once; see `Posting.post`."""
        return await self._posting.post(mention, rendered(text), key=key, recover=recover)

    async def edit(self, mention: Mention, message_id: str, text: str, *, stage: Stage) -> None:
        """Replace the text of one of the bot's messages. That edits unfurl no links is unverified."""
        await self._posting.update(mention, message_id, rendered(text))

    async def delete(self, mention: Mention, message_id: str) -> None:
        """Remove one of the bot's messages."""
        try:
            await self.api.write("chat.delete", channel=mention.place.channel, ts=message_id)
        except Gone:
            log.debug("slack_already_deleted")

    async def working(self, mention: Mention, *, on: bool) -> None:
        """Show "is thinking…" under the thread; the answer's first message clears it. Never fails.

        Slack dates the end of this method to February 2027: a refusal silences it until the next start.
        """
        if not on:
            self.pace.ended(mention.event_id)
        if not (on and self._shows_status and mention.place.thread):
            return
        try:
            await self.api.write(
                "assistant.threads.setStatus",
                channel_id=mention.place.channel,
                thread_ts=mention.place.thread,
                status="is thinking…",
            )
        except (Unscoped, Unsupported, Rejected, Forbidden) as error:
            self._silence_status(error)
        except PlatformError as error:
            log.debug("slack_status_failed", extra={"error": str(error)})

    async def backfill(self, mention: Mention, *, limit: int) -> Sequence[Message]:
        """The thread before the mention, oldest first; () where there is none or Slack never shows it.

        Raises Unreachable and RateLimited.
        """
        if mention.place.thread in (None, mention.message_id):
            return ()
        found: deque[Json] = deque(maxlen=max(0, min(limit, _BACKFILL_MAX)))
        try:
            async for raw in stored(self.api, mention, latest=mention.message_id):
                if raw.get("ts") != mention.message_id and message(raw, self.me):
                    found.append(raw)
        except (Forbidden, Gone, Rejected, TooMany) as error:
            log.warning("slack_backfill_failed", extra={"error": str(error)})
            return ()
        names = await self.names.of({user: None for raw in found for user in named_in(raw, self.me)})
        return tuple(line for raw in found if (line := message(raw, self.me, names)))

    async def aclose(self) -> None:
        """End what runs for the workspace."""
        await self.names.aclose()

    def _silence_status(self, error: PlatformError) -> None:
        if isinstance(error, Unscoped | Unsupported):
            self._shows_status = False
            log.info("slack_status_unavailable", extra={"error": str(error)})
        else:
            log.debug("slack_status_refused", extra={"error": str(error)})


def identity(auth_test: Answer) -> Identity:
    """Who the bot is, from the answer of `auth.test`."""
    data = auth_test.data
    return Identity(*(str(data.get(name) or "") for name in ("team_id", "user_id", "bot_id")))
