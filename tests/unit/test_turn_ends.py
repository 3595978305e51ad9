"""Answers that people end, withdraw, ask for anew, or want for themselves: on a fake platform and a real Valkey."""

import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import pytest
from redis.asyncio import Redis

from bot import handler, store
from bot.answer import marks, times
from bot.answer.ledger import FILE_PART
from bot.answer.means import Means
from bot.errors import Forbidden, RateLimited, StoreError, Unreachable
from bot.events import Author, Message
from bot.inbox.claim import Claim
from bot.inbox.forgetting import Forgetting
from bot.platform import Limits
from bot.shared import RedisShared
from tests.core import Bench, core, lane_is_empty, working
from tests.fakes.completions import Raw, Text, status, text_events
from tests.fakes.platform import FakeStreams, FakeUploads
from tests.mentions import ANA, BEN, deleted, edited, mention, stop
from tests.until import until

SLOW = Text("One sentence. " + "More sentences. " * 10 + "Four sentences.", tokens_per_s=4)

SOON_S = 5.0
"""It takes milliseconds; without the channel it would take the renewal of the lease, 10 s."""


@pytest.fixture
async def bench(redis: Redis) -> AsyncGenerator[Bench]:
    async with core(redis) as made:
        yield made


def shown(bench: Bench) -> str:
    """The only message."""
    (text,) = bench.platform.messages.values()
    return text


async def remembered(bench: Bench) -> list[str]:
    """What the next question's request holds, the system text and the question apart."""
    bench.server.answers = [Text("Noted.")]
    await bench.ask(mention(99, text="next"))
    return [str(line["content"]) for line in bench.server.requests[-1].messages[1:-1]]


def usage_name(author: Author, month: str = "2026-11") -> str:
    return f"usage:fake:W:{author.id}:{month}"


class TestAStop:
    async def test_closes_the_request_on_another_process_at_once_and_keeps_what_was_said(self, bench: Bench) -> None:
        bench.server.answers = [SLOW]
        async with working(bench):
            await bench.inbox.submit(mention(1))
            await until(lambda: bench.platform.messages)
            assert bench.server.open_now == 1
            await bench.inbox.submit(stop(by=BEN))
            await until(lambda: bench.server.open_now == 0, within_s=SOON_S)
            await until(lambda: bench.answered("stopped"))
        text = shown(bench)
        assert text.startswith("One sentence.")
        assert text.endswith(f"\n\n*(Stopped by {BEN.name}.)*")
        assert "Four" not in text
        assert (await remembered(bench))[-1] == text

    async def test_before_anything_shows_leaves_one_plain_line(self, bench: Bench) -> None:
        bench.server.answers = [Raw(first_after_s=60)]
        async with working(bench):
            await bench.inbox.submit(mention(1))
            await until(lambda: bench.server.open_now)
            await bench.inbox.submit(stop())
            await until(lambda: bench.answered("stopped"))
        assert shown(bench) == marks.STOPPED

    async def test_whose_worker_died_is_kept_to_without_asking_the_model(self, bench: Bench, redis: Redis) -> None:
        await bench.inbox.submit(mention(1))
        await bench.inbox.claim(1)
        await bench.inbox.submit(stop())
        await redis.zadd(store.key("ready"), {"fake:W:C:t1": 1})
        await bench.answer()
        assert shown(bench) == marks.STOPPED
        assert bench.server.requests == []
        assert await lane_is_empty(bench)

    async def test_of_a_mention_that_waits_for_a_failing_model_ends_the_waiting(self, bench: Bench) -> None:
        bench.server.answers = [status(503)] * 4
        await bench.ask(mention(1))
        await bench.inbox.submit(stop())
        await bench.answer()
        assert shown(bench) == marks.STOPPED

    async def test_after_the_answer_was_complete_changes_nothing(self, bench: Bench, redis: Redis) -> None:
        await bench.inbox.submit(mention(1))
        (claim,), _ = await bench.inbox.claim(1)
        await bench.inbox.note_answer(claim, "All of it.")
        await bench.inbox.submit(stop())
        await redis.zadd(store.key("ready"), {"fake:W:C:t1": 1})
        await bench.answer()
        assert shown(bench) == "All of it."

    @pytest.mark.parametrize(
        ("by", "people", "line"),
        [
            (None, {"U1", "U2"}, "*(Stopped.)*"),
            (ANA, {"U1"}, "*(Stopped.)*"),
            (ANA, {"U1", "U2"}, "*(Stopped by Ana.)*"),
            (BEN, {"U1"}, "*(Stopped by Ben.)*"),
            (Author("U9", "U9"), {"U1"}, "*(Stopped.)*"),
            (Author("U9", "**[x](http://evil)** <!channel>"), {"U1"}, "*(Stopped by xhttpevil channel.)*"),
            (Author("U9", "@@@"), {"U1"}, "*(Stopped.)*"),
        ],
    )
    def test_names_who_it_was_where_it_could_have_been_several(
        self, by: Author | None, people: set[str], line: str
    ) -> None:
        assert marks.stopped(by, people) == line


