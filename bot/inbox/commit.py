"""A group commit: script calls that go to Redis together, and return when its disk has what they wrote.

It knows batches and the disk; what a script does is the inbox's business.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.commands.core import AsyncScript
from redis.exceptions import NoScriptError

from bot import store
from bot.disk import Disk
from bot.errors import StoreError

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

    def __init__(self, redis: Redis, disk: Disk) -> None:
        self._redis = redis
        self._disk = disk
        self._waiting: list[_Waiting] = []
        self._flushing: asyncio.Task[None] | None = None

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
        """All in one round trip, with the wait for the disk."""
        async with store.attempt("take an event"), self._redis.pipeline(transaction=False) as pipe:
            # evalsha, not AsyncScript: in a pipeline that asks SCRIPT EXISTS first, a round trip more each time.
            for waiting in batch:
                pipe.evalsha(waiting.script.sha, 1, store.PREFIX, *waiting.arguments)
            self._disk.wait(pipe)
            replies = await pipe.execute(raise_on_error=False)
            if any(isinstance(reply, NoScriptError) for reply in replies):
                # A new server, or one that was restarted, does not know the scripts. What it did know is done again,
                # by the same call.
                for script in {waiting.script.sha: waiting.script for waiting in batch}.values():
                    await self._redis.script_load(script.script)
                return await self._write(batch)
        failure = self._disk.failed(replies)
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
