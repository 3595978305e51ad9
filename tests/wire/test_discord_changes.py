"""Edits and deletions on Discord: from the fake through the gateway up to `submit`."""

import pytest
from redis.asyncio import Redis

from bot.events import Change
from tests.discord_listening import Inbox, listening, places_forgotten
from tests.fakes.discord import FakeDiscord
from tests.fakes.services import FakeServices
from tests.until import until


@pytest.fixture
def services(redis: Redis) -> FakeServices:
    return FakeServices(redis)


async def last(fake: FakeDiscord, inbox: Inbox, channel: str) -> None:
    """Return once everything before in the channel is through."""
    key = fake.mention(channel, fake.ann, "last")
    await until(lambda: key in [mention.message_id for mention in inbox.mentions])


def text_of(change: Change) -> str:
    return change.now.text if change.now else ""


async def test_an_edited_question_comes_with_its_new_text_and_its_own_id(
    fake: FakeDiscord, services: FakeServices
) -> None:
    inbox = Inbox()
    async with listening(fake, inbox, services=services):
        key = fake.mention(fake.channel, fake.ann, "what is a lane?")
        fake.edit(fake.channel, key, f"<@{fake.bot['id']}> what is a road, <@{fake.bob['id']}>?")
        await until(lambda: inbox.changes)
    (edit,) = inbox.changes
    assert edit.now
    assert edit.now.event_id == inbox.mentions[0].event_id
    assert (edit.now.text, edit.message_id) == ("what is a road, @Bob?", key)
    assert edit.conversation == inbox.mentions[0].conversation
    assert edit.at >= edit.now.sent_at


async def test_previews_pins_the_bots_own_edits_and_talk_among_people_are_nothing(
    fake: FakeDiscord, services: FakeServices
) -> None:
    inbox = Inbox()
    async with listening(fake, inbox, services=services) as platform:
        key = fake.mention(fake.channel, fake.ann, "see https://x.example")
        await until(lambda: inbox.mentions)
        fake.unfurl(fake.channel, key)
        fake.unfurl(fake.channel, key, partly=True)
        fake.pin(fake.channel, key)
        own = await platform.post(inbox.mentions[0], "one", key="k", first=True)
        await platform.edit(inbox.mentions[0], own, "two")
        elsewhere = fake.add_channel("elsewhere")
        theirs = fake.say(elsewhere, fake.bob, "people only")
        fake.edit(elsewhere, theirs, "really only people")
        fake.remove(elsewhere, theirs)
        await last(fake, inbox, fake.channel)
        await last(fake, inbox, elsewhere)
    assert not inbox.changes


async def test_a_preview_after_an_edit_tells_of_that_edit_again_with_the_same_id(
    fake: FakeDiscord, services: FakeServices
) -> None:
    inbox = Inbox()
    async with listening(fake, inbox, services=services):
        key = fake.mention(fake.channel, fake.ann, "one")
        fake.edit(fake.channel, key, f"<@{fake.bot['id']}> see https://x.example")
        fake.unfurl(fake.channel, key)
        await until(lambda: len(inbox.changes) == 2)
    first, again = inbox.changes
    assert first.event_id == again.event_id


async def test_without_the_intent_an_edit_is_followed_while_it_names_the_bot(services: FakeServices) -> None:
    inbox = Inbox()
    async with FakeDiscord(content=False) as fake, listening(fake, inbox, services=services):
        key = fake.mention(fake.channel, fake.ann, "one")
        fake.edit(fake.channel, key, "no longer for anybody")
        fake.edit(fake.channel, key, f"<@{fake.bot['id']}> two")
        await until(lambda: inbox.changes)
    assert [text_of(change) for change in inbox.changes] == ["two"]


