"""What a process hears of Discord, by the gateway and over HTTP: put together here, done in gateway/ and incoming/."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import partial

from aiohttp import web

from adapters.discord.api.client import Client
from adapters.discord.api.rest import Rest
from adapters.discord.api.webhooks import Webhooks
from adapters.discord.app.syncing import sync
from adapters.discord.gateway.connection import Handle
from adapters.discord.gateway.gateway import Gateway
from adapters.discord.gateway.handling import at_once, until_done, walled
from adapters.discord.gateway.plan import Paces, Plan
from adapters.discord.gateway.progress import Hold
from adapters.discord.gateway.talked import Talk
from adapters.discord.incoming.access import Access
from adapters.discord.incoming.directory import Directory
from adapters.discord.incoming.endpoint import PATH, Endpoint
from adapters.discord.incoming.entrance import Entrance
from adapters.discord.incoming.hearing import Hearing, Rules
from adapters.discord.incoming.intake import Intake
from adapters.discord.incoming.interactions import Interactions
from adapters.discord.incoming.lines import Lines
from adapters.discord.incoming.lookup import Lookup
from adapters.discord.incoming.marks import Marks
from adapters.discord.incoming.opening import Opening
from adapters.discord.payloads.fields import Payload
from adapters.discord.payloads.guild import Around
from adapters.discord.settings import DiscordSettings
from bot.events import Mention
from bot.platform import Submit
from bot.services import Services


class Listening:
    """Hands over what people say and press. `directory` learns from the gateway; services, if any, come first."""

    def __init__(
        self,
        settings: DiscordSettings,
        client: Client,
        rest: Rest,
        webhooks: Webhooks,
        directory: Directory,
        *,
        marks: Marks,
        lines: Lines,
        frame_max_s: float,
        waiting_max: int,
        drain_max_s: float,
        leave_s: float,
        paces: Paces,
        step_s: float,
        pause: Callable[[float], Awaitable[None]],
        now: Callable[[], float],
        chance: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._rest = rest
        self._webhooks = webhooks
        self._directory = directory
        self._drain_max_s = drain_max_s
        self._leave_s = min(leave_s, drain_max_s)
        self._step_s = step_s
        self._now = now
        self._services: Services | None = None
        self._submit: Submit | None = None
        self._application_id = ""
        self._intake = Intake(waiting_max=waiting_max, pause=pause, chance=chance)
        self._hearing = Hearing(
            Rules(Access.of(settings), free=settings.discord_free_channels, bots=settings.discord_allow_bots),
            self._intake,
            directory,
            lookup=Lookup(rest, directory),
            opening=Opening(rest, directory, where=settings.discord_threads),
            marks=marks,
            lines=lines,
            services=lambda: self._services,
            submit=lambda: self._submit,
            talked=self._talked,
            now=now,
        )
        self._interactions = self._taking_interactions()
        self.gateway = Gateway(
            client,
            rest,
            handlers=self._handlers(),
            room=self._intake,
            plan=Plan(settings.shard_count, settings.shard_ids),
            paces=paces,
            frame_max_s=frame_max_s,
            pause=pause,
            now=now,
            chance=chance,
        )

    def use(self, services: Services) -> None:
        """Share state with the other processes of the bot. Called before `open`."""
        self._services = services
        self._interactions = self._taking_interactions()

    def open(self, *, application_id: str) -> None:
        """Get ready, now that it is known whose gateway it is."""
        self._application_id = application_id
        self.gateway.open(
            application_id=application_id,
            shared=self._services.shared if self._services else None,
            drain=partial(self._intake.drain, limit_s=self._drain_max_s),
        )

    @property
    def connected(self) -> bool:
        """Whether the shards held here are heard of; of one that takes interactions alone, whether it takes them."""
        return self.gateway.connected if self._settings.discord_gateway == "on" else self._submit is not None

    async def run(self, submit: Submit) -> None:
        """Receive until cancelled. What has arrived by then is still taken, within `drain_max_s`.

        Over HTTP the first `leave_s` of that are for what still comes: Discord sends no interaction again. Raises
        ConfigError where the settings name shards that do not exist.
        """
        self._submit = self._interactions.submit = submit
        self._interactions.leaving = False
        syncing = asyncio.create_task(self._sync(), name="discord commands")
        try:
            await (self.gateway.run() if self._settings.discord_gateway == "on" else asyncio.Event().wait())
        finally:
            syncing.cancel()
            await self._leave()

    async def _leave(self) -> None:
        interactions, leave_s = self._interactions, self._leave_s if self._settings.discord_public_key else 0.0
        interactions.leaving = True
        try:
            await asyncio.sleep(leave_s)
        finally:
            interactions.submit = None
            await interactions.drain(limit_s=self._drain_max_s - leave_s)
            self._submit = None

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """POST /discord/interactions, where the public key is set. May be asked before `open`."""
        if self._settings.discord_public_key:
            yield web.post(PATH, self._deliver)

    def _handlers(self) -> dict[str, Handle]:
        handlers: dict[str, Handle] = {event: at_once(handle) for event, handle in self._directory.handlers().items()}
        hearing = self._hearing
        handlers |= {
            "MESSAGE_CREATE": until_done(hearing.created),
            "MESSAGE_UPDATE": until_done(hearing.updated),
            "MESSAGE_DELETE": until_done(hearing.deleted),
            "MESSAGE_DELETE_BULK": until_done(hearing.deleted),
            "INTERACTION_CREATE": self._interaction,
        }
        return {event: walled(event, handle) for event, handle in handlers.items()}

    def _around(self, guild_id: str | None) -> Around:
        return Around(own_id=self._directory.own_id, guild=self._directory.guild(guild_id))

    def _talked(self, found: Mention) -> None:
        channel, guild = found.place.channel, found.place.workspace
        starter = self._directory.guild(guild).threads.get(channel, "") if found.place.thread else None
        self.gateway.talked(Talk(channel, guild, starter), addressed=found.addressed)

    def _interaction(self, data: Payload, hold: Hold) -> None:
        # Past the line of its channel: Discord waits 3 s for the first response.
        self._interactions.begin(data, done=hold())

    def _taking_interactions(self) -> Interactions:
        entrance = Entrance(Access.of(self._settings), self._around, self._services)
        return Interactions(entrance, self._rest, self._webhooks, step_s=self._step_s)

    async def _deliver(self, request: web.Request) -> web.Response:
        return await Endpoint(self._interactions, self._settings.discord_public_key, now=self._now)(request)

    async def _sync(self) -> None:
        if self._services is not None:
            await sync(self._rest, self._services.shared, self._application_id)
