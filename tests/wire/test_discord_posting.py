"""What the bot writes stands once and pings nobody but the asker, whatever happens on the way."""

import asyncio
import time
from dataclasses import replace

import pytest

from adapters.discord.adapter import DiscordPlatform
from adapters.discord.answers.earlier import earlier
from adapters.discord.api.rest import Rest
from bot.errors import Ambiguous, Forbidden, Gone, PlatformError, RateLimited, Rejected, Unreachable
from bot.events import Mention
from bot.platform import Platform
from tests.discord_asking import asked, bodies, shown
from tests.fakes.discord import FakeDiscord, Fault
from tests.fakes.discord_bot import writing


async def test_the_adapter_is_a_platform(fake: FakeDiscord, platform: DiscordPlatform) -> None:
    core_sees: Platform = platform
    assert (core_sees.name, core_sees.limits(asked(fake)).text_max, core_sees.connected) == ("discord", 2000, False)


async def test_an_answer_is_posted_edited_and_deleted(fake: FakeDiscord, platform: DiscordPlatform) -> None:
    mention = asked(fake)
    key = await platform.post(mention, "half", key="k:0", first=True)
    await platform.edit(mention, key, "half and whole")
    assert shown(fake) == ["half and whole"]
    assert fake.answers(fake.channel)[0]["message_reference"]["message_id"] == mention.message_id
    await platform.delete(mention, key)
    await platform.delete(mention, key)
    assert shown(fake) == []


async def test_only_the_first_message_refers_to_the_question(fake: FakeDiscord, platform: DiscordPlatform) -> None:
    mention = asked(fake)
    await platform.post(mention, "one", key="k:0", first=True)
    await platform.post(mention, "two", key="k:1", first=False)
    assert ["message_reference" in body for body in bodies(fake, "post")] == [True, False]


async def test_nobody_but_the_asker_is_pinged_on_create_and_edit(fake: FakeDiscord, platform: DiscordPlatform) -> None:
    mention = asked(fake)
    text = f"@everyone @here <@{fake.bob['id']}> <@&{fake.role}> <@{fake.ann['id']}>"
    key = await platform.post(mention, text, key="k", first=True)
    await platform.edit(mention, key, text + " !")
    assert [entry["pings"] for entry in fake.entries("post", "edit")] == [[fake.ann["id"]]] * 2
    for body in bodies(fake, "post", "edit"):
        assert body["flags"] == 4
        assert body["allowed_mentions"] == {"parse": [], "users": [fake.ann["id"]], "replied_user": True}


async def test_an_answer_in_a_thread_goes_into_the_thread(fake: FakeDiscord, platform: DiscordPlatform) -> None:
    thread = fake.create_thread(fake.channel, fake.ann)
    await platform.post(asked(fake, thread=thread), "here", key="k", first=True)
    assert shown(fake, thread) == ["here"]


async def test_an_answer_whose_question_was_deleted_still_arrives(fake: FakeDiscord, platform: DiscordPlatform) -> None:
    mention = asked(fake)
    fake.remove(fake.channel, mention.message_id)
    await platform.post(mention, "here", key="k", first=True)
    assert shown(fake) == ["here"]


async def test_an_answer_arrives_where_replies_are_not_allowed(fake: FakeDiscord, platform: DiscordPlatform) -> None:
    fake.no_history.add(fake.channel)
    await platform.post(asked(fake), "here", key="k", first=True)
    assert shown(fake) == ["here"]


@pytest.mark.parametrize("fault", ["reset", "reset_after", "cut", "cut_after", 503, "503_after"])
@pytest.mark.parametrize("times", [1, 3])
async def test_an_unclear_outcome_still_makes_one_message(
    fake: FakeDiscord, platform: DiscordPlatform, fault: Fault, times: int
) -> None:
    fake.fail(fault, times=times)
    key = await platform.post(asked(fake), "once", key="k", first=True)
    assert [message["id"] for message in fake.answers(fake.channel)] == [key]
    assert shown(fake) == ["once"]


async def test_a_500_is_tried_again_by_the_library_with_the_same_nonce(
    fake: FakeDiscord, platform: DiscordPlatform
) -> None:
    fake.fail("500_after")
    await platform.post(asked(fake), "once", key="k", first=True)
    assert shown(fake) == ["once"]


