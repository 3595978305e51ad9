"""What a process hears of Slack, over Socket Mode or HTTP: put together here, done in incoming/."""

import asyncio
from collections.abc import Iterable
from functools import partial

from aiohttp import web
from slack_sdk.signature import Clock
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.api.calls import Api, Unauthenticated, Unscoped
from adapters.slack.api.clients import socket_url
from adapters.slack.incoming.entrance import Rules
from adapters.slack.incoming.intake import Intake, Webhook
from adapters.slack.incoming.sockets import Sockets
from adapters.slack.settings import SlackSettings
from adapters.slack.workspaces import Workspaces
from bot.errors import ConfigError
from bot.platform import Submit
from bot.services import Services


class Listening:
    """Hands over what Slack delivers, from `open` on. See `SlackPlatform` for what the times are."""

    def __init__(
        self,
        settings: SlackSettings,
        *,
        within_s: float,
        ping_every_s: float,
        refresh_grace_s: float,
        sockets: int,
        leave_s: float,
        clock: Clock | None,
    ) -> None:
        self._settings = settings
        self._within_s = within_s
        self._ping_every_s = ping_every_s
        self._refresh_grace_s = refresh_grace_s
        self._socket_count = sockets
        self._leave_s = leave_s
        self._clock = clock
        self._client: AsyncWebClient | None = None
        self._intake: Intake | None = None
        self._sockets: Sockets | None = None

    def use(self, settings: SlackSettings) -> None:
        """Go on with renewed secrets: the next delivery or socket needs them."""
        self._settings = settings

    def open(self, workspaces: Workspaces, client: AsyncWebClient, services: Services | None) -> None:
        """Get ready, now that it is known who the bot is; `client` needs no token."""
        self._client = client
        rules = Rules.of(self._settings)
        self._intake = Intake(workspaces, within_s=self._within_s, rules=rules, services=services)

    @property
    def connected(self) -> bool:
        """Over Socket Mode whether a socket is alive, over HTTP whether deliveries are taken."""
        if self._settings.mode == "socket":
            return self._sockets is not None and self._sockets.connected
        return self._intake is not None and self._intake.submit is not None

    @property
    def last_heard_s(self) -> float | None:
        """Over Socket Mode the seconds since Slack last answered a ping, infinite without a socket; None over HTTP.

        None also while nothing is listened to. Twenty are four missed pings: the link is dead, as `connected` says.
        """
        return self._sockets.last_pong_age_s if self._sockets else None

    async def run(self, submit: Submit) -> None:
        """Receive events until cancelled, over HTTP `leave_s` longer.

        Raises ConfigError when Slack refuses the app token.
        """
        if self._intake is None or self._client is None:
            raise RuntimeError("open() comes first")
        intake, client = self._intake, self._client
        intake.submit, intake.leaving = submit, False
        try:
            await (self._on_sockets(intake, client) if self._settings.mode == "socket" else self._over_http(intake))
        finally:
            intake.submit = None

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """POST /slack/events, unless over Socket Mode. May be asked before `open`."""
        if self._settings.mode == "http":
            yield web.post("/slack/events", self._deliver)

    async def _over_http(self, intake: Intake) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            intake.leaving = True
            await asyncio.sleep(self._leave_s)

    async def _on_sockets(self, intake: Intake, client: AsyncWebClient) -> None:
        self._sockets = Sockets(
            url=partial(self._url, Api(client)),
            handle=intake.envelope,
            web_client=client,
            ping_every_s=self._ping_every_s,
            grace_s=self._refresh_grace_s,
            count=self._socket_count,
        )
        await self._sockets.run()

    async def _url(self, api: Api) -> str:
        try:
            return await socket_url(api, self._settings)
        except (Unauthenticated, Unscoped) as error:
            raise ConfigError(
                f"Slack refuses SLACK_APP_TOKEN ({error}): it needs the scope connections:write, and Socket Mode "
                "must be on."
            ) from error

    async def _deliver(self, request: web.Request) -> web.Response:
        secret = self._settings.slack_signing_secret
        if self._intake is None or secret is None:
            return web.Response(status=503)
        return await Webhook(self._intake, secret.get_secret_value(), clock=self._clock)(request)
