"""Edits, deletions and stops meet the lanes, on a real Valkey: the newest text counts, and nothing is done twice."""

import asyncio
from dataclasses import replace
from typing import cast

import pytest
from redis.asyncio import Redis

from bot import store
from bot.errors import StoreError
from bot.events import Author, Mention, Message, dump
from bot.inbox import history
from bot.inbox.claim import Claim
from bot.inbox.entries import Entries
from bot.inbox.inbox import Inbox, LeaseLost
from bot.inbox.signals import PAUSE_S, Signal
from bot.sealing import Seal
from tests.core import subscribed
from tests.mentions import ANA, BEN, deleted, edited, mention, stop
from tests.until import until

KEY = bytes(range(32))


@pytest.fixture(params=[Seal(), Seal([KEY])], ids=["open", "sealed"])
async def inbox(redis: Redis, request: pytest.FixtureRequest) -> Inbox:
    return Inbox(redis, history_ttl_s=3600, seal=cast(Seal, request.param))


async def claim_one(inbox: Inbox) -> Claim:
    claims, _ = await inbox.claim(10)
    assert len(claims) == 1
    return claims[0]


async def lapse(redis: Redis, claim: Claim) -> None:
    await redis.zadd(store.key("ready"), {claim.conversation: 1})


async def nothing_waits(inbox: Inbox) -> bool:
    return await inbox.claim(10) == ([], None)


async def answered(inbox: Inbox, one: Mention, text: str, *ids: str) -> None:
    """Submit, claim and settle a mention with an answer in the messages `ids`."""
    await inbox.submit(one)
    claim = await claim_one(inbox)
    asked = Message("user", one.author, one.text, one.message_id, one.sent_at)
    said = Message("assistant", Author("", "Bot", is_bot=True), text, ids[0], one.sent_at, more_ids=ids[1:])
    await inbox.done(claim, [asked, said])


async def follow(inbox: Inbox) -> None:
    """Do what the handler does with a change."""
    claim = await claim_one(inbox)
    assert claim.change is not None
    await inbox.done(claim, revisions=history.revised(claim.lines, claim.change))


async def remembered(inbox: Inbox) -> list[str]:
    """The texts of the history of thread t1."""
    await inbox.submit(mention(99))
    claim = await claim_one(inbox)
    await inbox.done(claim)
    return [message.text for message in claim.history]


