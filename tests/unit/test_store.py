"""How the store is reached, and the end of its connections, on a real Valkey."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Literal, cast

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as NotConnected

from bot import connections, store
from bot.errors import StoreError
from bot.inbox.inbox import Inbox
from bot.settings import load
from tests import ports
from tests.mentions import mention
from tests.until import WITHIN_S


async def _clients(redis: Redis, kind: Literal["connected_clients", "blocked_clients"]) -> int:
    return int((await redis.info("clients"))[kind])


async def _pop(client: Redis, *, timeout_s: float) -> None:
    assert await client.blpop(["wake"], timeout=timeout_s) is None


async def _popped(client: Redis) -> object:
    return await client.blpop(["wake"], timeout=60)


async def _soon(do: Callable[[], Awaitable[object]]) -> None:
    """Do it when the store has begun to close."""
    await asyncio.sleep(0.2)
    await do()


async def _hear(client: Redis) -> None:
    async with client.pubsub(ignore_subscribe_messages=True) as channel:
        await channel.subscribe("stops")
        while True:
            await channel.get_message(timeout=None)


async def _until(redis: Redis, kind: Literal["connected_clients", "blocked_clients"], number: int) -> None:
    async with asyncio.timeout(WITHIN_S):
        while await _clients(redis, kind) != number:  # noqa: ASYNC110 - the server signals nothing
            await asyncio.sleep(0.005)


async def test_a_command_under_way_at_the_end_still_gets_its_answer(valkey_url: str, redis: Redis) -> None:
    before = await _clients(redis, "connected_clients")
    async with store.connect(valkey_url, data_dir=Path("unused")) as client:
        under_way = asyncio.create_task(_popped(client))
        await _until(redis, "blocked_clients", 1)
        answering = asyncio.create_task(_soon(lambda: redis.rpush("wake", "up")))
    assert await under_way == ("wake", "up")
    await answering
    await _until(redis, "connected_clients", before)


async def test_an_event_whose_caller_has_gone_is_written_before_the_end(valkey_url: str, redis: Redis) -> None:
    before = await _clients(redis, "connected_clients")
    async with store.connect(valkey_url, data_dir=Path("unused")) as client:
        inbox = Inbox(client, history_ttl_s=3600)
        await inbox.submit(mention(1, thread="t1"))
        await redis.client_pause(60_000, all=False)  # writes wait, as for a slow disk
        caller = asyncio.create_task(inbox.submit(mention(2, thread="t2")))
        await _until(redis, "blocked_clients", 1)
        caller.cancel()
        going_on = asyncio.create_task(_soon(lambda: redis.client_unpause()))
    await going_on
    assert await redis.zcard(store.key("ready")) == 2
    await _until(redis, "connected_clients", before)


@pytest.mark.parametrize("kind", ["command", "subscription"])
async def test_what_does_not_end_is_cut_off_and_connects_no_more(
    kind: str, valkey_url: str, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await _clients(redis, "connected_clients")
    async with store.connect(valkey_url, data_dir=Path("unused")) as client:
        endless = [
            asyncio.create_task(_hear(client) if kind == "subscription" else _pop(client, timeout_s=0))
            for _ in range(4)
        ]
        await _until(redis, "connected_clients", before + 4)
        monkeypatch.setattr(connections, "ANSWER_WITHIN_S", 0.05)
    async with asyncio.timeout(WITHIN_S):
        ended = await asyncio.gather(*endless, return_exceptions=True)
    assert [type(error) for error in ended] == [NotConnected] * 4
    await _until(redis, "connected_clients", before)


async def test_a_password_beside_the_url_is_used(valkey_url: str, redis: Redis) -> None:
    await redis.execute_command("ACL", "SETUSER", "bot", "on", ">p@ss/word", "~*", "+@all")
    environ = {"REDIS_URL": valkey_url.replace("unix://", "unix://bot@"), "REDIS_PASSWORD": "p@ss/word"}
    try:
        async with store.of(load(environ=environ).core) as client:
            assert await client.execute_command("ACL", "WHOAMI") == "bot"
        async with store.of(load(environ=environ | {"REDIS_PASSWORD": "wrong"}).core) as client:
            with pytest.raises(StoreError):
                await store.info(client)
    finally:
        await redis.execute_command("ACL", "DELUSER", "bot")


async def test_connections_that_are_refused_at_once_all_take_the_login_before(redis: Redis) -> None:
    (port,) = ports.free(1)
    await redis.config_set("port", port)
    await redis.execute_command("ACL", "SETUSER", "bot", "on", ">still-this-one", "~*", "+@all")
    try:
        async with store.connect(f"redis://bot:still-this-one@127.0.0.1:{port}", data_dir=Path("unused")) as client:
            cast(connections.Connections, client.connection_pool).login.use("bot", "not-there-yet")
            assert await asyncio.gather(*(store.info(client) for _ in range(2)))
    finally:
        await redis.execute_command("ACL", "DELUSER", "bot")
        await redis.config_set("port", 0)


@pytest.mark.parametrize(("scheme", "trusts"), [("rediss", "/ca.crt"), ("redis", None)])
async def test_an_authority_is_trusted_where_the_link_is_encrypted(scheme: str, trusts: str | None) -> None:
    async with store.connect(f"{scheme}://redis.test", data_dir=Path("unused"), ca_file=Path("/ca.crt")) as client:
        assert client.connection_pool.connection_kwargs.get("ssl_ca_certs") == trusts
