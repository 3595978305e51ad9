"""The durable inbox: one lane per conversation, in Redis, worked by one holder of a lease at a time.

It knows mentions, leases and tries; it does not know platforms or models. Keys (see `bot.store.key`):

    seen:{event}         the event was taken once already
    people:{conv}        who takes part, the bot apart; decides on follow-ups that do not name the bot
    link:{message}       the conversation a message belongs to, where a platform has replies instead of threads
    lane:{conv}          sorted set: the conversation's waiting mentions by the time they were written
    ready                sorted set: conversation -> the time at which it may be claimed
    owner                hash: conversation -> the fencing token of its last claim
    token                the last fencing token given out
    wake                 a capped list that only ends a blocking wait early
    history:{conv}       list: what was said, both sides, newest last
    turn:{event}         hash: what became of one mention so far: tries, accepted, answer, part:0, part:1, ...
    dead                 the last mentions that were given up, for the operator

One number is queue position, lease and back-off at once: a lane's score in `ready`. A claim moves it into the
future (the lease), renewing moves it further, settling moves it to now, a back-off to later. A worker that dies
does nothing, and the lane falls due by itself. All times are the Redis server's, so clocks of pods do not matter.
"""

import asyncio
import itertools
import json
import logging
import secrets
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from redis.asyncio import Redis
from redis.commands.core import AsyncScript
from redis.exceptions import NoScriptError, ResponseError

from bot import scripts, store
from bot.claim import Claim, claimed
from bot.errors import StoreError
from bot.events import Mention, Message, dump

log = logging.getLogger(__name__)

LEASE_S = 30.0
"""How long a lane stays with a silent worker. Renewed every third of it."""

WAITAOF = ("WAITAOF", 1, 0)
"""Wait for the server's own disk, for no replica's."""

DURABLE_WITHIN_MS = 2000
"""How long an accept waits for the disk. Slack wants its acknowledgement within 3 s (Events API docs, 2026-11)."""

HISTORY_MAX = 200
"""Messages kept per conversation. Chosen: 120 tokens each fill the default budget of 24,000."""

HISTORY_MAX_BYTES = 256 * 1024
"""Bytes kept per conversation, as every claim carries them. Chosen: more than twice that budget."""

DEAD_MAX = 1000

Outcome = Literal["accepted", "duplicate", "ignored"]


@dataclass(frozen=True, slots=True)
class _Waiting:
    arguments: Sequence[str | float]
    done: asyncio.Future[Outcome]


