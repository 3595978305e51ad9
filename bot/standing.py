"""How one process stands: what keeps it from its work, the gauges of a scrape, and its word for `status`."""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict

from bot import __version__
from bot.build import build, revision
from bot.errors import StoreError
from bot.inbox.inbox import Inbox
from bot.inbox.tally import Tally
from bot.limited import Limited
from bot.listening import Listening
from bot.metrics import Metrics
from bot.platform import KeepsConnection, TellsNotes, TellsRefusals
from bot.presence import Process, own_name
from bot.worker import Worker


class Standing:
    """Asks the parts of a process. `shortcomings` are those of the store; `draining` is set when the end begins."""

    def __init__(
        self,
        listening: Listening,
        worker: Worker,
        inbox: Inbox,
        tally: Tally,
        limited: Limited,
        *,
        role: str,
        metrics: Metrics,
        shortcomings: Callable[[], Awaitable[Sequence[str]]],
    ) -> None:
        self._listening = listening
        self._worker = worker
        self._inbox = inbox
        self._tally = tally
        self._limited = limited
        self._role = role
        self._metrics = metrics
        self._shortcomings = shortcomings
        self._since = time.time()
        self.draining = False
        metrics.build.labels(__version__, revision(), role).set(1)

    async def obstacles(self) -> Sequence[str]:
        """What keeps this process from doing its work right now, one sentence each."""
        return self._obstacles(await self._of_store())

    def _obstacles(self, of_store: Sequence[str]) -> list[str]:
        at = self._listening
        found = ["the bot is shutting down"] if self.draining else []
        found += of_store
        for platform in at.platforms:
            # Also in a worker, which listens to nothing: what it cannot write, it cannot answer.
            refusal = platform.refusal if isinstance(platform, TellsRefusals) else None
            if reason := at.refused.get(platform.name) or refusal:
                found.append(f"{platform.name}: {reason}")
            elif platform.name not in at.opened or (at.listens and not platform.connected):
                found.append(f"{platform.name} is not connected")
        return found

    async def _of_store(self) -> Sequence[str]:
        try:
            return await self._shortcomings()
        except StoreError as error:
            return [str(error)]

    async def refresh(self) -> None:
        """Bring the gauges up to date before a scrape. What Redis cannot tell just now stays as it was."""
        metrics = self._metrics
        self._note_platforms()
        for end, calls in self._limited.news().items():
            metrics.limited.labels(end).inc(calls)
        of_store = await self._of_store()
        metrics.ready.set(not self._obstacles(of_store))
        metrics.durable.set(not of_store)
        try:
            depth, oldest_s = await self._inbox.depth()
            balance, dead = await self._tally(), await self._inbox.dead_letters()
        except StoreError:
            return
        metrics.depth.set(depth)
        metrics.oldest.set(oldest_s)
        metrics.dead.set(dead)
        metrics.unaccounted.set(balance.unaccounted)
        for state, number in asdict(balance).items():
            metrics.events.labels(state).set(number)

    def _note_platforms(self) -> None:
        if self._listening.listens:
            for name, connected in self._listening.connected().items():
                self._metrics.connected.labels(name).set(connected)
        for platform in self._listening.platforms:
            if isinstance(platform, KeepsConnection) and (silent_s := platform.last_heard_s) is not None:
                self._metrics.last_heard.labels(platform.name).set(silent_s)
            if isinstance(platform, TellsRefusals):
                for status, calls in platform.refused_calls.items():
                    self._metrics.refused_calls.labels(platform.name, str(status)).set(calls)

    async def told(self) -> Process:
        """How this process stands, for `routernesia-bot status`."""
        return Process(
            name=own_name(),
            role=self._role,
            version=build(),
            since=self._since,
            running=self._worker.running,
            slots=self._worker.slots,
            platforms=self._listening.connected(),
            obstacles=tuple(await self.obstacles()),
            notes=tuple(self._notes()),
        )

    def _notes(self) -> list[str]:
        platforms = [one for one in self._listening.platforms if isinstance(one, TellsNotes)]
        found = [f"{one.name}: {note}" for one in platforms for note in one.notes]
        limited = [f"{end} {calls}" for end, calls in self._limited.lately().items()]
        return [*found, f"limited (429) within 10 minutes: {', '.join(limited)}"] if limited else found
