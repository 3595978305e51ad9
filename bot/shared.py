"""Small state that all processes share, in Redis: what `bot.services.Shared` promises.

Values are sealed for their tenant and their name. It does not know what a value means. Keys (see `bot.store`):

    shared:{name}        a value, or the counters of one name
    install:{...}        the same for the names that may be kept for ever (`bot.store.KEPT`)
    lock:{name}          the token of the lock's holder
    budget:{name}        when the budget will be full again, in microseconds of the server's time
    call:{id}            a call that was done, for its repetition by redis-py
"""

import asyncio
import logging
import math
import random
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, cast

from redis.asyncio import Redis
from redis.commands.core import AsyncScript

from bot import store
from bot.disk import Disk
from bot.errors import StoreError, Unreadable
from bot.sealing import Seal
from bot.shared_scripts import ADD, EXTEND, LOCK, SPEND, TAKE, UNLOCK

log = logging.getLogger(__name__)

CALL_TTL_MS: Final = 10_000
"""How long a done call is remembered. Chosen: three times what redis-py has for repeating it (ANSWER_WITHIN_S)."""

LOCK_POLL_S: Final = 0.05
"""Chosen: locks are for a token's renewal, a few hundred milliseconds, twice a day and workspace."""

ACT_S: Final = 20.0
"""Chosen: longer than Redis may take for one act; then whoever began is dead, and another does it."""

SCAN_PAGE: Final = 1000
"""Keys looked at in one step: about 0.3 ms of the server's one thread (measured)."""


