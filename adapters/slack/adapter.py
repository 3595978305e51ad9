"""Slack as a platform: composes the parts of this package; holds no rule of its own about text or events."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import aiohttp
from aiohttp import web
from slack_sdk.signature import Clock
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.answers.pace import EDIT_EVERY_S
from adapters.slack.answers.private import VIEW, VIEW_MAX
from adapters.slack.answers.streaming import STREAM_LIMITS
from adapters.slack.api.calls import Api
from adapters.slack.api.chores import Pause
from adapters.slack.api.clients import Clients, say_app, session
from adapters.slack.incoming.intake import SUBMIT_WITHIN_S
from adapters.slack.installs import oauth
from adapters.slack.installs.installations import Installations
from adapters.slack.installs.installed import InstalledWorkspaces
from adapters.slack.installs.oauth import Installing
from adapters.slack.installs.rotation import Rotation
from adapters.slack.listening import Listening
from adapters.slack.settings import SlackSettings
from adapters.slack.text.render import length
from adapters.slack.workspace import Options, Workspace
from adapters.slack.workspaces import OneWorkspace, Workspaces
from bot.events import Mention, Message
from bot.platform import LEAVE_S, Limits, LiveMessage, Stage, StreamLimits, Submit
from bot.services import Services

# chat.update refuses more than 4,000 characters, so nothing longer is posted (docs.slack.dev/reference/methods/
# chat.update, November 2026). One table of 100 rows in a message: Slack refuses a second (only_one_table_allowed).
LIMITS: Final = Limits(
    text_max=4_000, edit_every_s=EDIT_EVERY_S, length=length, stages=True, tables_max=1, table_rows_max=100
)

MODAL_LIMITS: Final = Limits(text_max=VIEW_MAX, edit_every_s=EDIT_EVERY_S, parts_max=1, length=length)


class SlackPlatform:
    """Slack, in one workspace or in many. Implements `bot.platform.Platform`, and `Routes` for events over HTTP.

    `pause` waits between two read-backs, `within_s` bounds an event's way into the inbox, `call_within_s` one call of
    the Web API, `ping_every_s` is the heartbeat of Socket Mode, `sockets` how many of them this process keeps (see
    `sockets`), `leave_s` how long a stopping listener over HTTP goes on, and `clock` says the time for signatures.
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
        sockets: int = 1,
        leave_s: float = LEAVE_S,
        clock: Clock | None = None,
    ) -> None:
        self._settings = settings
        self._pause = pause
        self._call_within_s = call_within_s
        self._listening = Listening(
            settings,
            within_s=within_s,
            ping_every_s=ping_every_s,
            refresh_grace_s=refresh_grace_s,
            sockets=sockets,
            leave_s=leave_s,
            clock=clock,
        )
        self._session: aiohttp.ClientSession | None = None
        self._workspaces: Workspaces | None = None
        self._services: Services | None = None
        self._oauth: _OAuth | None = None
        self._limited_calls = 0

    def use(self, services: Services) -> None:
        """Share state with the other processes of the bot. Called before `open`."""
        self._services = services

    @property
    def name(self) -> str:
        """Always `slack`."""
        return "slack"

    def limits(self, mention: Mention) -> Limits:
        """What a message of Slack's may hold; the pace of edits widens with the answers on their way in a workspace."""
        if mention.reply_ref.startswith(VIEW):
            return MODAL_LIMITS
        workspace = self._known(mention)
        every_s = workspace.pace.edit_every_s if workspace else EDIT_EVERY_S
        return LIMITS if every_s == LIMITS.edit_every_s else replace(LIMITS, edit_every_s=every_s)

    @property
    def connected(self) -> bool:
        """Over Socket Mode whether a socket is alive, over HTTP whether deliveries are taken."""
        return self._listening.connected

    @property
    def last_heard_s(self) -> float | None:
        """Over Socket Mode the seconds since Slack last answered a ping, infinite without a socket; None over HTTP.

        None also while nothing is listened to. Twenty are four missed pings: the link is dead, as `connected` says.
        """
        return self._listening.last_heard_s

    @property
    def limited_calls(self) -> int:
        """Answers of the Web API with 429 since the start."""
        return self._limited_calls

    async def open(self) -> None:
        """Learn who the bot is. Raises ConfigError when Slack refuses the bot token, Unreachable otherwise."""
        await self.aclose()  # what a failed try left open
        self._session = session(within_s=self._call_within_s, on_answer=self._answered)
        workspaces = self._many() if self._settings.oauth else self._one()
        await workspaces.open()
        if isinstance(workspaces, OneWorkspace):
            workspaces.use(_bot_token(self._settings))  # it may have been renewed meanwhile
        self._listening.open(workspaces, self._clients.of(""), self._services)
        self._workspaces = workspaces

    async def listen(self, submit: Submit) -> None:
        """Receive events until cancelled, over HTTP `leave_s` longer.

        Raises ConfigError when Slack refuses the app token.
        """
        await self._listening.run(submit)

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """POST /slack/events, unless over Socket Mode; with OAuth the install pages. May be asked before `open`."""
        yield from self._listening.routes()
        if self._settings.oauth:
            yield from oauth.routes(self._install, self._redirected)

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

    @property
    def stream_limits(self) -> StreamLimits:
        """What a natively streamed message may hold."""
        return STREAM_LIMITS

    def may_stream(self, mention: Mention) -> bool:
        """Whether an answer may be streamed. See `bot.platform.Streams`."""
        workspace = self._known(mention)
        return workspace is None or workspace.may_stream(mention)

    async def begin(self, mention: Mention, text: str, *, key: str) -> LiveMessage | None:
        """Begin a message that grows; None where it cannot be streamed. See `bot.platform.Streams`."""
        return await (await self._workspace(mention)).begin(mention, text, key=key)

    async def upload(self, mention: Mention, text: str, *, name: str, key: str, recover: bool) -> str:
        """Put a Markdown file under the answer. See `bot.platform.Uploads`."""
        workspace = await self._workspace(mention)
        return await workspace.upload(mention, text, name=name, key=key, recover=recover)

    async def remove(self, mention: Mention, file_id: str) -> None:
        """Remove a file of the bot's."""
        await (await self._workspace(mention)).remove(file_id)

    async def working(self, mention: Mention, *, on: bool) -> None:
        """Show that an answer is being prepared, or that it stands."""
        await (await self._workspace(mention)).working(mention, on=on)

    async def backfill(self, mention: Mention, *, limit: int, since: str = "") -> Sequence[Message]:
        """The thread before the mention, oldest first."""
        return await (await self._workspace(mention)).backfill(mention, limit=limit, since=since)

    async def aclose(self) -> None:
        """Close the connections to Slack."""
        if self._workspaces:
            await self._workspaces.aclose()
        if self._session:
            await self._session.close()

    def renew(self, settings: object) -> frozenset[str]:
        """Go on with renewed secrets, each where it is used next: the next call, delivery or socket."""
        if not isinstance(settings, SlackSettings):
            return frozenset()
        # What was not set before, or is not any more, would change how the bot lives there.
        names = {name for name in _RENEWABLE if getattr(self._settings, name) and getattr(settings, name)}
        secret = self._settings.slack_client_secret
        self._settings = self._settings.model_copy(update={name: getattr(settings, name) for name in names})
        self._listening.use(self._settings)
        if isinstance(self._workspaces, OneWorkspace):
            self._workspaces.use(_bot_token(self._settings))
        if self._oauth and self._settings.slack_client_secret != secret:
            self._oauth.use_secret(self._settings)
        return frozenset(names)

    def _one(self) -> Workspaces:
        return OneWorkspace(_bot_token(self._settings), self._clients.of, pause=self._pause, options=self._options)

    def _many(self) -> Workspaces:
        if self._services is None:
            raise RuntimeError("use() comes first where workspaces install the app by OAuth")
        shared, clients = self._services.shared, self._clients
        store = Installations(shared)
        app = clients.app()
        installing = Installing(self._settings, shared, store=store, client=clients.installing())
        rotation = Rotation(store, Api(app), pause=self._pause)
        self._oauth = _OAuth(app, installing, rotation)
        return InstalledWorkspaces(
            self._services,
            store,
            rotation=rotation,
            client_of=clients.of,
            client_for=clients.renewing,
            pause=self._pause,
            options=self._options,
        )

    @property
    def _options(self) -> Options:
        return Options(
            streaming=self._settings.slack_streaming != "off",
            agent=self._settings.slack_agent != "off",
            distributed=self._settings.slack_distributed,
            services=self._services,
        )

    def _known(self, mention: Mention) -> Workspace | None:
        """The mention's workspace, where it is open already."""
        return self._workspaces.known(mention.place.workspace) if self._workspaces else None

    async def _workspace(self, mention: Mention) -> Workspace:
        if self._workspaces is None:
            raise RuntimeError("open() comes first")
        return await self._workspaces.of(mention.place.workspace)

    @property
    def _clients(self) -> Clients:
        if self._session is None:
            raise RuntimeError("open() comes first")
        return Clients(self._settings, self._session)

    def _answered(self, status: int) -> None:
        self._limited_calls += status == 429

    async def _install(self, request: web.Request) -> web.StreamResponse:
        return await self._oauth.installing.install(request) if self._oauth else web.Response(status=503)

    async def _redirected(self, request: web.Request) -> web.StreamResponse:
        return await self._oauth.installing.redirected(request) if self._oauth else web.Response(status=503)


_RENEWABLE: Final = ("slack_bot_token", "slack_app_token", "slack_signing_secret", "slack_client_secret")


def _bot_token(settings: SlackSettings) -> str:
    return settings.slack_bot_token.get_secret_value() if settings.slack_bot_token else ""


@dataclass(frozen=True, slots=True)
class _OAuth:
    """What holds the client secret where workspaces install the app."""

    app: AsyncWebClient
    installing: Installing
    rotation: Rotation

    def use_secret(self, settings: SlackSettings) -> None:
        """Say with another secret which app this is; what was refused to the old one is tried again."""
        say_app(self.app, settings)
        self.installing.use_secret(settings)
        self.rotation.secret_renewed()
