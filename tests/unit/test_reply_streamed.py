"""Answers in messages that grow natively: when they begin, grow, end and give way, on virtual time."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from bot.answer.reply import Reply
from bot.errors import Ambiguous, Forbidden, RateLimited, Rejected, StoreError, Unreachable
from bot.events import Delta
from bot.platform import Limits, StreamEnded, StreamLimits
from tests.fakes.platform import Applied, FakeStreams
from tests.mentions import mention
from tests.replies import answered, deltas, reply_on, said, shown, times
from tests.virtual_time import run


def kinds(platform: FakeStreams) -> list[str]:
    return [write.kind for write in platform.writes]


def test_an_answer_grows_in_one_message_and_is_closed_as_the_last() -> None:
    platform = FakeStreams()
    run(answered(platform, ["One.\n", 5.0, "Two.\n", 5.0, "Three."]))
    assert [(write.kind, write.stage) for write in platform.writes] == [
        ("begin", "growing"),
        ("append", "growing"),
        ("append", "last"),
        ("close", "last"),
    ]
    assert platform.messages == {"m0": "One.\nTwo.\nThree."}
    assert platform.stages == {"m0": "last"}


@pytest.mark.parametrize(("may", "first_s"), [(True, 3.0), (False, 0.7)])
def test_where_nothing_can_be_streamed_the_first_words_are_shown_at_once(may: bool, first_s: float) -> None:
    """A stream waits for what cannot become another thing any more, like a table's row: 40 characters, or a line."""
    platform = FakeStreams(may=may)
    run(answered(platform, ["It ", 1.0, "is ", 1.0, "so ", 1.0, "and so\nit goes on"]))
    assert times(platform)[0] == first_s


def test_text_is_appended_after_so_many_characters_or_so_much_time() -> None:
    platform = FakeStreams()
    run(answered(platform, ["One.\n", 0.1, "a few words\n", 0.1, "and some more words\n", 0.1, "few\n", 2.0, "end"]))
    assert times(platform) == [0, 0.2, 0.95, 2.3, 2.3]


def test_where_appends_are_scarce_they_wait_but_not_the_last() -> None:
    platform = FakeStreams(flush_s=4.0)
    run(answered(platform, ["One.\n"] + [0.5, "more and more words\n"] * 9))
    assert times(platform) == [0, 4.0, 4.5, 4.5]


def test_nothing_half_written_is_appended() -> None:
    platform = FakeStreams()
    begin = "Words, many enough for them to be shown: "
    run(answered(platform, [begin, "**this", 3.0, " bold** and <!chan", 3.0, "nel> there."]))
    assert platform.writes[0].text == begin.rstrip()
    assert not any("<" in write.text for write in platform.writes[:2])
    assert platform.messages == {"m0": begin + "**this bold** and <!channel> there."}


def test_a_full_message_is_closed_and_the_next_opens_the_code_again() -> None:
    platform = FakeStreams()
    lines = [f"line number {number}\n" for number in range(30)]
    run(answered(platform, ["```py\n", *[piece for line in lines for piece in (line, 0.3)], "```\n\nDone."]))
    first, *_, last = platform.messages.values()
    assert len(platform.messages) == 3
    assert first.startswith("```py\nline number 0\n")
    assert first.endswith("\n```")
    assert last.startswith("```py\nline number")
    assert last.endswith("```\n\nDone.")
    assert platform.stages == {"m0": "full", "m1": "full", "m2": "last"}


def test_quoted_code_that_goes_on_in_the_next_message_begins_there_as_it_was_written() -> None:
    platform = FakeStreams()
    line = ">         return 'a line'\n"
    run(answered(platform, [piece for one in ["> ```python\n", *[line] * 30] for piece in (one, 0.3)]))
    assert len(platform.messages) > 2
    for text in platform.messages.values():
        opening, *code, closing = text.splitlines(keepends=True)
        assert (opening, closing) == ("> ```python\n", "> ```")
        assert set(code) == {line}


def test_a_message_is_left_before_the_platform_ends_it() -> None:
    platform = FakeStreams()
    run(answered(platform, [piece for number in range(12) for piece in (f"Line {number}.\n", 5.0)]))
    assert [round(write.at - 1000) for write in platform.writes if write.kind == "begin"] == [0, 25, 50]
    assert platform.stages == {"m0": "full", "m1": "full", "m2": "last"}