class TestAMentionThatWaits:
    async def test_is_answered_with_its_newest_text_in_its_old_place(self, inbox: Inbox) -> None:
        for number in (1, 2, 3):
            await inbox.submit(mention(number, text=f"old {number}"))
        assert await inbox.submit(edited(mention(2), "new 2")) == "accepted"
        texts: list[str] = []
        for _ in range(3):
            claim = await claim_one(inbox)
            assert claim.mention
            texts.append(claim.mention.text)
            await inbox.done(claim)
        assert texts == ["old 1", "new 2", "old 3"]
        assert await nothing_waits(inbox)

    @pytest.mark.parametrize("runs", [False, True])
    async def test_is_answered_as_it_reads_last_also_where_an_earlier_edit_arrives_later(
        self, inbox: Inbox, runs: bool
    ) -> None:
        """One that was refused is sent again after a minute."""
        await inbox.submit(mention(1, text="first"))
        running = await claim_one(inbox) if runs else None
        late = edited(mention(1), "second")
        last = replace(edited(mention(1), "third"), at=late.at + 1)
        assert await inbox.submit(last) == "accepted"
        assert await inbox.submit(late) == ("accepted" if runs else "ignored")
        if running:
            await inbox.again(running, delay_s=0)
        claim = await claim_one(inbox)
        assert claim.mention
        assert claim.mention.text == "third"

    async def test_is_not_answered_once_it_was_deleted(self, inbox: Inbox, redis: Redis) -> None:
        await inbox.submit(mention(1))
        assert await inbox.submit(deleted(mention(1))) == "withdrawn"
        assert await nothing_waits(inbox)
        assert await redis.exists(store.key("ready")) == 0
        assert await inbox.submit(mention(1)) == "duplicate"

    async def test_of_several_only_the_deleted_one_goes(self, inbox: Inbox) -> None:
        for number in (1, 2):
            await inbox.submit(mention(number))
        await inbox.submit(deleted(mention(1)))
        assert (await claim_one(inbox)).event_id == "fake:W:C:2"

    async def test_and_was_alone_takes_its_author_out_of_the_conversation(self, inbox: Inbox) -> None:
        await inbox.submit(mention(1))
        await inbox.submit(deleted(mention(1)))
        assert await inbox.submit(mention(2, addressed=False)) == "ignored"

    async def test_is_changed_once_however_often_the_change_arrives(self, inbox: Inbox) -> None:
        await inbox.submit(mention(1))
        outcomes = await asyncio.gather(*(inbox.submit(edited(mention(1), "new")) for _ in range(4)))
        assert sorted(outcomes) == ["accepted", "duplicate", "duplicate", "duplicate"]
        await inbox.done(await claim_one(inbox))
        assert await nothing_waits(inbox)

    async def test_whose_worker_died_is_answered_with_its_newest_text_and_the_late_holder_is_refused(
        self, inbox: Inbox, redis: Redis
    ) -> None:
        await inbox.submit(mention(1, text="old"))
        dead = await claim_one(inbox)
        await inbox.note_answer(dead, "an answer to the old text")
        await lapse(redis, dead)
        await inbox.submit(edited(mention(1), "new"))
        with pytest.raises(LeaseLost):
            await inbox.done(dead)
        second = await claim_one(inbox)
        assert second.mention
        assert (second.mention.text, second.answer, second.tries) == ("new", None, 2)

    async def test_after_an_attempt_is_left_to_the_next_holder_who_knows_that_it_was_deleted(
        self, inbox: Inbox, redis: Redis
    ) -> None:
        await inbox.submit(mention(1))
        first = await claim_one(inbox)
        await inbox.note_part(first, 0, "m0")
        await inbox.again(first, delay_s=600)
        assert await inbox.submit(deleted(mention(1))) == "accepted"
        second = await claim_one(inbox)  # at once: its back-off is over
        assert (second.withdrawn, second.parts) == (True, {0: "m0"})


class TestTheMentionThatRuns:
    async def test_is_answered_as_it_was_and_the_history_follows_its_edit(self, inbox: Inbox) -> None:
        await inbox.submit(mention(1, text="old"))
        running = await claim_one(inbox)
        assert await inbox.submit(edited(mention(1), "new")) == "accepted"
        assert (await inbox.claim(10))[0] == []
        await inbox.done(running, [Message("user", ANA, "old", "1", 1.0)])
        await follow(inbox)
        assert await remembered(inbox) == ["new"]

    async def test_learns_that_it_was_deleted_and_comes_into_no_history(self, inbox: Inbox) -> None:
        await inbox.submit(mention(1))
        running = await claim_one(inbox)
        assert await inbox.submit(deleted(mention(1))) == "accepted"
        assert await inbox.renew([running]) == []
        assert running.withdrawn
        assert not await inbox.done(running, [Message("user", ANA, "too late", "1", 1.0)])
        assert await inbox.done(running)
        assert await remembered(inbox) == []

    async def test_that_nobody_told_of_its_deletion_learns_it_when_it_settles(self, inbox: Inbox) -> None:
        await inbox.submit(mention(1))
        running = await claim_one(inbox)
        await inbox.submit(deleted(mention(1)))
        assert not await inbox.done(running, [Message("user", ANA, "too late", "1", 1.0)])
        assert running.withdrawn
        assert not running.settled
        assert await inbox.renew([running]) == []
        assert await inbox.done(running)
        assert await nothing_waits(inbox)

    @pytest.mark.parametrize("fails", [True, False], ids=["put back", "lease lapsed"])
    async def test_and_was_edited_meanwhile_is_answered_as_it_reads_then_should_it_be_tried_again(
        self, inbox: Inbox, redis: Redis, fails: bool
    ) -> None:
        await inbox.submit(mention(1, text="old"))
        await inbox.submit(mention(2))
        running = await claim_one(inbox)
        await inbox.note_answer(running, "An answer to the old text.")
        await inbox.submit(edited(mention(1), "new"))
        await (inbox.again(running, delay_s=0) if fails else lapse(redis, running))
        again = await claim_one(inbox)
        assert again.mention
        assert (again.mention.text, again.answer) == ("new", None)
        with pytest.raises(LeaseLost):
            await inbox.note_answer(running, "too late")
        await inbox.done(again, [Message("user", ANA, "new", "1", 1.0)])
        await follow(inbox)
        assert await remembered(inbox) == ["new"]

    async def test_is_recognised_although_an_older_one_stands_before_it_in_the_lane(self, inbox: Inbox) -> None:
        await inbox.submit(mention(2))
        running = await claim_one(inbox)
        await inbox.submit(mention(1, text="old"))
        await inbox.submit(edited(mention(1), "new"))
        await inbox.submit(deleted(mention(2)))
        await inbox.renew([running])
        assert running.withdrawn
        await inbox.done(running)
        waiting = await claim_one(inbox)
        assert waiting.mention
        assert waiting.mention.text == "new"