class TestADeletedQuestion:
    async def test_takes_its_half_answer_with_it(self, bench: Bench) -> None:
        bench.server.answers = [SLOW]
        async with working(bench):
            await bench.inbox.submit(mention(1))
            await until(lambda: bench.platform.messages)
            await bench.inbox.submit(deleted(mention(1)))
            await until(lambda: bench.server.open_now == 0, within_s=SOON_S)
            await until(lambda: bench.metrics.registry.get_sample_value(*WITHDRAWN) == 1)
        assert bench.platform.messages == {}
        assert await remembered(bench) == []
        assert bench.answered() == 1  # the next one

    async def test_of_a_dead_worker_has_its_messages_removed_by_the_next(self, bench: Bench, redis: Redis) -> None:
        bench.platform.messages = {"a": "half", "b": "an answer"}
        await bench.inbox.submit(mention(1))
        (dead,), _ = await bench.inbox.claim(1)
        await bench.inbox.note_part(dead, 0, "a")
        await bench.inbox.note_part(dead, 1, "b")
        await redis.zadd(store.key("ready"), {dead.conversation: 1})
        await bench.inbox.submit(deleted(mention(1)))
        await bench.answer()
        assert bench.platform.messages == {}
        assert bench.server.requests == []
        assert await lane_is_empty(bench)

    async def test_whose_answer_cannot_be_removed_now_is_put_back(
        self, bench: Bench, redis: Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def away(*_: object) -> None:
            raise Unreachable("down")

        bench.platform.messages = {"a": "half"}
        await bench.inbox.submit(mention(1))
        (dead,), _ = await bench.inbox.claim(1)
        await bench.inbox.note_part(dead, 0, "a")
        await redis.zadd(store.key("ready"), {dead.conversation: 1})
        await bench.inbox.submit(deleted(mention(1)))
        with monkeypatch.context() as patch:
            patch.setattr(bench.platform, "delete", away)
            await redis.hset(store.key("turn", "fake:W:C:1"), "accepted", "9999999999")
            await bench.answer()
        assert not await lane_is_empty(bench)
        await redis.zadd(store.key("ready"), {dead.conversation: 1})
        await bench.answer()
        assert bench.platform.messages == {}

    async def test_of_which_no_one_heard_has_its_answer_removed_when_that_is_settled(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        whole = bench.inbox.done

        async def done(claim: Claim, *given: Any, **more: Any) -> bool:
            monkeypatch.undo()
            await bench.inbox.submit(deleted(mention(1)))
            return await whole(claim, *given, **more)

        monkeypatch.setattr(bench.inbox, "done", done)
        await bench.ask(mention(1))
        assert bench.platform.messages == {}
        assert bench.metrics.registry.get_sample_value(*WITHDRAWN) == 1
        assert await lane_is_empty(bench)
        assert await remembered(bench) == []

    @pytest.mark.parametrize("heard", [True, False])
    async def test_while_it_is_given_up_leaves_neither_the_sentence_nor_a_letter(
        self, bench: Bench, heard: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bench.server.answers = [status(404)]
        await bench.inbox.submit(mention(1))
        (claim,), _ = await bench.inbox.claim(1)
        post = bench.platform.post

        async def posted(*given: Any, **named: Any) -> str:
            message_id = await post(*given, **named)
            await bench.inbox.submit(deleted(mention(1)))
            if heard:
                claim.end(withdrawn=True)
            return message_id

        monkeypatch.setattr(bench.platform, "post", posted)
        await bench.handler(claim)
        assert bench.platform.messages == {}
        assert await bench.inbox.dead_letters() == 0
        assert bench.metrics.registry.get_sample_value(*WITHDRAWN) == 1
        assert bench.failed("invalid") == 0
        assert await lane_is_empty(bench)

    async def test_whose_answer_can_never_be_removed_is_not_filed(
        self, bench: Bench, redis: Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(times, "WRITE_AT_LEAST_S", -600)
        bench.platform.messages = {"a": "half"}
        await bench.inbox.submit(mention(1))
        (dead,), _ = await bench.inbox.claim(1)
        await bench.inbox.note_part(dead, 0, "a")
        await redis.zadd(store.key("ready"), {"fake:W:C:t1": 1})
        await bench.inbox.submit(deleted(mention(1)))

        async def away(*_: Any, **__: Any) -> None:
            raise Unreachable("x")

        monkeypatch.setattr(bench.platform, "delete", away)
        await bench.answer()
        assert await bench.inbox.dead_letters() == 0
        assert await lane_is_empty(bench)

    async def test_for_a_platform_that_is_not_open_here_is_not_filed(
        self, bench: Bench, redis: Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(handler, "WRITE_AT_LEAST_S", -601)
        await bench.inbox.submit(mention(1, platform="other"))
        (dead,), _ = await bench.inbox.claim(1)
        await redis.zadd(store.key("ready"), {dead.conversation: 1})
        await bench.inbox.submit(deleted(mention(1, platform="other")))
        await bench.answer()
        assert await bench.inbox.dead_letters() == 0
        assert await lane_is_empty(bench)

    async def test_that_was_answered_is_forgotten_with_its_answer_and_nothing_is_posted(self, bench: Bench) -> None:
        await bench.ask(mention(1, text="question"))
        before = dict(bench.platform.messages)
        await bench.inbox.submit(deleted(mention(1)))
        await bench.answer()
        assert bench.platform.messages == before
        assert await remembered(bench) == []


WITHDRAWN = ("bot_mentions_withdrawn_total", {"platform": "fake"})


class TestOnAPlatformThatStreams:
    @pytest.fixture
    async def streams(self, bench: Bench) -> FakeStreams:
        platform = FakeStreams(flush_s=0.05)
        bench.platform = platform
        bench.handler = replace(bench.handler, platforms={"fake": platform})
        return platform

    async def test_a_stop_ends_the_stream_with_what_was_said(self, bench: Bench, streams: FakeStreams) -> None:
        bench.server.answers = [SLOW]
        async with working(bench):
            await bench.inbox.submit(mention(1))
            await until(lambda: streams.growing)
            await bench.inbox.submit(stop())
            await until(lambda: bench.answered("stopped"))
        assert shown(bench).startswith("One sentence.")
        assert shown(bench).endswith(marks.STOPPED)
        assert (streams.streamed, streams.growing) == (1, {})

    async def test_the_platforms_own_stop_ends_the_answer_too(self, bench: Bench, streams: FakeStreams) -> None:
        lines = "".join(f"This is line {number} of it.\n\n" for number in range(100))
        bench.server.answers = [Text(lines, tokens_per_s=40)]
        async with working(bench):
            await bench.inbox.submit(mention(1))
            await until(lambda: streams.growing)
            streams.press_stop()
            await until(lambda: bench.answered("stopped"))
        said = "".join(bench.platform.messages.values())
        assert said.startswith("This is line 0")
        assert said.endswith(marks.STOPPED)
        assert "line 99" not in said

    async def test_a_deleted_question_ends_the_stream_and_takes_it_away(
        self, bench: Bench, streams: FakeStreams
    ) -> None:
        bench.server.answers = [SLOW]
        async with working(bench):
            await bench.inbox.submit(mention(1))
            await until(lambda: streams.growing)
            await bench.inbox.submit(deleted(mention(1)))
            await until(lambda: bench.metrics.registry.get_sample_value(*WITHDRAWN) == 1)
        assert (streams.messages, streams.growing) == ({}, {})


@pytest.fixture
async def uploads(bench: Bench) -> FakeUploads:
    """The bench on a platform where three messages end in a file."""
    platform = FakeUploads(bounds=Limits(text_max=200, edit_every_s=0.02, parts_max=2), declines=[True] * 9)
    bench.platform = platform
    bench.handler = replace(bench.handler, platforms={"fake": platform})
    return platform


LONG, LONG_TOO = " ".join(["word"] * 200), " ".join(["other"] * 200)


class TestTheFileOfALongAnswer:
    async def test_goes_with_a_question_that_is_deleted_while_it_is_uploaded(
        self, bench: Bench, uploads: FakeUploads, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        whole = uploads.upload

        async def upload(*given: Any, **more: Any) -> str:
            claim.end(withdrawn=True)
            return await whole(*given, **more)

        bench.server.answers = [Text(LONG)]
        await bench.inbox.submit(mention(1))
        (claim,), _ = await bench.inbox.claim(1)
        monkeypatch.setattr(uploads, "upload", upload)
        await bench.handler(claim)
        assert "upload" in [write.kind for write in uploads.writes]
        assert (uploads.messages, uploads.files) == ({}, {})
        assert bench.metrics.registry.get_sample_value(*WITHDRAWN) == 1

    async def test_of_a_dead_worker_is_removed_by_the_next_although_no_message_is_left(
        self, bench: Bench, redis: Redis, uploads: FakeUploads
    ) -> None:
        uploads.files = {"k": LONG}
        await bench.inbox.submit(mention(1))
        (dead,), _ = await bench.inbox.claim(1)
        await bench.inbox.note_part(dead, FILE_PART, "file:k")
        await redis.zadd(store.key("ready"), {dead.conversation: 1})
        await bench.inbox.submit(deleted(mention(1)))
        await bench.answer()
        assert uploads.files == {}
        assert await lane_is_empty(bench)

    async def test_gives_way_to_that_of_the_answer_given_anew_and_goes_with_the_last(
        self, bench: Bench, uploads: FakeUploads
    ) -> None:
        bench.server.answers = [Text(LONG)]
        await bench.ask(mention(1, text="one?"))
        assert list(uploads.files.values()) == [LONG]
        for number, answer, files in [(50, LONG_TOO, [LONG_TOO]), (51, LONG, [LONG]), (52, "Short.", [])]:
            bench.server.answers = [Text(answer)]
            await bench.ask(replace(mention(number, text=""), message_id="m0", replaces="m0"))
            assert list(uploads.files.values()) == files
        assert list(uploads.messages.values()) == ["Short."]

    async def test_comes_back_with_an_answer_that_could_not_be_given_anew(
        self, bench: Bench, uploads: FakeUploads
    ) -> None:
        bench.server.answers = [Text(LONG)]
        await bench.ask(mention(1, text="one?"))
        bench.server.answers = [status(404)]
        await bench.ask(replace(mention(50, text=""), message_id="m0", replaces="m0"))
        (text,) = uploads.files.values()
        assert text.startswith(f"{LONG}\n\n*(Not answered anew. ")


class TestAnEditedQuestion:
    async def test_that_was_answered_changes_what_the_model_hears_next_and_posts_nothing(self, bench: Bench) -> None:
        bench.server.answers = [Text("Answer.")]
        await bench.ask(mention(1, text="old"))
        await bench.inbox.submit(edited(mention(1), "new"))
        await bench.answer()
        assert list(bench.platform.messages.values()) == ["Answer."]
        assert await remembered(bench) == ["new", "Answer."]


class TestAnAnswerAskedForAnew:
    async def anew(self, bench: Bench, *answers: Text | Raw, replaces: str = "m0", number: int = 50) -> None:
        bench.server.answers = list(answers)
        one = replace(mention(number, author=BEN, text=""), message_id=replaces, replaces=replaces)
        await bench.ask(one)

    async def test_takes_the_old_ones_place_in_the_thread_and_in_the_history(self, bench: Bench) -> None:
        bench.server.answers = [Text("First."), Text("Second.")]
        await bench.ask(mention(1, text="one?"))
        await bench.ask(mention(2, text="two?"))
        await self.anew(bench, Text("First, anew."))
        assert bench.platform.messages == {"m0": "First, anew.", "m1": "Second."}
        assert [line["content"] for line in bench.server.requests[-1].messages[1:]] == ["one?"]
        assert await remembered(bench) == ["one?", "First, anew.", "two?", "Second."]

    @pytest.mark.parametrize("pressed", ["m0", "m1"])
    async def test_fits_into_the_old_messages_whichever_was_pressed(self, bench: Bench, pressed: str) -> None:
        bench.server.answers = [Text("word " * 60)]
        await bench.ask(mention(1, text="one?"))
        assert list(bench.platform.messages) == ["m0", "m1"]
        await self.anew(bench, Text("Short."), replaces=pressed)
        assert bench.platform.messages == {"m0": "Short."}
        await self.anew(bench, Text("longer " * 70), number=51)
        assert len(bench.platform.messages) == 3
        last = list(bench.platform.messages)[-1]
        await self.anew(bench, Text("Short again."), replaces=last, number=52)
        assert list(bench.platform.messages.values()) == ["Short again."]
        assert await remembered(bench) == ["one?", "Short again."]

    async def test_that_is_not_known_any_more_is_left_as_it_stands(self, bench: Bench) -> None:
        bench.platform.messages = {"m7": "Old."}
        await self.anew(bench, replaces="m7")
        assert bench.platform.messages == {"m7": "Old."}
        assert bench.server.requests == []
        assert bench.failed("forgotten") == 1

    async def test_leaves_the_old_one_as_it_was_where_it_is_stopped_before_its_first_word(self, bench: Bench) -> None:
        bench.server.answers = [Text("First.")]
        await bench.ask(mention(1))
        bench.server.answers = [Raw(first_after_s=60)]
        async with working(bench):
            await bench.inbox.submit(replace(mention(50, text=""), message_id="m0", replaces="m0"))
            await until(lambda: bench.server.open_now)
            await bench.inbox.submit(stop())
            await until(lambda: bench.answered("stopped"))
        assert shown(bench) == "First."
        assert (await remembered(bench))[-1] == "First."

    async def test_comes_back_where_the_model_refuses_and_says_so(self, bench: Bench) -> None:
        bench.server.answers = [Text("First.")]
        await bench.ask(mention(1, text="one?"))
        await self.anew(bench, status(404))
        text = shown(bench)
        assert text.startswith("First.\n\n*(Not answered anew. ")
        assert "(id " in text
        assert await remembered(bench) == ["one?", "First."]

    async def test_makes_nobody_take_part(self, bench: Bench) -> None:
        await bench.ask(mention(1))
        await self.anew(bench, Text("Anew."))
        assert await bench.inbox.submit(mention(2, addressed=False)) == "accepted"


class TestAPrivateAnswer:
    async def test_leaves_no_trace_in_the_conversation(self, bench: Bench, redis: Redis) -> None:
        await bench.ask(mention(1, text="public"))
        bench.platform.earlier = [Message("user", BEN, "The build is red.", "0", 0.0)]
        await bench.ask(replace(mention(2, text="secret", author=BEN), private=True))
        assert "The build is red." in json.dumps(bench.server.requests[-1].messages)
        assert "public" not in json.dumps(bench.server.requests[-1].messages)
        assert not any("secret" in one for one in await remembered(bench))
        assert await bench.inbox.submit(mention(3, addressed=False)) == "accepted"
        assert [key for key in await redis.keys() if ":private:" in str(key)] == []

    async def test_in_a_place_without_a_thread_reads_nothing(self, bench: Bench) -> None:
        bench.platform.earlier = Forbidden("never asked")
        one = mention(1, thread=None)
        await bench.ask(replace(one, place=replace(one.place, kind="dm"), private=True))
        assert marks.UNREAD not in shown(bench)


class TestAPastThatCannotBeRead:
    @pytest.mark.parametrize("why", [Forbidden("no history"), RateLimited("1 a minute", retry_after_s=55)])
    async def test_is_said_in_one_line_that_the_model_never_hears(
        self, bench: Bench, why: Forbidden | RateLimited
    ) -> None:
        bench.platform.earlier = why
        bench.server.answers = [Text("Answer.")]
        await bench.ask(mention(1, text="question"))
        assert shown(bench) == f"Answer.\n\n{marks.UNREAD}"
        assert await remembered(bench) == ["question", "Answer."]

    async def test_is_said_also_by_the_worker_that_takes_the_answer_over(self, bench: Bench, redis: Redis) -> None:
        await bench.inbox.submit(mention(1, text="question"))
        (dead,), _ = await bench.inbox.claim(1)
        await bench.inbox.note_answer(dead, marks.below("Answer.", marks.UNREAD))
        await redis.zadd(store.key("ready"), {dead.conversation: 1})
        await bench.answer()
        assert shown(bench) == f"Answer.\n\n{marks.UNREAD}"
        assert await remembered(bench) == ["question", "Answer."]


class TestUsage:
    async def test_is_counted_for_the_person_and_the_month(self, bench: Bench) -> None:
        spent = {"prompt_tokens": 70, "completion_tokens": 3}
        bench.server.answers = [Text("Hi.", usage=spent), Text("Ho.", usage=spent)]
        bench.handler = replace(bench.handler, means=at_november(bench.handler.means))
        await bench.ask(mention(1))
        await bench.ask(replace(mention(2, author=BEN), replaces="m0"))
        shared = bench.handler.means.shared
        assert await shared.counts(usage_name(ANA)) == {"mentions": 1, **spent}
        assert await shared.counts(usage_name(BEN)) == spent

    async def test_that_cannot_be_counted_harms_no_answer(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def away(*_: object, **__: object) -> None:
            raise StoreError("away")

        monkeypatch.setattr(RedisShared, "count", away)
        await bench.ask(mention(1))
        assert bench.answered() == 1
        assert await lane_is_empty(bench)
        assert "usage_not_counted" in caplog.messages


async def test_a_conversation_that_is_forgotten_while_it_is_answered_stays_forgotten(
    bench: Bench, redis: Redis
) -> None:
    await bench.ask(mention(1, text="before"))
    bench.server.answers = [Raw(text_events("Half"), first_after_s=0.0, every_s=0.2)]
    async with working(bench):
        await bench.inbox.submit(mention(2, text="meanwhile"))
        await until(lambda: len(bench.server.requests) == 2)
        await Forgetting(redis).conversation("fake:W:C:t1")
        await until(lambda: bench.answered() + bench.answered("interrupted") == 2)
    assert await remembered(bench) == []


async def test_a_thread_that_was_forgotten_is_not_read_again_and_its_follow_ups_go_on(
    bench: Bench, redis: Redis
) -> None:
    bench.platform.earlier = [Message("user", ANA, "before", "0", 0.0)]
    await bench.ask(mention(1))
    assert await Forgetting(redis).conversation("fake:W:C:t1")
    bench.server.answers = [Text("Anew.")]
    await bench.ask(mention(2, text="and now?", addressed=False))
    assert [line["content"] for line in bench.server.requests[-1].messages[1:]] == ["and now?"]
    await bench.ask(replace(mention(3, text="summarize"), private=True))
    assert "before" in json.dumps(bench.server.requests[-1].messages)


async def test_what_the_model_service_does_is_known_afterwards(bench: Bench) -> None:
    state = bench.handler.means.model
    assert state.failure is None
    bench.server.answers = [Text("Hi."), status(401)]
    await bench.ask(mention(1))
    assert state.failure == ""
    await bench.ask(mention(2, thread="b"))
    assert state.failure == "unauthorized"


def at_november(means: Means) -> Means:
    return replace(means, wall=lambda: 1_795_000_000.0)


async def test_a_stop_during_the_reading_of_the_past_asks_the_model_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.inbox.submit(mention(1))
    (claim,), _ = await bench.inbox.claim(1)

    async def stopping(*_: object, **__: object) -> tuple[()]:
        claim.end(stopped=ANA)
        return ()

    monkeypatch.setattr(bench.platform, "backfill", stopping)
    await bench.handler(claim)
    assert shown(bench) == marks.STOPPED
    assert bench.server.requests == []