def test_a_message_that_expired_in_a_silence_goes_on_in_a_new_one() -> None:
    platform = FakeStreams(bounds=Limits(text_max=10, edit_every_s=1.0))
    platform.stream_limits = StreamLimits(200, len, flush_chars=20, flush_s=0.75, open_s=500.0)
    run(answered(platform, ["A sentence.\n", 40.0, "Another one.\n", 1.0]))
    assert list(platform.messages.values()) == ["A sentence.", "Another one."]


def test_a_second_table_begins_a_message_of_its_own() -> None:
    platform = FakeStreams(bounds=Limits(text_max=100, edit_every_s=1.0, tables_max=1))
    table = "| a | b |\n|---|---|\n| 1 | 2 |\n\n"
    run(answered(platform, [table, 2.0, "And:\n\n", 2.0, table, 2.0, "End."]))
    assert [text.count("---|---") for text in platform.messages.values()] == [1, 1]


def test_an_answer_of_nine_minutes_is_whole_and_keeps_the_pace() -> None:
    """60,000 characters within Slack's limits."""
    bounds = Limits(text_max=4_000, edit_every_s=3.0, stages=True, tables_max=1)
    limits = StreamLimits(9_000, lambda text: len(text.encode()), flush_chars=256, flush_s=0.75, open_s=255.0)
    platform = FakeStreams(bounds=bounds, stream_limits=limits, lives_s=300.0, latency_s=0.2)
    pieces = [piece for number in range(3_000) for piece in (f"Sentence {number:4} ends.\n"[:20], 0.18)]
    reply, _ = run(answered(platform, pieces))
    assert "\n".join(shown(platform, reply)).split() == said(pieces).split()
    assert len(platform.messages) == 7
    assert times(platform)[-1] < 545
    minutes = [sum(60 * minute <= at < 60 * minute + 60 for at in times(platform)) for minute in range(9)]
    assert max(minutes) <= 85


def test_a_text_that_begins_with_an_indented_line_fills_its_message() -> None:
    platform = FakeStreams()
    words = "word " * 80
    run(answered(platform, ["Start.\n\n    indented " + words, 3.0, words]))
    assert " ".join(platform.messages.values()).split() == ["Start.", "indented", *(words * 2).split()]
    assert not platform.growing


def test_a_row_that_does_not_fit_below_its_repeated_header_stands_alone() -> None:
    limits = StreamLimits(80, len, flush_chars=20, flush_s=0.75, open_s=25.0)
    platform = FakeStreams(stream_limits=limits)
    row = "| " + "x" * 75 + " |\n"
    run(answered(platform, ["| a |\n|---|\n| 1 |\n", 1.0, row, 1.0, "| 2 |\n", 1.0, "| 3 |\n"]))
    assert "".join(platform.messages.values()).count("x") == 75
    assert not platform.growing
    assert all(len(text) <= 80 for text in platform.messages.values())


# --- going down the ladder ------------------------------------------------------------------------------------


def test_where_it_cannot_be_streamed_the_answer_is_posted_and_edited() -> None:
    platform = FakeStreams(declines=[True])
    run(answered(platform, ["One.\n", 5.0, "Two.", 5.0]))
    assert kinds(platform) == ["post", "edit"]
    assert platform.messages == {"m0": "One.\nTwo."}


def test_an_answer_that_is_whole_before_it_was_begun_is_posted_once() -> None:
    platform = FakeStreams()
    run(answered(platform, ["It is 42"]))
    assert kinds(platform) == ["post"]


def test_falling_down_in_the_middle_goes_on_where_the_stream_was_acknowledged() -> None:
    platform = FakeStreams(declines=[False, True])
    platform.stream_faults = [None, None, StreamEnded("x")]
    run(answered(platform, ["One.\n", 1.0, "Two.\n", 1.0, "Three.\n", 5.0, "Four."]))
    assert platform.messages == {"m0": "One.\nTwo.", "m1": "Three.\nFour."}
    assert kinds(platform) == ["begin", "append", "close", "post", "edit"]


@pytest.mark.parametrize(
    "refusal", [Forbidden("x"), Rejected("x"), Unreachable("x"), RateLimited("x", retry_after_s=9)]
)
def test_a_refused_begin_falls_to_a_post(refusal: Forbidden | Rejected | Unreachable | RateLimited) -> None:
    platform = FakeStreams(stream_faults=[refusal])
    run(answered(platform, ["One.\n", 3.0, "Two."]))
    assert kinds(platform) == ["post", "edit"]


def test_an_append_is_tried_again_when_the_platform_wants_it_and_reading_goes_on() -> None:
    platform = FakeStreams(stream_faults=[None, RateLimited("x", retry_after_s=7)])
    run(answered(platform, ["One.\n"] + [1.0, "Word.\n"] * 12))
    assert times(platform)[:2] == [0, 8.0]
    assert list(platform.messages) == ["m0"]


