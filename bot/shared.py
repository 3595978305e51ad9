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
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, cast

from redis.asyncio import Redis
from redis.commands.core import AsyncScript

from bot import store
from bot.disk import Disk
from bot.errors import StoreError, Unreadable
from bot.sealing import Seal

log = logging.getLogger(__name__)

CALL_TTL_MS: Final = 10_000
"""How long a done call is remembered. Chosen: three times what redis-py has for repeating it (ANSWER_WITHIN_S)."""

LOCK_POLL_S: Final = 0.05
"""Chosen: locks are for a token's renewal, a few hundred milliseconds, twice a day and workspace."""

SCAN_PAGE: Final = 1000
"""Keys looked at in one step: about 0.3 ms of the server's one thread (measured)."""

# Invariant: of many adders one gets 1, of many takers one. The mark lets a call that redis-py sends again, because its
# reply was lost, find that it was done; else nobody would have got it.
ADD: Final = """
if redis.call('EXISTS', KEYS[2]) == 1 then return 1 end
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 0 end
redis.call('SET', KEYS[2], 1, 'PX', ARGV[3])
return 1
"""

TAKE: Final = """
if redis.call('EXISTS', KEYS[2]) == 1 then return 1 end
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[2], 1, 'PX', ARGV[2])
return 1
"""

# Invariant: only who put a value makes it last longer, or end; what another one put there meanwhile stays as it is.
EXTEND: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""

LOCK: Final = """
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
return redis.call('GET', KEYS[1]) == ARGV[1] and 1 or 0
"""

# Invariant: only its holder ends a lock; a holder that was too slow must not end the next one's.
UNLOCK: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""

MICROS: Final = """
local function micros()
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1e6 + tonumber(t[2])
end
"""

# The generic cell rate algorithm: one number, the time at which the budget is full again, in whole microseconds (below
# 2^53, so exact in Lua). Invariant: it is at most `burst` intervals ahead, also after the server's clock was set back
# or the budget made smaller, so no window grants more than `burst` plus its length over the interval.
SPEND: Final = (
    MICROS
    + """
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local now, most = micros(), interval * burst
local function store(full_at)
  redis.call('SET', KEYS[1], string.format('%.0f', full_at), 'PX', math.ceil((full_at - now) / 1000))
end
local full_at = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now)
if full_at > now + most then
  full_at = now + most
  store(full_at)
end
full_at = full_at + interval
local latest = now + most - interval * tonumber(ARGV[3])
if full_at > latest then return full_at - latest end
store(full_at)
return 0
"""
)


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
