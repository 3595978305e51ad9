"""All shards that this process listens to: which, from when until when, and what the next process needs of them.

With Redis each shard is leased: several processes share the shards, and one that finds none free stands by until a
lease lapses or is given back. Without, the process listens to all that its settings name.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from adapters.discord.gateway.catchup import CatchUp
from adapters.discord.gateway.connection import ROOM_MAX_S, Connection, Means
from adapters.discord.gateway.leases import LEASE_S, Leases
from adapters.discord.gateway.sessions import Saved, Sessions, Shard
from adapters.discord.gateway.starts import IDENTIFY_EVERY_S
from adapters.discord.gateway.succession import Missed
from adapters.discord.gateway.talked import Talked
from bot.errors import ConfigError, PlatformError, StoreError

log = logging.getLogger(__name__)

POLL_S = 0.5
"""How long a process without a shard waits before it asks again for free ones; one that has some waits that much
longer for each, so that who has least comes first. Chosen: a rolling update is deaf for no longer, and RESUME replays.
"""

SAVE_EVERY_S = 2.0
"""How often changed sessions are saved. Chosen: so much is replayed to the next process when this one is killed."""

HAND_OVER_MAX_S = 1.5
"""How long the last save may take: with the closing of sockets and the drain it ends inside the core's 6 s."""

FIND_TRIES = 5
"""So often a session that Redis does not give is asked for; then a new one begins, and what was missed is unknown."""

RETRY_FIRST_S, RETRY_MAX_S = 1.0, 30.0


@dataclass(frozen=True, slots=True)
class Paces:
    """How long things take that involve other processes. Everybody on one Redis must agree on `lease_s`."""

    lease_s: float = LEASE_S
    poll_s: float = POLL_S
    save_every_s: float = SAVE_EVERY_S
    identify_every_s: float = IDENTIFY_EVERY_S
    room_max_s: float = ROOM_MAX_S


@dataclass(frozen=True, slots=True)
class Plan:
    """Which shards may be listened to here. `count` None: as many as Discord advises. `ids` None: all of them."""

    count: int | None = None
    ids: Sequence[int] | None = None

    def shards(self, count: int) -> list[Shard]:
        """The shards of a given count. Raises ConfigError where an id is beyond it."""
        ids = range(count) if self.ids is None else self.ids
        if any(one >= count for one in ids):
            raise ConfigError(f"DISCORD_SHARD_IDS names a shard that does not exist: there are {count}, from 0.")
        return [Shard(one, count) for one in ids]