@pytest.mark.parametrize("fault", ["reset", "reset_after", "cut", "cut_after", 503, "503_after"])
async def test_what_stays_unclear_is_ambiguous_and_a_second_call_makes_no_second_message(
    fake: FakeDiscord, platform: DiscordPlatform, fault: Fault
) -> None:
    mention = asked(fake)
    fake.fail(fault, times=4)
    with pytest.raises(Ambiguous):
        await platform.post(mention, "once", key="k", first=True)
    await platform.post(mention, "once and for all", key="k", first=True, recover=True)
    assert shown(fake) == ["once and for all"]


async def test_a_create_that_hangs_is_ambiguous(fake: FakeDiscord, platform: DiscordPlatform) -> None:
    rest = Rest(platform._client, call_max_s=0.1)  # pyright: ignore[reportPrivateUsage] -- a shorter patience
    fake.fail("hang")
    with pytest.raises(Ambiguous):
        await rest.create("/channels/{channel_id}/messages", {"content": "x"}, channel_id=fake.channel)


async def test_no_connection_at_all_is_unreachable() -> None:
    async with FakeDiscord() as fake:
        mention = asked(fake)
        async with writing(fake) as platform:
            await fake.__aexit__()
            with pytest.raises(Ambiguous):  # the connection from before broke with the request on it
                await platform.post(mention, "x", key="k", first=True)
            with pytest.raises(Unreachable):
                await platform.post(mention, "x", key="k", first=True)
        with pytest.raises(Unreachable):  # closed by now
            await platform.post(mention, "x", key="k", first=True)


async def test_calls_that_may_be_repeated_are_unreachable_when_unclear(
    fake: FakeDiscord, platform: DiscordPlatform
) -> None:
    mention = asked(fake)
    key = await platform.post(mention, "one", key="k", first=True)
    for method, call in (("PATCH", platform.edit(mention, key, "two")), ("DELETE", platform.delete(mention, key))):
        fake.fail("cut", method=method, times=2)  # aiohttp itself repeats a DELETE once
        with pytest.raises(Unreachable):
            await call


async def test_the_nonce_alone_recovers_a_young_answer_and_brings_its_text_up_to_date(
    fake: FakeDiscord, platform: DiscordPlatform
) -> None:
    mention = asked(fake)
    first = await platform.post(mention, "half", key="k", first=True)
    async with writing(fake) as successor:
        again = await successor.post(mention, "half and whole", key="k", first=True, recover=True)
    assert again == first
    assert shown(fake) == ["half and whole"]
    assert not [one for one in fake.entries("request") if one["method"] == "GET" and "messages" in one["path"]]


async def test_an_old_answer_is_recovered_by_looking_back(fake: FakeDiscord, platform: DiscordPlatform) -> None:
    other, mention = asked(fake), asked(fake, age_s=600)
    first = await platform.post(mention, "part one of the answer", key="k:0", first=True)
    second = await platform.post(mention, "part two begins so, and", key="k:1", first=False)
    await platform.post(other, "something else for another question", key="o:0", first=True)
    await platform.post(other, "but", key="o:1", first=False)
    fake.forget_nonces()
    recovered = [
        await platform.post(mention, "part one of the answer, whole", key="k:0", first=True, recover=True),
        await platform.post(mention, "part two begins so, and ends.", key="k:1", first=False, recover=True),
    ]
    assert recovered == [first, second]
    third = await platform.post(mention, "but part three is new", key="k:2", first=False, recover=True)
    assert third not in recovered
    assert len(shown(fake)) == 5


def test_a_program_that_begins_like_anothers_is_not_taken_for_it() -> None:
    begin = "```python\nimport asyncio\n"
    own = [
        {"id": "11", "content": "the answer", "message_reference": {"message_id": "1"}},
        {"id": "12", "content": begin + "print(1)\n```"},
        {"id": "13", "content": begin + "```"},
    ]
    found = earlier(own, "1", begin + "print(2)\n```", nonce="n", first=False)
    assert found is not None
    assert found["id"] == "13"
    assert earlier(own[:2], "1", begin + "print(2)\n```", nonce="n", first=False) is None


async def test_an_old_answer_that_never_stood_is_made(fake: FakeDiscord, platform: DiscordPlatform) -> None:
    mention = asked(fake, age_s=600)
    for at in range(150):
        fake.say(fake.channel, fake.bob, f"chatter {at}")
    await platform.post(mention, "late", key="k", first=True, recover=True)
    assert shown(fake) == ["late"]