@pytest.mark.parametrize("at_once", [False, True])
async def test_deleted_questions_and_answers_are_named(
    fake: FakeDiscord, services: FakeServices, at_once: bool
) -> None:
    inbox = Inbox()
    async with listening(fake, inbox, services=services) as platform:
        key = fake.mention(fake.channel, fake.ann, "what is a lane?")
        await until(lambda: inbox.mentions)
        answer = await platform.post(inbox.mentions[0], "a queue", key="k", first=True)
        if at_once:
            fake.remove_many(fake.channel, answer, key)
        else:
            fake.remove(fake.channel, answer)
            fake.remove(fake.channel, key)
        await until(lambda: len(inbox.changes) == 2)
    assert [(change.message_id, change.now) for change in inbox.changes] == [(answer, None), (key, None)]
    assert inbox.changes[1].conversation == inbox.mentions[0].conversation


async def test_a_deletion_in_a_channel_of_which_nothing_is_known_is_one_for_each_kind_of_place(
    fake: FakeDiscord, services: FakeServices
) -> None:
    thread = fake.create_thread(fake.channel, fake.ann)
    inbox, later = Inbox(), Inbox()
    async with listening(fake, inbox, services=services):
        key = fake.mention(thread, fake.ann, "hello")
        await until(lambda: inbox.mentions)
    fake.names_servers = False
    await places_forgotten(services)
    async with listening(fake, later, services=services):
        fake.remove(thread, key)
        await until(lambda: len(later.changes) >= 2)
    assert inbox.mentions[0].conversation in [change.conversation for change in later.changes]
    assert len({change.event_id for change in later.changes}) == len(later.changes) == 2


async def test_an_edit_in_a_thread_of_an_allowed_channel_is_followed_where_no_server_is_known(
    fake: FakeDiscord, services: FakeServices
) -> None:
    thread = fake.create_thread(fake.channel, fake.ann)
    inbox, allowed = Inbox(), frozenset({fake.channel})
    async with listening(fake, inbox, services=services, discord_allowed_channels=allowed):
        key = fake.mention(thread, fake.ann, "one")
        await until(lambda: inbox.mentions)
    fake.names_servers = False
    async with listening(fake, inbox, services=services, discord_allowed_channels=allowed):
        fake.edit(thread, key, f"<@{fake.bot['id']}> two")
        await until(lambda: inbox.changes)
    assert [(text_of(change), change.place) for change in inbox.changes] == [("two", inbox.mentions[0].place)]


async def test_a_refused_store_loses_neither_an_edit_nor_a_bulk_deletion(
    fake: FakeDiscord, services: FakeServices
) -> None:
    inbox = Inbox()
    async with listening(fake, inbox, services=services):
        keys = [fake.mention(fake.channel, fake.ann, str(at)) for at in range(3)]
        await until(lambda: len(inbox.mentions) == 3)
        inbox.refusals = 4
        fake.edit(fake.channel, keys[0], f"<@{fake.bot['id']}> zero")
        fake.remove_many(fake.channel, *keys)
        await until(lambda: len(inbox.changes) == 4)
    assert [change.message_id for change in inbox.changes] == [keys[0], *keys]
    assert text_of(inbox.changes[0]) == "zero"


async def test_a_direct_message_is_followed_too(fake: FakeDiscord, services: FakeServices) -> None:
    inbox = Inbox()
    async with listening(fake, inbox, services=services):
        key = fake.dm(fake.ann, "one")
        fake.edit(fake.dm_channel(fake.ann), key, "two")
        fake.remove(fake.dm_channel(fake.ann), key)
        await until(lambda: len(inbox.changes) == 2)
    assert [text_of(change) for change in inbox.changes] == ["two", ""]
    assert {change.conversation for change in inbox.changes} == {f"discord::{fake.dm_channel(fake.ann)}"}


async def test_who_may_not_use_the_bot_any_more_may_still_take_a_question_back(
    fake: FakeDiscord, services: FakeServices
) -> None:
    inbox = Inbox()
    async with listening(fake, inbox, services=services):
        key = fake.mention(fake.channel, fake.bob, "hello")
        await until(lambda: inbox.mentions)
    async with listening(fake, inbox, services=services, discord_allowed_users=frozenset({fake.ann["id"]})):
        fake.edit(fake.channel, key, f"<@{fake.bot['id']}> let me in")
        fake.remove(fake.channel, key)
        await until(lambda: inbox.changes)
    assert {change.now for change in inbox.changes} == {None}
