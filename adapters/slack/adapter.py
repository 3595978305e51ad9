"""Slack as a platform: composes the parts of this package; holds no rule of its own about text or events."""

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

import aiohttp
from aiohttp import web
from slack_sdk.signature import Clock
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.calls import Answer, Api, Unauthenticated, Unscoped, Unsupported
from adapters.slack.intake import SUBMIT_WITHIN_S, Intake, Webhook
from adapters.slack.names import Names
from adapters.slack.pace import EDIT_EVERY_S, Pace
from adapters.slack.parse import Identity, Json, message, named_in
from adapters.slack.posting import Pause, Posting, TooMany, stored
from adapters.slack.render import length, rendered
from adapters.slack.sdklog import sdk_logger
from adapters.slack.settings import SlackSettings
from adapters.slack.sockets import Sockets
from bot.errors import ConfigError, Forbidden, Gone, PlatformError, Rejected, Unreachable
from bot.events import Mention, Message
from bot.platform import Limits, Submit

log = logging.getLogger(__name__)

# chat.update refuses more than 4,000 characters, so nothing longer is posted (docs.slack.dev/reference/methods/
# chat.update, November 2026).
LIMITS: Final = Limits(text_max=4_000, edit_every_s=EDIT_EVERY_S, length=length)

_BACKFILL_MAX: Final = 50
_CONNECT_WITHIN_S: Final = 5.0


