"""All shards that this process listens to: which, from when until when, and what the next process needs of them.

With Redis each shard is leased: several processes share the shards, and one that finds none free stands by until a
lease lapses, is given back, or another process has one to spare. Without, the process listens to all that its settings
name.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from adapters.discord.gateway.balance import Balance
from adapters.discord.gateway.catchup import CatchUp
from adapters.discord.gateway.connection import HOPELESS_PAUSE_S, Connection, Means, Outgrown
from adapters.discord.gateway.kept import Kept
from adapters.discord.gateway.leases import Leases
from adapters.discord.gateway.plan import Paces, Plan
from adapters.discord.gateway.sessions import Shard
from adapters.discord.gateway.succession import Missed
from bot.errors import PlatformError, StoreError

log = logging.getLogger(__name__)

HAND_OVER_MAX_S = 1.5
"""How long the last save may take: with the closing of sockets and the drain it ends inside the core's 6 s."""

RETRY_FIRST_S, RETRY_MAX_S = 1.0, 30.0


class Shards:
    """The connections of one process."""

    def __init__(
        self,
        means: Means,
        sessions: Kept,
        catch_up: CatchUp,
        *,
        plan: Plan,
        leases: Leases | None,
        balance: Balance | None,
        drain: Callable[[], Awaitable[None]],
        paces: Paces,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._means = means
        self._sessions = sessions
        self._catch_up = catch_up
        self._reading: dict[Shard, asyncio.Task[None]] = {}
        self._plan = plan
        self._leases = leases
        self._balance = balance
        self._rests_until = 0.0
        self._drain = drain
        self._paces = paces
        self._sleep = sleep
        self._held: dict[Shard, Connection | None] = {}
        self._asked_at: float | None = None

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
    def notes(self) -> Sequence[str]:
        """Which shards are listened to here, or that the process stands by; () while it does not listen."""
        if self._held:
            ids = ", ".join(str(shard.id) for shard in sorted(self._held, key=lambda shard: shard.id))
            return [f"listens to shard {ids} of {next(iter(self._held)).count}"]
        return ["stands by: other processes listen to all shards"] if self.connected else ()

    @property
    def held(self) -> list[Connection]:
        """The connections of this process."""
        return [one for one in self._held.values() if one is not None]

    async def run(self) -> None:
        """Listen until cancelled; then close so that the sessions can be resumed, save them and give the leases back.

        Raises ConfigError where the settings name shards that do not exist.
        """
        refused = 0
        while True:
            count = await self._count()
            if count == refused:  # it may be some time until Discord advises more
                await self._means.pause(HOPELESS_PAUSE_S)
            try:
                await self._listen(self._plan.shards(count))
            except* Outgrown:
                log.error("shards_outgrown", extra={"shards": count})
                refused = count

    async def _listen(self, shards: Sequence[Shard]) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._sessions.save_often(lambda: self.held), name="discord sessions")
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
        standby = outage = False
        while True:
            try:
                found = await self._free(shards, leases)
                self._asked_at = asyncio.get_running_loop().time()
                outage = False
            except StoreError as error:
                level = logging.DEBUG if outage else logging.WARNING  # once an outage
                log.log(level, "shard_lease_unknown", extra={"error": type(error).__name__})
                found, outage = None, True
            if found is not None:
                self._begin(tasks, found)
            elif not self._held and not standby and self._asked_at is not None:
                log.info("gateway_standby", extra={"shards": len(shards)})
            standby = not self._held
            await self._sleep(self._paces.poll_s * (1 + len(self._held)))

    async def _free(self, shards: Sequence[Shard], leases: Leases) -> Shard | None:
        if asyncio.get_running_loop().time() < self._rests_until:
            return None
        for shard in shards:
            if shard not in self._held and await leases.take(shard):
                if self._balance is not None:
                    self._balance.found()
                return shard
        if self._balance is not None and len(self._held) < len(shards):
            await self._balance.ask(len(self._held), count=len(shards))
        return None

    async def _serve(self, shard: Shard) -> None:
        """Listen to one shard until its lease is lost, or it is given to a process that has fewer."""
        saved = await self._sessions.find(shard)
        self._describe_threads(shard)
        connection = self._held[shard] = Connection(
            self._means, shard, saved=saved, missed=self._read, stands=self._sessions.news.set
        )
        run = asyncio.create_task(connection.run(), name=f"discord connection {shard.id}")
        ends: list[asyncio.Task[bool] | asyncio.Task[None]] = [run]
        if self._leases is not None:
            ends.append(asyncio.create_task(self._leased(shard, self._leases), name=f"discord lease {shard.id}"))
        try:
            over, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in ends:
                task.cancel()
            await asyncio.wait(ends)
        given = any(task.result() for task in over)  # an error of ours is the listener's, not to be swallowed here
        self._stop_reading(shard)
        if given and self._leases is not None:
            await self._give(connection, self._leases)
        del self._held[shard]  # whoever has it now saves its session
        self._sessions.forget(shard)
        self._forget_servers(shard)

    async def _leased(self, shard: Shard, leases: Leases) -> bool:
        """Keep the lease until another process has it (False) or should have it (True)."""
        while True:
            await self._sleep(leases.lease_s / 4)
            with suppress(StoreError):  # nobody else can take it either
                if not await leases.keep(shard):
                    log.warning("shard_lost", extra={"shard": shard.id})
                    return False
                if await self._spare(shard):
                    return True

    async def _spare(self, shard: Shard) -> bool:
        """Whether another process asks for a shard, and this one is at rest."""
        connection, reading = self._held[shard], self._reading.get(shard)
        at_rest = connection is not None and connection.connected and (reading is None or reading.done())
        held = len(self._held)
        return held > 1 and at_rest and self._balance is not None and await self._balance.asked(held, count=shard.count)

    async def _give(self, connection: Connection, leases: Leases) -> None:
        """Leave a shard, whose connection is closed, to the process that has asked."""
        shard = connection.shard
        self._rests_until = asyncio.get_running_loop().time() + leases.lease_s  # who has asked comes first
        log.info("shard_given", extra={"shard": shard.id})
        try:
            await self._sessions.save(connection)
            await leases.release(shard)
        except StoreError as error:  # as at a stop
            log.warning("sessions_not_handed_over", extra={"error": type(error).__name__})

    def _describe_threads(self, shard: Shard) -> None:
        """A session that another process has begun describes nothing again: say which threads are known to be some."""
        if handle := self._means.handlers.get("THREAD_CREATE"):
            for described in filter(None, (talk.described() for talk in self._sessions.talks(shard))):
                handle(described, lambda: lambda: None)

    def _forget_servers(self, shard: Shard) -> None:
        """What happens there is another process's from now on; should the shard come back, no session says it again."""
        if handle := self._means.handlers.get("READY"):  # which names all servers that there still are: none
            handle({"shard": [shard.id, shard.count], "guilds": []}, lambda: lambda: None)

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

    async def _hand_over(self) -> None:
        """What has arrived is taken first, so that as little as possible is replayed."""
        for shard in list(self._reading):
            self._stop_reading(shard)
        try:
            await self._drain()
            async with asyncio.timeout(HAND_OVER_MAX_S):
                for connection in self.held:
                    await self._sessions.save(connection)
                if self._leases is not None:
                    for shard in self._held:
                        await self._leases.release(shard)
        except (StoreError, TimeoutError) as error:  # the leases lapse, and what was saved last is resumed
            log.warning("sessions_not_handed_over", extra={"error": type(error).__name__})
        finally:
            self._held.clear()
            self._sessions.forget()
            self._asked_at = None
