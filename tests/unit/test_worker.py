"""The worker on a real Valkey: slots, leases, drains, and mentions that kill."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis

from bot import store
from bot import worker as module
from bot.errors import Overloaded, StoreError
from bot.inbox.claim import Claim
from bot.inbox.inbox import Inbox
from bot.inbox.signals import Signal
from bot.metrics import Metrics
from bot.worker import Worker
from tests.mentions import ANA, mention
from tests.until import until

Handle = Callable[[Claim], Awaitable[None]]


@pytest.fixture
async def inbox(redis: Redis) -> Inbox:
    return Inbox(redis, history_ttl_s=3600)


@asynccontextmanager
async def working(inbox: Inbox, handle: Handle, *, slots: int = 10) -> AsyncGenerator[Worker]:
    worker = Worker(inbox, handle, slots=slots, metrics=Metrics())
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        task.cancel()
        await asyncio.wait([task])


async def empty(redis: Redis) -> bool:
    return not await redis.exists(store.key("ready"))


async def test_every_mention_is_handled_once_and_conversations_run_side_by_side(inbox: Inbox) -> None:
    handled: list[str] = []
    together = asyncio.Barrier(3)

    async def handle(claim: Claim) -> None:
        await together.wait()
        handled.append(claim.event_id)
        await inbox.done(claim)

    async with working(inbox, handle):
        for number in range(3):
            await inbox.submit(mention(number, thread=str(number)))
        await until(lambda: len(handled) == 3)
    assert len(set(handled)) == 3


async def test_no_more_than_its_slots_run_at_once(inbox: Inbox) -> None:
    running: set[str] = set()
    most = 0
    handled = 0

    async def handle(claim: Claim) -> None:
        nonlocal most, handled
        running.add(claim.event_id)
        most = max(most, len(running))
        await asyncio.sleep(0)
        await inbox.done(claim)
        running.remove(claim.event_id)
        handled += 1

    for number in range(20):
        await inbox.submit(mention(number, thread=str(number)))
    async with working(inbox, handle, slots=4):
        await until(lambda: handled == 20)
    assert most == 4


async def test_a_handlers_error_puts_the_mention_back_with_a_back_off(inbox: Inbox, redis: Redis) -> None:
    tries: list[int] = []

    async def handle(claim: Claim) -> None:
        tries.append(claim.again)
        if claim.again == 0:
            raise Overloaded("busy")
        await inbox.done(claim)

    async with working(inbox, handle):
        await inbox.submit(mention(1))
        await until(lambda: len(tries) == 2)
    assert tries == [0, 1]


async def test_a_crash_is_logged_without_its_text_and_the_next_mention_goes_on(
    inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    done: list[str] = []

    async def handle(claim: Claim) -> None:
        if claim.mention and claim.mention.text == "canary-text":
            raise ValueError(claim.mention.text)
        await inbox.done(claim)
        done.append(claim.event_id)

    async with working(inbox, handle):
        await inbox.submit(mention(1, thread="a", text="canary-text"))
        await inbox.submit(mention(2, thread="b"))
        await until(lambda: done)
    (record,) = [record for record in caplog.records if record.message == "mention_crashed"]
    assert record.__dict__["error"] == "ValueError"
    assert "canary" not in str(record.__dict__)


async def test_a_drain_lets_running_mentions_finish_and_takes_no_new_ones(inbox: Inbox, redis: Redis) -> None:
    started, finish = asyncio.Event(), asyncio.Event()
    done: list[str] = []

    async def handle(claim: Claim) -> None:
        started.set()
        await finish.wait()
        await inbox.done(claim)
        done.append(claim.event_id)

    async with working(inbox, handle) as worker:
        await inbox.submit(mention(1, thread="a"))
        await started.wait()
        draining = asyncio.create_task(worker.drain(20))
        await asyncio.sleep(0)
        await inbox.submit(mention(2, thread="b"))
        finish.set()
        await draining
    assert done == ["fake:W:C:1"]
    claims, _ = await inbox.claim(10)
    assert [claim.event_id for claim in claims] == ["fake:W:C:2"]


async def test_what_a_drain_cuts_off_is_put_back_at_once_and_is_not_a_failed_try(inbox: Inbox) -> None:
    started = asyncio.Event()

    async def handle(claim: Claim) -> None:
        started.set()
        await asyncio.Event().wait()

    async with working(inbox, handle) as worker:
        await inbox.submit(mention(1))
        await started.wait()
        await worker.drain(0)
    claims, _ = await inbox.claim(10)
    assert [(claim.tries, claim.again) for claim in claims] == [(1, 1)]


async def test_a_claim_on_its_way_when_the_drain_begins_is_worked_to_its_end(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, asked, go_on = inbox.claim, asyncio.Event(), asyncio.Event()
    done: list[str] = []

    async def slow(most: int) -> tuple[list[Claim], float | None]:
        found = await claim(most)
        asked.set()
        await go_on.wait()
        return found

    async def handle(claim: Claim) -> None:
        await inbox.done(claim)
        done.append(claim.event_id)

    monkeypatch.setattr(inbox, "claim", slow)
    await inbox.submit(mention(1))
    async with working(inbox, handle) as worker:
        await asked.wait()
        draining = asyncio.create_task(worker.drain(20))
        await asyncio.sleep(0)
        go_on.set()
        await draining
    assert done == ["fake:W:C:1"]


async def test_a_mention_cut_off_while_it_is_put_back_is_put_back_at_once(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    again, calls = inbox.again, list[float]()

    async def slow(claim: Claim, *, delay_s: float) -> None:
        calls.append(delay_s)
        if len(calls) == 1:
            await asyncio.Event().wait()
        await again(claim, delay_s=delay_s)

    async def handle(_: Claim) -> None:
        raise Overloaded("busy")

    monkeypatch.setattr(inbox, "again", slow)
    await inbox.submit(mention(1))
    async with working(inbox, handle) as worker:
        await until(lambda: calls)
        await worker.drain(0)
    claims, _ = await inbox.claim(10)
    assert [(claim.tries, claim.again) for claim in claims] == [(1, 1)]


async def test_a_drain_does_not_wait_for_a_store_that_stays_away(
    redis: Redis, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "HAND_BACK_WITHIN_S", 0.01)
    inbox = Inbox(redis, history_ttl_s=3600, lease_s=3600)
    started = asyncio.Event()

    async def handle(_: Claim) -> None:
        started.set()
        await asyncio.Event().wait()

    try:
        async with working(inbox, handle) as worker:
            await inbox.submit(mention(1))
            await started.wait()
            await redis.config_set("maxmemory", "1")
            await worker.drain(0)
    finally:
        await redis.config_set("maxmemory", "0")
    assert "put_back_failed" in caplog.text


async def test_a_stop_that_overtakes_the_claim_of_its_mention_is_not_missed(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Callable[[Signal], None]] = []
    given_out, stopped = inbox.claim, asyncio.Event()

    async def hear(tell: Callable[[Signal], None]) -> None:
        heard.append(tell)
        await asyncio.Event().wait()

    async def claim(most: int) -> tuple[list[Claim], float | None]:
        claims = await given_out(most)
        for one in claims[0]:
            heard[0](Signal(one.conversation, one.event_id, ANA, withdrawn=False))
        return claims

    async def handle(claim: Claim) -> None:
        claim.ended = stopped.set
        if claim.stopped:
            stopped.set()
        await stopped.wait()
        await inbox.done(claim)

    monkeypatch.setattr(inbox, "hear", hear)
    monkeypatch.setattr(inbox, "claim", claim)
    await inbox.submit(mention(1))
    async with working(inbox, handle):
        await until(stopped.is_set)


async def test_leases_are_renewed_while_a_mention_runs(redis: Redis) -> None:
    inbox = Inbox(redis, history_ttl_s=3600, lease_s=1.0)
    handled: list[int] = []

    async def handle(claim: Claim) -> None:
        first_lease = claim.valid_until
        await until(lambda: claim.valid_until > first_lease + 1.2)
        handled.append(claim.tries)
        await inbox.done(claim)

    async with working(inbox, handle):
        await inbox.submit(mention(1))
        await until(lambda: handled)
    assert handled == [1]


async def test_a_mention_whose_lease_went_to_another_is_dropped_at_once(redis: Redis) -> None:
    inbox = Inbox(redis, history_ttl_s=3600, lease_s=0.3)
    cancelled: list[bool] = []

    async def handle(claim: Claim) -> None:
        await redis.hset(store.key("owner"), claim.conversation, "another")
        await redis.zadd(store.key("ready"), {claim.conversation: 9e9})
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append(True)

    async with working(inbox, handle):
        await inbox.submit(mention(1))
        await until(lambda: cancelled)


async def test_an_outage_of_redis_is_sat_out_and_said_once(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    claim = inbox.claim
    fails = [StoreError("away")] * 3
    done: list[str] = []

    async def failing(most: int) -> tuple[list[Claim], float | None]:
        if fails:
            raise fails.pop()
        return await claim(most)

    async def handle(claim: Claim) -> None:
        await inbox.done(claim)
        done.append(claim.event_id)

    monkeypatch.setattr(inbox, "claim", failing)
    await inbox.submit(mention(1))
    async with working(inbox, handle):
        await until(lambda: done)
    assert [one.message for one in caplog.records if one.name == "bot.worker"] == ["claim_failed", "claims_again"]


async def test_a_renewal_that_failed_is_tried_again_at_once_and_not_after_a_third_of_the_lease(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    renew = inbox.renew
    seen: list[str | float] = []
    fails = [StoreError("away")] * 2

    async def failing(claims: Sequence[Claim]) -> list[Claim]:
        seen.append("failed" if fails else "renewed")
        if fails:
            raise fails.pop()
        return await renew(claims)

    async def sleep(pause_s: float) -> None:
        if seen:
            seen.append(pause_s)
        await asyncio.sleep(0)

    async def handle(claim: Claim) -> None:
        await until(lambda: "renewed" in seen)
        await inbox.done(claim)

    monkeypatch.setattr(inbox, "renew", failing)
    await inbox.submit(mention(1))
    worker = Worker(inbox, handle, slots=1, metrics=Metrics(), sleep=sleep)
    task = asyncio.create_task(worker.run())
    await until(lambda: 10.0 in seen)
    task.cancel()
    await asyncio.wait([task])
    assert seen[: seen.index(10.0) + 1] == ["failed", 1.0, "failed", 1.0, "renewed", 10.0]


async def test_leases_that_cannot_be_renewed_are_kept_until_they_lapse_by_the_local_clock(
    redis: Redis, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    inbox = Inbox(redis, history_ttl_s=3600, lease_s=0.6)
    beyond_s: list[float] = []

    async def away(_: object) -> list[Claim]:
        raise StoreError("away")

    async def handle(claim: Claim) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            beyond_s.append(time.monotonic() - claim.valid_until)

    monkeypatch.setattr(inbox, "renew", away)
    await inbox.submit(mention(1))
    async with working(inbox, handle, slots=1):
        await until(lambda: beyond_s)
    assert beyond_s[0] >= 0
    assert "renew_failed" in caplog.text
