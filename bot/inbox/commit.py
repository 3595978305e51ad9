"""A group commit: script calls that go to Redis together, and return when its disk has what they wrote.

It knows batches and the disk; what a script does is the inbox's business.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.commands.core import AsyncScript
from redis.exceptions import NoScriptError, ResponseError

from bot import store
from bot.errors import StoreError

log = logging.getLogger(__name__)

WAITAOF = ("WAITAOF", 1, 0)
"""Wait for the server's own disk, for no replica's."""

DURABLE_WITHIN_MS = 2000
"""How long an accept waits for the disk. Slack wants its acknowledgement within 3 s (Events API docs, 2026-11)."""

WROTE = frozenset({"accepted", "withdrawn"})
"""What a script replies when it wrote something that must not be lost."""


class NotDurable(StoreError):
    """The event is in the inbox and will be worked on, but whether it is on disk is unknown: do not acknowledge it."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    script: AsyncScript
    arguments: Sequence[str | float]
    done: asyncio.Future[str]


class GroupCommit:
    """Calls made while a write is under way go together in the next one: one wait for the disk serves them all."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._waiting: list[_Waiting] = []
        self._flushing: asyncio.Task[None] | None = None
        self._waitaof = True

    async def __call__(self, script: AsyncScript, arguments: Sequence[str | float]) -> str:
        """The script's reply; calls are done in the order in which they were made.

        Raises StoreError when Redis did not do it, NotDurable when only its way to the disk is unclear.
        """
        done: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(script, arguments, done))
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush(), name="inbox-flush")
        return await done

    async def _flush(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                try:
                    outcomes = await self._write(batch)
                except StoreError as error:
                    outcomes = [error] * len(batch)
                except Exception as error:  # noqa: BLE001 - the wall: nobody may wait for ever
                    outcomes = [StoreError(f"an event could not be taken: {type(error).__name__}")] * len(batch)
                for waiting, outcome in zip(batch, outcomes, strict=True):
                    _resolve(waiting.done, outcome)
        finally:
            self._flushing = None

    async def _write(self, batch: Sequence[_Waiting]) -> Sequence[str | StoreError]:
        """All in one round trip, and the wait for the disk on the same connection: WAITAOF counts only its own."""
        async with store.attempt("take an event"), self._redis.pipeline(transaction=False) as pipe:
            # evalsha, not AsyncScript: in a pipeline that asks SCRIPT EXISTS first, a round trip more each time.
            for waiting in batch:
                pipe.evalsha(waiting.script.sha, 1, store.PREFIX, *waiting.arguments)
            if self._waitaof:
                pipe.execute_command(*WAITAOF, DURABLE_WITHIN_MS)
            replies = await pipe.execute(raise_on_error=False)
            if any(isinstance(reply, NoScriptError) for reply in replies):
                # A new server, or one that was restarted, does not know the scripts. What it did know is done again,
                # by the same call.
                for script in {waiting.script.sha: waiting.script for waiting in batch}.values():
                    await self._redis.script_load(script.script)
                return await self._write(batch)
        return self._outcomes(replies)

    def _outcomes(self, replies: list[Any]) -> Sequence[str | StoreError]:
        synced = replies.pop() if self._waitaof else [1]
        failure: StoreError | None = None
        if isinstance(synced, ResponseError) and "unknown command" in str(synced).lower():
            # Redis before 7.2. /readyz demands the append-only file; with appendfsync always the reply is the proof.
            self._waitaof = False
            log.warning("redis_without_waitaof")
        elif isinstance(synced, Exception):
            failure = store.failure(synced, "make an event durable")
        elif int(synced[0]) < 1:
            failure = StoreError("Redis did not get an event to its disk in time")
        return [_outcome(reply, failure) for reply in replies]


def _resolve(done: asyncio.Future[str], outcome: str | StoreError) -> None:
    if done.cancelled():
        return
    if isinstance(outcome, StoreError):
        done.set_exception(outcome)
    else:
        done.set_result(outcome)


def _outcome(reply: Any, failure: StoreError | None) -> str | StoreError:
    if isinstance(reply, Exception):
        return store.failure(reply, "take an event")
    if failure and reply in WROTE:
        return NotDurable(str(failure))
    return failure or str(reply)
