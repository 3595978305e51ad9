"""Waiting until what was written is safe: on the server's disk, and with as many replicas as an operator asks for.

What only the server holds is lost when a replica takes its place that had not heard of it (81% of acknowledged writes
after a link cut of 3 s; with a wait for the replica none: docs/decisions/0017).
"""

import logging
from typing import Any, Final, cast

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import ResponseError

from bot import store
from bot.errors import StoreError

log = logging.getLogger(__name__)

WAITAOF: Final = "WAITAOF"

DISK_WITHIN_MS: Final = 2000
"""How long a write waits for the disk: with appendfsync everysec that takes up to a second."""

REPLICAS_WITHIN_MS: Final = 800
"""How long it waits for replicas before. Both fit into the 3 s in which Slack wants its acknowledgement (Events API
docs, 2026-11)."""


class Disk:
    """The waits that go with a pipeline of writes, on the same connection: they count only its own.

    Replicas are waited for with WAIT, so until it is in their memory: WAITAOF hears of their disks once a second
    (Valkey 9.1, measured), and what the server's own disk holds is lost only together with it.

    Redis before 7.2 does not know WAITAOF; there the reply is the proof, since /readyz demands the append-only file.
    """

    def __init__(self, *, replicas: int = 0, command: str = WAITAOF, within_ms: int = DISK_WITHIN_MS) -> None:
        self._replicas = replicas
        self._command = (command, 1, 0, within_ms)
        self._told = False

    def wait(self, pipe: Pipeline) -> None:
        """Put the waits behind the writes."""
        if self._replicas:
            self._wait_for_replicas(pipe)
        pipe.execute_command(*self._command)

    async def reach(self, redis: Redis) -> None:
        """Return when all that was written so far is with the replicas; at once where none is asked for.

        Raises StoreError when it is not, in time.
        """
        if not self._replicas:
            return
        async with store.attempt("reach the replicas"), redis.pipeline(transaction=False) as pipe:
            pipe.set(store.key("reached"), 1, ex=60)  # WAIT counts a connection's own writes; this one comes after all
            self._wait_for_replicas(pipe)
            _, others = cast("list[int]", await pipe.execute())
        if lacking := self._lacking(others):
            raise lacking

    def failed(self, replies: list[Any]) -> StoreError | None:
        """Take the waits' replies off the pipeline's: what speaks against the writes, None where they stand."""
        own = replies.pop()
        others = replies.pop() if self._replicas else 0
        if isinstance(others, Exception):
            return store.failure(others, "see a write with the replicas")
        if lacking := self._lacking(others):
            return lacking
        if isinstance(own, ResponseError) and "unknown command" in str(own).lower():
            if not self._told:
                log.warning("redis_without_waitaof")
            self._told = True
            return None
        if isinstance(own, Exception):
            return store.failure(own, "see a write on disk")
        return None if int(own[0]) else StoreError("Redis did not get a write to its disk in time")

    def _wait_for_replicas(self, pipe: Pipeline) -> None:
        pipe.execute_command("WAIT", self._replicas, REPLICAS_WITHIN_MS)

    def _lacking(self, others: int) -> StoreError | None:
        if others >= self._replicas:
            return None
        return StoreError(f"{others} of {self._replicas} replicas got a write in time")
