"""The bot's store: a client of Redis or Valkey, and every key's name.

One code path for all: `REDIS_URL` names a server, or the bot starts one for itself (see `bot.embedded`).
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import cast

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from bot import doctor, embedded
from bot.connections import ANSWER_WITHIN_S, Connections, Login, connections
from bot.errors import ConfigError, StoreError
from bot.settings import Settings, plain
from bot.settings.redis_address import RedisAddress, redis_address

PREFIX = "{routernesia}:"
"""Every key begins with it. The braces put all keys into one slot of a Redis Cluster, so scripts may join them."""

KEPT = frozenset({"install"})
"""The first words of shared names whose values may be kept until they are dropped: a workspace's installation."""

PERMANENT = frozenset({"ready", "owner", "token", "wake", "lane", "tally"}) | KEPT
"""The first words of keys without a TTL: the queue itself and its tally, which must never be evicted, and what is kept
for a workspace as long as the bot is installed there. All others expire.
"""

SEEN_TTL_S = 24 * 3600
"""How long an event id is remembered. Slack resends within minutes, on opt-in within 24 h (Events API docs)."""

TURN_TTL_S = 24 * 3600
DEAD_TTL_S = 30 * 24 * 3600


def key(kind: str, *names: str) -> str:
    """The one place that spells a key: `{routernesia}:lane:slack:T1:C1:17.3`."""
    return PREFIX + ":".join((kind, *names))


def shared_key(name: str) -> str:
    """The key of a value of `bot.shared`, like `{routernesia}:shared:names:slack:T1`; kept ones have their own kind."""
    return PREFIX + name if name.partition(":")[0] in KEPT else key("shared", name)


def link_name(platform: str, channel: str, message_id: str) -> str:
    """The name under which a message points to its conversation."""
    return f"{platform}:{channel}:{message_id}"


def person_name(platform: str, workspace: str, author: str) -> str:
    """The name of a person in a workspace."""
    return f"{platform}:{workspace}:{author}"


def of(settings: Settings, *, beside: bool = False) -> AbstractAsyncContextManager[Redis]:
    """`connect` as an operator has set it."""
    return connect(
        plain(settings.redis_url),
        data_dir=settings.data_dir,
        password=plain(settings.redis_password),
        sentinel_password=plain(settings.redis_sentinel_password),
        ca_file=settings.redis_ca_file,
        beside=beside,
    )


@asynccontextmanager
async def connect(
    url: str,
    *,
    data_dir: Path,
    password: str = "",
    sentinel_password: str = "",
    ca_file: Path | None = None,
    beside: bool = False,
) -> AsyncGenerator[Redis]:
    """A client of the server at `url`, or of an embedded one that lives as long as the context.

    A password in the URL goes before `password`; `ca_file` says whom to trust where the URL is a rediss one. `beside`
    also takes the embedded server of a bot that runs already, for a look from outside.

    Raises:
        ConfigError: the URL is not one, or the embedded server cannot start.
        InUse: another bot uses `data_dir`.
    """
    async with AsyncExitStack() as stack:
        if url:
            address = _address(url)
            login = Login(address.user, address.password or password)
        else:
            there = await embedded.running(data_dir) if beside else None
            address = RedisAddress(socket=str(there or await stack.enter_async_context(embedded.serving(data_dir))))
            login = Login("", "")
        pool = await stack.enter_async_context(
            connections(address, login, sentinels=Login("", sentinel_password), ca_file=ca_file)
        )
        redis = Redis.from_pool(pool)
        stack.push_async_callback(redis.aclose)
        yield redis


def log_in(redis: Redis, before: Settings, now: Settings) -> frozenset[str]:
    """Connect with another login from now on; the names of the settings that this took up.

    Another address is not: the queue stays where it is until the bot is started anew.
    """
    urls = [plain(one.redis_url) for one in (before, now)]
    if not any(urls):
        return frozenset({"redis_password", "redis_sentinel_password"})  # the embedded server has none
    if not all(urls) or (address := _address(urls[1])) != _address(urls[0]):
        return frozenset()
    pool = cast(Connections, redis.connection_pool)
    pool.login.use(address.user, address.password or plain(now.redis_password))
    pool.sentinels.use("", plain(now.redis_sentinel_password))
    return frozenset({"redis_url", "redis_password", "redis_sentinel_password"})


def _address(url: str) -> RedisAddress:
    try:
        return redis_address(url)
    except ValueError as error:
        raise ConfigError(str(error)) from None


async def info(redis: Redis) -> Mapping[str, object]:
    """The fields of INFO, and `appendfsync` where the server tells it (an ACL user may run without CONFIG).

    Raises StoreError when it does not answer.
    """
    async with attempt("read its state"):
        facts = cast(dict[str, object], await redis.info("everything"))
        with suppress(ResponseError):
            facts |= cast(dict[str, object], await redis.config_get("appendfsync"))
    return facts


async def shortcomings(redis: Redis, *, replicas: int = 0) -> list[str]:
    """See `doctor.shortcomings`. Raises StoreError when the server does not answer."""
    return doctor.shortcomings(await info(redis), replicas=replicas)


@asynccontextmanager
async def attempt(doing: str) -> AsyncGenerator[None]:
    """Bounds what is done inside to 3 s, and gives StoreError for whatever redis-py raises there.

    redis-py's own text can quote arguments, so only its kind is kept.
    """
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            yield
    except (RedisError, OSError) as error:
        raise failure(error, doing) from error


def failure(error: Exception, doing: str) -> StoreError:
    """Our error for one of redis-py's."""
    code = str(error).split(" ", 1)[0] if type(error) is ResponseError else ""
    return StoreError(f"Redis failed while the bot tried to {doing}: {type(error).__name__} {code[:20]}".rstrip())
