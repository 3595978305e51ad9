"""The story of a mention on a fake platform, a real Valkey and a completions server on loopback."""

import asyncio
import json
from collections.abc import AsyncGenerator

import pytest
from redis.asyncio import Redis

from bot import store
from bot.answer import marks, times
from bot.answer import turn as story
from bot.answer.past import BACKFILL_TRIES
from bot.errors import Forbidden, Gone, RateLimited, Unreachable
from bot.events import Message
from bot.inbox.claim import Claim
from bot.inbox.inbox import LeaseLost
from bot.worker import Worker
from tests.core import Bench, core, lane_is_empty
from tests.fakes.completions import TRAPS, Raw, Text, status, text_events
from tests.mentions import BEN, mention
from tests.until import until


@pytest.fixture
async def bench(redis: Redis) -> AsyncGenerator[Bench]:
    async with core(redis) as made:
        yield made


async def test_a_mention_is_answered_and_remembered(bench: Bench) -> None:
    bench.server.answers = [Text("The answer."), Text("Another.")]
    await bench.ask(mention(1, text="First?"))
    await bench.ask(mention(2, text="Second?"))
    assert list(bench.platform.messages.values()) == ["The answer.", "Another."]
    assert [(m["role"], m["content"]) for m in bench.server.requests[1].messages] == [
        ("system", "You are on fake."),
        ("user", "First?"),
        ("assistant", "The answer."),
        ("user", "Second?"),
    ]
    assert bench.answered() == 2
    assert bench.platform.signs[-1] is False
    assert await lane_is_empty(bench)


async def test_another_thread_knows_nothing_of_it(bench: Bench) -> None:
    await bench.ask(mention(1, thread="a", text="My name is Ana."))
    await bench.ask(mention(2, thread="b", text="What is my name?"))
    assert "Ana" not in json.dumps(bench.server.requests[1].messages)


async def test_a_thread_that_people_had_begun_is_read_once_and_kept(bench: Bench) -> None:
    bench.platform.earlier = [Message("user", BEN, "The build is red.", "0", 0.0)]
    await bench.ask(mention(1, text="What happened?"))
    bench.platform.earlier = [Message("user", BEN, "never read", "0", 0.0)]
    await bench.ask(mention(2, text="And now?"))
    first, second = (json.dumps(request.messages) for request in bench.server.requests)
    assert "The build is red." in first
    assert "The build is red." in second
    assert "never read" not in second


async def test_people_of_the_threads_past_take_part_in_it(bench: Bench) -> None:
    bench.platform.earlier = [Message("user", BEN, "The build is red.", "0", 0.0)]
    await bench.ask(mention(1, text="What happened?"))
    assert await bench.inbox.submit(mention(2, addressed=False, text="Thanks, Ben.")) == "ignored"


async def test_a_past_that_cannot_be_read_right_now_is_read_later(bench: Bench, redis: Redis) -> None:
    bench.platform.earlier = RateLimited("busy", retry_after_s=7)
    await bench.ask(mention(1))
    assert bench.server.requests == []
    _, due_s = await bench.inbox.claim(1)
    assert due_s == pytest.approx(7, abs=4)
    bench.platform.earlier = [Message("user", BEN, "The build is red.", "0", 0.0)]
    await redis.zadd(store.key("ready"), {"fake:W:C:t1": 1})
    await bench.answer()
    assert "The build is red." in json.dumps(bench.server.requests[0].messages)


async def test_a_mention_put_back_before_any_write_is_not_looked_for(bench: Bench, redis: Redis) -> None:
    bench.platform.earlier = Unreachable("down")
    await bench.ask(mention(1))
    await redis.zadd(store.key("ready"), {"fake:W:C:t1": 1})
    (claim,), _ = await bench.inbox.claim(1)
    assert (claim.again, claim.wrote) == (1, False)


