"""Answers in messages that are posted and edited: how each stands, who may see it, and what is too long for them."""

import asyncio
import logging
from collections.abc import AsyncGenerator

import pytest

from bot.answer.attached import FILE_MAX, IN_FILE
from bot.answer.ledger import FILE_PART
from bot.answer.marks import TOO_MANY_PARTS, in_private
from bot.errors import Ambiguous, Forbidden, RateLimited, Unreachable
from bot.events import Delta, Mention
from bot.platform import Limits, StreamLimits
from tests.fakes.platform import Applied, FakePlatform, FakeStreams, FakeUploads, Fault
from tests.replies import answered, deltas, reply_on, shown, times
from tests.virtual_time import run

WORDS = " ".join(f"word{number}" for number in range(60))


def in_stages(text_max: int = 100) -> FakePlatform:
    return FakePlatform(bounds=Limits(text_max=text_max, edit_every_s=1.0, parts_max=50, stages=True))


def test_the_last_live_message_grows_those_before_it_are_full_and_in_the_end_one_is_the_last() -> None:
    platform = in_stages()
    run(answered(platform, [piece for word in WORDS.split() for piece in (word + " ", 0.3)]))
    by_message = {
        message_id: [w.stage for w in platform.writes if w.message_id == message_id] for message_id in ["m0", "m4"]
    }
    assert by_message["m0"][0] == "growing"
    assert by_message["m0"][-1] == "full"
    assert by_message["m4"][-1] == "last"
    assert list(platform.stages.values()) == ["full"] * 4 + ["last"]


def test_a_message_that_is_full_while_the_answer_grows_is_not_written_again() -> None:
    text = (
        "Look:\n\n```python\n"
        + "print('a line of code')\n" * 30
        + "```\n\n"
        + "| a | b |\n|---|---|\n"
        + "| c | d |\n" * 40
    )
    platform = in_stages()
    reply, _ = run(answered(platform, [piece for line in text.splitlines() for piece in (line + "\n", 1.0)]))
    full = [write.message_id for write in platform.writes if write.stage == "full"]
    assert len(full) > 8
    assert full == [reply.first_id, *reply.more_ids][:-1]


@pytest.mark.parametrize(
    ("opening", "line"),
    [
        ("```python\n", "        return 'a line'\n"),
        ("> ```python\n", ">         return 'a line'\n"),
        ("1. Do:\n\n   ```python\n", "           return 'a line'\n"),
        ("````markdown\n", "```js\n"),
        ("```markdown\n", "```js\n"),
    ],
)
def test_code_that_goes_on_in_the_next_message_begins_there_as_it_was_written(opening: str, line: str) -> None:
    lines = ["Look:\n\n" + opening, *[line] * 30]
    platform = in_stages()
    reply, _ = run(answered(platform, [piece for one in lines for piece in (one, 1.0)]))
    assert len(reply.more_ids) > 1
    for message_id in reply.more_ids:
        begun = [
            write.text.splitlines(keepends=True)[:2] for write in platform.writes if write.message_id == message_id
        ]
        assert begun == [[opening.rpartition("\n\n")[2], line]] * len(begun)


def test_a_message_whose_stage_changed_is_written_once_more() -> None:
    platform = in_stages()
    run(answered(platform, ["One.", 9.0]))
    assert [(write.kind, write.text, write.stage) for write in platform.writes] == [
        ("post", "One.", "growing"),
        ("edit", "One.", "last"),
    ]


def test_without_stages_it_is_not() -> None:
    platform = FakePlatform()
    run(answered(platform, ["One.", 9.0]))
    assert len(platform.writes) == 1


def test_a_failed_live_write_is_tried_again_though_the_model_is_silent() -> None:
    platform = FakePlatform(faults=[Unreachable("x")])
    run(answered(platform, ["One.", 20.0, "Two."]))
    assert times(platform) == [0.5, 20.0]


def test_a_message_that_an_unclear_edit_may_have_changed_is_written_again() -> None:
    async def test() -> None:
        platform = FakePlatform()
        reply = reply_on(platform)
        await reply.finish("One.", deadline=2000)
        platform.faults = [Applied(Ambiguous("x"))]
        with pytest.raises(Ambiguous):
            await reply.finish("Two.", deadline=0)
        await reply.finish("One.", deadline=2000)
        assert platform.messages == {"m0": "One."}

    run(test())


# --- private --------------------------------------------------------------------------------------------------


