"""Threads on Discord: opened for a question, gone on in, posts of forums, and how people learn to go on."""

import re
import time

import pytest
from redis.asyncio import Redis

from adapters.discord.incoming.lines import HINT
from bot.errors import Forbidden
from bot.events import Mention
from tests.discord_listening import Inbox, listening, places_forgotten
from tests.fakes.discord import FakeDiscord
from tests.fakes.discord_bot import writing
from tests.fakes.services import FakeServices
from tests.until import until


@pytest.fixture
def services(redis: Redis) -> FakeServices:
    return FakeServices(redis)


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


async def heard(inbox: Inbox, number: int) -> Mention:
    await until(lambda: len(inbox.mentions) >= number)
    return inbox.mentions[number - 1]


def openings(fake: FakeDiscord) -> int:
    return sum(one["method"] == "POST" and one["path"].endswith("/threads") for one in fake.entries("request"))


def lookups(fake: FakeDiscord) -> int:
    return sum(
        one["method"] == "GET" and re.search(r"/channels/\d+$", one["path"]) is not None
        for one in fake.entries("request")
    )


class TestAThreadForAQuestion:
    async def test_is_named_after_it_and_holds_it(
        self, fake: FakeDiscord, services: FakeServices, inbox: Inbox
    ) -> None:
        async with listening(fake, inbox, services=services, discord_threads="on"):
            key = fake.mention(fake.channel, fake.ann, f"what is **a lane**, <@{fake.bob['id']}>? Say it shortly.")
            found = await heard(inbox, 1)
        assert (found.place.kind, found.place.channel, found.place.thread) == ("thread", key, key)
        assert (found.message_id, found.text) == (key, "what is **a lane**, @Bob? Say it shortly.")
        assert fake.channels[key]["name"] == "what is a lane, Bob?"
        assert fake.channels[key]["parent_id"] == fake.channel

    async def test_goes_on_without_a_mention(self, fake: FakeDiscord, services: FakeServices, inbox: Inbox) -> None:
        async with listening(fake, inbox, services=services, discord_threads="on"):
            first = await heard(inbox, 1) if fake.mention(fake.channel, fake.ann, "one") else None
            assert first
            fake.say(first.place.channel, fake.ann, "two")
            second = await heard(inbox, 2)
        assert (second.addressed, second.others) == (False, ())
        assert second.conversation == first.conversation

    @pytest.mark.parametrize("where", ["off", "elsewhere"])
    async def test_is_not_opened_where_it_is_not_wanted(
        self, fake: FakeDiscord, services: FakeServices, inbox: Inbox, where: str
    ) -> None:
        channels = frozenset({fake.add_channel("elsewhere")}) if where == "elsewhere" else "off"
        async with listening(fake, inbox, services=services, discord_threads=channels):
            fake.mention(fake.channel, fake.ann, "one")
            found = await heard(inbox, 1)
        assert (found.place.kind, openings(fake)) == ("channel", 0)

    async def test_is_not_opened_for_a_reply_to_an_answer_nor_inside_a_thread(
        self, fake: FakeDiscord, services: FakeServices, inbox: Inbox
    ) -> None:
        async with listening(fake, inbox, services=services) as platform:
            fake.mention(fake.channel, fake.ann, "one")
            answer = await platform.post(await heard(inbox, 1), "an answer", key="k", first=True)
        thread = fake.create_thread(fake.channel, fake.bob)
        async with listening(fake, inbox, services=services, discord_threads="on"):
            fake.mention(fake.channel, fake.ann, "two", reply_to=answer)
            fake.mention(thread, fake.ann, "three")
            await heard(inbox, 3)
        places = {mention.text: mention.place.kind for mention in inbox.mentions}
        assert places == {"one": "channel", "two": "channel", "three": "thread"}
        assert openings(fake) == 0

    async def test_that_is_there_already_is_used(self, fake: FakeDiscord, services: FakeServices, inbox: Inbox) -> None:
        fake.fail("reset_after", path="/threads")  # it was opened, and nobody heard of it
        async with listening(fake, inbox, services=services, discord_threads="on"):
            key = fake.mention(fake.channel, fake.ann, "one")
            found = await heard(inbox, 1)
        assert found.place.thread == key
        assert len([one for one in fake.channels.values() if one["type"] == 11]) == 1

    async def test_is_opened_once_although_the_store_takes_its_question_late(
        self, fake: FakeDiscord, services: FakeServices
    ) -> None:
        inbox = Inbox(refusals=3)
        async with listening(fake, inbox, services=services, discord_threads="on"):
            key = fake.mention(fake.channel, fake.ann, "one")
            found = await heard(inbox, 1)
            fake.dispatch("MESSAGE_CREATE", fake.messages[fake.channel][key])  # as a replay brings it again
            assert (await heard(inbox, 2)).place == found.place
        assert (found.place.thread, openings(fake)) == (key, 1)

    @pytest.mark.parametrize("why", ["permission", "cap", "kind"])
    async def test_that_is_refused_leaves_a_chain_of_replies_and_is_not_asked_for_again(
        self, fake: FakeDiscord, services: FakeServices, inbox: Inbox, why: str
    ) -> None:
        channel = fake.add_channel("voice", kind=2) if why == "kind" else fake.channel
        if why == "permission":
            fake.no_threads.add(channel)
        fake.threads_max = 0 if why == "cap" else 1000
        async with listening(fake, inbox, services=services, discord_threads="on"):
            for text in ("one", "two"):
                fake.mention(channel, fake.ann, text)
            await heard(inbox, 2)
        assert {mention.place.kind for mention in inbox.mentions} == {"channel"}
        assert openings(fake) == 1

    async def test_that_hangs_is_given_up(
        self, fake: FakeDiscord, services: FakeServices, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("adapters.discord.incoming.opening.WITHIN_S", 0.2)
        fake.fail("hang", path="/threads")
        async with listening(fake, inbox, services=services, discord_threads="on"):
            fake.mention(fake.channel, fake.ann, "one")
            found = await heard(inbox, 1)
        assert found.place.kind == "channel"

    async def test_follows_an_edit_and_a_deletion_of_its_question(
        self, fake: FakeDiscord, services: FakeServices, inbox: Inbox
    ) -> None:
        async with listening(fake, inbox, services=services, discord_threads="on"):
            key = fake.mention(fake.channel, fake.ann, "one")
            first = await heard(inbox, 1)
            fake.edit(fake.channel, key, f"<@{fake.bot['id']}> two")
            fake.remove(fake.channel, key)
            await until(lambda: len(inbox.changes) == 2)
        assert {change.conversation for change in inbox.changes} == {first.conversation}
        edit = inbox.changes[0]
        assert edit.now
        assert (edit.now.text, edit.now.place, edit.now.reply_to) == ("two", first.place, None)

    async def test_is_looked_through_for_an_answer_of_which_nobody_heard(
        self, fake: FakeDiscord, services: FakeServices, inbox: Inbox
    ) -> None:
        async with listening(fake, inbox, services=services, discord_threads="on") as platform:
            fake.mention(fake.channel, fake.ann, "one")
            found = await heard(inbox, 1)
            posted = await platform.post(found, "half an answ", key="k", first=True)
        fake.forget_nonces()
        async with writing(fake, now=lambda: time.time() + 600) as later:
            assert await later.post(found, "an answer", key="k", first=True, recover=True) == posted
        assert [one["content"] for one in fake.answers(found.place.channel)] == ["an answer"]

    async def test_needs_no_look_at_a_past_it_has_not(
        self, fake: FakeDiscord, services: FakeServices, inbox: Inbox
    ) -> None:
        async with listening(fake, inbox, services=services, discord_threads="on") as platform:
            fake.mention(fake.channel, fake.ann, "one")
            found = await heard(inbox, 1)
            asked = len(fake.entries("request"))
            assert await platform.backfill(found, limit=50) == ()
            assert len(fake.entries("request")) == asked


class TestAForum:
    @pytest.mark.parametrize("kind", [15, 16])
    async def test_post_that_mentions_the_bot_is_a_thread_of_its_own(
        self, fake: FakeDiscord, services: FakeServices, inbox: Inbox, kind: int
    ) -> None:
        forum = fake.add_forum(kind=kind)
        async with listening(fake, inbox, services=services, discord_threads="on"):
            post = fake.forum_post(forum, fake.ann, "Lanes", f"<@{fake.bot['id']}> what is a lane?")
            fake.say(post, fake.ann, "and a road?")
            await heard(inbox, 2)
        assert [(one.place.thread, one.addressed) for one in inbox.mentions] == [(post, True), (post, False)]
        assert (inbox.mentions[0].message_id, openings(fake)) == (post, 0)

    async def test_post_is_told_by_its_first_message_where_no_server_is_known(
        self, fake: FakeDiscord, services: FakeServices, inbox: Inbox
    ) -> None:
        fake.names_servers = False
        forum = fake.add_forum()
        thread = fake.create_thread(forum, fake.ann)
        async with listening(fake, inbox, services=services):
            fake.say(thread, fake.ann, f"<@{fake.bot['id']}> hi", id=thread)
            found = await heard(inbox, 1)
        assert (found.place.thread, lookups(fake)) == (thread, 0)

    async def test_post_begun_by_people_is_read_with_its_first_message_however_long_it_is(
        self, fake: FakeDiscord, services: FakeServices, inbox: Inbox
    ) -> None:
        forum = fake.add_forum()
        async with listening(fake, inbox, services=services) as platform:
            post = fake.forum_post(forum, fake.bob, "Lanes", "the matter itself")
            for at in range(60):
                fake.say(post, fake.bob, f"remark {at}")
            fake.say(post, fake.user("ci", bot=True), "a build failed")
            fake.mention(post, fake.ann, "what do you think?")
            await until(lambda: any(one.addressed for one in inbox.mentions))
            told = await platform.backfill(inbox.mentions[-1], limit=50)
        assert (len(told), told[0].text, told[1].text) == (50, "the matter itself", "remark 12")
        assert (told[-1].text, told[-1].author.is_bot) == ("a build failed", True)

    @pytest.mark.parametrize("known", [True, False])
    async def test_thread_on_a_message_is_read_with_that_message_however_long_it_is(
        self, fake: FakeDiscord, services: FakeServices, inbox: Inbox, known: bool
    ) -> None:
        fake.names_servers = known
        starter = fake.say(fake.channel, fake.bob, "the matter itself")
        thread = fake.create_thread(fake.channel, fake.bob, on=starter)
        async with listening(fake, inbox, services=services) as platform:
            for at in range(60):
                fake.say(thread, fake.bob, f"remark {at}")
            fake.mention(thread, fake.ann, "what do you think?")
            await until(lambda: any(one.addressed for one in inbox.mentions))
            told = await platform.backfill(inbox.mentions[-1], limit=50)
        assert (len(told), told[0].text, told[-1].text) == (50, "the matter itself", "remark 59")


class TestAThreadOfWhichNothingIsKnown:
    async def test_is_asked_about_once_and_goes_on(
        self, fake: FakeDiscord, services: FakeServices, inbox: Inbox
    ) -> None:
        thread = fake.create_thread(fake.channel, fake.ann)
        async with listening(fake, inbox, services=services):
            fake.mention(thread, fake.ann, "one")
            await heard(inbox, 1)
        fake.names_servers = False
        await places_forgotten(services)
        async with listening(fake, inbox, services=services):
            fake.say(thread, fake.ann, "two")
            fake.say(thread, fake.ann, "three")
            await heard(inbox, 3)
        assert len({mention.conversation for mention in inbox.mentions}) == 1
        assert lookups(fake) == 1

    async def test_and_in_which_the_bot_was_never_spoken_to_costs_no_call(
        self, fake: FakeDiscord, services: FakeServices, inbox: Inbox
    ) -> None:
        thread = fake.create_thread(fake.channel, fake.ann)
        fake.names_servers = False
        async with listening(fake, inbox, services=services):
            fake.say(thread, fake.ann, "among people")
            fake.say(thread, fake.bob, "indeed")
            before = lookups(fake)
            fake.mention(thread, fake.ann, "now you")
            found = await heard(inbox, 1)
        assert (before, lookups(fake), found.place.kind) == (0, 1, "thread")

    async def test_and_that_may_not_be_asked_about_is_answered_as_a_channel(
        self, fake: FakeDiscord, services: FakeServices, inbox: Inbox
    ) -> None:
        fake.names_servers = False
        fake.forbidden.add(fake.channel)
        async with listening(fake, inbox, services=services):
            for text in ("one", "two"):
                fake.mention(fake.channel, fake.ann, text)
            found = await heard(inbox, 2)
        assert (found.place.kind, lookups(fake)) == ("channel", 1)


class TestWithoutTheIntent:
    async def test_a_thread_is_told_once_how_to_go_on_after_its_first_answer(self, services: FakeServices) -> None:
        inbox = Inbox()
        async with FakeDiscord(content=False) as fake, listening(fake, inbox, services=services) as platform:
            thread = fake.create_thread(fake.channel, fake.ann)
            for number in (1, 2):
                fake.mention(thread, fake.ann, f"question {number}")
                asked = await heard(inbox, number)
                await platform.post(asked, f"answer {number}", key=f"k{number}", first=True)
                await platform.working(asked, on=False)
            said = fake.answers(thread)
            assert [one["content"] for one in said] == ["answer 1", HINT, "answer 2"]
            assert not any(entry["pings"] for entry in fake.entries("post") if entry["body"]["content"] == HINT)

            fake.say(thread, fake.ann, "and then?", reply_to=said[0]["id"])
            assert (await heard(inbox, 3)).text == "and then?"

    async def test_nothing_is_told_in_channels_in_direct_messages_or_where_nothing_was_answered(
        self, services: FakeServices
    ) -> None:
        inbox = Inbox()
        async with FakeDiscord(content=False) as fake, listening(fake, inbox, services=services) as platform:
            fake.mention(fake.channel, fake.ann, "one")
            fake.dm(fake.ann, "two")
            await heard(inbox, 2)
            thread = fake.create_thread(fake.channel, fake.ann)
            fake.mention(thread, fake.ann, "three")
            await heard(inbox, 3)
            for asked in inbox.mentions:
                if asked.place.kind != "thread":
                    await platform.post(asked, "an answer", key=asked.event_id, first=True)
                await platform.working(asked, on=False)
            withdrawn = await platform.post(inbox.mentions[2], "half", key="h", first=True)
            await platform.delete(inbox.mentions[2], withdrawn)
            await platform.working(inbox.mentions[2], on=False)
            assert HINT not in [entry["body"]["content"] for entry in fake.entries("post")]

    async def test_nothing_is_told_where_the_intent_is_granted(
        self, fake: FakeDiscord, services: FakeServices, inbox: Inbox
    ) -> None:
        async with listening(fake, inbox, services=services) as platform:
            thread = fake.create_thread(fake.channel, fake.ann)
            fake.mention(thread, fake.ann, "one")
            asked = await heard(inbox, 1)
            await platform.post(asked, "an answer", key="k", first=True)
            await platform.working(asked, on=False)
        assert len(fake.answers(thread)) == 1

    async def test_a_hint_that_could_not_be_posted_is_posted_after_the_next_answer(
        self, services: FakeServices
    ) -> None:
        inbox = Inbox()
        async with FakeDiscord(content=False) as fake, listening(fake, inbox, services=services) as platform:
            thread = fake.create_thread(fake.channel, fake.ann)
            for number in (1, 2):
                fake.mention(thread, fake.ann, f"question {number}")
                asked = await heard(inbox, number)
                await platform.post(asked, f"answer {number}", key=f"k{number}", first=True)
                if number == 1:
                    fake.fail(403)
                await platform.working(asked, on=False)
            assert [one["content"] for one in fake.answers(thread)] == ["answer 1", "answer 2", HINT]

    async def test_a_past_that_is_wholly_withheld_is_no_past_and_says_so(self, services: FakeServices) -> None:
        inbox = Inbox()
        async with FakeDiscord(content=False) as fake, listening(fake, inbox, services=services) as platform:
            thread = fake.create_thread(fake.channel, fake.bob)
            fake.say(thread, fake.bob, "among people")
            fake.mention(thread, fake.ann, "what do you think?")
            with pytest.raises(Forbidden):
                await platform.backfill(await heard(inbox, 1), limit=50)
            fake.mention(thread, fake.ann, "and now?")
            told = await platform.backfill(await heard(inbox, 2), limit=50)
            assert [line.text for line in told] == ["what do you think?"]

    async def test_an_empty_past_is_nothing_to_speak_of(self, services: FakeServices) -> None:
        inbox = Inbox()
        async with FakeDiscord(content=False) as fake, listening(fake, inbox, services=services) as platform:
            thread = fake.create_thread(fake.channel, fake.ann)
            fake.mention(thread, fake.ann, "hello")
            assert await platform.backfill(await heard(inbox, 1), limit=50) == ()
