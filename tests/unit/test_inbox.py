"""The inbox on a real Valkey: once, in order, one holder at a time, nothing lost."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.commands.core import AsyncScript
from redis.exceptions import ConnectionError as NotConnected

from bot import store
from bot.disk import Disk
from bot.errors import StoreError
from bot.events import Author, Message
from bot.inbox.claim import Claim
from bot.inbox.commit import NotDurable
from bot.inbox.forgetting import Forgetting
from bot.inbox.inbox import Inbox, LeaseLost
from bot.inbox.letters import Letters
from tests.mentions import ANA, BEN, mention


@pytest.fixture
async def inbox(redis: Redis) -> Inbox:
    return Inbox(redis, history_ttl_s=3600)


async def claim_one(inbox: Inbox) -> Claim:
    claims, _ = await inbox.claim(10)
    assert len(claims) == 1
    return claims[0]


async def lapse(redis: Redis, claim: Claim) -> None:
    """Let a lease run out, as 30 s of silence would."""
    await redis.zadd(store.key("ready"), {claim.conversation: 1})


def said(text: str) -> Message:
    return Message("assistant", Author("", "Bot", is_bot=True), text, "m", 1.0)


async def test_a_mention_is_taken_once_however_often_it_arrives(inbox: Inbox) -> None:
    outcomes = await asyncio.gather(*(inbox.submit(mention(1)) for _ in range(5)))
    assert sorted(outcomes) == ["accepted", "duplicate", "duplicate", "duplicate", "duplicate"]
    assert (await claim_one(inbox)).mention == mention(1)
    assert await inbox.claim(10) == ([], pytest.approx(30, abs=10))


async def test_a_mention_settled_long_ago_is_still_a_duplicate(inbox: Inbox) -> None:
    await inbox.submit(mention(1))
    await inbox.done(await claim_one(inbox))
    assert await inbox.submit(mention(1)) == "duplicate"
    assert await inbox.claim(10) == ([], None)


async def test_a_conversation_is_worked_in_the_order_it_was_written(inbox: Inbox) -> None:
    for number in (3, 1, 2):
        await inbox.submit(mention(number))
    order: list[str] = []
    for _ in range(3):
        claim = await claim_one(inbox)
        order.append(claim.event_id)
        await inbox.done(claim)
    assert order == ["fake:W:C:1", "fake:W:C:2", "fake:W:C:3"]


async def test_a_late_older_mention_waits_for_the_one_in_work_and_neither_is_lost(inbox: Inbox) -> None:
    await inbox.submit(mention(2))
    running = await claim_one(inbox)
    await inbox.submit(mention(1))
    await inbox.done(running)
    older = await claim_one(inbox)
    assert older.event_id == "fake:W:C:1"
    await inbox.done(older)
    assert await inbox.claim(10) == ([], None)


async def test_conversations_do_not_wait_for_each_other(inbox: Inbox) -> None:
    await inbox.submit(mention(1, thread="a"))
    await inbox.submit(mention(2, thread="b"))
    claims, _ = await inbox.claim(10)
    assert {claim.conversation for claim in claims} == {"fake:W:C:a", "fake:W:C:b"}


async def test_a_lapsed_lease_goes_to_another_and_the_first_holder_is_refused(inbox: Inbox, redis: Redis) -> None:
    await inbox.submit(mention(1))
    first = await claim_one(inbox)
    await lapse(redis, first)
    second = await claim_one(inbox)
    assert (first.tries, second.tries) == (1, 2)
    late: list[Callable[[], Awaitable[object]]] = [
        lambda: inbox.done(first, [said("late")]),
        lambda: inbox.again(first, delay_s=0),
        lambda: inbox.note_part(first, 0, "m"),
        lambda: inbox.note_answer(first, "late"),
    ]
    for call in late:
        with pytest.raises(LeaseLost):
            await call()
    assert not inbox.holds(first)
    assert await inbox.renew([first, second]) == [first]
    await inbox.done(second, [said("right")])
    await inbox.submit(mention(2))
    assert [message.text for message in (await claim_one(inbox)).history] == ["right"]


async def test_what_is_known_of_a_turn_reaches_the_next_holder(inbox: Inbox, redis: Redis) -> None:
    await inbox.submit(mention(1))
    first = await claim_one(inbox)
    await inbox.note_part(first, 0, "m0")
    await inbox.note_part(first, 1, "m1")
    await inbox.note_answer(first, "the answer")
    await lapse(redis, first)
    second = await claim_one(inbox)
    assert (second.parts, second.answer) == ({0: "m0", 1: "m1"}, "the answer")


async def test_a_mention_put_back_comes_again_after_its_delay_and_its_try_is_not_counted(
    inbox: Inbox, redis: Redis
) -> None:
    await inbox.submit(mention(1))
    await inbox.again(await claim_one(inbox), delay_s=20)
    claims, due_s = await inbox.claim(10)
    assert claims == []
    assert due_s == pytest.approx(20, abs=10)
    await redis.zadd(store.key("ready"), {"fake:W:C:t1": 1})
    claim = await claim_one(inbox)
    assert (claim.tries, claim.again) == (1, 1)


async def test_a_renewed_lease_lasts(inbox: Inbox, redis: Redis) -> None:
    await inbox.submit(mention(1))
    claim = await claim_one(inbox)
    await lapse(redis, claim)
    assert await inbox.renew([claim]) == []
    assert (await inbox.claim(10))[0] == []


async def test_who_lost_the_lease_brings_nothing_back_of_what_was_forgotten_since(inbox: Inbox, redis: Redis) -> None:
    await inbox.submit(mention(1))
    claim = await claim_one(inbox)
    await lapse(redis, claim)
    await Forgetting(redis).conversation(claim.conversation)
    assert await inbox.renew([claim]) == [claim]
    with pytest.raises(LeaseLost):
        await inbox.done(claim, [said("read before")])
    assert (await claim_one(inbox)).history == []


async def test_what_was_given_up_is_forgotten_with_its_conversation(inbox: Inbox, redis: Redis) -> None:
    for number, thread in ((1, "t1"), (2, "t2")):
        await inbox.submit(mention(number, thread=thread))
        await inbox.done(await claim_one(inbox), dead="crashed")
    await Forgetting(redis).conversation(mention(1, thread="t1").conversation)
    (left,) = await Letters(redis).all()
    assert left.conversation == mention(2, thread="t2").conversation


async def test_a_dead_letter_keeps_the_mention_and_frees_the_lane(inbox: Inbox, redis: Redis) -> None:
    await inbox.submit(mention(1))
    await inbox.submit(mention(2))
    await inbox.done(await claim_one(inbox), dead="crashed")
    (letter,) = map(str, await redis.lrange(store.key("dead"), 0, -1))
    assert '"why": "crashed"' in letter
    assert "fake:W:C:1" in letter
    assert (await claim_one(inbox)).event_id == "fake:W:C:2"


async def test_what_is_no_mention_is_handed_out_and_can_be_filed(inbox: Inbox, redis: Redis) -> None:
    await redis.zadd(store.key("lane", "x"), {"{not json": 1})
    await redis.zadd(store.key("ready"), {"x": 1})
    claim = await claim_one(inbox)
    assert claim.mention is None
    await inbox.done(claim, dead="unreadable")
    assert await inbox.claim(10) == ([], None)


async def test_an_unreadable_history_line_is_passed_over(inbox: Inbox, redis: Redis) -> None:
    await redis.rpush(store.key("history", "fake:W:C:t1"), "nonsense", '{"role":"user"}')
    await redis.expire(store.key("history", "fake:W:C:t1"), 100)
    await inbox.submit(mention(1))
    assert (await claim_one(inbox)).history == []


class TestFollowUps:
    async def test_are_ignored_where_the_bot_takes_no_part(self, inbox: Inbox) -> None:
        assert await inbox.submit(mention(1, addressed=False)) == "ignored"

    async def test_are_taken_while_one_person_talks_with_the_bot(self, inbox: Inbox) -> None:
        await inbox.submit(mention(1))
        assert await inbox.submit(mention(2, addressed=False)) == "accepted"

    async def test_need_a_mention_once_a_second_person_has_spoken(self, inbox: Inbox) -> None:
        await inbox.submit(mention(1))
        assert await inbox.submit(mention(2, addressed=False, author=BEN)) == "ignored"
        assert await inbox.submit(mention(3, addressed=False, author=ANA)) == "ignored"
        assert await inbox.submit(mention(4, author=ANA)) == "accepted"

    async def test_need_a_mention_where_somebody_else_began_the_thread(self, inbox: Inbox) -> None:
        await inbox.submit(mention(1, others=(BEN.id,)))
        assert await inbox.submit(mention(2, addressed=False)) == "ignored"

    async def test_need_a_mention_where_only_the_second_copy_names_who_began_the_thread(self, inbox: Inbox) -> None:
        await inbox.submit(mention(1))
        assert await inbox.submit(mention(1, others=(BEN.id,))) == "duplicate"
        assert await inbox.submit(mention(2, addressed=False)) == "ignored"

    async def test_an_ignored_copy_does_not_hide_the_mention_that_follows(self, inbox: Inbox) -> None:
        assert await inbox.submit(mention(1, addressed=False)) == "ignored"
        assert await inbox.submit(mention(1)) == "accepted"


class TestReplyChains:
    async def test_a_reply_to_the_bots_message_joins_its_conversation(self, inbox: Inbox) -> None:
        await inbox.submit(mention(1, thread=None))
        claim = await claim_one(inbox)
        await inbox.note_part(claim, 0, "answer-1")
        await inbox.done(claim, [said("first")])
        await inbox.submit(mention(2, thread=None, reply_to="answer-1"))
        second = await claim_one(inbox)
        assert second.conversation == claim.conversation == "fake:W:C:1"
        assert [message.text for message in second.history] == ["first"]

    async def test_a_fresh_mention_begins_its_own(self, inbox: Inbox) -> None:
        await inbox.submit(mention(1, thread=None))
        await inbox.submit(mention(2, thread=None, reply_to="unknown"))
        claims, _ = await inbox.claim(10)
        assert {claim.conversation for claim in claims} == {"fake:W:C:1", "fake:W:C:2"}


async def test_waiting_ends_when_a_mention_arrives(inbox: Inbox) -> None:
    waiting = asyncio.create_task(inbox.wait(30))
    await inbox.submit(mention(1))
    async with asyncio.timeout(20):
        await waiting


async def test_stale_wake_ups_are_cleared_by_a_claim_that_finds_nothing_more(inbox: Inbox, redis: Redis) -> None:
    for number in range(5):
        await inbox.submit(mention(number, thread=str(number)))
    await inbox.claim(10)
    assert await redis.exists(store.key("wake")) == 0


async def test_a_burst_is_submitted_in_order_and_claimed_oldest_first(inbox: Inbox) -> None:
    burst = [mention(n, thread=str(n)) for n in range(50)]
    await asyncio.gather(*(inbox.submit(one) for one in burst))
    claims, _ = await inbox.claim(50)
    assert [claim.mention for claim in claims] == burst


async def test_a_restarted_server_that_has_forgotten_the_scripts_is_taught_them(inbox: Inbox, redis: Redis) -> None:
    await inbox.submit(mention(1))
    await redis.execute_command("SCRIPT", "FLUSH")
    assert await inbox.submit(mention(2, thread="b")) == "accepted"
    assert len((await inbox.claim(5))[0]) == 2


async def test_a_call_that_is_repeated_because_its_reply_was_lost_is_done_once(inbox: Inbox, redis: Redis) -> None:
    await inbox.submit(mention(1))
    await inbox.submit(mention(2))
    claim = await claim_one(inbox)
    await inbox.done(claim, [said("once")])
    await inbox.done(claim, [said("once")])
    second = await claim_one(inbox)
    assert [message.text for message in second.history] == ["once"]


@pytest.mark.parametrize("times", [1, 2])
async def test_what_a_claim_gave_out_whose_reply_was_lost_is_given_out_again_at_once_and_that_was_no_try(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    await inbox.submit(mention(1, thread="a"))
    held = await claim_one(inbox)
    await inbox.submit(mention(2, thread="b"))
    with monkeypatch.context() as cut:
        cut.setattr(AsyncScript, "__call__", _cut(after=True))
        for _ in range(times):
            with pytest.raises(StoreError):
                await inbox.claim(10)
    claim = await claim_one(inbox)
    assert (claim.event_id, claim.tries) == ("fake:W:C:2", 1)
    assert await inbox.renew([held, claim]) == []


async def test_what_a_claim_gives_out_that_is_done_only_after_the_next_one_is_taken_back_too(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that stood still reads what it was sent meanwhile, on connections that are closed by now."""
    sent: list[Callable[[], Awaitable[object]]] = []
    with monkeypatch.context() as cut:
        cut.setattr(AsyncScript, "__call__", _cut(after=False, sent=sent))
        with pytest.raises(StoreError):
            await inbox.claim(10)
    assert await inbox.claim(10) == ([], None)
    await inbox.submit(mention(1))
    await sent[0]()
    assert (await claim_one(inbox)).tries == 1