def test_a_private_answer_is_posted_when_it_is_whole_and_once_per_part() -> None:
    platform = FakeStreams()
    run(answered(platform, [piece for word in WORDS.split() for piece in (word + " ", 0.3)], private=True))
    assert {write.kind for write in platform.writes} == {"post"}
    assert set(times(platform)) == {18.0}
    assert " ".join(platform.messages.values()) == WORDS


def test_a_private_answer_taken_over_is_posted_from_where_it_ended() -> None:
    async def test() -> None:
        platform = FakePlatform(faults=[None, Unreachable("x"), Unreachable("x"), Unreachable("x")])
        noted: dict[int, str] = {}
        text = WORDS[:150]
        with pytest.raises(Unreachable):
            await reply_on(platform, private=True, noted=noted).finish(text, deadline=0)
        await reply_on(platform, private=True, parts=noted, recover=True).finish(text, deadline=2000)
        assert " ".join(platform.messages.values()) == text
        assert [write.kind for write in platform.writes] == ["post", "post"]

    run(test())


def test_a_private_answer_is_never_attached_as_a_file() -> None:
    platform = FakeUploads(bounds=Limits(text_max=100, edit_every_s=1.0, parts_max=2))
    run(answered(platform, [WORDS], private=True))
    assert list(platform.messages.values())[-1] == in_private(TOO_MANY_PARTS)
    assert not platform.files


# --- too long -------------------------------------------------------------------------------------------------


def with_files() -> FakeUploads:
    limits = StreamLimits(120, len, flush_chars=20, flush_s=0.75, open_s=25.0)
    return FakeUploads(bounds=Limits(text_max=100, edit_every_s=1.0, parts_max=2), stream_limits=limits)


@pytest.mark.parametrize("declines", [[], [True], [False, True]])
def test_an_answer_that_is_too_long_ends_in_a_file_with_all_of_it(declines: list[bool]) -> None:
    platform = with_files()
    platform.declines = declines
    reply, _ = run(answered(platform, [piece for word in WORDS.split() for piece in (word + " ", 0.3)]))
    first, second, notice = shown(platform, reply)
    assert WORDS.startswith(f"{first} {second}")
    assert notice == IN_FILE
    assert list(platform.files.values()) == [WORDS]
    assert not platform.growing


@pytest.mark.parametrize("fault", [Unreachable("x"), Ambiguous("x"), Applied(Ambiguous("x"))])
def test_the_file_is_uploaded_once_whatever_fails(fault: Unreachable | Ambiguous | Applied) -> None:
    async def test() -> None:
        platform = with_files()
        noted: dict[int, str] = {}
        platform.faults = [None, None, None, fault]
        await reply_on(platform, noted=noted).finish(WORDS, deadline=2000)
        assert FILE_PART in noted
        await reply_on(platform, parts=noted, recover=True).finish(WORDS, deadline=2000)
        assert [write.kind for write in platform.writes].count("upload") in (1, 2)
        assert len(platform.files) == 1

    run(test())


def test_a_retry_does_not_upload_again_and_the_file_is_no_message() -> None:
    async def test() -> None:
        platform = with_files()
        noted: dict[int, str] = {}
        await reply_on(platform, noted=noted).finish(WORDS, deadline=2000)
        again = reply_on(platform, parts=noted, recover=True)
        await again.finish(WORDS, deadline=2000)
        assert [write.kind for write in platform.writes].count("upload") == 1
        assert (again.first_id, *again.more_ids) == tuple(platform.messages)

    run(test())


def test_where_the_file_is_refused_the_last_message_does_not_promise_it() -> None:
    platform = with_files()
    platform.declines = [True]
    platform.faults = [None, None, None, Forbidden("x")]
    reply, _ = run(answered(platform, [WORDS]))
    assert shown(platform, reply)[-1] == TOO_MANY_PARTS
    assert not platform.files


@pytest.mark.parametrize(
    "fault", [None, Unreachable("x"), Applied(Unreachable("x")), RateLimited("x", retry_after_s=3)]
)
def test_an_answer_that_needs_no_file_any_more_leaves_none(fault: Fault) -> None:
    async def test() -> None:
        platform = with_files()
        noted: dict[int, str] = {}
        await reply_on(platform, noted=noted).finish(WORDS, deadline=2000)
        again = reply_on(platform, parts=noted, recover=True)
        platform.faults = [None, fault]
        await again.finish("Short.", deadline=2000)
        assert (list(platform.messages.values()), platform.files, again.file_id) == (["Short."], {}, "")

    run(test())