async def test_an_earlier_answer_behind_a_page_of_chatter_is_found(
    fake: FakeDiscord, platform: DiscordPlatform
) -> None:
    mention = asked(fake, age_s=600)
    for at in range(120):
        fake.say(fake.channel, fake.bob, f"chatter {at}")
    key = await platform.post(mention, "early", key="k", first=True)
    fake.forget_nonces()
    assert await platform.post(mention, "early", key="k", first=True, recover=True) == key


async def test_an_earlier_post_that_cannot_be_edited_now_is_ambiguous(
    fake: FakeDiscord, platform: DiscordPlatform
) -> None:
    mention = asked(fake)
    await platform.post(mention, "half", key="k", first=True)
    fake.fail("cut", method="PATCH")
    with pytest.raises(Ambiguous):
        await platform.post(mention, "whole", key="k", first=True)
    fake.fail(403, method="PATCH")
    with pytest.raises(Forbidden):
        await platform.post(mention, "whole", key="k", first=True)


async def test_a_post_whose_earlier_message_was_deleted_is_gone(fake: FakeDiscord, platform: DiscordPlatform) -> None:
    mention = asked(fake)
    key = await platform.post(mention, "half", key="k", first=True)
    fake.remove(fake.channel, key)
    with pytest.raises(Gone):
        await platform.post(mention, "half", key="k", first=True)
    with pytest.raises(Gone):
        await platform.edit(mention, key, "whole")


@pytest.mark.parametrize(
    ("status", "error"), [(400, Rejected), (401, Unreachable), (403, Forbidden), (404, Gone), (405, Rejected)]
)
async def test_refusals_say_what_the_caller_must_do(
    fake: FakeDiscord, platform: DiscordPlatform, status: int, error: type[PlatformError]
) -> None:
    fake.fail(status)
    with pytest.raises(error) as caught:
        await platform.post(asked(fake), "secret words", key="k", first=True)
    assert "secret words" not in str(caught.value)


async def test_missing_permissions_and_unknown_channels_are_told_apart(
    fake: FakeDiscord, platform: DiscordPlatform
) -> None:
    mention = asked(fake)
    fake.forbidden.add(fake.channel)
    with pytest.raises(Forbidden):
        await platform.post(mention, "x", key="k", first=True)
    del fake.channels[fake.channel]
    async with writing(fake) as other:  # this one remembers the refusal
        with pytest.raises(Gone):
            await other.post(mention, "x", key="k", first=True)
        with pytest.raises(Gone):
            await other.post(replace(mention, sent_at=mention.sent_at - 600), "x", key="k", first=True, recover=True)


async def test_a_text_beyond_the_limit_is_rejected(fake: FakeDiscord, platform: DiscordPlatform) -> None:
    with pytest.raises(Rejected):
        await platform.post(asked(fake), "x" * 2001, key="k", first=False)


async def test_a_short_rate_limit_is_waited_for_by_the_library(fake: FakeDiscord, platform: DiscordPlatform) -> None:
    fake.fail(429)
    await platform.post(asked(fake), "after a moment", key="k", first=True)
    assert shown(fake) == ["after a moment"]
    assert fake.entries("limited")


async def test_a_long_rate_limit_is_handed_to_the_caller(fake: FakeDiscord, platform: DiscordPlatform) -> None:
    fake.retry_after_s = 60.0
    fake.fail(429)
    with pytest.raises(RateLimited) as caught:
        await platform.post(asked(fake), "x", key="k", first=True)
    assert caught.value.retry_after_s == 60.0


async def test_a_rate_limit_after_an_unclear_try_leaves_the_outcome_unclear(
    fake: FakeDiscord, platform: DiscordPlatform
) -> None:
    fake.retry_after_s = 60.0
    fake.fail("cut_after")
    fake.fail(429)
    with pytest.raises(Ambiguous):
        await platform.post(asked(fake), "x", key="k", first=True)
    assert shown(fake) == ["x"]


async def test_a_rate_limit_after_an_error_that_the_library_has_tried_again_leaves_the_outcome_unclear(
    fake: FakeDiscord, platform: DiscordPlatform
) -> None:
    mention = asked(fake, age_s=600)
    fake.retry_after_s = 60.0
    fake.fail("500_after")
    fake.fail(429)
    with pytest.raises(Ambiguous) as caught:
        await platform.post(mention, "once", key="k", first=True)
    assert caught.value.retry_after_s == 60.0
    assert len(fake.entries("limited")) == 1
    fake.forget_nonces()  # as after that minute, and another
    await platform.post(mention, "once", key="k", first=True, recover=True)
    assert shown(fake) == ["once"]


