"""The gateway as the adapter sees it: put together here, done in the files beside it."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

from adapters.discord.api.client import Client
from adapters.discord.api.rest import Rest
from adapters.discord.gateway.balance import Balance
from adapters.discord.gateway.catchup import CatchUp
from adapters.discord.gateway.connection import FRAME_MAX_S, Handle, Means, Room
from adapters.discord.gateway.handling import at_once, walled
from adapters.discord.gateway.kept import Kept
from adapters.discord.gateway.leases import Leases
from adapters.discord.gateway.plan import Paces, Plan
from adapters.discord.gateway.progress import Hold
from adapters.discord.gateway.sessions import Sessions
from adapters.discord.gateway.shards import Shards
from adapters.discord.gateway.starts import Starts
from adapters.discord.gateway.talked import Talk, Talked
from adapters.discord.payloads.fields import Payload
from bot.services import Shared

Pause = Callable[[float], Awaitable[None]]

PACES = Paces()


class Gateway:
    """The connections through which this process hears."""

    def __init__(
        self,
        client: Client,
        rest: Rest,
        *,
        handlers: Mapping[str, Handle],
        room: Room,
        plan: Plan,
        paces: Paces = PACES,
        frame_max_s: float = FRAME_MAX_S,
        pause: Pause = asyncio.sleep,
        now: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._client = client
        self._rest = rest
        self._handlers = handlers
        self._room = room
        self._plan = plan
        self._paces = paces
        self._frame_max_s = frame_max_s
        self._pause = pause
        self._now = now
        self._chance = chance
        self._shards: Shards | None = None
        self._talked: Talked | None = None
        self._kept: Kept | None = None

    @property
    def connected(self) -> bool:
        """See `Shards.connected`; False before `open`."""
        return self._shards is not None and self._shards.connected

    @property
    def last_heard_s(self) -> float | None:
        """See `Shards.last_heard_s`; None before `open`."""
        return self._shards.last_heard_s if self._shards else None

    @property
    def notes(self) -> Sequence[str]:
        """See `Shards.notes`; () before `open`."""
        return self._shards.notes if self._shards else ()

    def open(self, *, application_id: str, shared: Shared | None, drain: Callable[[], Awaitable[None]]) -> None:
        """What needs the application's id. `drain` waits until what has arrived is taken, within a limit."""
        paces, leases, balance = self._paces, None, None
        if shared is not None:
            leases = Leases(shared, application_id=application_id, lease_s=paces.lease_s)
            if self._plan.ids is None:  # a process that may not have every shard could not take what is given
                balance = Balance(shared, application_id=application_id, after_s=paces.ask_after_s)
        starts = Starts(
            self._rest,
            shared,
            application_id=application_id,
            every_s=paces.identify_every_s,
            pause=self._pause,
            clock=time.monotonic,
        )
        talked = self._talked = Talked(shared, application_id=application_id)
        hear, described = self._handlers["MESSAGE_CREATE"], self._handlers["GUILD_CREATE"]
        catch_up = CatchUp(self._rest, hear, talked, room=self._room, now=self._now, pause=self._pause)

        describe_gap = walled("GUILD_CREATE", at_once(catch_up.describe))

        def describe(guild: Payload, hold: Hold) -> None:
            describe_gap(guild, hold)
            described(guild, hold)

        handlers = {**self._handlers, "GUILD_CREATE": describe}
        means = Means(
            self._client,
            starts,
            handlers,
            self._room,
            pause=self._pause,
            now=self._now,
            chance=self._chance,
            frame_max_s=self._frame_max_s,
            room_max_s=paces.room_max_s,
            may_grow=self._plan.count is None,
        )
        self._kept = Kept(Sessions(shared, application_id=application_id), talked, paces=paces)
        self._shards = Shards(
            means,
            self._kept,
            catch_up,
            plan=self._plan,
            leases=leases,
            balance=balance,
            drain=drain,
            paces=paces,
        )

    async def run(self) -> None:
        """Receive events until cancelled. Raises ConfigError; see `Shards.run`."""
        if self._shards is None:
            raise RuntimeError("listened to before it was opened")
        await self._shards.run()

    def talked(self, talk: Talk, *, addressed: bool) -> None:
        """Remember where people talk with the bot; see `Talked.note`."""
        if self._talked is not None and self._kept is not None and self._talked.note(talk, addressed=addressed):
            self._kept.news.set()