@pytest.mark.parametrize("fault", [Ambiguous("x"), Applied(Ambiguous("x"))])
def test_an_unclear_begin_is_looked_for_and_becomes_an_edited_message(fault: Ambiguous | Applied) -> None:
    platform = FakeStreams(stream_faults=[fault])
    run(answered(platform, ["One.\n", 3.0, "Two."]))
    assert platform.messages == {"m0": "One.\nTwo."}
    assert not platform.growing


@pytest.mark.parametrize("fault", [Ambiguous("x"), Applied(Ambiguous("x"))])
def test_after_an_unclear_append_the_message_is_edited_to_what_it_should_be(fault: Ambiguous | Applied) -> None:
    platform = FakeStreams(stream_faults=[None, fault])
    run(answered(platform, ["One.\n", 1.0, "Two.\n", 3.0, "Three."]))
    assert platform.messages == {"m0": "One.\nTwo.\nThree."}
    assert "post" not in kinds(platform)
    assert not platform.growing


def test_an_edit_that_cannot_end_the_stream_yet_is_tried_again() -> None:
    platform = FakeStreams(stream_faults=[None, Ambiguous("x"), Unreachable("x")], faults=[StreamEnded("x")] * 3)
    run(answered(platform, ["One.\n", 1.0, "Two."]))
    assert platform.messages == {"m0": "One.\nTwo."}
    assert not platform.growing


def test_a_refused_last_append_becomes_an_edit_where_one_message_holds_it_all() -> None:
    platform = FakeStreams(stream_faults=[None, StreamEnded("x")])
    run(answered(platform, ["One.\n", 0.1, "Two."]))
    assert platform.messages == {"m0": "One.\nTwo."}
    assert platform.stages == {"m0": "last"}


def test_a_message_that_somebody_removed_is_posted_anew() -> None:
    platform = FakeStreams()

    async def test() -> None:
        reply = reply_on(platform)
        await reply.stream(deltas(["One.\n", 0.1, "Two."]))
        platform.messages.clear()
        await reply.finish("One.\nTwo.", deadline=2000)
        assert shown(platform, reply) == ["One.\nTwo."]

    run(test())


def test_a_close_that_fails_is_tried_until_it_stands() -> None:
    platform = FakeStreams(stream_faults=[None, None, Unreachable("x"), RateLimited("x", retry_after_s=5)])
    run(answered(platform, ["One.\n", 0.1, "Two."]))
    assert kinds(platform) == ["begin", "append", "close"]
    assert platform.messages == {"m0": "One.\nTwo."}


def test_a_close_that_is_refused_is_done_by_an_edit() -> None:
    platform = FakeStreams(stream_faults=[None, None, Forbidden("x")])
    run(answered(platform, ["One.\n", 0.1, "Two."]))
    assert kinds(platform) == ["begin", "append", "edit"]
    assert platform.messages == {"m0": "One.\nTwo."}
    assert not platform.growing


def test_another_text_than_the_one_begun_replaces_it() -> None:
    platform = FakeStreams()

    async def test() -> None:
        reply = reply_on(platform)
        await reply.stream(deltas(["One.\n", 0.1, "Two."]))
        await reply.finish("Sorry.", deadline=2000)
        assert platform.messages == {"m0": "Sorry."}
        assert not platform.growing

    run(test())


# --- who may write --------------------------------------------------------------------------------------------


def test_an_answer_taken_over_is_edited_whatever_its_messages_were() -> None:
    async def test() -> None:
        platform = FakeStreams(messages={"a": "streamed by the dead"})
        reply = reply_on(platform, parts={0: "a"}, recover=True)
        await reply.stream(deltas(["One.", 3.0]))
        await reply.finish("One.", deadline=2000)
        assert platform.messages == {"a": "One."}
        assert platform.streamed == 0

    run(test())


def test_the_id_is_stored_before_anything_else_is_written() -> None:
    async def note(part: int, message_id: str) -> None:
        raise StoreError("down")

    async def test() -> None:
        platform = FakeStreams()
        reply = Reply(platform, mention(), parts={}, note_part=note, guard=lambda: None, recover=False)
        with pytest.raises(StoreError):
            await reply.stream(deltas(["One.\n", 2.0, "Two."]))
        assert kinds(platform) == ["begin"]

    run(test())


