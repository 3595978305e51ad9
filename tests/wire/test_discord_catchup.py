"""What no session has delivered is read afterwards, once; and a resumed session knows its threads."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from adapters.discord.gateway import catchup
from adapters.discord.gateway.sessions import Sessions, Shard
from adapters.discord.incoming.access import UNLISTED
from tests.discord_processes import Once, Process, process
from tests.fakes.discord import FakeDiscord
from tests.fakes.discord_bot import no_pause
from tests.fakes.services import FakeServices

HASTE = {"pause": no_pause}
ROLE = "1234567890123456789"


@pytest.fixture
async def fake() -> AsyncIterator[FakeDiscord]:
    async with FakeDiscord(limits=False) as running:
        running.gateway.max_concurrency = 16
        yield running


@pytest.fixture
def heard() -> Once:
    return Once()


def refuse_resumes(fake: FakeDiscord) -> None:
    """No session lasts; the next IDENTIFY is allowed at once."""
    fake.gateway.resumable = False
    fake.gateway.skipped_s += 6


def reads(fake: FakeDiscord) -> list[str]:
    """The channels that were read, in order."""
    return [entry["path"].split("/")[-2] for entry in fake.entries("request") if entry["path"].endswith("/messages")]


async def live(fake: FakeDiscord, one: Process) -> None:
    await fake.until(lambda: one.live)


async def test_a_refused_resume_loses_nothing_that_was_said_to_the_bot_meanwhile(
    fake: FakeDiscord, redis: Redis, heard: Once
) -> None:
    thread = fake.create_thread(fake.channel, fake.ann)
    quiet, new = fake.add_channel("quiet"), fake.add_channel("new")
    async with process(fake, redis, heard, options=HASTE) as one:
        await live(fake, one)
        before = [
            fake.mention(quiet, fake.ann, "hello", age_s=60),
            fake.mention(thread, fake.ann, "hello"),
            fake.dm(fake.ann, "hello"),
        ]
        await fake.until(lambda: len(heard.ids) == len(before))
    refuse_resumes(fake)
    missed = [
        fake.mention(fake.channel, fake.ann, "in a channel"),
        fake.mention(thread, fake.ann, "in the thread"),
        fake.say(thread, fake.ann, "and on in it"),
        fake.mention(new, fake.bob, "where the bot never was"),
        fake.dm(fake.ann, "and privately"),
    ]
    fake.say(fake.channel, fake.ann, "not for the bot")
    async with process(fake, redis, heard, options=HASTE) as two:
        await fake.until(lambda: set(missed) <= set(heard.ids))
        last = fake.mention(fake.channel, fake.ann, "live again")
        await fake.until(lambda: last in heard.ids)
        assert two.live
    assert sorted(heard.ids) == sorted([*before, *missed, last])
    assert quiet not in reads(fake)
    spoken = {one.message_id: one for one in heard.mentions}
    assert spoken[missed[2]].place.thread == thread
    assert not spoken[missed[2]].addressed
    assert [spoken[key].place.kind for key in missed] == ["channel", "thread", "thread", "channel", "dm"]
    assert spoken[missed[0]].place.workspace == fake.guild


async def test_a_session_that_ends_in_the_same_process_is_caught_up_with(
    fake: FakeDiscord, redis: Redis, heard: Once
) -> None:
    async with process(fake, redis, heard, options=HASTE) as one:
        await live(fake, one)
        refuse_resumes(fake)
        fake.gateway.cut()
        missed = fake.mention(fake.channel, fake.ann, "meanwhile")
        await fake.until(lambda: heard.ids)
    assert heard.ids == [missed]
    assert len(fake.entries("identify")) == 2


async def test_a_server_that_is_described_oddly_costs_no_connection(
    fake: FakeDiscord, redis: Redis, heard: Once, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catchup, "DESCRIBED_WITHIN_S", 0.0)
    odd = fake.add_channel("odd")
    async with process(fake, redis, heard, options=HASTE) as one:
        await live(fake, one)
    refuse_resumes(fake)
    fake.messages[odd] = {"no number": {}}
    missed = fake.mention(fake.channel, fake.ann, "meanwhile")
    async with process(fake, redis, heard, options=HASTE) as two:
        await fake.until(lambda: missed in heard.ids)
        assert two.live
    assert [one.message for one in caplog.records].count("event_not_understood") == 1
    assert len(fake.entries("identify")) == 2


async def test_without_the_content_intent_mentions_and_direct_messages_are_caught_up_with(
    fake: FakeDiscord, redis: Redis, heard: Once
) -> None:
    fake.content = False
    async with process(fake, redis, heard, options=HASTE) as one:
        await live(fake, one)
        fake.dm(fake.ann, "hello")
        await fake.until(lambda: heard.ids)
    refuse_resumes(fake)
    fake.mention(fake.channel, fake.ann, "meanwhile")
    fake.dm(fake.ann, "privately")
    async with process(fake, redis, heard, options=HASTE):
        await fake.until(lambda: len(heard.ids) == 3)
    assert {mention.text for mention in heard.mentions} == {"hello", "meanwhile", "privately"}


async def test_what_is_older_than_an_answer_may_be_is_left_alone(fake: FakeDiscord, redis: Redis, heard: Once) -> None:
    saved = Sessions(FakeServices(redis).shared, application_id=fake.application_id)
    async with process(fake, redis, heard, options=HASTE) as one:
        await live(fake, one)
    found = await saved.find(Shard(0, 1))
    assert found is not None
    refuse_resumes(fake)
    fake.mention(fake.channel, fake.ann, "long ago", age_s=700)
    young = fake.mention(fake.channel, fake.ann, "lately", age_s=500)
    shared = FakeServices(redis).shared
    value = f'{{"id":"gone","sequence":1,"url":"{found.url}","intents":{found.intents},"at":{found.at - 5000}}}'
    await shared.put(f"discord:session:{fake.application_id}:0:1", value, tenant="", ttl_s=60)
    async with process(fake, redis, heard, options=HASTE):
        await fake.until(lambda: heard.ids)
    assert heard.ids == [young]


async def test_many_pages_are_read_up_to_a_bound_which_is_said(
    fake: FakeDiscord, redis: Redis, heard: Once, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(catchup, "PAGES_MAX", 3)
    async with process(fake, redis, heard, options=HASTE) as one:
        await live(fake, one)
    refuse_resumes(fake)
    sent = [fake.mention(fake.channel, fake.ann, str(at)) for at in range(350)]
    async with process(fake, redis, heard, options=HASTE):
        await fake.until(lambda: len(heard.ids) == 300)
    assert heard.ids == sent[:300]
    assert len(reads(fake)) == 3
    assert [one.message for one in caplog.records].count("catch_up_channel_cut") == 1


async def test_who_may_by_a_role_is_answered_although_messages_that_were_missed_tell_no_roles(
    fake: FakeDiscord, redis: Redis, heard: Once
) -> None:
    fake.roles[fake.ann["id"]] = [ROLE]
    async with process(fake, redis, heard, options=HASTE, discord_allowed_roles=ROLE) as one:
        await live(fake, one)
    refuse_resumes(fake)
    gone = fake.user("cem")
    fake.left.add(gone["id"])
    for one in (fake.bob, gone):
        fake.mention(fake.channel, one, "may I?")
    missed = fake.mention(fake.channel, fake.ann, "I may")
    fake.faults.append(("GET", f"/members/{fake.ann['id']}", "reset"))  # asked again
    async with process(fake, redis, heard, options=HASTE, discord_allowed_roles=ROLE):
        await fake.until(lambda: heard.ids)
        await fake.until(lambda: [one["content"] for one in fake.answers(fake.channel)] == [UNLISTED])
    assert heard.ids == [missed]


async def test_a_channel_that_may_not_be_read_does_not_hold_up_the_others(
    fake: FakeDiscord, redis: Redis, heard: Once
) -> None:
    secret = fake.add_channel("secret")
    async with process(fake, redis, heard, options=HASTE) as one:
        await live(fake, one)
    refuse_resumes(fake)
    fake.mention(secret, fake.ann, "psst")
    missed = fake.mention(fake.channel, fake.ann, "meanwhile")
    fake.forbidden.add(secret)
    async with process(fake, redis, heard, options=HASTE):
        await fake.until(lambda: heard.ids)
    assert heard.ids == [missed]


async def test_a_catch_up_that_was_broken_off_is_finished_by_the_next_process(
    fake: FakeDiscord, redis: Redis, heard: Once
) -> None:
    never = asyncio.Event()

    async def pause(pause_s: float) -> None:
        if pause_s == 10.0:  # between two tries
            await never.wait()
        await asyncio.sleep(0)

    async with process(fake, redis, heard, options=HASTE) as one:
        await live(fake, one)
        fake.mention(fake.channel, fake.ann, "hello")
        await fake.until(lambda: heard.ids)
    refuse_resumes(fake)
    missed = fake.mention(fake.channel, fake.ann, "meanwhile")
    fake.fail(503, method="GET")
    fake.faults[0] = ("GET", f"/channels/{fake.channel}/messages", 503)
    async with process(fake, redis, heard, options={"pause": pause}) as two:
        await live(fake, two)
        await fake.until(lambda: not fake.faults)
        assert missed not in heard.ids
    fake.gateway.resumable = True
    async with process(fake, redis, heard, options=HASTE):
        await fake.until(lambda: missed in heard.ids)
    assert len(fake.entries("identify")) == 2


async def test_a_resumed_session_knows_the_threads_in_which_people_talk_with_the_bot(
    fake: FakeDiscord, redis: Redis, heard: Once
) -> None:
    thread = fake.create_thread(fake.channel, fake.bob)
    async with process(fake, redis, heard) as one:
        await live(fake, one)
        fake.mention(thread, fake.ann, "start")
        await fake.until(lambda: heard.ids)
    async with process(fake, redis, heard) as two:
        await live(fake, two)
        fake.say(thread, fake.ann, "go on")
        await fake.until(lambda: len(heard.ids) == 2)
    first, second = heard.mentions
    assert second.conversation == first.conversation
    assert second.others == first.others == (fake.bob["id"],)
    assert not second.addressed
    assert len(fake.entries("identify")) == 1


async def test_a_resumed_session_asks_where_a_message_for_the_bot_stands(
    fake: FakeDiscord, redis: Redis, heard: Once
) -> None:
    thread = fake.create_thread(fake.channel, fake.bob)
    async with process(fake, redis, heard) as one:
        await live(fake, one)
    async with process(fake, redis, heard) as two:
        await live(fake, two)
        fake.say(thread, fake.ann, f"<@&{fake.role}> help")
        fake.mention(thread, fake.ann, "and again")
        await fake.until(lambda: len(heard.ids) == 2)
        fake.say(fake.channel, fake.bob, "not for the bot")
        fake.mention(fake.channel, fake.bob, "for the bot")
        await fake.until(lambda: len(heard.ids) == 3)
    asked = [
        entry["path"] for entry in fake.entries("request") if entry["path"].endswith((thread, "/roles", fake.channel))
    ]
    assert [mention.place.kind for mention in heard.mentions] == ["thread", "thread", "channel"]
    assert [mention.text for mention in heard.mentions] == ["help", "and again", "for the bot"]
    assert len(asked) == 3