class RedisShared:
    """`bot.services.Shared` over Redis or Valkey."""

    def __init__(self, redis: Redis, *, seal: Seal, disk: Disk | None = None) -> None:
        self._redis = redis
        self._disk = disk or Disk()
        self._seal = seal
        self._add, self._extend, self._take, self._lock, self._unlock, self._spend = (
            redis.register_script(source) for source in (ADD, EXTEND, TAKE, LOCK, UNLOCK, SPEND)
        )

    async def get(self, name: str, *, tenant: str) -> str | None:
        """See `Shared.get`."""
        raw = await self._raw(name)
        return None if raw is None else self._opened(name, raw, tenant=tenant)

    async def put(self, name: str, value: str, *, tenant: str, ttl_s: float | None) -> None:
        """See `Shared.put`. A kept value is on the server's disk when this returns."""
        if ttl_s is None:
            await self._keep(name, self._sealed(name, value, tenant=tenant))
            return
        async with store.attempt("write a shared value"):
            await self._redis.set(store.shared_key(name), self._sealed(name, value, tenant=tenant), px=_millis(ttl_s))

    async def add(self, name: str, value: str, *, tenant: str, ttl_s: float) -> bool:
        """See `Shared.add`."""
        sealed = self._sealed(name, value, tenant=tenant)
        keys = [store.shared_key(name), _call_key()]
        return bool(await self._call(self._add, "add a shared value", keys, sealed, _millis(ttl_s), CALL_TTL_MS))

    async def keep(self, name: str, value: str, *, tenant: str, ttl_s: float) -> bool:
        """See `Shared.keep`. The script compares what was read: a sealed value never looks the same twice."""
        raw = await self._raw(name)
        if raw is None or self._opened(name, raw, tenant=tenant) != value:
            return False
        keys = [store.shared_key(name)]
        return bool(await self._call(self._extend, "keep a shared value", keys, _bytes(raw), _millis(ttl_s)))

    async def take(self, name: str, *, tenant: str) -> str | None:
        """See `Shared.take`."""
        while (raw := await self._raw(name)) is not None:
            value = self._opened(name, raw, tenant=tenant)  # first: what cannot be opened must stay
            keys = [store.shared_key(name), _call_key()]
            if await self._call(self._take, "take a shared value", keys, _bytes(raw), CALL_TTL_MS):
                return value
        return None

    async def drop(self, *names: str) -> None:
        """See `Shared.drop`."""
        if names:
            async with store.attempt("delete shared values"):
                await self._redis.delete(*map(store.shared_key, names))

    async def names(self, prefix: str) -> list[str]:
        """See `Shared.names`."""
        kinds = store.KEPT if ":" not in prefix else ()
        begins = {store.shared_key(prefix), *(f"{store.PREFIX}{kind}:" for kind in kinds if kind.startswith(prefix))}
        found: set[str] = set()  # SCAN may give a key twice
        for begin in begins:
            found |= {_name(key) for key in await self._keys(begin)}
        return list(found)

    @asynccontextmanager
    async def lock(self, name: str, *, ttl_s: float, within_s: float) -> AsyncGenerator[None]:
        """See `Shared.lock`."""
        key, token = store.key("lock", name), secrets.token_hex(8)
        held = False
        try:
            await self._acquire(key, token, ttl_s=ttl_s, within_s=within_s)
            held = True
            yield
        finally:  # also where it was not had: a command that was cut off may have taken it
            await self._release(key, token, held=held)

    @asynccontextmanager
    async def first(self, name: str, *, tenant: str, ttl_s: float) -> AsyncGenerator[bool]:
        """See `Shared.first`."""
        first = await self.add(name, "1", tenant=tenant, ttl_s=ttl_s)
        try:
            yield first
        except BaseException:
            if first:
                await self._unmark(name)
            raise

    async def once(self, name: str, act: Callable[[], Awaitable[str]], *, tenant: str, ttl_s: float) -> str:
        """See `Shared.once`."""
        async with self.lock(name, ttl_s=ACT_S, within_s=ACT_S):
            if (said := await self.get(name, tenant=tenant)) is None:
                said = await act()
                await self.put(name, said, tenant=tenant, ttl_s=ttl_s)
            return said

    async def spend(self, budget: str, *, per_minute: float, burst: int, reserve: int = 0) -> float:
        """See `Shared.spend`. GCRA; the wait is rounded up, to whole microseconds of the interval."""
        keys, interval = [store.key("budget", budget)], math.ceil(60e6 / per_minute)
        wait = await self._call(self._spend, "spend from a budget", keys, interval, burst, reserve)
        return float(wait) / 1e6

    async def count(self, name: str, *, ttl_s: float, **fields: int) -> None:
        """See `Shared.count`."""
        key = store.shared_key(name)
        async with store.attempt("count"), self._redis.pipeline(transaction=True) as pipe:
            for field, more in fields.items():
                pipe.hincrby(key, field, more)
            pipe.pexpire(key, _millis(ttl_s))
            await pipe.execute()

    async def counts(self, name: str) -> Mapping[str, int]:
        """See `Shared.counts`. Raises Unreadable where one is not a number."""
        async with store.attempt("read counts"):
            found = cast(dict[str, str], await self._redis.hgetall(store.shared_key(name)))
        try:
            return {field: int(number) for field, number in found.items()}
        except ValueError:
            log.error("shared_counts_unreadable", extra={"entry": name})
            raise Unreadable("stored counts are not numbers: delete them") from None

    async def _unmark(self, name: str) -> None:
        try:
            await self.drop(name)
        except StoreError as error:  # never in place of what ended the act, a cancellation most of all
            log.warning("mark_not_dropped", extra={"entry": name, "why": str(error)})

    async def _raw(self, name: str) -> str | None:
        async with store.attempt("read a shared value"):
            return cast("str | None", await self._redis.get(store.shared_key(name)))

    async def _keep(self, name: str, sealed: bytes) -> None:
        """Set without an end, and wait for the disk: a renewed token that is lost cannot be renewed again."""
        if name.partition(":")[0] not in store.KEPT:
            raise ValueError("only the names in bot.store.KEPT may be kept without a TTL")
        async with store.attempt("keep a shared value"), self._redis.pipeline(transaction=False) as pipe:
            pipe.set(store.shared_key(name), sealed)
            self._disk.wait(pipe)
            replies = await pipe.execute(raise_on_error=False)
        failure = self._disk.failed(replies)
        if isinstance(replies[0], Exception):
            raise store.failure(replies[0], "keep a shared value")
        if failure:
            raise failure

    async def _keys(self, begin: str) -> list[str]:
        found: list[str] = []
        cursor = 0
        while True:
            async with store.attempt("list shared values"):
                cursor, page = await self._redis.scan(cursor, match=_escaped(begin) + "*", count=SCAN_PAGE)
            found += cast(list[str], page)
            if not cursor:
                return found

    async def _acquire(self, key: str, token: str, *, ttl_s: float, within_s: float) -> None:
        try:
            async with asyncio.timeout(within_s):
                # ASYNC110: the holder may be another process, or dead.
                while not await self._call(self._lock, "take a lock", [key], token, _millis(ttl_s)):  # noqa: ASYNC110
                    await asyncio.sleep(LOCK_POLL_S * random.uniform(0.5, 1.5))
        except TimeoutError:
            raise StoreError(f"a lock that another task holds was not free within {within_s:g} s") from None

    async def _release(self, key: str, token: str, *, held: bool) -> None:
        entry = {"entry": key.removeprefix(store.PREFIX)}
        try:
            freed = await self._call(self._unlock, "free a lock", [key], token)
        except StoreError as error:
            # The work is done, and the lock lapses by itself.
            log.warning("lock_not_freed", extra={**entry, "why": str(error)})
            return
        if held and not freed:
            log.warning("lock_lapsed", extra=entry)

    def _sealed(self, name: str, value: str, *, tenant: str) -> bytes:
        return self._seal.seal(value, tenant=tenant, purpose=name).encode("utf-8", "surrogatepass")

    def _opened(self, name: str, raw: str, *, tenant: str) -> str:
        try:
            return self._seal.open(_bytes(raw).decode("utf-8", "surrogatepass"), tenant=tenant, purpose=name)
        except Unreadable:
            log.error("shared_value_unreadable", extra={"entry": name})
            raise
        except UnicodeDecodeError:
            log.error("shared_value_unreadable", extra={"entry": name})
            raise Unreadable("a stored value is not text: delete it") from None

    async def _call(self, script: AsyncScript, doing: str, keys: list[str], *args: str | bytes | float) -> Any:
        async with store.attempt(doing):
            return await script(keys=keys, args=args)


def _bytes(raw: str) -> bytes:
    """The bytes as they stand in Redis: the client reads with surrogateescape (see `bot.store.connect`)."""
    return raw.encode("utf-8", "surrogateescape")


def _millis(ttl_s: float) -> int:
    return max(1, math.ceil(ttl_s * 1000))


def _call_key() -> str:
    return store.key("call", secrets.token_hex(8))


def _name(key: str) -> str:
    return key.removeprefix(store.PREFIX).removeprefix("shared:")


def _escaped(text: str) -> str:
    """The text for a pattern of SCAN that means itself."""
    return "".join(f"\\{one}" if one in "*?[]^\\" else one for one in text)