async def test_a_claim_that_redis_py_sends_again_gives_the_same_and_that_was_no_try(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = AsyncScript.__call__

    async def twice(self: AsyncScript, **given: Any) -> Any:
        await call(self, **given)
        return await call(self, **given)

    await inbox.submit(mention(1))
    monkeypatch.setattr(AsyncScript, "__call__", twice)
    assert (await claim_one(inbox)).tries == 1


def _cut(*, after: bool, sent: list[Callable[[], Awaitable[object]]] | None = None) -> Callable[..., Awaitable[Any]]:
    """The connection breaks off `after` the script was run, or before; then what was `sent` may be run later."""
    call = AsyncScript.__call__

    async def lost(self: AsyncScript, **given: Any) -> Any:
        if after:
            await call(self, **given)
        elif sent is not None:
            sent.append(lambda: call(self, **given))
        raise NotConnected("cut")

    return lost


async def test_the_history_is_bounded_in_bytes_and_keeps_the_newest(inbox: Inbox) -> None:
    for number in range(4):
        await inbox.submit(mention(number))
        await inbox.done(await claim_one(inbox), [said(f"{number}" * 100_000)])
    await inbox.submit(mention(9))
    assert [message.text[0] for message in (await claim_one(inbox)).history] == ["2", "3"]


class TestAPrivateStore:
    async def test_lanes_of_a_dead_process_can_be_taken_over_at_once(self, inbox: Inbox) -> None:
        await inbox.take_over()
        await inbox.submit(mention(1))
        dead = await claim_one(inbox)
        await inbox.take_over()
        assert (await claim_one(inbox)).tries == 2
        with pytest.raises(LeaseLost):
            await inbox.done(dead)

    async def test_what_waits_can_be_dropped(self, inbox: Inbox) -> None:
        await inbox.submit(mention(1))
        await inbox.submit(mention(2, thread="b"))
        await inbox.drop()
        assert await inbox.claim(5) == ([], None)
        assert await inbox.submit(mention(3)) == "accepted"


class TestDurability:
    async def test_an_older_redis_without_waitaof_is_told_of_once(
        self, redis: Redis, caplog: pytest.LogCaptureFixture
    ) -> None:
        inbox = Inbox(redis, history_ttl_s=3600, disk=Disk(command="NO_SUCH_COMMAND"))
        assert await inbox.submit(mention(1)) == "accepted"
        assert await inbox.submit(mention(2)) == "accepted"
        assert caplog.text.count("redis_without_waitaof") == 1

    async def test_a_mention_whose_way_to_the_disk_is_unclear_is_in_the_inbox_but_not_acknowledged(
        self, redis: Redis
    ) -> None:
        inbox = Inbox(redis, history_ttl_s=3600, disk=Disk(within_ms=1))
        await redis.execute_command("CONFIG", "SET", "appendfsync", "no")
        try:
            with pytest.raises(NotDurable):
                await inbox.submit(mention(1))
        finally:
            await redis.execute_command("CONFIG", "SET", "appendfsync", "always")
        assert (await claim_one(inbox)).event_id == "fake:W:C:1"


class TestSpoiltContent:
    async def test_a_lane_of_the_wrong_type_is_parked_and_the_others_go_on(
        self, inbox: Inbox, redis: Redis, caplog: pytest.LogCaptureFixture
    ) -> None:
        await redis.set(store.key("lane", "broken"), "text", ex=60)
        await redis.zadd(store.key("ready"), {"broken": 1})
        await inbox.submit(mention(1))
        assert (await claim_one(inbox)).event_id == "fake:W:C:1"
        assert "lane_unreadable" in caplog.text
        await redis.delete(store.key("lane", "broken"))

    @pytest.mark.parametrize("kind", ["turn:fake:W:C:1", "history:fake:W:C:t1"])
    async def test_other_keys_of_the_wrong_type_stop_no_other_lane(self, inbox: Inbox, redis: Redis, kind: str) -> None:
        await inbox.submit(mention(1))
        await redis.set(store.key(kind), "text", ex=60)
        await inbox.submit(mention(2, thread="b"))
        claims, _ = await inbox.claim(5)
        assert "fake:W:C:2" in [claim.event_id for claim in claims]
        await redis.delete(store.key(kind))

    @pytest.mark.parametrize("raw", [b"\xff\xfe", b'{"event_id": null}', b"[]", b"7", b'{"event_id": "x"}'])
    async def test_what_is_no_mention_can_be_filed_byte_for_byte(self, inbox: Inbox, redis: Redis, raw: bytes) -> None:
        await redis.zadd(store.key("lane", "x"), {raw: 1})
        await redis.zadd(store.key("ready"), {"x": 1})
        claim = await claim_one(inbox)
        assert claim.mention is None
        await inbox.done(claim, dead="unreadable")
        assert await inbox.claim(10) == ([], None)

    @pytest.mark.parametrize(("soon", "often"), [("soon", "often"), ("nan", "inf"), ("-inf", "nan")])
    async def test_a_turn_with_nonsense_in_it_counts_as_unknown(
        self, inbox: Inbox, redis: Redis, soon: str, often: str
    ) -> None:
        await inbox.submit(mention(1))
        await redis.hset(store.key("turn", "fake:W:C:1"), mapping={"part:x": "1", "accepted": soon, "again": often})
        claim = await claim_one(inbox)
        assert (claim.parts, claim.again) == ({}, 0)
        assert math.isfinite(claim.age_s)

    async def test_half_a_character_is_kept_as_a_question_mark(self, inbox: Inbox) -> None:
        await inbox.submit(mention(1, text="half \ud83d an emoji"))
        claim = await claim_one(inbox)
        assert claim.mention is not None
        assert claim.mention.text == "half ? an emoji"


async def test_depth_counts_conversations_and_the_age_of_the_oldest(inbox: Inbox, redis: Redis) -> None:
    assert await inbox.depth() == (0, 0)
    await inbox.submit(mention(1))
    await redis.zadd(store.key("ready"), {"fake:W:C:t1": 1})
    count, oldest_s = await inbox.depth()
    assert count == 1
    assert oldest_s > 1e9


class TestAFailingRedis:
    async def test_a_full_server_takes_nothing_and_says_so(self, inbox: Inbox, redis: Redis) -> None:
        await redis.execute_command("CONFIG", "SET", "maxmemory", "1")
        try:
            with pytest.raises(StoreError, match="OutOfMemory"):
                await inbox.submit(mention(1))
            assert any("memory is full" in line for line in await store.shortcomings(redis))
        finally:
            await redis.execute_command("CONFIG", "SET", "maxmemory", "0")
        assert await inbox.submit(mention(1)) == "accepted"

    async def test_a_server_without_append_only_file_takes_nothing(self, inbox: Inbox, redis: Redis) -> None:
        await redis.execute_command("CONFIG", "SET", "appendonly", "no")
        try:
            with pytest.raises(StoreError):
                await inbox.submit(mention(1))
            assert any("append-only" in line for line in await store.shortcomings(redis))
        finally:
            await redis.execute_command("CONFIG", "SET", "appendonly", "yes")

    async def test_an_evicting_server_is_not_good_enough(self, redis: Redis) -> None:
        await redis.execute_command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        try:
            assert any("maxmemory-policy" in line for line in await store.shortcomings(redis))
        finally:
            await redis.execute_command("CONFIG", "SET", "maxmemory-policy", "noeviction")
        assert await store.shortcomings(redis) == []

    async def test_an_error_never_quotes_the_message(self, inbox: Inbox, redis: Redis) -> None:
        await redis.set(store.key("ready"), "not a sorted set", ex=60)
        with pytest.raises(StoreError) as caught:
            await inbox.submit(mention(1, text="canary-text"))
        assert "canary" not in str(caught.value)

    async def test_an_answer_that_cannot_be_noted_just_now_is_noted_as_soon_as_it_can_be(self, redis: Redis) -> None:
        async def back(_: float) -> None:
            await redis.execute_command("CONFIG", "SET", "maxmemory", "0")

        inbox = Inbox(redis, history_ttl_s=3600, sleep=back)
        await inbox.submit(mention(1))
        claim = await claim_one(inbox)
        await redis.execute_command("CONFIG", "SET", "maxmemory", "1")
        await inbox.note_answer(claim, "the answer")
        await lapse(redis, claim)
        assert (await claim_one(inbox)).answer == "the answer"

    async def test_what_a_holder_cannot_note_is_given_up_when_its_lease_is_over(self, redis: Redis) -> None:
        now = 0.0

        async def away(seconds: float) -> None:
            nonlocal now
            now += seconds

        inbox = Inbox(redis, history_ttl_s=3600, clock=lambda: now, sleep=away)
        await inbox.submit(mention(1))
        claim = await claim_one(inbox)
        await redis.execute_command("CONFIG", "SET", "maxmemory", "1")
        try:
            with pytest.raises(StoreError):
                await inbox.done(claim)
        finally:
            await redis.execute_command("CONFIG", "SET", "maxmemory", "0")
        assert now == pytest.approx(inbox.lease_s, abs=1)

    async def test_a_claim_that_no_replica_got_is_given_back_and_is_no_try(self, redis: Redis) -> None:
        inbox = Inbox(redis, history_ttl_s=3600)
        await inbox.submit(mention(1))
        alone = Inbox(redis, history_ttl_s=3600, disk=Disk(replicas=1))
        with pytest.raises(StoreError, match="0 of 1 replicas"):
            await alone.claim(1)
        _, next_due_s = await inbox.claim(1)
        assert next_due_s is not None
        assert next_due_s < inbox.lease_s / 2
        await inbox.take_over()
        assert (await claim_one(inbox)).tries == 1

    async def test_an_unreachable_server_fails_every_call_the_same_way(self) -> None:
        async with store.connect("unix:///nonexistent/socket", data_dir=Path("unused")) as gone:
            inbox = Inbox(gone, history_ttl_s=60)
            calls: list[Callable[[], Awaitable[object]]] = [
                lambda: inbox.submit(mention(1)),
                lambda: inbox.claim(1),
                lambda: inbox.wait(1),
                inbox.depth,
                lambda: store.shortcomings(gone),
            ]
            for call in calls:
                with pytest.raises(StoreError):
                    await call()