async def test_a_ban_by_the_edge_is_a_rate_limit_with_its_wait(fake: FakeDiscord, platform: DiscordPlatform) -> None:
    fake.via = False
    fake.fail(429)
    with pytest.raises(RateLimited) as caught:
        await platform.post(asked(fake), "x", key="k", first=True)
    assert caught.value.retry_after_s == 7.0


async def test_the_buckets_of_a_channel_slow_the_writer_without_a_429() -> None:
    async with FakeDiscord() as fake, writing(fake) as platform:
        mention = asked(fake)
        began = time.monotonic()
        for at in range(5):  # the call that spends the last token sleeps until the bucket is full again
            await platform.post(mention, f"part {at}", key=f"k:{at}", first=False)
        assert time.monotonic() - began > 4
    assert not fake.entries("limited")


async def test_many_answers_in_one_channel_at_once_are_all_whole_without_a_refusal(
    fake: FakeDiscord, platform: DiscordPlatform
) -> None:
    """10,000 answers of 401, 403 or 429 within 10 minutes get an address banned (Invalid Request Limit).

    discord.py alone sends a few calls too many as a window turns: 6 to 15 of 115 calls were measured.
    """
    fake.window_s = 0.5

    async def answer(mention: Mention) -> None:
        key = await platform.post(mention, "h", key=mention.event_id, first=True)
        for text in ("half", f"whole {mention.message_id}"):
            await platform.working(mention, on=True)
            await platform.edit(mention, key, text)

    mentions = [asked(fake) for _ in range(20)]
    await asyncio.gather(*(answer(mention) for mention in mentions))
    assert sorted(shown(fake)) == sorted(f"whole {mention.message_id}" for mention in mentions)
    assert fake.refused == []


async def test_many_answers_through_a_bad_network_stand_once_each(fake: FakeDiscord) -> None:
    fake.window_s = 0.2
    fake.mishaps = {"reset_after": 0.1, "cut_after": 0.1, "reset": 0.1, 503: 0.1}
    fake.latency_s = 0.001
    mentions = [asked(fake) for _ in range(30)]

    async def answer(platform: DiscordPlatform, mention: Mention) -> str:
        recover = False
        while True:
            try:
                return await platform.post(
                    mention, f"answer to {mention.message_id}", key=mention.event_id, first=True, recover=recover
                )
            except (Ambiguous, Unreachable, RateLimited):
                recover = True

    chances, fake.mishaps = fake.mishaps, {}
    async with writing(fake) as platform:
        fake.mishaps = chances
        await asyncio.gather(*(answer(platform, mention) for mention in mentions))
    assert sorted(shown(fake)) == sorted(f"answer to {mention.message_id}" for mention in mentions)


async def test_typing_is_shown_and_its_failures_are_nobodys_business(
    fake: FakeDiscord, platform: DiscordPlatform
) -> None:
    mention = asked(fake)
    await platform.working(mention, on=True)
    assert len(fake.entries("typing")) == 1
    fake.fail(403, path="/typing")
    await platform.working(mention, on=True)
    await platform.working(mention, on=False)
    assert len(fake.entries("typing")) == 1


async def test_typing_under_way_is_stopped_when_the_answer_stands(fake: FakeDiscord, platform: DiscordPlatform) -> None:
    mention = asked(fake)
    fake.fail("hang", path="/typing")
    call = asyncio.create_task(platform.working(mention, on=True))
    await fake.until(lambda: any("typing" in one["path"] for one in fake.entries("request")))
    await platform.working(mention, on=False)
    async with asyncio.timeout(3):  # by itself it would go on for 4 s
        await call


async def test_typing_under_way_does_not_outlive_the_platform(fake: FakeDiscord) -> None:
    fake.fail("hang", path="/typing")
    async with writing(fake) as platform:
        call = asyncio.create_task(platform.working(asked(fake), on=True))
        await fake.until(lambda: any("typing" in one["path"] for one in fake.entries("request")))
    async with asyncio.timeout(3):  # by itself it would go on for 4 s
        await call


