"""The live answer on virtual time: paced, in one piece, and exactly right in the end."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.answer.marks import TOO_MANY_PARTS
from bot.answer.reply import Reply
from bot.errors import Ambiguous, Broken, Forbidden, Gone, RateLimited, StoreError, Unreachable
from bot.events import Delta
from bot.platform import Limits
from tests.fakes.platform import FakePlatform
from tests.mentions import mention
from tests.replies import answered, deltas, reply_on, said, shown, times
from tests.virtual_time import run


def test_the_first_whole_sentence_goes_out_at_once() -> None:
    platform = FakePlatform()
    run(answered(platform, ["Sure", "!", 5.0, " More."]))
    assert (platform.writes[0].text, times(platform)[0]) == ("Sure!", 0)


def test_half_a_sentence_waits_no_longer_than_the_limit() -> None:
    platform = FakePlatform()
    run(answered(platform, ["Well", 5.0, " then"]))
    assert (platform.writes[0].text, times(platform)[0]) == ("Well", 0.7)


def test_edits_keep_the_pace_and_the_newest_text_wins() -> None:
    platform = FakePlatform()
    run(answered(platform, ["One."] + [0.1, " more"] * 17))
    assert times(platform) == [0, 1.0, 1.7]
    assert platform.writes[-1].text == "One." + " more" * 17
    assert list(platform.messages) == ["m0"]


def test_the_last_write_does_not_wait_for_the_pace() -> None:
    platform = FakePlatform()
    run(answered(platform, ["One.", 0.01, " Two."]))
    assert times(platform) == [0, 0.01]


def test_text_after_a_silence_is_shown_at_once() -> None:
    platform = FakePlatform()
    run(answered(platform, ["One.", 3.0, " Two.", 5.0, " Three."]))
    assert times(platform) == [0, 3.0, 8.0]


def test_a_message_that_is_right_already_is_not_written_again() -> None:
    platform = FakePlatform()
    run(answered(platform, ["One.", 9.0]))
    assert len(platform.writes) == 1


def test_reading_the_model_never_waits_for_the_platform() -> None:
    async def test() -> None:
        platform = FakePlatform(latency_s=100)
        read_at: list[float] = []

        async def model() -> AsyncGenerator[Delta, None]:
            for _ in range(5):
                yield Delta("Word. ")
                await asyncio.sleep(1)
                read_at.append(asyncio.get_running_loop().time() - 1000)

        await reply_on(platform).stream(model())
        assert read_at == [1, 2, 3, 4, 5]

    run(test())


def test_a_long_answer_becomes_parts_in_order() -> None:
    platform = FakePlatform()
    words = [f"word{number} " for number in range(60)]
    run(answered(platform, [piece for word in words for piece in (word, 0.05)]))
    assert " ".join(" ".join(platform.messages.values()).split()) == "".join(words).strip()
    assert len(platform.messages) > 3
    assert all(len(text) <= 100 for text in platform.messages.values())


def test_an_endless_answer_is_ended_with_a_word_about_it() -> None:
    platform = FakePlatform()

    async def endless() -> AsyncGenerator[Delta, None]:
        while True:
            yield Delta("word ")
            await asyncio.sleep(0.001)

    async def test() -> None:
        reply = reply_on(platform)
        await reply.stream(endless())
        await reply.finish(reply.text, deadline=2000)

    run(test())
    assert len(platform.messages) == 6
    assert list(platform.messages.values())[-1] == TOO_MANY_PARTS


def test_a_broken_stream_gives_its_error_and_the_text_so_far() -> None:
    reply, stream = run(answered(FakePlatform(), ["One.", Broken("cut")]))
    assert isinstance(stream.error, Broken)
    assert reply.text == "One."


def test_live_failures_only_delay_and_the_final_text_stands() -> None:
    platform = FakePlatform(faults=[Unreachable("x"), RateLimited("x", retry_after_s=4), None, Unreachable("x")])
    run(answered(platform, ["One."] + [0.5, " more"] * 15))
    assert platform.messages == {"m0": "One." + " more" * 15}


def test_nothing_is_written_before_the_platform_wants_it() -> None:
    """Neither at the next sentence nor at the end."""
    platform = FakePlatform(faults=[RateLimited("x", retry_after_s=30)])
    run(answered(platform, ["One."] + [0.5, " More."] * 10))
    assert times(platform) == [30]
    assert platform.messages == {"m0": "One." + " More." * 10}


def test_an_answer_that_opens_with_something_half_written_shows_as_soon_as_it_can() -> None:
    platform = FakePlatform()
    run(answered(platform, ["**Bold", 1.0, " words** and", 5.0, " more."]))
    assert times(platform)[0] <= 1.2


def test_a_wait_beyond_the_deadline_is_not_waited_for() -> None:
    async def test() -> None:
        reply = reply_on(FakePlatform(faults=[RateLimited("x", retry_after_s=3000)]))
        with pytest.raises(RateLimited) as limited:
            await reply.finish("text", deadline=asyncio.get_running_loop().time() + 15)
        assert limited.value.retry_after_s == 3000
        assert asyncio.get_running_loop().time() == 1000

    run(test())


def test_a_zombie_deletes_nothing() -> None:
    async def test() -> None:
        platform = FakePlatform(messages={"a": "text", "b": "of its successor"})
        guards = [None, StoreError("lost")]

        def guard() -> None:
            if error := guards.pop(0):
                raise error

        async def note(part: int, message_id: str) -> None:
            raise AssertionError

        reply = Reply(platform, mention(), parts={0: "a", 1: "b"}, note_part=note, guard=guard, recover=True)
        with pytest.raises(StoreError):
            await reply.finish("new", deadline=2000)
        assert platform.messages == {"a": "new", "b": "of its successor"}

    run(test())


def test_an_unclear_post_is_looked_for_and_not_repeated() -> None:
    platform = FakePlatform(faults=[Ambiguous("x")], fault_after=True)
    run(answered(platform, ["One.", 2.0, " Two."]))
    assert platform.messages == {"m0": "One. Two."}


@pytest.mark.parametrize("refusal", [Forbidden("no"), Gone("no")])
def test_a_place_that_takes_nothing_ends_the_model_at_once(refusal: Forbidden | Gone) -> None:
    closed: list[bool] = []

    async def model() -> AsyncGenerator[Delta, None]:
        try:
            while True:
                yield Delta("Word. ")
                await asyncio.sleep(1)
        finally:
            closed.append(True)

    async def test() -> None:
        with pytest.raises(type(refusal)):
            await reply_on(FakePlatform(faults=[refusal])).stream(model())
        assert closed == [True]

    run(test())


def test_a_stop_that_comes_when_the_model_has_said_all_of_it_is_too_late() -> None:
    async def test() -> None:
        platform = FakePlatform(latency_s=5.0)
        reply = reply_on(platform)
        asyncio.get_running_loop().call_later(2.0, reply.stop)
        stream = await reply.stream(deltas(["All of it."]))
        assert (stream.finish, stream.stopped) == ("stop", False)

    run(test())


def test_the_final_write_is_tried_until_it_stands() -> None:
    platform = FakePlatform(faults=[Unreachable("x")] * 5 + [RateLimited("x", retry_after_s=20)])
    run(answered(platform, ["One."]))
    assert platform.messages == {"m0": "One."}


def test_the_final_write_is_given_up_at_the_deadline() -> None:
    async def test() -> None:
        reply = reply_on(FakePlatform(faults=[Unreachable("x")] * 50))
        with pytest.raises(Unreachable):
            await reply.finish("text", deadline=asyncio.get_running_loop().time() + 30)
        assert asyncio.get_running_loop().time() <= 1030

    run(test())


def test_an_answer_taken_over_is_edited_into_the_messages_that_stand() -> None:
    async def test() -> None:
        platform = FakePlatform(messages={"a": "old", "b": "old, too"})
        reply = reply_on(platform, parts={0: "a", 1: "b"}, recover=True)
        await reply.finish("new", deadline=2000)
        assert platform.messages == {"a": "new"}

    run(test())


def test_a_message_somebody_removed_is_posted_anew_once() -> None:
    async def test() -> None:
        platform = FakePlatform()
        reply = reply_on(platform, parts={0: "gone"})
        await reply.finish("text", deadline=2000)
        assert platform.messages == {"m0": "text"}
        platform.messages.clear()
        with pytest.raises(Gone):
            await reply.finish("text 2", deadline=2000)

    run(test())


def test_nothing_is_written_once_the_lease_is_lost() -> None:
    def guard() -> None:
        raise StoreError("lost")

    async def note(part: int, message_id: str) -> None:
        raise AssertionError

    async def test() -> None:
        platform = FakePlatform()
        reply = Reply(platform, mention(), parts={}, note_part=note, guard=guard, recover=False)
        with pytest.raises(StoreError):
            await reply.stream(deltas(["One.", 1.0]))
        assert platform.messages == {}

    run(test())


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="`~|"), max_size=40)  # nothing that a part repeats
PIECES = st.lists(st.one_of(WORDS, st.floats(0, 2)), max_size=30)
FAULTS = st.lists(
    st.one_of(
        st.none(),
        st.builds(lambda: Unreachable("x")),
        st.builds(lambda: Ambiguous("x")),
        st.floats(0, 3).map(lambda after_s: RateLimited("x", retry_after_s=after_s)),
    ),
    max_size=6,
)


@given(pieces=PIECES, faults=FAULTS, after=st.booleans(), latency_s=st.floats(0, 2))
def test_whatever_happens_the_messages_end_as_the_parts_of_the_text(
    pieces: list[str | float], faults: list[Unreachable | Ambiguous | RateLimited | None], after: bool, latency_s: float
) -> None:
    """Faults strike before the write or after it; where one strikes after a post it is always an unclear one."""
    kept = [Ambiguous("x") if after and fault else fault for fault in faults]
    limits = Limits(text_max=60, edit_every_s=0.5, parts_max=50)
    platform = FakePlatform(faults=list(kept), fault_after=after, latency_s=latency_s, bounds=limits)
    reply, _ = run(answered(platform, pieces))
    assert reply.text == said(pieces).lstrip()
    assert "".join("".join(shown(platform, reply)).split()) == "".join(said(pieces).split())
    assert len(platform.messages) == len(platform.keys)
