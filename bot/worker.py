"""Claims lanes, keeps their leases, has each mention handled or stopped, and gives back what a shutdown interrupts.

It knows leases and slots; what handling means is the handler's business.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from bot.errors import BotError, StoreError
from bot.inbox.claim import Claim
from bot.inbox.inbox import Inbox, LeaseLost
from bot.inbox.signals import Signal
from bot.logs import crash
from bot.metrics import Metrics

log = logging.getLogger(__name__)

CLAIM_MOST = 16
"""Lanes taken in one step. Chosen: enough to amortise the round trip, few enough to leave some for other workers."""

PAUSE_S = 1.0
"""Between two looks at a Redis that fails."""

HAND_BACK_WITHIN_S = 4.0
"""How long a drain tries to put back what it cuts off; after that the lease lapses. Chosen: one call that hangs and one
more, well within the 15 s that the chart adds to DRAIN_SECONDS.
"""

Handle = Callable[[Claim], Awaitable[None]]
"""Answers a claimed mention and settles it."""


class Worker:
    """Up to `slots` mentions at once, each under its lease."""

    def __init__(
        self,
        inbox: Inbox,
        handle: Handle,
        *,
        slots: int,
        metrics: Metrics,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._inbox = inbox
        self._handle = handle
        self.slots = slots
        self._room = asyncio.Event()
        self._room.set()
        self._metrics = metrics
        self._sleep = sleep
        self._running: dict[Claim, asyncio.Task[None]] = {}
        self._draining = False
        self._outage = False
        self._claiming = asyncio.Lock()
        self._early: list[Signal] = []  # heard while a claim was on its way, perhaps for what it brings

    @property
    def running(self) -> int:
        """How many mentions are in work."""
        return len(self._running)

    async def run(self) -> None:
        """Work until cancelled. What runs then is cancelled too; after `drain` it is put back at once."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_leases(), name="leases")
            tasks.create_task(self._inbox.hear(self._heard), name="signals")
            while True:
                await self._room.wait()
                await self._claim_some(tasks)

    async def drain(self, within_s: float) -> None:
        """Take nothing new and let what runs finish, `within_s` at most; cancel `run` after."""
        self._draining = True
        async with self._claiming:  # a claim that is on its way has its leases already
            running = list(self._running.values())
        if running:
            await asyncio.wait(running, timeout=within_s)

    async def _claim_some(self, tasks: asyncio.TaskGroup) -> None:
        if self._draining:
            await asyncio.Event().wait()
        most = min(self.slots - len(self._running), CLAIM_MOST)
        try:
            async with self._claiming:
                if self._draining:
                    return
                self._early.clear()
                claims, next_due_s = await self._inbox.claim(most)
                if self._outage:
                    log.info("claims_again")
                    self._outage = False
                self._start(claims, tasks)
                for signal in self._early:
                    self._tell(signal)
            if len(claims) < most:
                await self._inbox.wait(PAUSE_S if next_due_s is None else min(next_due_s, PAUSE_S))
        except StoreError as error:
            # Once an outage: it may last hours, and is tried again twice a second.
            log.log(logging.DEBUG if self._outage else logging.WARNING, "claim_failed", extra={"error": str(error)})
            self._outage = True
            await self._sleep(PAUSE_S * random.uniform(0.2, 1))

    def _start(self, claims: Sequence[Claim], tasks: asyncio.TaskGroup) -> None:
        for claim in claims:
            task = tasks.create_task(self._settled(claim), name="mention")
            self._running[claim] = task
            task.add_done_callback(partial(self._stopped, claim))
        self._count()

    def _stopped(self, claim: Claim, _: asyncio.Task[None]) -> None:
        del self._running[claim]
        self._count()

    def _count(self) -> None:
        self._metrics.running.set(len(self._running))
        if len(self._running) < self.slots:
            self._room.set()
        else:
            self._room.clear()

    def _heard(self, signal: Signal) -> None:
        if self._claiming.locked():
            self._early.append(signal)
        self._tell(signal)

    def _tell(self, signal: Signal) -> None:
        for claim in self._running:
            if (claim.conversation, claim.event_id) == (signal.conversation, signal.event_id):
                claim.end(stopped=signal.stopped, withdrawn=signal.withdrawn)

    async def _settled(self, claim: Claim) -> None:
        """Handle one mention; whatever cuts that off at a drain, it is put back at once."""
        try:
            error = await self._handled(claim)
            if error is not None:
                await self._put_back(claim, delay_s=claim.back_off_s(error))
        except asyncio.CancelledError:
            if self._draining and not claim.settled and self._inbox.holds(claim):
                await self._hand_back(claim)
            raise

    async def _hand_back(self, claim: Claim) -> None:
        """Put back for the next process, with an end: an inbox tries as long as the lease stands."""
        try:
            async with asyncio.timeout(HAND_BACK_WITHIN_S):
                await self._put_back(claim, delay_s=0)
        except TimeoutError:
            log.warning("put_back_failed", extra={"event_id": claim.event_id, "error": "the store stays away"})

    async def _handled(self, claim: Claim) -> BotError | None:
        """Why the mention is to be put back, or None. The wall: what goes wrong with one touches no other."""
        try:
            await self._handle(claim)
        except LeaseLost:
            log.warning("lease_lost", extra={"event_id": claim.event_id})
        except BotError as error:
            log.warning("mention_put_back", extra={"event_id": claim.event_id, "error": str(error)})
            return error
        except Exception as error:  # noqa: BLE001 - the wall
            # Its lease lapses and the try counts: a mention that always fails ends as a dead letter.
            log.error("mention_crashed", extra={"event_id": claim.event_id, **crash(error)})
        return None

    async def _put_back(self, claim: Claim, *, delay_s: float) -> None:
        try:
            await self._inbox.again(claim, delay_s=delay_s)
        except StoreError as error:
            log.warning("put_back_failed", extra={"event_id": claim.event_id, "error": str(error)})

    async def _keep_leases(self) -> None:
        every_s, outage = self._inbox.lease_s / 3, False
        while True:
            # An outage that is shorter than the lease costs none: the first moment in which Redis is back is used.
            await self._sleep(min(PAUSE_S, every_s) if outage else every_s)
            claims = [claim for claim in self._running if not claim.settled]
            if not claims:
                outage = False
                continue
            try:
                lost = await self._inbox.renew(claims)
                outage = False
            except StoreError as error:
                log.log(logging.DEBUG if outage else logging.WARNING, "renew_failed", extra={"error": str(error)})
                lost = [claim for claim in claims if not self._inbox.holds(claim)]
                outage = True
            for claim in lost:
                if not claim.settled and (task := self._running.get(claim)):
                    task.cancel()