async def test_a_thread_is_read_back_as_a_conversation(fake: FakeDiscord, platform: DiscordPlatform) -> None:
    starter = fake.say(fake.channel, fake.bob, "the beginning")
    thread = fake.create_thread(fake.channel, fake.bob, on=starter)
    fake.say(thread, fake.ann, "a question")
    fake.say(thread, fake.ann, "somebody was added", type=1)
    mention = asked(fake, thread=thread)
    await platform.post(mention, "an answer", key="k", first=True)
    last = asked(fake, thread=thread)
    told = await platform.backfill(last, limit=50)
    assert [(line.role, line.text) for line in told] == [
        ("user", "the beginning"),
        ("user", "a question"),
        ("user", "a question"),
        ("assistant", "an answer"),
    ]
    assert [line.at for line in told] == sorted(line.at for line in told)
    assert [line.text for line in await platform.backfill(last, limit=1)] == ["an answer"]


async def test_a_thread_is_read_back_from_a_message_on_whether_it_stands_or_not(
    fake: FakeDiscord, platform: DiscordPlatform
) -> None:
    thread = fake.create_thread(fake.channel, fake.bob)
    fake.say(thread, fake.ann, "before")
    first, second = (fake.say(thread, fake.ann, text) for text in ("from here", "and here"))
    last = asked(fake, thread=thread)
    assert [line.text for line in await platform.backfill(last, limit=50, since=first)] == ["from here", "and here"]
    fake.remove(thread, first)
    assert [line.text for line in await platform.backfill(last, limit=50, since=first)] == ["and here"]
    assert [line.text for line in await platform.backfill(last, limit=1, since=second)] == ["and here"]


async def test_as_many_messages_as_are_read_at_once_are_read_in_one_call_from_the_first_on(
    fake: FakeDiscord, platform: DiscordPlatform
) -> None:
    starter = fake.say(fake.channel, fake.bob, "the beginning")
    thread = fake.create_thread(fake.channel, fake.bob, on=starter)
    said = [fake.say(thread, fake.ann, f"line {number}") for number in range(50)]
    last, before = asked(fake, thread=thread), len(fake.entries("request"))
    told = await platform.backfill(last, limit=50, since=said[0])
    assert [line.message_id for line in told] == said
    assert len(fake.entries("request")) == before + 1


async def test_without_the_intent_only_what_the_bot_may_read_is_read_back(
    fake: FakeDiscord, platform: DiscordPlatform
) -> None:
    fake.content = False
    thread = fake.create_thread(fake.channel, fake.ann)
    fake.say(thread, fake.bob, "talk among people")
    fake.mention(thread, fake.ann, "to the bot")
    assert [line.text for line in await platform.backfill(asked(fake, thread=thread), limit=50)] == ["to the bot"]


async def test_replies_are_followed_upwards_from_a_message_of_the_bots(
    fake: FakeDiscord, platform: DiscordPlatform
) -> None:
    one = asked(fake)
    first = await platform.post(one, "answer one", key="a", first=True)
    two = replace(one, message_id=fake.say(fake.channel, fake.ann, "question two", reply_to=first), reply_to=first)
    second = await platform.post(two, "answer two", key="b", first=True)
    three = replace(
        two, message_id=fake.say(fake.channel, fake.ann, "question three", reply_to=second), reply_to=second
    )
    told = await platform.backfill(three, limit=50)
    assert [line.text for line in told] == ["a question", "answer one", "question two", "answer two"]


async def test_a_reply_to_somebody_else_has_no_past(fake: FakeDiscord, platform: DiscordPlatform) -> None:
    other = fake.say(fake.channel, fake.bob, "said by Bob")
    assert await platform.backfill(replace(asked(fake), reply_to=other), limit=50) == ()
    assert await platform.backfill(asked(fake), limit=50) == ()


async def test_a_past_that_cannot_be_read_is_empty(fake: FakeDiscord, platform: DiscordPlatform) -> None:
    thread = fake.create_thread(fake.channel, fake.ann)
    mention = asked(fake, thread=thread)
    fake.forbidden.add(thread)
    assert await platform.backfill(mention, limit=50) == ()
    del fake.channels[thread]
    assert await platform.backfill(mention, limit=50) == ()


@pytest.mark.parametrize(("fault", "error"), [("cut", Unreachable), (503, Unreachable), (429, RateLimited)])
async def test_a_past_that_cannot_be_read_just_now_is_an_error_to_try_again(
    fake: FakeDiscord, platform: DiscordPlatform, fault: Fault, error: type[PlatformError]
) -> None:
    mention = asked(fake, thread=fake.create_thread(fake.channel, fake.ann))
    fake.retry_after_s = 60.0
    fake.fail(fault, method="GET", times=2)  # aiohttp itself repeats a GET once
    with pytest.raises(error):
        await platform.backfill(mention, limit=50)