def test_without_the_lease_nothing_is_appended_or_closed() -> None:
    held = [True]

    def guard() -> None:
        if not held[0]:
            raise StoreError("lost")

    async def note(part: int, message_id: str) -> None:
        held[0] = False

    async def test() -> None:
        platform = FakeStreams()
        reply = Reply(platform, mention(), parts={}, note_part=note, guard=guard, recover=False)
        with pytest.raises(StoreError):
            await reply.stream(deltas(["One.\n", 2.0, "Two.\n", 2.0]))
        with pytest.raises(StoreError):
            await reply.finish("One.\nTwo.", deadline=2000)
        assert kinds(platform) == ["begin"]

    run(test())


def test_a_drained_worker_leaves_the_message_to_the_next_one() -> None:
    async def test() -> None:
        platform = FakeStreams()
        noted: dict[int, str] = {}
        work = asyncio.create_task(reply_on(platform, noted=noted).stream(deltas(["One.\n", 1.0, "Two.\n", 500.0])))
        await asyncio.sleep(5)
        work.cancel()
        await asyncio.wait([work])
        assert kinds(platform) == ["begin", "append"]
        await reply_on(platform, parts=noted, recover=True).finish("One.\nTwo.\nThree.", deadline=2000)
        assert platform.messages == {"m0": "One.\nTwo.\nThree."}
        assert not platform.growing

    run(test())


# --- stop -----------------------------------------------------------------------------------------------------


class Model:
    """Speaks a word a second without end; remembers when it was hung up on."""

    def __init__(self) -> None:
        self.closed_at = 0.0

    async def __call__(self) -> AsyncGenerator[Delta, None]:
        try:
            while True:
                yield Delta("Word.\n")
                await asyncio.sleep(1)
        finally:
            self.closed_at = asyncio.get_running_loop().time() - 1000


def test_stop_pressed_at_the_platform_ends_the_model_and_the_mark_goes_into_the_message() -> None:
    async def test() -> None:
        platform, model = FakeStreams(), Model()
        reply = reply_on(platform)
        asyncio.get_running_loop().call_later(10.5, platform.press_stop)
        stream = await reply.stream(model())
        assert stream.stopped
        assert 10 < model.closed_at < 12
        text = reply.text.strip() + "\n\n*(Stopped.)*"
        await reply.finish(text, deadline=2000)
        assert platform.messages == {"m0": text}

    run(test())


def test_stop_pressed_before_a_message_is_left_is_noticed_when_it_is_closed() -> None:
    async def test() -> None:
        platform = FakeStreams()
        reply = reply_on(platform)
        asyncio.get_running_loop().call_later(20, platform.press_stop)
        stream = await reply.stream(deltas(["One.\n", 26.0, "Two.\n", 500.0, "Three."]))
        assert stream.stopped
        assert asyncio.get_running_loop().time() - 1000 < 30
        await reply.finish("One.\nTwo.\n\n*(Stopped.)*", deadline=2000)
        assert list(platform.messages.values()) == ["One.", "Two.\n\n*(Stopped.)*"]

    run(test())


def test_what_is_left_of_a_long_stopped_answer_goes_below_it() -> None:
    async def test() -> None:
        platform, model = FakeStreams(bounds=Limits(text_max=40, edit_every_s=1.0)), Model()
        reply = reply_on(platform)
        asyncio.get_running_loop().call_later(10.5, platform.press_stop)
        await reply.stream(model())
        await reply.finish(reply.text.strip() + "\n\n*(Stopped.)*", deadline=2000)
        assert list(platform.messages) == ["m0", "m1"]
        assert " ".join(platform.messages.values()).split() == [*reply.text.split(), "*(Stopped.)*"]

    run(test())


def test_stop_hangs_up_on_the_model_at_once_even_while_a_write_is_under_way() -> None:
    async def test() -> None:
        platform, model = FakeStreams(latency_s=10), Model()
        reply = reply_on(platform)
        asyncio.get_running_loop().call_later(3.5, reply.stop)
        stream = await reply.stream(model())
        assert stream.stopped
        assert model.closed_at == 3.5
        await reply.finish(reply.text.strip(), deadline=2000)
        assert platform.messages == {"m0": "Word.\nWord.\nWord.\nWord."}

    run(test())


def test_stop_before_the_model_was_asked_asks_it_nothing() -> None:
    async def test() -> None:
        model = Model()
        reply = reply_on(FakeStreams())
        reply.stop()
        stream = await reply.stream(model())
        assert stream.stopped
        assert (reply.text, model.closed_at) == ("", 0.0)

    run(test())
