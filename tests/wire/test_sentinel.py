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
from tests.mentions import mention
from tests.running import running, services
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
        for number in range(20):
            assert await inbox.submit(mention(number, thread=f"t{number}")) == "accepted"
        await servers.kill(servers.first)
        # The new primary has no replica, so nothing more is promised; what was, it holds.
        with pytest.raises(NotDurable):
            await _submitted(inbox, 20, despite={StoreError})
        assert await redis.zcard(store.key("ready")) == 21
        (obstacle,) = await store.shortcomings(redis, replicas=1)
        assert obstacle == "Redis: 0 of 1 replicas are there, so mentions are not accepted"
        await servers.serve(servers.first, follows=servers.second)
        await servers.until(servers.second, "INFO", "replication", shows="'connected_slaves': 1")
        await _submitted(inbox, 21, despite={StoreError, NotDurable})
        assert await store.shortcomings(redis, replicas=1) == []


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


@pytest.mark.timeout(120)
@pytest.mark.parametrize("end", ["SIGKILL", "SENTINEL FAILOVER"])
async def test_a_bot_goes_on_with_the_new_primary_and_answers_everything_once(servers: Watched, end: str) -> None:
    async with (
        services() as outside,
        running(
            outside,
            redis_url=servers.url,
            redis_password=SECRET,
            redis_sentinel_password=SECRET,
            on=["slack"],
        ) as bot,
    ):
        asked = [await outside.slack.mention(f"C{number}", "U01", "hello") for number in range(5)]
        if end == "SIGKILL":
            await servers.kill(servers.first)
        else:
            await servers.ask(servers.sentinel, "SENTINEL", "FAILOVER", "main")
        asked += [await outside.slack.mention(f"C{number}", "U01", "hello") for number in range(5, 10)]
        await until(lambda: bot.settled >= 10, within_s=60)
        assert [len(outside.slack.answers(f"C{number}", asked[number])) for number in range(10)] == [1] * 10
