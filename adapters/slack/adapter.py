"""Slack as a platform: composes the parts of this package; holds no rule of its own about text or events."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

import aiohttp
from aiohttp import web
from slack_sdk.signature import Clock
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.calls import Api, Unauthenticated, Unscoped
from adapters.slack.intake import SUBMIT_WITHIN_S, Intake, Webhook
from adapters.slack.pace import EDIT_EVERY_S
from adapters.slack.posting import Pause
from adapters.slack.render import length
from adapters.slack.sdklog import sdk_logger
from adapters.slack.settings import SlackSettings
from adapters.slack.sockets import Sockets
from adapters.slack.workspace import Workspace
from adapters.slack.workspaces import OneWorkspace, Workspaces
from bot.errors import ConfigError
from bot.events import Mention, Message
from bot.platform import Limits, Stage, Submit

# chat.update refuses more than 4,000 characters, so nothing longer is posted (docs.slack.dev/reference/methods/
# chat.update, November 2026).
LIMITS: Final = Limits(text_max=4_000, edit_every_s=EDIT_EVERY_S, length=length)

_CONNECT_WITHIN_S: Final = 5.0


class SlackPlatform:
    """Slack, in one workspace or in many. Implements `bot.platform.Platform`, and `Routes` for events over HTTP.

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
        self._opened: _Opened | None = None
        self._sockets: Sockets | None = None

    @property
    def name(self) -> str:
        """Always `slack`."""
        return "slack"

    def limits(self, mention: Mention) -> Limits:
        """What a message of Slack's may hold; the pace of edits widens with the answers on their way in a workspace."""
        workspace = self._opened and self._opened.workspaces.known(mention.place.workspace)
        every_s = workspace.pace.edit_every_s if workspace else EDIT_EVERY_S
        return LIMITS if every_s == LIMITS.edit_every_s else replace(LIMITS, edit_every_s=every_s)

    @property
    def connected(self) -> bool:
        """Over Socket Mode whether a socket is alive, over HTTP whether deliveries are taken."""
        if self._settings.mode == "socket":
            return self._sockets is not None and self._sockets.connected
        return self._opened is not None and self._opened.intake.submit is not None

    async def open(self) -> None:
        """Learn who the bot is. Raises ConfigError when Slack refuses the bot token, Unreachable otherwise."""
        await self.aclose()  # what a failed try left open
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=self._call_within_s, connect=_CONNECT_WITHIN_S)
        )
        token = self._settings.slack_bot_token
        workspaces = OneWorkspace(token.get_secret_value() if token else "", self._client, pause=self._pause)
        await workspaces.open()
        self._opened = _Opened(workspaces, Intake(workspaces, within_s=self._within_s))

    async def listen(self, submit: Submit) -> None:
        """Receive events until cancelled. Raises ConfigError when Slack refuses the app token."""
        intake = self._ready.intake
        intake.submit = submit
        try:
            await (self._listen_on_sockets() if self._settings.mode == "socket" else asyncio.Event().wait())
        finally:
            intake.submit = None

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """POST /slack/events; nothing over Socket Mode. May be asked before `open`."""
        return [] if self._settings.mode == "socket" else [web.post("/slack/events", self._deliver)]

    async def post(
        self, mention: Mention, text: str, *, key: str, first: bool, recover: bool = False, stage: Stage = "last"
    ) -> str:
        """Write a message into the mention's thread once; see `Posting.post`."""
        workspace = await self._workspace(mention)
        return await workspace.post(mention, text, key=key, recover=recover, stage=stage)

    async def edit(self, mention: Mention, message_id: str, text: str, *, stage: Stage = "last") -> None:
        """Replace the text of one of the bot's messages."""
        await (await self._workspace(mention)).edit(mention, message_id, text, stage=stage)

    async def delete(self, mention: Mention, message_id: str) -> None:
        """Remove one of the bot's messages."""
        await (await self._workspace(mention)).delete(mention, message_id)

    async def working(self, mention: Mention, *, on: bool) -> None:
        """Show under the thread that an answer is being prepared."""
        await (await self._workspace(mention)).working(mention, on=on)

    async def backfill(self, mention: Mention, *, limit: int) -> Sequence[Message]:
        """The thread before the mention, oldest first."""
        return await (await self._workspace(mention)).backfill(mention, limit=limit)

    async def aclose(self) -> None:
        """Close the connections to Slack."""
        if self._opened:
            await self._opened.workspaces.aclose()
        if self._session:
            await self._session.close()

    @property
    def _ready(self) -> "_Opened":
        if self._opened is None:
            raise RuntimeError("open() comes first")
        return self._opened

    async def _workspace(self, mention: Mention) -> Workspace:
        return await self._ready.workspaces.of(mention.place.workspace)

    def _client(self, token: str) -> AsyncWebClient:
        if self._session is None:
            raise RuntimeError("open() comes first")
        return web_client(self._settings, self._session, token=token)

    async def _listen_on_sockets(self) -> None:
        intake = self._ready.intake
        self._sockets = Sockets(
            url=self._socket_url,
            handle=intake.envelope,
            web_client=self._client(""),
            ping_every_s=self._ping_every_s,
            grace_s=self._refresh_grace_s,
        )
        await self._sockets.run()

    async def _socket_url(self) -> str:
        try:
            return await socket_url(Api(self._client("")), self._settings)
        except (Unauthenticated, Unscoped) as error:
            raise ConfigError(
                f"Slack refuses SLACK_APP_TOKEN ({error}): it needs the scope connections:write, and Socket Mode "
                "must be on."
            ) from error

    async def _deliver(self, request: web.Request) -> web.Response:
        secret = self._settings.slack_signing_secret
        if self._opened is None or secret is None:
            return web.Response(status=503)
        return await Webhook(self._opened.intake, secret.get_secret_value(), clock=self._clock)(request)


class _Opened:
    """What exists once Slack has let the bot in."""

    def __init__(self, workspaces: Workspaces, intake: Intake) -> None:
        self.workspaces = workspaces
        self.intake = intake


def web_client(settings: SlackSettings, session: aiohttp.ClientSession, *, token: str | None = None) -> AsyncWebClient:
    """The SDK's client for a token (by default the bot token of the settings).

    Its retries are off: it would resend a post whose answer was lost.
    """
    own = settings.slack_bot_token
    return AsyncWebClient(
        token=(own.get_secret_value() if own else None) if token is None else token,
        base_url=settings.slack_api_url,
        session=session,
        retry_handlers=[],
        logger=sdk_logger(),
    )


async def socket_url(api: Api, settings: SlackSettings) -> str:
    """A URL for one socket; its ticket is good once and soon. Raises PlatformError."""
    token = settings.slack_app_token
    answer = await api.write("apps.connections.open", token=token.get_secret_value() if token else "")
    return str(answer.data.get("url"))
