"""A server that fails over under the bot: real Valkeys, a real Sentinel."""

import asyncio
from collections.abc import AsyncGenerator, Collection
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot import store
from bot.disk import Disk
from bot.errors import StoreError
from bot.inbox.commit import NotDurable
from bot.inbox.inbox import Inbox
from bot.settings import load
from tests.fakes.completions import Text
from tests.fakes.slack import FakeSlack
from tests.mentions import mention
from tests.running import always, running, services
from tests.sentinel import PASSWORD, Watched, watched
from tests.until import WITHIN_S, until

SECRET = SecretStr(PASSWORD)


@pytest.fixture
async def servers(tmp_path: Path) -> AsyncGenerator[Watched]:
    async with watched(tmp_path) as started:
        yield started


async def test_what_was_accepted_is_there_after_the_primary_has_died(servers: Watched) -> None:
    unused = Path("unused")
    async with store.connect(servers.url, data_dir=unused, password=PASSWORD, sentinel_password=PASSWORD) as redis:
        inbox = Inbox(redis, history_ttl_s=3600, disk=Disk(replicas=1))
        await _submitted(inbox, 0, despite={NotDurable})  # a replica acknowledges first a second after it has joined
        for number in range(1, 20):
            assert await inbox.submit(mention(number, thread=f"t{number}")) == "accepted"
        await servers.kill(servers.first)
        # The new primary has no replica, so nothing more is promised; what was, it holds.
        with pytest.raises(NotDurable):
            await _submitted(inbox, 20, despite={StoreError})
        assert await redis.zcard(store.key("ready")) == 21
        (obstacle,) = await store.shortcomings(redis, replicas=1)
        assert obstacle == "Redis: 0 of 1 replicas are there, so mentions are not accepted"
        await servers.serve(servers.first, follows=servers.second)
        await servers.until(servers.second, "INFO", "replication", shows="'state': 'online'")
        await _submitted(inbox, 21, despite={StoreError, NotDurable})
        assert await store.shortcomings(redis, replicas=1) == []


@pytest.mark.parametrize("first", ["the server", "the setting"])
async def test_a_renewed_password_is_taken_in_either_order(servers: Watched, first: str) -> None:
    url = f"redis://127.0.0.1:{servers.first}"
    old, new = (load(environ={"REDIS_URL": url, "REDIS_PASSWORD": one}).core for one in (PASSWORD, "renewed"))
    elsewhere = load(environ={"REDIS_URL": "redis://elsewhere"}).core
    async with store.of(old) as redis:
        assert await redis.ping()
        assert store.log_in(redis, old, elsewhere) == set()
        if first == "the setting":
            assert store.log_in(redis, old, new) == {"redis_url", "redis_password", "redis_sentinel_password"}
            await redis.connection_pool.disconnect()
            assert await redis.ping()
        await servers.ask(servers.first, "CONFIG", "SET", "requirepass", "renewed")
        await redis.connection_pool.disconnect()
        if first == "the server":
            with pytest.raises(StoreError):
                await store.info(redis)
            store.log_in(redis, old, new)
        assert await store.info(redis)
        async with store.of(new) as beside:
            await beside.config_set("requirepass", "another")
        await redis.connection_pool.disconnect()
        with pytest.raises(StoreError):
            await store.info(redis)


@pytest.mark.parametrize("first", ["the Sentinels", "the setting"])
async def test_a_renewed_password_of_the_sentinels_is_taken_in_either_order(servers: Watched, first: str) -> None:
    given = {"REDIS_URL": servers.url, "REDIS_PASSWORD": PASSWORD}
    old, new = (load(environ={**given, "REDIS_SENTINEL_PASSWORD": one}).core for one in (PASSWORD, "renewed"))

    async def cut() -> None:
        await servers.ask(servers.first, "CLIENT", "KILL", "TYPE", "normal")
        await servers.ask(servers.sentinel, "CLIENT", "KILL", "TYPE", "normal")

    async with store.of(old) as redis:
        assert await store.info(redis)
        if first == "the setting":
            assert "redis_sentinel_password" in store.log_in(redis, old, new)
            await cut()
            assert await store.info(redis)
        await cut()
        await servers.ask(servers.sentinel, "ACL", "SETUSER", "default", "resetpass", ">renewed")
        if first == "the Sentinels":
            with pytest.raises(StoreError):
                await store.info(redis)
            store.log_in(redis, old, new)
        assert await store.info(redis)


async def _submitted(inbox: Inbox, number: int, *, despite: Collection[type[StoreError]]) -> None:
    """Try again, as a platform does, while one of these very errors is raised."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            try:
                await inbox.submit(mention(number, thread=f"t{number}"))
            except StoreError as error:
                if type(error) not in despite:
                    raise
            else:
                return


@pytest.mark.timeout(240)
@pytest.mark.parametrize("end", ["SIGKILL", "SENTINEL FAILOVER"])
async def test_a_bot_goes_on_with_the_new_primary_and_answers_everything_once(servers: Watched, end: str) -> None:
    slack = FakeSlack(resend_after_s=0.5, resends=400)
    async with (
        services(slack=slack) as outside,
        running(
            outside,
            redis_url=servers.url,
            redis_password=SECRET,
            redis_sentinel_password=SECRET,
            redis_replicas=1,
            on=["slack"],
            lease_s=5.0,
        ) as bot,
    ):
        outside.completions.default = always(Text("It is so. And so on.", first_after_s=0.1))
        asked = [await slack.mention(f"C{number}", "U01", "hello") for number in range(8)]
        if end == "SIGKILL":
            await servers.kill(servers.first)
        else:
            await servers.fail_over()
        asked += [await slack.mention(f"C{number}", "U01", "hello") for number in range(8, 16)]
        await servers.until(servers.second, "ROLE", shows="master")
        if end == "SIGKILL":
            await servers.serve(servers.first, follows=servers.second)
        await until(lambda: all(slack.answers(f"C{n}", asked[n]) for n in range(16)), within_s=120)
        await until(lambda: bot.settled >= 16, within_s=120)
        assert [len(slack.answers(f"C{n}", asked[n])) for n in range(16)] == [1] * 16