class Inbox:
    """Lanes of mentions in Redis. Every method raises StoreError when Redis does not do its part."""

    def __init__(
        self,
        redis: Redis,
        *,
        history_ttl_s: int,
        lease_s: float = LEASE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redis = redis
        self._history_ttl_s = history_ttl_s
        self.lease_s = lease_s
        self._clock = clock
        self._submit, self._claim, self._renew, self._note, self._done, self._again = (
            redis.register_script(source)
            for source in (
                scripts.SUBMIT,
                scripts.CLAIM,
                scripts.RENEW,
                scripts.NOTE,
                scripts.DONE,
                scripts.AGAIN,
            )
        )
        self._waiting: list[_Waiting] = []
        self._flushing: asyncio.Task[None] | None = None
        self._waitaof = True
        self._calls = (f"{secrets.token_hex(6)}:{number}" for number in itertools.count())

    async def submit(self, mention: Mention) -> Outcome:
        """Take a mention durably, at most once, if it is for the bot.

        Mentions submitted while a write is under way go together in the next one (a group commit): their order is
        the order of the calls, and one wait for the disk serves them all.
        """
        done: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(self._submit_arguments(mention), done))
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush(), name="inbox-flush")
        return await done

    def _submit_arguments(self, mention: Mention) -> Sequence[str | float]:
        place = mention.place
        rootless = place.kind == "channel" and place.thread is None and mention.reply_to
        link = store.link_name(place.platform, place.channel, mention.reply_to or "") if rootless else ""
        return (
            next(self._calls),
            dump(mention),
            mention.event_id,
            mention.conversation,
            link,
            mention.author.id,
            "1" if mention.addressed else "0",
            mention.sent_at,
            store.SEEN_TTL_S,
            store.TURN_TTL_S,
            self._history_ttl_s,
            *mention.others,
        )

    async def _flush(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                try:
                    outcomes = await self._write([waiting.arguments for waiting in batch])
                except StoreError as error:
                    outcomes = [error] * len(batch)
                except Exception as error:  # noqa: BLE001 - the wall: nobody may wait for ever
                    outcomes = [StoreError(f"a mention could not be taken: {type(error).__name__}")] * len(batch)
                for waiting, outcome in zip(batch, outcomes, strict=True):
                    _resolve(waiting.done, outcome)
        finally:
            self._flushing = None

    async def _write(self, batch: Sequence[Sequence[str | float]]) -> Sequence[Outcome | StoreError]:
        """Submit in one round trip, and wait for the disk on the same connection: WAITAOF counts only its own."""
        async with store.attempt("take a mention"), self._redis.pipeline(transaction=False) as pipe:
            # evalsha, not AsyncScript: in a pipeline that asks SCRIPT EXISTS first, a round trip more each time.
            for arguments in batch:
                pipe.evalsha(self._submit.sha, 1, store.PREFIX, *arguments)
            if self._waitaof:
                pipe.execute_command(*WAITAOF, DURABLE_WITHIN_MS)
            replies = await pipe.execute(raise_on_error=False)
            if any(isinstance(reply, NoScriptError) for reply in replies):
                # A new server, or one that was restarted, does not know the scripts.
                await self._redis.script_load(scripts.SUBMIT)
                return await self._write(batch)
        synced = replies.pop() if self._waitaof else [1]
        failure: StoreError | None = None
        if isinstance(synced, ResponseError) and "unknown command" in str(synced).lower():
            # Redis before 7.2. /readyz demands the append-only file; with appendfsync always the reply is the proof.
            self._waitaof = False
            log.warning("redis_without_waitaof")
        elif isinstance(synced, Exception):
            failure = store.failure(synced, "make a mention durable")
        elif int(synced[0]) < 1:
            failure = StoreError("Redis did not get a mention to its disk in time")
        return [_outcome(reply, failure) for reply in replies]

    async def claim(self, most: int) -> tuple[list[Claim], float | None]:
        """At most `most` due lanes, oldest first, and the seconds until the next one falls due (None: none waits)."""
        asked_at = self._clock()
        reply = await self._call(self._claim, "claim", most, self.lease_s, store.TURN_TTL_S)
        rows, next_due_s, server_now, parked = cast(tuple[list[list[Any]], str, str, list[str]], reply)
        for conversation in parked:
            log.error("lane_unreadable", extra={"conversation": conversation})
        valid_until = asked_at + self.lease_s
        claims = [claimed(row, now=float(server_now), valid_until=valid_until) for row in rows]
        return claims, float(next_due_s) if next_due_s else None

    async def wait(self, timeout_s: float) -> None:
        """Until something may be due, `timeout_s` at most."""
        if timeout_s <= 0:
            return
        async with store.attempt("wait for mentions"):
            await self._redis.blpop([store.key("wake")], timeout=max(0.001, min(timeout_s, 1.0)))

    async def renew(self, claims: Sequence[Claim]) -> list[Claim]:
        """Prolong leases; gives those that were lost to another worker."""
        asked_at = self._clock()
        async with store.attempt("renew leases"), self._redis.pipeline(transaction=False) as pipe:
            for claim in claims:
                args = [claim.conversation, claim.token, self.lease_s]
                await self._renew(keys=[store.PREFIX], args=args, client=pipe)
            kept = cast(list[int], await pipe.execute())
        for claim, held in zip(claims, kept, strict=True):
            if held:
                claim.valid_until = asked_at + self.lease_s
        return [claim for claim, held in zip(claims, kept, strict=True) if not held]

    def holds(self, claim: Claim) -> bool:
        """Whether the lease can still be ours, by the local clock alone; a thawed process finds it lapsed."""
        return self._clock() < claim.valid_until

    async def note_part(self, claim: Claim, part: int, message_id: str) -> None:
        """Store the id of a posted message, so that whoever goes on edits it instead of posting another."""
        claim.parts[part] = message_id
        await self._store(claim, f"part:{part}", message_id, link=self._link(claim, message_id))

    async def note_answer(self, claim: Claim, text: str) -> None:
        """Store the whole answer, so that a retry neither pays for nor shows another."""
        claim.answer = text
        await self._store(claim, "answer", text, link="")

    async def _store(self, claim: Claim, name: str, value: str, *, link: str) -> None:
        await self._fenced(
            self._note,
            "note progress",
            claim,
            claim.event_id,
            name,
            value,
            link,
            store.TURN_TTL_S,
            self._history_ttl_s,
        )

    def _link(self, claim: Claim, message_id: str) -> str:
        place = claim.mention.place if claim.mention else None
        if place is None or place.kind != "channel" or place.thread is not None:
            return ""
        return store.link_name(place.platform, place.channel, message_id)

    async def done(self, claim: Claim, messages: Sequence[Message] = (), *, dead: str = "") -> None:
        """Take the mention off its lane, with what it adds to the history. `dead` files it as given up, and why."""
        entry = json.dumps({"why": dead, "event": claim.raw}) if dead else ""
        await self._fenced(
            self._done,
            "settle",
            claim,
            claim.event_id,
            claim.raw,
            entry,
            store.TURN_TTL_S,
            self._history_ttl_s,
            HISTORY_MAX,
            HISTORY_MAX_BYTES,
            store.DEAD_TTL_S,
            DEAD_MAX,
            *(dump(message) for message in messages),
        )
        claim.settled = True

    async def again(self, claim: Claim, *, delay_s: float) -> None:
        """Put the mention back; its lane falls due after `delay_s`."""
        wrote = "1" if claim.wrote else "0"
        await self._fenced(self._again, "put back", claim, claim.event_id, delay_s, wrote, store.TURN_TTL_S)
        claim.settled = True

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
            await self._redis.delete(
                store.key("ready"), store.key("owner"), *(store.key("lane", lane) for lane in lanes)
            )

    async def meet(self, claim: Claim, people: Collection[str]) -> None:
        """People who spoke in the thread before the bot was called: with them, a follow-up needs a mention."""
        name = store.key("people", claim.conversation)
        async with store.attempt("note who takes part"), self._redis.pipeline(transaction=False) as pipe:
            pipe.sadd(name, *people)
            pipe.expire(name, self._history_ttl_s)
            await pipe.execute()

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

    async def _fenced(self, script: AsyncScript, doing: str, claim: Claim, *args: str | float) -> None:
        held = await self._call(script, doing, claim.conversation, claim.token, *args)
        if not held:
            claim.valid_until = float("-inf")
            raise LeaseLost(f"another worker holds the lane: cannot {doing}")

    async def _call(self, script: AsyncScript, doing: str, *args: str | float) -> Any:
        async with store.attempt(doing):
            return await script(keys=[store.PREFIX], args=args)


class NotDurable(StoreError):
    """The mention is in the inbox and will be answered, but whether it is on disk is not known: do not acknowledge."""


class LeaseLost(StoreError):
    """The lane went to another worker: stop, write nothing more."""


def _resolve(done: asyncio.Future[Outcome], outcome: Outcome | StoreError) -> None:
    if done.cancelled():
        return
    if isinstance(outcome, StoreError):
        done.set_exception(outcome)
    else:
        done.set_result(outcome)


def _outcome(reply: Any, failure: StoreError | None) -> Outcome | StoreError:
    if isinstance(reply, Exception):
        return store.failure(reply, "take a mention")
    if failure and reply == "accepted":
        return NotDurable(str(failure))
    return failure or cast(Outcome, reply)