class Shards:
    """The connections of one process."""

    def __init__(
        self,
        means: Means,
        sessions: Sessions,
        talked: Talked,
        catch_up: CatchUp,
        *,
        plan: Plan,
        leases: Leases | None,
        drain: Callable[[], Awaitable[None]],
        paces: Paces,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._means = means
        self._sessions = sessions
        self._talked = talked
        self._catch_up = catch_up
        self._reading: dict[Shard, asyncio.Task[None]] = {}
        self._plan = plan
        self._leases = leases
        self._drain = drain
        self._paces = paces
        self._sleep = sleep
        self._held: dict[Shard, Connection | None] = {}
        self._written: dict[Shard, Saved] = {}
        self._asked_at: float | None = None
        self._news = asyncio.Event()

    @property
    def connected(self) -> bool:
        """Whether every shard held here is live.

        A process that holds none is a standby: it is as ready as it can be while it is able to ask for leases.
        """
        if self._held:
            return all(one is not None and one.connected for one in self._held.values())
        if self._leases is None or self._asked_at is None:
            return False
        return asyncio.get_running_loop().time() - self._asked_at < self._leases.lease_s

    @property
    def last_heard_s(self) -> float | None:
        """Seconds since the last frame, of the shard that is silent for longest; None where none is held."""
        return max((one.silent_s if one else float("inf") for one in self._held.values()), default=None)

    @property
    def held(self) -> list[Connection]:
        """The connections of this process."""
        return [one for one in self._held.values() if one is not None]

    async def run(self) -> None:
        """Listen until cancelled; then close so that the sessions can be resumed, save them and give the leases back.

        Raises ConfigError where the settings name shards that do not exist.
        """
        shards = self._plan.shards(await self._count())
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._save_often(), name="discord sessions")
                if self._leases is None:
                    for shard in shards:
                        self._begin(tasks, shard)
                else:
                    await self._compete(tasks, shards, self._leases)
        finally:
            await self._hand_over()

    def _begin(self, tasks: asyncio.TaskGroup, shard: Shard) -> None:
        self._held[shard] = None
        tasks.create_task(self._serve(shard), name=f"discord shard {shard.id}")

    async def _count(self) -> int:
        pause_s = RETRY_FIRST_S
        while self._plan.count is None:
            try:
                return (await self._means.starts.advice()).shards
            except PlatformError as error:
                log.warning("shard_count_unknown", extra={"error": str(error)})
            await self._means.pause(pause_s * (0.5 + self._means.chance() / 2))
            pause_s = min(2 * pause_s, RETRY_MAX_S)
        return self._plan.count

    async def _compete(self, tasks: asyncio.TaskGroup, shards: Sequence[Shard], leases: Leases) -> None:
        """Take free shards one at a time for ever."""
        standby = False
        while True:
            try:
                found = await self._free(shards, leases)
                self._asked_at = asyncio.get_running_loop().time()
            except StoreError as error:
                log.warning("shard_lease_unknown", extra={"error": type(error).__name__})
                found = None
            if found is not None:
                self._begin(tasks, found)
            elif not self._held and not standby and self._asked_at is not None:
                log.info("gateway_standby", extra={"shards": len(shards)})
            standby = not self._held
            await self._sleep(self._paces.poll_s * (1 + len(self._held)))

    async def _free(self, shards: Sequence[Shard], leases: Leases) -> Shard | None:
        for shard in shards:
            if shard not in self._held and await leases.take(shard):
                return shard
        return None

    async def _serve(self, shard: Shard) -> None:
        """Listen to one shard until its lease is lost."""
        saved = await self._found(shard)
        self._describe_threads(shard)
        connection = self._held[shard] = Connection(
            self._means, shard, saved=saved, missed=self._read, stands=self._news.set
        )
        ends = [asyncio.create_task(connection.run(), name=f"discord connection {shard.id}")]
        if self._leases is not None:
            ends.append(asyncio.create_task(self._lost(shard, self._leases), name=f"discord lease {shard.id}"))
        try:
            over, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in ends:
                task.cancel()
            await asyncio.wait(ends)
        for task in over:
            task.result()  # an error of ours is the listener's, not to be swallowed here
        log.warning("shard_lost", extra={"shard": shard.id})
        self._stop_reading(shard)
        del self._held[shard]  # whoever has it now saves its session
        self._written.pop(shard, None)

    async def _lost(self, shard: Shard, leases: Leases) -> None:
        """Keep the lease; returns once another process has it."""
        while True:
            await self._sleep(leases.lease_s / 4)
            with suppress(StoreError):  # nobody else can take it either
                if not await leases.keep(shard):
                    return

    def _describe_threads(self, shard: Shard) -> None:
        """A session that another process has begun describes nothing again: say which threads are known to be some."""
        if handle := self._means.handlers.get("THREAD_CREATE"):
            for described in filter(None, (talk.described() for talk in self._talked.of(shard))):
                handle(described, lambda: lambda: None)

    def _read(self, missed: Missed) -> None:
        """Read afterwards what a shard has missed; a newer gap includes the one that is being read."""
        self._stop_reading(missed.shard)
        gap = self._catch_up.open(missed.shard, missed.since, guilds=missed.guilds)

        async def read() -> None:
            await self._catch_up.run(gap)
            missed.read()

        self._reading[missed.shard] = asyncio.create_task(read(), name=f"discord catch-up {missed.shard.id}")

    def _stop_reading(self, shard: Shard) -> None:
        if task := self._reading.pop(shard, None):
            task.cancel()

    async def _found(self, shard: Shard) -> Saved | None:
        for _ in range(FIND_TRIES):
            try:
                await self._talked.load(shard)
                return await self._sessions.find(shard)
            except StoreError as error:
                log.warning("session_unknown", extra={"shard": shard.id, "error": type(error).__name__})
            await self._sleep(self._paces.poll_s)
        return None

    async def _save_often(self) -> None:
        """Save what has changed every few seconds, and a new session at once."""
        while True:
            # Not wait_for: on Python 3.11 it swallows a cancellation that comes together with the news.
            with suppress(TimeoutError):
                async with asyncio.timeout(self._paces.save_every_s):
                    await self._news.wait()
            self._news.clear()
            try:
                await self._save()
            except StoreError as error:
                log.warning("sessions_not_saved", extra={"error": type(error).__name__})

    async def _save(self) -> None:
        for connection in self.held:
            saved = connection.saved
            if saved is not None and saved != self._written.get(connection.shard):
                await self._sessions.save(connection.shard, saved)
                self._written[connection.shard] = saved
            await self._talked.save(connection.shard)

    async def _hand_over(self) -> None:
        """What has arrived is taken first, so that as little as possible is replayed."""
        for shard in list(self._reading):
            self._stop_reading(shard)
        try:
            await self._drain()
            async with asyncio.timeout(HAND_OVER_MAX_S):
                await self._save()
                if self._leases is not None:
                    for shard in self._held:
                        await self._leases.release(shard)
        except (StoreError, TimeoutError) as error:  # the leases lapse, and what was saved last is resumed
            log.warning("sessions_not_handed_over", extra={"error": type(error).__name__})
        finally:
            self._held.clear()
            self._written.clear()
            self._asked_at = None
