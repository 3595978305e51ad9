"""The durable inbox: one lane per conversation, in Redis, worked by one holder of a lease at a time.

It knows mentions, changes, leases and tries; it does not know platforms or models. Keys (see `bot.store.key`):

    seen:{event}         the event was taken once already
    gone:{message}       the message was deleted before it arrived here
    edited:{message}     how it reads now: it was edited before it arrived here
    anew:{conv}          when it was told to forget what had been said before (an older version: 1)
    missed:{conv}        sorted set: ids of messages there that were not for the bot, by the time they were written,
                         until the next mention has them read
    people:{conv}        who takes part, the bot apart; decides on follow-ups that do not name the bot
    talks:{person}       the direct conversations of a person with the bot
    link:{message}       the conversation a message belongs to, where a platform has replies instead of threads
    lane:{conv}          sorted set: the conversation's waiting mentions and changes by the time they were written
    ready                sorted set: conversation -> the time at which it may be claimed
    owner                hash: conversation -> the fencing token of its last claim, and the event it was given for
    token                the last fencing token given out
    given:{call}         list: the tokens that one claim gave out, for 30 s; taken back where its reply was lost
    wake                 a capped list that only ends a blocking wait early
    history:{conv}       list: what was said, both sides, newest last
    turn:{event}         hash: what became of one event so far: tries, accepted, answer and its outcome, part:0,
                         part:1, ..., whether it was stopped, withdrawn, or forgotten while it ran, and how it
                         reads since an edit meanwhile
    dead                 the last mentions that were given up, for the operator
    tally                hash: how many events were taken into lanes and off them, and how, since the store began
    stops                a channel: turns that are to end now

One number is queue position, lease and back-off at once: a lane's score in `ready`. A claim moves it into the
future (the lease), renewing moves it further, settling moves it to now, a back-off to later. A worker that dies
does nothing, and the lane falls due by itself. All times are the Redis server's, so clocks of pods do not matter.
What people wrote is sealed where there is a key (see `bot.inbox.entries`).
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from typing import Any, cast

from redis.asyncio import Redis
from redis.commands.core import AsyncScript

from bot import store
from bot.disk import Disk
from bot.errors import StoreError
from bot.events import Event, Message
from bot.inbox import scripts
from bot.inbox.accepting import Accepting, Outcome, link, rootless
from bot.inbox.claim import WHOLE, Claim, claimed
from bot.inbox.entries import Entries
from bot.inbox.history import Revision
from bot.inbox.lost import Lost
from bot.inbox.signals import Signal, Signals
from bot.sealing import Seal

log = logging.getLogger(__name__)

LEASE_S = 30.0
"""How long a lane stays with a silent worker. Renewed every third of it."""

NOTE_EVERY_S = 0.5
"""Between two tries of a holder to note what it did. Chosen: a store is upgraded in seconds."""

REACH_AGAIN_S = 1.0
"""After a claim that no replica got. Chosen: a replica that was restarted is back in seconds."""

HISTORY_MAX = 200
"""Messages kept per conversation. Chosen: 120 tokens each fill the default budget of 24,000."""

HISTORY_MAX_BYTES = 256 * 1024
"""Bytes kept per conversation, as every claim carries them. Chosen: more than twice that budget, also sealed."""

DEAD_MAX = 1000

_SETTLED = 1


class Inbox:
    """Lanes of mentions in Redis. Every method raises StoreError when Redis does not do its part."""

    def __init__(
        self,
        redis: Redis,
        *,
        history_ttl_s: int,
        seal: Seal | None = None,
        disk: Disk | None = None,
        lease_s: float = LEASE_S,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._wall = wall
        self._sleep = sleep
        self._redis = redis
        self._history_ttl_s = history_ttl_s
        self._entries = Entries(seal or Seal())
        self._signals = Signals(redis, self._entries)
        self._disk = disk or Disk()
        self._accept = Accepting(redis, self._entries, history_ttl_s=history_ttl_s, disk=self._disk)
        self.lease_s = lease_s
        self._clock = clock
        self._lost = Lost(lease_s)
        self._claim, self._renew, self._note, self._done, self._again, self._empty = (
            redis.register_script(source)
            for source in (scripts.CLAIM, scripts.RENEW, scripts.NOTE, scripts.DONE, scripts.AGAIN, scripts.EMPTY)
        )

    async def submit(self, event: Event) -> Outcome:
        """Take an event durably, at most once, if it is for the bot; in the order of the calls.

        A stop finds the turn that runs or comes next, a change the message it is about; else both are ignored.
        Raises NotDurable where the event was taken, but perhaps not yet to the disk.
        """
        return await self._accept(event)

    async def hear(self, heard: Callable[[Signal], None]) -> None:
        """Pass on every turn that is to end, until cancelled."""
        await self._signals.listen(heard)

    async def claim(self, most: int) -> tuple[list[Claim], float | None]:
        """At most `most` due lanes, oldest first, and the seconds until the next one falls due (None: none waits)."""
        asked_at = self._clock()
        with self._lost.asking(asked_at) as calls:
            reply = await self._call(self._claim, "claim", most, self.lease_s, store.TURN_TTL_S, *calls)
        rows, next_due_s, server_now, parked = cast(tuple[list[list[Any]], str, str, list[str]], reply)
        for conversation in parked:
            log.error("lane_unreadable", extra={"conversation": conversation})
        valid_until = asked_at + self.lease_s
        claims = [claimed(row, self._entries, now=float(server_now), valid_until=valid_until) for row in rows]
        if claims:
            await self._reach(claims)
        return claims, float(next_due_s) if next_due_s else None

    async def _reach(self, claims: Sequence[Claim]) -> None:
        """Before anything is posted: that it was begun must be known after a failover, or it is posted again unseen.

        Where no replica got it, nobody works on the claims: they are put back, for that was no try of theirs.
        """
        try:
            await self._disk.reach(self._redis)
        except StoreError:
            with suppress(StoreError):  # then the leases lapse
                await self._put_back(claims)
            raise

    async def _put_back(self, claims: Sequence[Claim]) -> None:
        async with store.attempt("put back"), self._redis.pipeline(transaction=False) as pipe:
            for claim in claims:
                args = self._again_args(claim, delay_s=REACH_AGAIN_S)
                await self._again(keys=[store.PREFIX], args=[claim.conversation, claim.token, *args], client=pipe)
            await pipe.execute()

    async def wait(self, timeout_s: float) -> None:
        """Until something may be due, `timeout_s` at most."""
        if timeout_s <= 0:
            return
        async with store.attempt("wait for mentions"):
            await self._redis.blpop([store.key("wake")], timeout=max(0.001, min(timeout_s, 1.0)))

    async def renew(self, claims: Sequence[Claim]) -> list[Claim]:
        """Prolong leases; gives those that were lost to another worker. Claims learn that they are to end."""
        asked_at = self._clock()
        async with store.attempt("renew leases"), self._redis.pipeline(transaction=False) as pipe:
            for claim in claims:
                args = [claim.conversation, claim.token, self.lease_s, claim.event_id]
                await self._renew(keys=[store.PREFIX], args=args, client=pipe)
            replies = cast("list[list[Any]]", await pipe.execute())
        lost: list[Claim] = []
        for claim, (held, *marks) in zip(claims, replies, strict=True):
            if not held:
                lost.append(claim)
                continue
            claim.valid_until = asked_at + self.lease_s
            by, withdrawn = marks
            stopped = self._entries.someone(by, claim.conversation) if by else None
            if stopped or withdrawn:
                claim.end(stopped=stopped, withdrawn=bool(withdrawn))
        return lost

    def holds(self, claim: Claim) -> bool:
        """Whether the lease can still be ours, by the local clock alone; a thawed process finds it lapsed."""
        return self._clock() < claim.valid_until

    async def note_part(self, claim: Claim, part: int, message_id: str) -> None:
        """Store the id of a posted message, so that whoever goes on edits it instead of posting another."""
        claim.parts[part] = message_id
        await self._store(claim, f"part:{part}", message_id, link=_part_link(claim, message_id))

    async def note_answer(self, claim: Claim, text: str, *, outcome: str = WHOLE) -> None:
        """Store the whole answer and how it ended, so that a retry neither pays for nor shows another."""
        claim.answer, claim.outcome = text, outcome
        await self._store(claim, "answer", self._entries.answer(text, claim.conversation), "outcome", outcome, link="")

    async def _store(self, claim: Claim, *pairs: str, link: str) -> None:
        ttls = (store.TURN_TTL_S, self._history_ttl_s)
        await self._fenced(self._note, "note progress", claim, claim.event_id, link, *ttls, *pairs)

    async def done(
        self,
        claim: Claim,
        messages: Sequence[Message] = (),
        *,
        revisions: Sequence[Revision] = (),
        heard: Sequence[str] = (),
        dead: str = "",
    ) -> bool:
        """Take the event off its lane, with what it adds to the history and what it changes there.

        `heard` are the ids of messages that it had `missed`, and that were asked for since. `dead` files it as given
        up, and why. False where `messages` were to be added, or it was to be filed, and the question was deleted
        meanwhile: nothing was done; remove what was written, then settle without them.
        """
        conversation, entries = claim.conversation, self._entries
        revised = [
            text for one in revisions for text in (one.line.raw, entries.line(one.now, conversation) if one.now else "")
        ]
        outcome = await self._fenced(
            self._done,
            "settle",
            claim,
            claim.event_id,
            claim.raw,
            self._letter(claim, dead) if dead else "",
            store.TURN_TTL_S,
            self._history_ttl_s,
            HISTORY_MAX,
            HISTORY_MAX_BYTES,
            store.DEAD_TTL_S,
            DEAD_MAX,
            "1" if claim.change else "0",
            len(revisions),
            len(heard),
            *revised,
            *heard,
            *(entries.line(message, conversation) for message in messages),
        )
        claim.settled = outcome == _SETTLED
        claim.withdrawn = claim.withdrawn or not claim.settled
        return claim.settled

    async def again(self, claim: Claim, *, delay_s: float) -> None:
        """Put the mention back; its lane falls due after `delay_s`."""
        await self._fenced(self._again, "put back", claim, *self._again_args(claim, delay_s=delay_s))
        claim.settled = True

    def _again_args(self, claim: Claim, *, delay_s: float) -> Sequence[str | float]:
        return claim.event_id, delay_s, "1" if claim.wrote else "0", claim.marks, store.TURN_TTL_S

    async def take_over(self) -> None:
        """Make every lane due now: for the only process on a private Redis, where a dead one's leases bind nobody."""
        async with store.attempt("take over the lanes"):
            lanes = cast(list[str], await self._redis.zrange(store.key("ready"), 0, -1))
            if lanes:
                seconds, micros = await self._redis.time()
                due = dict.fromkeys(lanes, seconds + micros / 1e6)
                await self._redis.zadd(store.key("ready"), due, xx=True, lt=True)

    async def drop(self) -> None:
        """Forget every mention that waits: for the only process on a private Redis, before it works."""
        async with store.attempt("drop what waits"):
            lanes = cast(list[str], await self._redis.zrange(store.key("ready"), 0, -1))
            await self._empty(keys=[store.PREFIX], args=lanes)

    async def meet(self, claim: Claim, people: Collection[str]) -> None:
        """People who spoke in the thread before the bot was called: with them, a follow-up needs a mention."""
        name = store.key("people", claim.conversation)
        async with store.attempt("note who takes part"), self._redis.pipeline(transaction=False) as pipe:
            pipe.sadd(name, *people)
            pipe.expire(name, self._history_ttl_s)
            await pipe.execute()

    async def dead_letters(self) -> int:
        """How many given-up mentions are kept for the operator."""
        async with store.attempt("count given-up mentions"):
            return cast(int, await cast(Any, self._redis.llen(store.key("dead"))))

    async def depth(self) -> tuple[int, float]:
        """How many conversations wait or are worked on, and for how many seconds the oldest has been due."""
        async with store.attempt("read the queue's depth"), self._redis.pipeline(transaction=False) as pipe:
            pipe.zcard(store.key("ready"))
            pipe.zrange(store.key("ready"), 0, 0, withscores=True)
            pipe.time()
            count, oldest, now = cast(tuple[int, list[Any], tuple[int, int]], await pipe.execute())
        if not oldest:
            return count, 0.0
        return count, max(0.0, now[0] + now[1] / 1e6 - float(oldest[0][1]))

    def _letter(self, claim: Claim, why: str) -> str:
        at = self._wall()
        return self._entries.dead(claim.raw, why=why, event_id=claim.event_id, conversation=claim.conversation, at=at)

    async def _fenced(self, script: AsyncScript, doing: str, claim: Claim, *args: str | float) -> int:
        """Note what the holder did. A store that is away is tried again until the lease that stands now is over.

        To give up sooner would gain nothing: nobody else may claim the lane before. Each script may come twice.
        """
        until = claim.valid_until
        while True:
            try:
                held = await self._call(script, doing, claim.conversation, claim.token, *args)
                break
            except StoreError:
                if self._clock() >= until:
                    raise
            await self._sleep(NOTE_EVERY_S)
        if not held:
            claim.valid_until = float("-inf")
            raise LeaseLost(f"another worker holds the lane: cannot {doing}")
        return cast(int, held)

    async def _call(self, script: AsyncScript, doing: str, *args: str | float) -> Any:
        async with store.attempt(doing):
            return await script(keys=[store.PREFIX], args=args)


class LeaseLost(StoreError):
    """The lane went to another worker: stop, write nothing more."""


def _part_link(claim: Claim, message_id: str) -> str:
    place = claim.mention.place if claim.mention else None
    return link(place, message_id) if place and rootless(place) else ""