class SlackPlatform:
    """One Slack workspace. Implements `bot.platform.Platform`, and `Routes` for events over HTTP.

    `pause` waits between two read-backs, `within_s` bounds an event's way into the inbox, `call_within_s` one call of
    the Web API, `ping_every_s` is the heartbeat of Socket Mode and `clock` says the time for signatures.
    """

    def __init__(
        self,
        settings: SlackSettings,
        *,
        pause: Pause = asyncio.sleep,
        within_s: float = SUBMIT_WITHIN_S,
        call_within_s: float = 15.0,
        ping_every_s: float = 5.0,
        refresh_grace_s: float = 10.0,
        clock: Clock | None = None,
    ) -> None:
        self._settings = settings
        self._pause = pause
        self._within_s = within_s
        self._call_within_s = call_within_s
        self._ping_every_s = ping_every_s
        self._refresh_grace_s = refresh_grace_s
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None
        self._parts: _Parts | None = None
        self._sockets: Sockets | None = None
        self._shows_status = True
        self._pace = Pace()

    @property
    def name(self) -> str:
        """Always `slack`."""
        return "slack"

    @property
    def limits(self) -> Limits:
        """What a message of Slack's may hold; the pace of edits widens with the number of answers on their way."""
        every_s = self._pace.edit_every_s
        return LIMITS if every_s == LIMITS.edit_every_s else replace(LIMITS, edit_every_s=every_s)

    @property
    def connected(self) -> bool:
        """Over Socket Mode whether a socket is alive, over HTTP whether deliveries are taken."""
        if self._settings.mode == "socket":
            return self._sockets is not None and self._sockets.connected
        return self._parts is not None and self._parts.intake.submit is not None

    async def open(self) -> None:
        """Learn who the bot is. Raises ConfigError when Slack refuses the bot token, Unreachable otherwise."""
        await self.aclose()  # what a failed try left open
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=self._call_within_s, connect=_CONNECT_WITHIN_S)
        )
        client = web_client(self._settings, self._session)
        try:
            answer = await Api(client).write("auth.test")
        except Unauthenticated as error:
            raise ConfigError(f"Slack refuses SLACK_BOT_TOKEN ({error}): reinstall the app and copy it.") from error
        me = identity(answer)
        if not (me.team_id and me.user_id and me.bot_id):
            # Without them own messages look like other people's: the bot would answer itself.
            raise Unreachable("auth.test: the answer does not say who the bot is")
        self._parts = _Parts(client, me, pace=self._pace, pause=self._pause, within_s=self._within_s)

    async def listen(self, submit: Submit) -> None:
        """Receive events until cancelled. Raises ConfigError when Slack refuses the app token."""
        intake = self._opened.intake
        intake.submit = submit
        try:
            await (self._listen_on_sockets() if self._settings.mode == "socket" else asyncio.Event().wait())
        finally:
            intake.submit = None

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """POST /slack/events; nothing over Socket Mode. May be asked before `open`."""
        return [] if self._settings.mode == "socket" else [web.post("/slack/events", self._deliver)]

    async def post(self, mention: Mention, text: str, *, key: str, first: bool, recover: bool = False) -> str:
        """Write a message into the mention's thread once; see `Posting.post`."""
        return await self._opened.posting.post(mention, rendered(text), key=key, recover=recover)

    async def edit(self, mention: Mention, message_id: str, text: str) -> None:
        """Replace the text of one of the bot's messages. That edits unfurl no links is unverified."""
        await self._opened.posting.update(mention, message_id, rendered(text))

    async def delete(self, mention: Mention, message_id: str) -> None:
        """Remove one of the bot's messages."""
        try:
            await self._opened.api.write("chat.delete", channel=mention.place.channel, ts=message_id)
        except Gone:
            log.debug("slack_already_deleted")

    async def working(self, mention: Mention, *, on: bool) -> None:
        """Show "is thinking…" under the thread; the answer's first message clears it. Never fails.

        Slack dates the end of this method to February 2027: a refusal silences it until the next start.
        """
        if not on:
            self._pace.ended(mention.event_id)
        if not (on and self._shows_status and mention.place.thread):
            return
        try:
            await self._opened.api.write(
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
        parts = self._opened
        try:
            async for raw in stored(parts.api, mention, latest=mention.message_id):
                if raw.get("ts") != mention.message_id and message(raw, parts.me):
                    found.append(raw)
        except (Forbidden, Gone, Rejected, TooMany) as error:
            log.warning("slack_backfill_failed", extra={"error": str(error)})
            return ()
        names = await parts.names.of({user: None for raw in found for user in named_in(raw, parts.me)})
        return tuple(line for raw in found if (line := message(raw, parts.me, names)))

    async def aclose(self) -> None:
        """Close the connections to Slack."""
        if self._parts:
            await self._parts.names.aclose()
        if self._session:
            await self._session.close()

    @property
    def _opened(self) -> "_Parts":
        if self._parts is None:
            raise RuntimeError("open() comes first")
        return self._parts

    async def _listen_on_sockets(self) -> None:
        parts = self._opened
        self._sockets = Sockets(
            url=self._socket_url,
            handle=parts.intake.envelope,
            web_client=parts.client,
            ping_every_s=self._ping_every_s,
            grace_s=self._refresh_grace_s,
        )
        await self._sockets.run()

    async def _socket_url(self) -> str:
        try:
            return await socket_url(self._opened.api, self._settings)
        except (Unauthenticated, Unscoped) as error:
            raise ConfigError(
                f"Slack refuses SLACK_APP_TOKEN ({error}): it needs the scope connections:write, and Socket Mode "
                "must be on."
            ) from error

    async def _deliver(self, request: web.Request) -> web.Response:
        secret = self._settings.slack_signing_secret
        if self._parts is None or secret is None:
            return web.Response(status=503)
        return await Webhook(self._parts.intake, secret.get_secret_value(), clock=self._clock)(request)

    def _silence_status(self, error: PlatformError) -> None:
        if isinstance(error, Unscoped | Unsupported):
            self._shows_status = False
            log.info("slack_status_unavailable", extra={"error": str(error)})
        else:
            log.debug("slack_status_refused", extra={"error": str(error)})


class _Parts:
    """What exists once the bot knows who it is."""

    def __init__(self, client: AsyncWebClient, me: Identity, *, pace: Pace, pause: Pause, within_s: float) -> None:
        self.client = client
        self.me = me
        self.api = Api(client)
        self.posting = Posting(self.api, me, pace=pace, pause=pause)
        self.names = Names(self.api)
        self.intake = Intake(client.token or "", me, names=self.names, within_s=within_s)


def web_client(settings: SlackSettings, session: aiohttp.ClientSession) -> AsyncWebClient:
    """The SDK's client for the bot token, with its retries off: it would resend a post whose answer was lost."""
    token = settings.slack_bot_token
    return AsyncWebClient(
        token=token.get_secret_value() if token else None,
        base_url=settings.slack_api_url,
        session=session,
        retry_handlers=[],
        logger=sdk_logger(),
    )


def identity(auth_test: Answer) -> Identity:
    """Who the bot is, from the answer of `auth.test`."""
    data = auth_test.data
    return Identity(*(str(data.get(name) or "") for name in ("team_id", "user_id", "bot_id")))


async def socket_url(api: Api, settings: SlackSettings) -> str:
    """A URL for one socket; its ticket is good once and soon. Raises PlatformError."""
    token = settings.slack_app_token
    answer = await api.write("apps.connections.open", token=token.get_secret_value() if token else "")
    return str(answer.data.get("url"))