async def test_a_past_that_stays_unreadable_does_not_keep_the_answer_back(bench: Bench, redis: Redis) -> None:
    bench.platform.earlier = Unreachable("down")
    await bench.inbox.submit(mention(1))
    for _ in range(BACKFILL_TRIES + 1):
        await bench.answer()
        await redis.zadd(store.key("ready"), {"fake:W:C:t1": 1}, xx=True)
    assert bench.answered() == 1


async def test_without_the_threads_earlier_messages_it_still_answers(bench: Bench) -> None:
    bench.platform.earlier = Forbidden("no history")
    await bench.ask(mention(1))
    assert bench.answered() == 1


@pytest.mark.parametrize(
    ("finish", "mark", "outcome"),
    [("length", "Cut off", "length"), ("content_filter", "content filter", "filter")],
)
async def test_an_answer_that_is_not_whole_says_so(bench: Bench, finish: str, mark: str, outcome: str) -> None:
    bench.server.answers = [Text("Half of it", finish=finish)]
    await bench.ask(mention(1))
    (shown,) = bench.platform.messages.values()
    assert shown.startswith("Half of it\n\n*(")
    assert mark in shown
    assert bench.answered(outcome) == 1


@pytest.mark.parametrize("ending", ["cut", "hang"])
async def test_an_answer_that_breaks_in_the_middle_is_marked_and_kept(bench: Bench, ending: str) -> None:
    pieces = text_events("Half", " of it")[:2]
    bench.server.answers = [Raw(pieces, ending="cut" if ending == "cut" else "hang")]
    await bench.ask(mention(1))
    (shown,) = bench.platform.messages.values()
    assert shown == f"Half of it\n\n{marks.INTERRUPTED}"
    assert bench.answered("interrupted") == 1
    assert await lane_is_empty(bench)


@pytest.mark.parametrize(
    ("code", "word", "reason"),
    [(401, "not set up correctly", "unauthorized"), (404, "refused this request", "invalid")],
)
async def test_a_final_refusal_becomes_one_plain_sentence(bench: Bench, code: int, word: str, reason: str) -> None:
    bench.server.answers = [status(code)] * 3
    await bench.ask(mention(1, text="canary-text"))
    (shown,) = bench.platform.messages.values()
    assert word in shown
    assert "canary" not in shown
    assert "(id " in shown
    assert bench.failed(reason) == 1
    assert await lane_is_empty(bench)


async def test_an_outage_puts_the_mention_back_and_it_is_answered_later(bench: Bench, redis: Redis) -> None:
    bench.server.answers = [status(503)] * 4
    await bench.ask(mention(1))
    assert bench.platform.messages == {}
    assert (await bench.inbox.depth())[0] == 1
    await redis.zadd(store.key("ready"), {"fake:W:C:t1": 1})
    await bench.answer()
    assert bench.answered() == 1


async def test_a_long_retry_after_is_kept_to(bench: Bench) -> None:
    bench.server.answers = [status(429, retry_after="90")]
    await bench.ask(mention(1))
    _, due_s = await bench.inbox.claim(1)
    assert due_s == pytest.approx(90, abs=20)


