"""A session outlives its process: the next one resumes it, and nothing that was written meanwhile is lost."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from adapters.discord.gateway.leases import Leases
from adapters.discord.gateway.sessions import Saved, Sessions, Shard
from bot import store
from bot.errors import StoreError
from tests.discord_processes import PACES, process
from tests.fakes.discord import FakeDiscord
from tests.fakes.discord_bot import Heard
from tests.fakes.services import FakeServices

SHARD = Shard(0, 1)


@pytest.fixture
async def fake() -> AsyncIterator[FakeDiscord]:
    async with FakeDiscord() as running:
        running.gateway.max_concurrency = 16
        yield running


@pytest.fixture
def heard() -> Heard:
    return Heard()


def sessions(fake: FakeDiscord, redis: Redis) -> Sessions:
    return Sessions(FakeServices(redis).shared, application_id=fake.application_id)


async def test_the_next_process_resumes_what_the_one_before_has_left(
    fake: FakeDiscord, redis: Redis, heard: Heard
) -> None:
    sent: list[str] = []
    for at in range(3):
        async with process(fake, redis, heard) as one:
            await fake.until(lambda one=one: one.live)
            sent.append(fake.mention(fake.channel, fake.ann, f"while it runs {at}"))
            await fake.until(lambda: len(heard.ids) == len(sent))
        sent.append(fake.mention(fake.channel, fake.ann, f"while nobody is there {at}"))
    async with process(fake, redis, heard):
        await fake.until(lambda: len(heard.ids) == len(sent))
    assert heard.ids == sent
    assert len(fake.entries("identify")) == 1
    assert {entry["code"] for entry in fake.entries("left")} == {4000}


async def test_a_standby_takes_over_at_once_when_the_holder_stops(
    fake: FakeDiscord, redis: Redis, heard: Heard
) -> None:
    async with process(fake, redis, heard) as one:
        await fake.until(lambda: one.live)
        async with process(fake, redis, heard) as two:
            await fake.until(lambda: two.standby)
            assert len(fake.gateway.live) == 1
            await one.stop()
            key = fake.mention(fake.channel, fake.ann, "anybody?")
            await fake.until(lambda: two.live and heard.ids)
    assert heard.ids == [key]
    assert len(fake.entries("identify")) == 1


async def test_a_lease_that_lapses_is_taken_over_with_its_session(
    fake: FakeDiscord, redis: Redis, heard: Heard
) -> None:
    leases = Leases(FakeServices(redis).shared, application_id=fake.application_id, lease_s=1.0)
    assert await leases.take(SHARD)  # and its process dies
    async with process(fake, redis, heard, paces=replace(PACES, lease_s=1.0)) as one:
        await fake.until(lambda: one.standby)
        await fake.until(lambda: one.live)


async def test_a_process_whose_lease_is_another_ones_stops_listening(
    fake: FakeDiscord, redis: Redis, heard: Heard
) -> None:
    async with process(fake, redis, heard, paces=replace(PACES, lease_s=1.0)) as one:
        await fake.until(lambda: one.live)
        shared = FakeServices(redis).shared
        await shared.put(f"discord:shard:{fake.application_id}:0:1", "another", tenant="", ttl_s=60)
        await fake.until(lambda: one.standby and not fake.gateway.live)


async def test_an_outage_of_the_store_ends_no_connection(
    fake: FakeDiscord, redis: Redis, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = 0

    async def down(*_: object, **__: object) -> bool:
        nonlocal refused
        refused += 1
        raise StoreError("down")

    async with process(fake, redis, heard, paces=replace(PACES, lease_s=0.4)) as one:
        await fake.until(lambda: one.live)
        monkeypatch.setattr("bot.shared.RedisShared.keep", down)
        await fake.until(lambda: refused >= 8)  # four for each time the lease would last
        key = fake.mention(fake.channel, fake.ann, "still there?")
        await fake.until(lambda: heard.ids)
        monkeypatch.undo()
        await fake.until(lambda: one.live)
    assert heard.ids == [key]
    assert len(fake.entries("identify")) == 1


async def test_the_saved_number_is_never_ahead_of_an_event_that_waits(
    fake: FakeDiscord, redis: Redis, heard: Heard
) -> None:
    never = asyncio.Event()

    async def pause(_: float) -> None:
        await never.wait()

    saved = sessions(fake, redis)
    heard.error, heard.refusals = StoreError("down"), 1
    async with process(fake, redis, heard, options={"pause": pause, "drain_max_s": 0.01}) as one:
        await fake.until(lambda: one.live)
        before = fake.gateway.live[0].sequence
        stuck = fake.mention(fake.channel, fake.ann, "waits for the store")
        await fake.until(lambda: heard.refusals == 0)
        other = fake.mention(fake.add_channel("other"), fake.ann, "does not wait")
        await fake.until(lambda: heard.ids == [other])
        await one.stop()
        found = await saved.find(SHARD)
        assert found is not None
        assert found.sequence == before
    async with process(fake, redis, heard):
        await fake.until(lambda: stuck in heard.ids)
    assert len(fake.entries("identify")) == 1


async def test_a_session_is_saved_while_it_runs(fake: FakeDiscord, redis: Redis, heard: Heard) -> None:
    saved = sessions(fake, redis)

    async def reaches(number: int) -> Saved:
        async with asyncio.timeout(10):
            # ASYNC110: another process would see no more than what stands in the store.
            while (found := await saved.find(SHARD)) is None or found.sequence < number:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        return found

    async with process(fake, redis, heard) as one:
        await fake.until(lambda: one.live)
        first = await reaches(fake.gateway.live[0].sequence)
        fake.mention(fake.channel, fake.ann, "hello")
        then = await reaches(fake.gateway.live[0].sequence)
        assert (then.id, then.url) == (first.id, first.url) == (fake.gateway.live[0].id, fake.gateway.url)
        assert then.sequence > first.sequence
        assert 0 < await redis.ttl(store.shared_key(f"discord:session:{fake.application_id}:0:1")) <= 600


async def test_a_session_of_other_intents_is_not_taken_up(fake: FakeDiscord, redis: Redis, heard: Heard) -> None:
    async with process(fake, redis, heard) as one:
        await fake.until(lambda: one.live)
    fake.content = False
    fake.gateway.skipped_s += 6  # an IDENTIFY every 5 s
    async with process(fake, redis, heard) as two:
        await fake.until(lambda: two.live)
    assert len(fake.entries("identify")) == 2
    assert not fake.entries("resume")


async def test_a_session_that_is_too_old_is_replaced(fake: FakeDiscord, redis: Redis, heard: Heard) -> None:
    async with process(fake, redis, heard) as one:
        await fake.until(lambda: one.live)
        old = fake.gateway.live[0].id
    fake.gateway.skipped_s += fake.gateway.kept_s
    async with process(fake, redis, heard, options={"chance": lambda: 0.0}) as two:
        await fake.until(lambda: two.live)
    found = await sessions(fake, redis).find(SHARD)
    assert found is not None
    assert found.id not in ("", old)
    assert len(fake.entries("identify")) == 2


async def test_an_unreadable_saved_session_is_no_session(fake: FakeDiscord, redis: Redis, heard: Heard) -> None:
    shared = FakeServices(redis).shared
    await shared.put(f"discord:session:{fake.application_id}:0:1", '{"of": "another version"}', tenant="", ttl_s=60)
    async with process(fake, redis, heard) as one:
        await fake.until(lambda: one.live)


async def test_two_bots_on_one_store_have_nothing_to_do_with_each_other(redis: Redis, heard: Heard) -> None:
    async with FakeDiscord() as ours, FakeDiscord() as theirs:
        others = Heard()
        async with process(ours, redis, heard) as one, process(theirs, redis, others) as two:
            await ours.until(lambda: one.live and two.live)


async def test_a_stop_that_comes_together_with_a_new_session_is_not_overheard(
    fake: FakeDiscord, redis: Redis, heard: Heard
) -> None:
    async with process(fake, redis, heard) as one:
        await fake.until(lambda: one.live)
        shards = one.platform._listening.gateway._shards  # pyright: ignore[reportPrivateUsage] -- the moment cannot be had otherwise
        assert shards
        shards._sessions.news.set()  # pyright: ignore[reportPrivateUsage]
        one.listening.cancel()
        done, _ = await asyncio.wait([one.listening], timeout=20)
        one.listening.cancel()
    assert done


async def test_the_first_direct_message_of_a_person_is_known_to_the_next_process_at_once(
    fake: FakeDiscord, redis: Redis, heard: Heard
) -> None:
    shared, name = FakeServices(redis).shared, f"discord:talked:{fake.application_id}:0:1"
    async with process(fake, redis, heard, paces=replace(PACES, save_every_s=600.0)) as one:
        await fake.until(lambda: one.live)
        fake.dm(fake.ann, "hello")
        async with asyncio.timeout(20):
            # ASYNC110: another process would see no more than what stands in the store.
            while fake.dm_channel(fake.ann) not in (await shared.get(name, tenant="") or ""):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