class TestTheHistory:
    async def test_follows_an_edited_question_and_keeps_its_answer(self, inbox: Inbox) -> None:
        await answered(inbox, mention(1, text="old"), "answer", "m0")
        await inbox.submit(edited(mention(1), "new"))
        await follow(inbox)
        assert await remembered(inbox) == ["new", "answer"]

    async def test_loses_a_deleted_question_and_the_answer_that_quotes_it(self, inbox: Inbox) -> None:
        await answered(inbox, mention(1, text="first"), "one", "m0")
        await answered(inbox, mention(2, text="second"), "two", "m1")
        await inbox.submit(deleted(mention(1)))
        await follow(inbox)
        assert await remembered(inbox) == ["second", "two"]

    @pytest.mark.parametrize("which", ["m0", "m1"])
    async def test_loses_a_deleted_answer_whichever_of_its_messages_went(self, inbox: Inbox, which: str) -> None:
        await answered(inbox, mention(1, text="question"), "answer", "m0", "m1")
        await inbox.submit(deleted(mention(1), message_id=which))
        await follow(inbox)
        assert await remembered(inbox) == ["question"]

    async def test_is_not_touched_by_an_edit_that_says_the_same(self, inbox: Inbox) -> None:
        await answered(inbox, mention(1, text="same"), "answer", "m0")
        await inbox.submit(edited(mention(1), "same"))
        claim = await claim_one(inbox)
        assert claim.change
        assert history.revised(claim.lines, claim.change) == []

    async def test_is_changed_once_when_the_settling_call_is_repeated(self, inbox: Inbox) -> None:
        await answered(inbox, mention(1, text="same"), "same", "m0")
        await answered(inbox, mention(2, text="same"), "same", "m1")
        await inbox.submit(deleted(mention(1)))
        claim = await claim_one(inbox)
        assert claim.change
        for _ in range(2):
            await inbox.done(claim, revisions=history.revised(claim.lines, claim.change))
        assert await remembered(inbox) == ["same", "same"]

    async def test_of_a_reply_chain_is_found_by_the_bots_message(self, inbox: Inbox) -> None:
        await inbox.submit(mention(1, thread=None))
        claim = await claim_one(inbox)
        await inbox.note_part(claim, 0, "m0")
        said = Message("assistant", Author("", "Bot", is_bot=True), "answer", "m0", 1.0)
        await inbox.done(claim, [Message("user", ANA, "question", "1", 1.0), said])
        await inbox.submit(deleted(mention(1, thread=None), message_id="m0"))
        await follow(inbox)
        await inbox.submit(mention(2, thread=None, reply_to="m0"))
        assert [message.text for message in (await claim_one(inbox)).history] == ["question"]