@pytest.mark.parametrize("text", ["Short.", WORDS])
@pytest.mark.parametrize("fault", [None, Unreachable("x")])
def test_the_file_of_an_earlier_answer_goes_and_never_before_the_new_one_stands(fault: Fault, text: str) -> None:
    async def test() -> None:
        platform = with_files()
        platform.files = {"old/file": "all of the old answer"}
        reply = reply_on(platform, earlier_files=["file:old/file"])
        long = text == WORDS
        platform.faults = [*[None] * (4 if long else 1), fault]
        await reply.finish(text, deadline=2000)
        assert list(platform.files.values()) == [WORDS] * long
        assert bool(reply.file_id) == long
        kinds = [write.kind for write in platform.writes if write.kind in ("upload", "remove")]
        assert kinds == [*["upload"] * long, "remove"]

    run(test())


def test_the_file_of_an_earlier_answer_goes_also_where_the_new_one_is_refused() -> None:
    async def test() -> None:
        platform = with_files()
        platform.files = {"old/file": "all of the old answer"}
        platform.faults = [None, None, None, Forbidden("x")]
        reply = reply_on(platform, earlier_files=["file:old/file"])
        await reply.finish(WORDS, deadline=2000)
        assert shown(platform, reply)[-1] == TOO_MANY_PARTS
        assert (platform.files, reply.file_id) == ({}, "")

    run(test())


def test_a_file_that_may_not_be_removed_costs_no_answer_and_the_operator_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def test() -> None:
        platform = with_files()
        platform.files = {"old/file": "all of the old answer"}
        platform.faults = [None, Forbidden("no")]
        reply = reply_on(platform, earlier_files=["file:old/file"])
        await reply.finish("Short.", deadline=2000)
        assert shown(platform, reply) == ["Short."]

    run(test())
    assert [one.message for one in caplog.records if one.levelno >= logging.WARNING] == ["file_not_removed"]


@pytest.mark.parametrize(("platform", "read"), [(with_files(), FILE_MAX), (FakeStreams(), 1_000)])
def test_an_endless_answer_is_read_only_so_far(platform: FakeStreams, read: int) -> None:
    async def endless() -> AsyncGenerator[Delta, None]:
        while True:
            yield Delta("word " * 100)
            await asyncio.sleep(0.01)

    async def test() -> None:
        reply = reply_on(platform)
        stream = await reply.stream(endless())
        assert read <= len(reply.text) <= read + 500
        assert stream.finish == ("length" if isinstance(platform, FakeUploads) else None)
        await reply.finish(reply.text.strip(), deadline=asyncio.get_running_loop().time() + 60)

    run(test())


def test_messages_of_a_longer_earlier_attempt_are_removed_and_not_named() -> None:
    async def test() -> None:
        platform = FakePlatform(messages={"a": "old", "b": "old, too"})
        reply = reply_on(platform, parts={0: "a", 1: "b"}, recover=True)
        await reply.finish("new", deadline=2000)
        assert platform.messages == {"a": "new"}
        assert (reply.first_id, reply.more_ids) == ("a", ())

    run(test())


def test_a_message_too_many_that_cannot_be_removed_now_is_removed_later(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        platform = FakePlatform(messages={"a": "old", "b": "old, too"})
        refusals = [RateLimited("x", retry_after_s=3)]
        removed = platform.delete

        async def delete(one: Mention, message_id: str) -> None:
            if refusals:
                raise refusals.pop()
            await removed(one, message_id)

        monkeypatch.setattr(platform, "delete", delete)
        reply = reply_on(platform, parts={0: "a", 1: "b"}, recover=True)
        await reply.finish("new", deadline=2000)
        assert platform.messages == {"a": "new"}
        assert reply.more_ids == ()

    run(test())


def test_a_message_that_was_removed_and_is_needed_again_gets_a_key_of_its_own() -> None:
    async def test() -> None:
        platform = FakePlatform()
        reply = reply_on(platform)
        for text in (WORDS[:150], "short", WORDS[:150]):
            await reply.finish(text, deadline=2000)
        assert " ".join(shown(platform, reply)) == WORDS[:150]
        assert [key.partition(":1/")[2] for key in platform.keys] == ["0", "1", "1/anew"]

    run(test())


def test_the_text_begins_with_its_first_visible_character() -> None:
    async def test() -> None:
        reply = reply_on(FakePlatform())
        await reply.stream(deltas(["\n", " \n", " One", " two"]))
        assert reply.text == "One two"

    run(test())