async def test_an_outage_longer_than_the_deadline_ends_in_a_sentence(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def long(_: Claim, __: Exception) -> float:
        return 601.0

    monkeypatch.setattr(Claim, "back_off_s", long)
    async with core(redis, deadline_s=600) as bench:
        bench.server.answers = [status(503)] * 4
        await bench.ask(mention(1))
        (shown,) = bench.platform.messages.values()
        assert "not answering right now" in shown
        assert bench.failed("overloaded") == 1


async def test_a_mention_found_too_late_is_not_asked_any_more(redis: Redis) -> None:
    async with core(redis, deadline_s=100) as bench:
        await bench.inbox.submit(mention(1))
        await redis.hset(store.key("turn", "fake:W:C:1"), "accepted", "1")
        await bench.answer()
        assert bench.server.requests == []
        assert next(iter(bench.platform.messages.values())).startswith(story.LATE)
        assert bench.failed("late") == 1


async def test_a_prompt_that_is_too_long_is_shortened_once(redis: Redis) -> None:
    async with core(redis, context_tokens=400) as bench:
        bench.server.answers = [Text("word " * 100), status(400, code="context_length_exceeded"), Text("Fits.")]
        await bench.ask(mention(1, text="long " * 20))
        await bench.ask(mention(2, text="next"))
        longer, shorter = bench.server.requests[1:]
        assert len(json.dumps(shorter.messages)) < len(json.dumps(longer.messages))
        assert bench.answered() == 2


async def test_a_prompt_that_never_fits_ends_in_a_sentence(bench: Bench) -> None:
    bench.server.answers = [status(400, code="context_length_exceeded")] * 2
    await bench.ask(mention(1))
    assert "too long" in next(iter(bench.platform.messages.values()))
    assert bench.failed("toolong") == 1


@pytest.mark.parametrize("name", sorted(set(TRAPS) - {"gigantic_line"}))
async def test_no_trap_of_the_api_reaches_the_thread_raw(bench: Bench, name: str) -> None:
    bench.server.answers = [TRAPS[name]]
    await bench.ask(mention(1))
    shown = "".join(bench.platform.messages.values())
    assert shown
    assert "secret" not in shown
    assert "html" not in shown.lower()
    assert await lane_is_empty(bench)


class TestTakingOver:
    async def test_a_stored_answer_is_shown_without_asking_the_model_again(self, bench: Bench, redis: Redis) -> None:
        await bench.inbox.submit(mention(1))
        (dead,), _ = await bench.inbox.claim(1)
        await bench.inbox.note_answer(dead, "The stored answer.")
        await redis.zadd(store.key("ready"), {dead.conversation: 1})
        await bench.answer()
        assert list(bench.platform.messages.values()) == ["The stored answer."]
        assert bench.server.requests == []
        assert bench.answered() == 1

    async def test_messages_of_a_dead_worker_are_edited(self, bench: Bench, redis: Redis) -> None:
        bench.platform.messages = {"a": "half an"}
        await bench.inbox.submit(mention(1))
        (dead,), _ = await bench.inbox.claim(1)
        await bench.inbox.note_part(dead, 0, "a")
        await redis.zadd(store.key("ready"), {dead.conversation: 1})
        bench.server.answers = [Text("The answer.")]
        await bench.answer()
        assert bench.platform.messages == {"a": "The answer."}

    async def test_a_mention_that_kills_its_workers_is_given_up(self, bench: Bench, redis: Redis) -> None:
        await bench.inbox.submit(mention(1))
        for _ in range(story.TRIES_MAX):
            assert len((await bench.inbox.claim(1))[0]) == 1
            await redis.zadd(store.key("ready"), {"fake:W:C:t1": 1})
        await bench.answer()
        assert bench.server.requests == []
        assert next(iter(bench.platform.messages.values())).startswith(story.CRASHED)
        assert await redis.llen(store.key("dead")) == 1
        assert bench.failed("crashed") == 1

    async def test_a_mention_whose_giving_up_fails_too_does_not_hold_its_lane_for_ever(
        self, bench: Bench, redis: Redis
    ) -> None:
        await bench.inbox.submit(mention(1))
        for _ in range(story.TRIES_MAX + 1):
            assert len((await bench.inbox.claim(1))[0]) == 1
            await redis.zadd(store.key("ready"), {"fake:W:C:t1": 1})
        await bench.answer()
        assert bench.platform.messages == {}
        assert bench.failed("crashed") == 1
        assert await lane_is_empty(bench)

    @pytest.mark.parametrize("how", ["died", "put back", "forgotten"])
    async def test_what_an_earlier_attempt_may_have_posted_is_looked_for(
        self, bench: Bench, redis: Redis, how: str
    ) -> None:
        """The message stands, its id was never stored."""
        bench.platform.messages, bench.platform.keys = {"m": "half"}, {"fake:W:C:1/0": "m"}
        await bench.inbox.submit(mention(1))
        if how == "forgotten":
            await redis.delete(store.key("turn", "fake:W:C:1"))
        else:
            (claim,), _ = await bench.inbox.claim(1)
            if how == "put back":
                claim.wrote = True
                await bench.inbox.again(claim, delay_s=0)
            await redis.zadd(store.key("ready"), {"fake:W:C:t1": 1})
        bench.server.answers = [Text("The answer.")]
        one = (await bench.inbox.claim(1))[0][0]
        one.age_s = 0.0  # the mention was "sent" in 1970
        await bench.handler(one)
        assert bench.platform.messages == {"m": "The answer."}


class TestAPlatformThatRefuses:
    async def test_for_good_the_mention_is_filed_for_the_operator(self, bench: Bench, redis: Redis) -> None:
        bench.platform.faults = [Forbidden("no")] * 3
        await bench.ask(mention(1))
        assert bench.failed("undeliverable") == 1
        assert await redis.llen(store.key("dead")) == 1

    async def test_even_the_notice_the_mention_is_filed(self, bench: Bench) -> None:
        bench.server.answers = [status(401)]
        bench.platform.faults = [Forbidden("no")]
        await bench.ask(mention(1))
        assert bench.failed("undeliverable") == 1

    async def test_for_a_while_the_answer_still_arrives(self, bench: Bench) -> None:
        bench.platform.faults = [Unreachable("x"), Unreachable("x"), None]
        await bench.ask(mention(1))
        assert bench.answered() == 1

    async def test_for_longer_the_slot_is_freed_and_the_stored_answer_shown_later(
        self, bench: Bench, redis: Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(times, "WRITE_WITHIN_S", 0.3)
        bench.server.answers = [Text("The answer.")]
        bench.platform.faults = [Unreachable("x")] * 3
        await bench.ask(mention(1))
        assert bench.platform.messages == {}
        assert (await bench.inbox.depth())[0] == 1
        bench.platform.faults = ()
        await redis.zadd(store.key("ready"), {"fake:W:C:t1": 1})
        await bench.answer()
        assert list(bench.platform.messages.values()) == ["The answer."]
        assert len(bench.server.requests) == 1

    async def test_for_longer_an_answer_that_broke_off_is_still_counted_as_one(
        self, bench: Bench, redis: Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(times, "WRITE_WITHIN_S", 0.1)
        bench.server.answers = [Raw(text_events("Half", " of it")[:2], ending="cut")]
        bench.platform.faults = [Unreachable("x")] * 9
        await bench.ask(mention(1))
        bench.platform.faults = ()
        await redis.zadd(store.key("ready"), {"fake:W:C:t1": 1})
        await bench.answer()
        assert list(bench.platform.messages.values()) == [f"Half of it\n\n{marks.INTERRUPTED}"]
        assert (bench.answered("interrupted"), bench.answered("whole")) == (1, 0)

    async def test_beyond_the_deadline_the_mention_is_filed(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(times, "WRITE_WITHIN_S", 0.1)
        monkeypatch.setattr(times, "WRITE_AT_LEAST_S", -600)
        bench.platform.faults = [Unreachable("x")] * 9
        await bench.ask(mention(1))
        assert bench.failed("undeliverable") == 1

    async def test_that_asks_to_wait_beyond_the_deadline_does_not_hold_up_the_conversation(self, bench: Bench) -> None:
        bench.server.answers = [Text("The answer."), Text("The next answer.")]
        bench.platform.faults = [RateLimited("x", retry_after_s=3600)]
        await bench.ask(mention(1))
        assert bench.failed("undeliverable") == 1
        await bench.ask(mention(2))
        assert list(bench.platform.messages.values()) == ["The next answer."]

    async def test_that_asks_to_wait_within_it_is_waited_for(self, bench: Bench) -> None:
        bench.server.answers = [Text("The answer.")]
        bench.platform.faults = [RateLimited("x", retry_after_s=300)]
        await bench.ask(mention(1))
        claims, next_due_s = await bench.inbox.claim(1)
        assert claims == []
        assert next_due_s == pytest.approx(300, abs=10)

    async def test_because_somebody_removed_the_place_it_is_no_fault(
        self, bench: Bench, caplog: pytest.LogCaptureFixture
    ) -> None:
        bench.platform.faults = [Gone("deleted")] * 3
        await bench.ask(mention(1))
        assert bench.failed("gone") == 1
        assert [record.levelname for record in caplog.records if record.message == "mention_failed"] in ([], ["INFO"])
        assert await lane_is_empty(bench)

    async def test_the_text_people_get_a_plain_sentence_instead(self, bench: Bench, redis: Redis) -> None:
        bench.server.answers = [Text("The answer.")]
        bench.platform.refuses = "The answer."
        await bench.ask(mention(1))
        (shown,) = bench.platform.messages.values()
        assert shown.startswith("Sorry")
        assert bench.failed("undeliverable") == 1


async def test_what_is_no_mention_is_filed(bench: Bench, redis: Redis) -> None:
    await redis.zadd(store.key("lane", "x"), {"{": 1})
    await redis.zadd(store.key("ready"), {"x": 1})
    await bench.answer()
    assert await redis.llen(store.key("dead")) == 1
    assert await lane_is_empty(bench)


async def test_a_mention_for_a_platform_without_token_here_waits(bench: Bench) -> None:
    await bench.inbox.submit(mention(1, platform="elsewhere"))
    worker = Worker(bench.inbox, bench.handler, slots=1, metrics=bench.metrics)
    task = asyncio.create_task(worker.run())
    claims: list[float] = []

    async def put_back() -> None:
        _, due_s = await bench.inbox.claim(0)
        if due_s is not None and due_s < 5:
            claims.append(due_s)

    async def watch() -> None:
        while not claims:
            await put_back()

    await asyncio.wait_for(watch(), 10)
    task.cancel()
    await asyncio.wait([task])
    assert bench.platform.messages == {}


async def test_a_mention_that_no_process_can_write_for_is_filed_in_the_end(bench: Bench, redis: Redis) -> None:
    await bench.inbox.submit(mention(1, platform="elsewhere"))
    await redis.hset(store.key("turn", "elsewhere:W:C:1"), "accepted", "1")
    await bench.answer()
    assert await redis.llen(store.key("dead")) == 1
    assert await lane_is_empty(bench)


async def test_usage_corrects_the_estimate_and_is_counted(bench: Bench) -> None:
    bench.server.answers = [Text("Hi.", usage={"prompt_tokens": 70, "completion_tokens": 3})]
    await bench.ask(mention(1))
    asked = {"gen_ai_provider_name": "fake", "gen_ai_request_model": "m"}
    value = bench.metrics.registry.get_sample_value
    assert value("gen_ai_client_token_usage_sum", {**asked, "gen_ai_token_type": "input"}) == 70
    assert value("gen_ai_client_token_usage_sum", {**asked, "gen_ai_token_type": "output"}) == 3
    assert value("gen_ai_client_operation_duration_seconds_count", {**asked, "error_type": ""}) == 1
    assert value("gen_ai_client_operation_time_to_first_chunk_seconds_count", asked) == 1


async def test_a_lost_lease_stops_the_writing(bench: Bench, redis: Redis) -> None:
    bench.server.answers = [Text("One. Two. Three.", tokens_per_s=5)]
    await bench.inbox.submit(mention(1))
    (claim,), _ = await bench.inbox.claim(1)
    task = asyncio.create_task(bench.handler(claim))
    await until(lambda: bench.platform.messages)
    claim.valid_until = 0
    with pytest.raises(LeaseLost):
        await task
    assert bench.platform.messages != {"m0": "One. Two. Three."}