class TestAChangeOfWhatIsNotKnown:
    async def test_is_ignored(self, inbox: Inbox, redis: Redis) -> None:
        await answered(inbox, mention(1), "answer", "m0")
        await redis.delete(store.key("history", mention(1).conversation))
        stood = set(await redis.keys())
        assert await inbox.submit(edited(mention(1), "new")) == "ignored"
        assert set(await redis.keys()) == stood

    @pytest.mark.parametrize("known", [False, True], ids=["new", "known"])
    async def test_that_overtakes_its_mention_is_what_is_answered(self, inbox: Inbox, known: bool) -> None:
        if known:
            await answered(inbox, mention(1, text="question"), "answer", "m0")
        await inbox.submit(edited(mention(2, text="delete prod"), "delete staging"))
        assert await inbox.submit(mention(2, text="delete prod")) == "accepted"
        claim = await claim_one(inbox)
        assert claim.mention
        assert claim.mention.text == "delete staging"

    async def test_that_overtakes_its_mention_as_a_deletion_prevents_the_answer(self, inbox: Inbox) -> None:
        assert await inbox.submit(deleted(mention(1))) == "ignored"
        assert await inbox.submit(mention(1)) == "ignored"
        assert await inbox.submit(mention(2)) == "accepted"

    async def test_that_overtakes_its_mention_in_a_known_thread_prevents_the_answer_too(self, inbox: Inbox) -> None:
        await answered(inbox, mention(1, text="question"), "answer", "m0")
        await inbox.submit(deleted(mention(2)))
        assert await inbox.submit(mention(2)) == "ignored"
        await follow(inbox)
        assert await remembered(inbox) == ["question", "answer"]

    async def test_with_a_lane_of_the_wrong_type_is_an_error_and_not_lost(self, inbox: Inbox, redis: Redis) -> None:
        await redis.set(store.key("lane", "fake:W:C:t1"), "text", ex=60)
        with pytest.raises(StoreError):
            await inbox.submit(edited(mention(1), "canary-text"))
        await redis.delete(store.key("lane", "fake:W:C:t1"))


class TestAStop:
    async def test_reaches_the_worker_that_runs_the_turn(self, inbox: Inbox, redis: Redis) -> None:
        await inbox.submit(mention(1))
        await claim_one(inbox)
        heard: list[Signal] = []
        listening = asyncio.create_task(inbox.hear(heard.append))
        await subscribed(redis)
        assert await inbox.submit(stop(by=BEN)) == "accepted"
        await until(lambda: heard)
        listening.cancel()
        await asyncio.wait([listening])
        assert heard == [Signal("fake:W:C:t1", "fake:W:C:1", Author(BEN.id, BEN.name), withdrawn=False)]

    async def test_that_no_one_heard_is_found_by_the_renewal_of_the_lease(self, inbox: Inbox) -> None:
        await inbox.submit(mention(1))
        running = await claim_one(inbox)
        calls: list[str] = []
        running.ended = lambda: calls.append("ended")
        await inbox.submit(stop(by=BEN))
        for _ in range(2):
            assert await inbox.renew([running]) == []
        assert running.stopped == Author(BEN.id, BEN.name)
        assert calls == ["ended"]

    async def test_outlives_the_worker_that_was_told(self, inbox: Inbox, redis: Redis) -> None:
        await inbox.submit(mention(1))
        dead = await claim_one(inbox)
        await inbox.submit(stop(by=BEN))
        await lapse(redis, dead)
        assert (await claim_one(inbox)).stopped == Author(BEN.id, BEN.name)

    async def test_of_a_mention_in_its_back_off_ends_that_at_once(self, inbox: Inbox) -> None:
        await inbox.submit(mention(1))
        await inbox.again(await claim_one(inbox), delay_s=600)
        assert await inbox.submit(stop()) == "accepted"
        assert (await claim_one(inbox)).stopped == Author(ANA.id, ANA.name)

    async def test_leaves_what_waits_behind_alone(self, inbox: Inbox) -> None:
        for number in (1, 2):
            await inbox.submit(mention(number))
        running = await claim_one(inbox)
        await inbox.submit(stop())
        await inbox.done(running)
        assert (await claim_one(inbox)).stopped is None

    async def test_that_comes_while_a_change_is_worked_on_meets_the_mention_behind_it(self, inbox: Inbox) -> None:
        await answered(inbox, mention(1), "answer", "m0")
        await inbox.submit(edited(mention(1), "new"))
        change = await claim_one(inbox)
        assert await inbox.submit(stop()) == "ignored"
        await inbox.submit(mention(2))
        assert await inbox.submit(stop()) == "accepted"
        await inbox.done(change)
        assert (await claim_one(inbox)).stopped

    @pytest.mark.parametrize("before", ["nothing", "settled", "change"])
    async def test_where_nothing_is_answered_is_ignored(self, inbox: Inbox, before: str) -> None:
        if before != "nothing":
            await answered(inbox, mention(1), "answer", "m0")
        if before == "change":
            await inbox.submit(edited(mention(1), "new"))
        assert await inbox.submit(stop()) == "ignored"

    async def test_finds_a_reply_chain_by_the_message_it_came_with(self, inbox: Inbox) -> None:
        await inbox.submit(mention(1, thread=None))
        running = await claim_one(inbox)
        await inbox.note_part(running, 0, "m0")
        assert await inbox.submit(stop(thread=None, message_id="m0")) == "accepted"
        await inbox.renew([running])
        assert running.stopped


async def test_what_was_read_of_a_thread_is_not_kept_where_it_was_deleted_while_the_lease_had_lapsed(
    inbox: Inbox, redis: Redis
) -> None:
    """Its holder, frozen for a while, goes on with it: nobody has claimed the lane meanwhile."""
    await inbox.submit(mention(1))
    claim = await claim_one(inbox)
    read = Message("user", BEN, "a secret", "0", 0.0)
    await lapse(redis, claim)
    assert await inbox.submit(deleted(mention(0))) == "accepted"
    assert await inbox.renew([claim]) == []
    await inbox.done(claim, [read, Message("user", ANA, "hello", "1", 1.0)])
    await follow(inbox)
    await inbox.submit(mention(2))
    assert [line.text for line in (await claim_one(inbox)).history] == ["hello"]


async def test_signals_are_heard_again_after_the_connection_broke(
    inbox: Inbox, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.inbox.signals.PAUSE_S", PAUSE_S / 100)
    heard: list[Signal] = []
    listening = asyncio.create_task(inbox.hear(heard.append))
    await inbox.submit(mention(1))
    await claim_one(inbox)
    await subscribed(redis)
    await redis.publish(store.key("stops"), "nonsense")
    await redis.execute_command("CLIENT", "KILL", "TYPE", "PUBSUB")
    await subscribed(redis)
    await inbox.submit(stop())
    await until(lambda: heard)
    listening.cancel()
    await asyncio.wait([listening])


class TestWhoAsksForPrivateOrNewAnswers:
    async def test_takes_no_part_in_the_conversation(self, inbox: Inbox, redis: Redis) -> None:
        await inbox.submit(mention(1))
        await inbox.done(await claim_one(inbox))
        for number, fields in ((2, {"private": True}), (3, {"replaces": "m0"})):
            one = replace(mention(number, author=BEN), **fields)
            assert await inbox.submit(one) == "accepted"
            await inbox.done(await claim_one(inbox))
        assert await redis.smembers(store.key("people", "fake:W:C:t1")) == {ANA.id}  # pyright: ignore[reportGeneralTypeIssues] -- redis-py's union
        assert await inbox.submit(mention(4, addressed=False)) == "accepted"

    async def test_waits_for_its_turn_in_the_same_conversation_or_has_one_of_its_own(self, inbox: Inbox) -> None:
        await inbox.submit(mention(1))
        await claim_one(inbox)
        await inbox.submit(replace(mention(2), replaces="m0"))
        assert (await inbox.claim(10))[0] == []
        await inbox.submit(replace(mention(3), private=True))
        assert (await claim_one(inbox)).event_id == "fake:W:C:3"

    async def test_keeps_a_new_answer_although_the_message_it_replaces_is_changed(self, inbox: Inbox) -> None:
        await inbox.submit(mention(1))
        running = await claim_one(inbox)
        await inbox.submit(replace(mention(2), message_id="m0", replaces="m0"))
        await inbox.submit(deleted(mention(1), message_id="m0"))
        await inbox.done(running)
        await follow(inbox)
        assert (await claim_one(inbox)).event_id == "fake:W:C:2"


class TestEntriesOfBefore:
    async def test_written_without_a_key_are_read_with_one(self, redis: Redis) -> None:
        plain, sealed = (Inbox(redis, history_ttl_s=3600, seal=seal) for seal in (Seal(), Seal([KEY])))
        await answered(plain, mention(1, text="question"), "answer", "m0")
        await plain.submit(mention(2, text="next"))
        claim = await claim_one(sealed)
        assert claim.mention == mention(2, text="next")
        assert [message.text for message in claim.history] == ["question", "answer"]

    async def test_sealed_with_a_lost_key_are_filed_and_block_nothing(
        self, redis: Redis, caplog: pytest.LogCaptureFixture
    ) -> None:
        lost, now = (Inbox(redis, history_ttl_s=3600, seal=Seal([key])) for key in (KEY, KEY[::-1]))
        await answered(lost, mention(1, text="question"), "answer", "m0")
        await lost.submit(mention(2))
        await now.submit(mention(3))
        claim = await claim_one(now)
        assert (claim.mention, claim.change, claim.event_id, claim.history) == (None, None, "fake:W:C:2", [])
        assert {"lane_entry_sealed", "history_entry_sealed"} <= set(caplog.messages)
        await now.done(claim, dead="unreadable")
        (letter,) = cast("list[str]", await redis.lrange(store.key("dead"), 0, -1))  # pyright: ignore[reportGeneralTypeIssues] -- redis-py's union
        assert claim.raw in letter.replace('\\"', '"')
        assert (await claim_one(now)).event_id == "fake:W:C:3"

    async def test_of_a_turn_that_cannot_be_opened_count_as_not_there(
        self, redis: Redis, caplog: pytest.LogCaptureFixture
    ) -> None:
        lost, now = (Inbox(redis, history_ttl_s=3600, seal=Seal(keys)) for keys in ([KEY], [KEY[::-1], KEY]))
        blind = Inbox(redis, history_ttl_s=3600)
        await lost.submit(mention(1))
        await lost.note_answer(await claim_one(lost), "answer")
        await lost.submit(stop(by=BEN))
        for inbox, known in ((now, ("answer", Author(BEN.id, BEN.name))), (blind, (None, Author("", "")))):
            await redis.zadd(store.key("ready"), {"fake:W:C:t1": 1})
            claim = await claim_one(inbox)
            assert (claim.answer, claim.stopped) == known
        assert "answer_unreadable" in caplog.messages

    async def test_of_another_workspace_do_not_open(self) -> None:
        entries = Entries(Seal([KEY]))
        raw = entries.of(mention(1))
        assert entries.event(raw, "fake:W:C:t1") == mention(1)
        assert entries.event(raw, "fake:OTHER:C:t1") is None

    @pytest.mark.parametrize("raw", ["[" * 5000, '{"change": 1}', '{"sealed": null}', '{"change": "sealed:1:x"}'])
    async def test_that_are_nonsense_count_as_unreadable(self, raw: str) -> None:
        assert Entries(Seal([KEY])).event(raw, "fake:W:C:t1") is None

    async def test_given_up_are_sealed_where_they_were_not(self) -> None:
        entries = Entries(Seal([KEY]))
        letter = entries.dead(
            dump(mention(1, text="canary")), why="crashed", event_id="e", conversation="fake:W:C:t1", at=1.0
        )
        assert "canary" not in letter
