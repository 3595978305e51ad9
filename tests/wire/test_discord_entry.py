"""Who may speak to the bot on Discord, where it listens unasked, and how a direct message begins anew."""

import pytest
from redis.asyncio import Redis

from adapters.discord.incoming.access import ALONE, ELSEWHERE, UNLISTED
from adapters.discord.incoming.bots import MOST_A_MINUTE
from adapters.discord.payloads.content import UNSEEN
from bot import store
from bot.errors import StoreError
from tests.discord_listening import Inbox, listening
from tests.fakes.discord import FakeDiscord
from tests.fakes.services import FakeServices
from tests.until import until


@pytest.fixture
def services(redis: Redis) -> FakeServices:
    return FakeServices(redis)


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


async def last(fake: FakeDiscord, inbox: Inbox, channel: str) -> None:
    """Ann says one thing more in a channel; return once it, and so all before it there, is through."""
    key = fake.mention(channel, fake.ann, "last")
    await until(lambda: key in [mention.message_id for mention in inbox.mentions])


def said(fake: FakeDiscord, channel: str) -> list[str]:
    return [one["content"] for one in fake.answers(channel)]


class TestAPersonWhoMayNot:
    async def test_is_told_once_an_hour_in_a_channel_without_a_ping(
        self, fake: FakeDiscord, services: FakeServices, inbox: Inbox
    ) -> None:
        async with listening(fake, inbox, services=services, discord_allowed_users=frozenset({fake.ann["id"]})):
            first = fake.mention(fake.channel, fake.bob, "hello")
            fake.mention(fake.channel, fake.bob, "hello?")
            await last(fake, inbox, fake.channel)
        assert inbox.texts == ["last"]
        assert said(fake, fake.channel) == [UNLISTED]
        (post,) = fake.entries("post")
        assert post["pings"] == []
        assert post["body"]["message_reference"]["message_id"] == first

    async def test_is_told_again_where_it_could_not_be_said(
        self, fake: FakeDiscord, services: FakeServices, inbox: Inbox
    ) -> None:
        fake.fail(403)
        async with listening(fake, inbox, services=services, discord_allowed_users=frozenset({fake.ann["id"]})):
            for text in ("hello", "hello?"):
                fake.mention(fake.channel, fake.bob, text)
            await last(fake, inbox, fake.channel)
        assert said(fake, fake.channel) == [UNLISTED]

    async def test_and_only_follows_up_is_ignored_in_silence(
        self, fake: FakeDiscord, services: FakeServices, inbox: Inbox
    ) -> None:
        thread = fake.create_thread(fake.channel, fake.ann)
        async with listening(fake, inbox, services=services, discord_allowed_users=frozenset({fake.ann["id"]})):
            fake.say(thread, fake.bob, "me too")
            await last(fake, inbox, thread)
        assert (inbox.texts, said(fake, thread)) == (["last"], [])

    async def test_is_let_in_by_a_role_and_not_in_a_direct_message(
        self, fake: FakeDiscord, services: FakeServices, inbox: Inbox
    ) -> None:
        role = fake.snowflake()
        fake.roles[fake.ann["id"]] = [role]
        async with listening(fake, inbox, services=services, discord_allowed_roles=frozenset({role})):
            fake.mention(fake.channel, fake.bob, "me?")
            fake.dm(fake.ann, "alone?")
            await last(fake, inbox, fake.channel)
            await until(lambda: said(fake, fake.dm_channel(fake.ann)))
        assert inbox.texts == ["last"]
        assert said(fake, fake.channel) == said(fake, fake.dm_channel(fake.ann)) == [UNLISTED]


class TestAPlaceThatIsNotListed:
    async def test_is_refused_and_a_listed_one_lets_its_threads_in(
        self, fake: FakeDiscord, services: FakeServices, inbox: Inbox
    ) -> None:
        other = fake.add_channel("other")
        thread = fake.create_thread(fake.channel, fake.bob)
        async with listening(fake, inbox, services=services, discord_allowed_channels=frozenset({fake.channel})):
            fake.mention(other, fake.ann, "here?")
            fake.dm(fake.ann, "alone?")
            await last(fake, inbox, thread)
            await last(fake, inbox, fake.channel)
            await until(lambda: said(fake, other) and said(fake, fake.dm_channel(fake.ann)))
        assert inbox.texts == ["last", "last"]
        assert (said(fake, other), said(fake, fake.dm_channel(fake.ann))) == ([ELSEWHERE], [ALONE])

    async def test_knows_a_threads_parent_also_where_no_server_is_known(
        self, fake: FakeDiscord, services: FakeServices, inbox: Inbox
    ) -> None:
        thread = fake.create_thread(fake.channel, fake.bob)
        fake.names_servers = False
        async with listening(fake, inbox, services=services, discord_allowed_channels=frozenset({fake.channel})):
            await last(fake, inbox, thread)
        assert (inbox.texts, said(fake, thread)) == (["last"], [])


class TestAFreeChannel:
    async def test_takes_every_message_but_those_to_somebody_else(
        self, fake: FakeDiscord, services: FakeServices, inbox: Inbox
    ) -> None:
        async with listening(fake, inbox, services=services, discord_free_channels=frozenset({fake.channel})):
            fake.say(fake.channel, fake.ann, "one")
            fake.say(fake.channel, fake.bob, f"<@{fake.ann['id']}> not for the bot")
            fake.say(fake.channel, fake.user("other", bot=True), "beep")
            fake.say(fake.channel, fake.ann, "hook", webhook_id="1")
            fake.say(fake.channel, fake.bob, f"two, <@{fake.ann['id']}>")
            await last(fake, inbox, fake.channel)
        assert inbox.texts == ["one", "two, @Ann", "last"]
        assert all(mention.addressed for mention in inbox.mentions)

    @pytest.mark.parametrize("known", [True, False])
    async def test_takes_its_threads_and_posts_too_whoever_speaks(
        self, fake: FakeDiscord, services: FakeServices, inbox: Inbox, known: bool
    ) -> None:
        forum = fake.add_forum()
        thread = fake.create_thread(forum, fake.ann)
        fake.names_servers = known
        async with listening(fake, inbox, services=services, discord_free_channels=frozenset({forum})):
            fake.say(thread, fake.ann, "one")
            fake.say(thread, fake.bob, "two")
            fake.say(fake.channel, fake.ann, "elsewhere")
            await last(fake, inbox, thread)
            await last(fake, inbox, fake.channel)
        assert inbox.texts == ["one", "two", "last", "last"]
        assert all(mention.addressed for mention in inbox.mentions)

    async def test_may_open_a_thread_for_each_message_in_which_all_is_for_the_bot(
        self, fake: FakeDiscord, services: FakeServices, inbox: Inbox
    ) -> None:
        free = frozenset({fake.channel})
        async with listening(fake, inbox, services=services, discord_free_channels=free, discord_threads=free):
            thread = fake.say(fake.channel, fake.ann, "one")
            await until(lambda: inbox.mentions)
            fake.say(thread, fake.bob, "two")
            await until(lambda: len(inbox.mentions) == 2)
        assert [(one.place.thread, one.addressed) for one in inbox.mentions] == [(thread, True), (thread, True)]

    async def test_takes_nothing_unasked_without_the_intent(self, services: FakeServices, inbox: Inbox) -> None:
        async with (
            FakeDiscord(content=False) as fake,
            listening(fake, inbox, services=services, discord_free_channels=frozenset({fake.channel})),
        ):
            fake.say(fake.channel, fake.ann, "one")
            await last(fake, inbox, fake.channel)
        assert inbox.texts == ["last"]


class TestAnotherBot:
    async def test_may_mention_it_where_that_is_allowed_and_a_webhook_never(
        self, fake: FakeDiscord, services: FakeServices, inbox: Inbox
    ) -> None:
        other = fake.user("other", bot=True)
        thread = fake.create_thread(fake.channel, fake.ann)
        async with listening(fake, inbox, services=services, discord_allow_bots=True):
            fake.mention(fake.channel, other, "beep")
            fake.mention(fake.channel, fake.ann, "hook", webhook_id="1")
            fake.mention(fake.channel, fake.bot, "myself")
            fake.say(thread, other, "in passing")
            await last(fake, inbox, fake.channel)
            await last(fake, inbox, thread)
        assert inbox.texts == ["beep", "last", "last"]
        assert inbox.mentions[0].author.is_bot

    async def test_that_never_ends_is_left_alone_for_a_while(
        self, fake: FakeDiscord, services: FakeServices, inbox: Inbox, redis: Redis
    ) -> None:
        other, third = fake.user("other", bot=True), fake.user("third", bot=True)
        quiet = store.shared_key(f"quiet:discord:{fake.guild}:{fake.channel}:{other['id']}")
        async with listening(fake, inbox, services=services, discord_allow_bots=True):
            while not await redis.exists(quiet):  # more of them where the test itself is slow
                for at in range(MOST_A_MINUTE + 5):
                    fake.mention(fake.channel, other, str(at))
                await last(fake, inbox, fake.channel)
            taken = inbox.texts.count("14")
            fake.mention(fake.channel, other, "14")
            fake.mention(fake.channel, third, "from a third")
            await last(fake, inbox, fake.channel)
        assert inbox.texts[:MOST_A_MINUTE] == [*map(str, range(MOST_A_MINUTE))]
        assert inbox.texts[-2:] == ["from a third", "last"]
        assert inbox.texts.count("14") == taken
        assert 0 < await redis.ttl(quiet) <= 60

    async def test_is_not_taken_where_nothing_can_be_counted(self, fake: FakeDiscord, inbox: Inbox) -> None:
        async with listening(fake, inbox, discord_allow_bots=True):
            fake.mention(fake.channel, fake.user("other", bot=True), "beep")
            await last(fake, inbox, fake.channel)
        assert inbox.texts == ["last"]


class TestADirectMessage:
    async def test_with_a_fresh_mention_begins_anew_and_a_reply_does_not(
        self, fake: FakeDiscord, services: FakeServices, inbox: Inbox
    ) -> None:
        async with listening(fake, inbox, services=services) as platform:
            fake.dm(fake.ann, "one")
            await until(lambda: inbox.mentions)
            answer = await platform.post(inbox.mentions[0], "an answer", key="k", first=True)
            fake.dm(fake.ann, "two", reply_to=answer)
            fake.dm(fake.ann, f"<@{fake.bot['id']}> three")
            await until(lambda: len(inbox.mentions) == 3)
        assert inbox.texts == ["one", "two", "three"]
        ((command),) = services.commands
        assert (command.name, command.place, command.author) == (
            "reset",
            inbox.mentions[0].place,
            inbox.mentions[0].author,
        )

    async def test_that_comes_again_begins_anew_once(
        self, fake: FakeDiscord, services: FakeServices, inbox: Inbox
    ) -> None:
        async with listening(fake, inbox, services=services):
            key = fake.dm(fake.ann, f"<@{fake.bot['id']}> one")
            fake.dispatch("MESSAGE_CREATE", fake.messages[fake.dm_channel(fake.ann)][key])
            await until(lambda: len(inbox.mentions) == 2)
        assert len(services.commands) == 1

    async def test_begins_anew_although_the_store_failed_at_first(
        self, fake: FakeDiscord, services: FakeServices, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        done, failures = services.command, [StoreError("down"), StoreError("down")]

        async def command(one: object) -> str:
            if failures:
                raise failures.pop()
            return await done(one)  # pyright: ignore[reportArgumentType] -- what the adapter gave

        monkeypatch.setattr(services, "command", command)
        async with listening(fake, inbox, services=services):
            fake.dm(fake.ann, f"<@{fake.bot['id']}> one")
            await until(lambda: inbox.mentions)
        assert len(services.commands) == 1


class TestWhatIsNoText:
    async def test_a_mention_of_the_bots_role_whose_words_are_withheld_is_answered_as_such(
        self, services: FakeServices, inbox: Inbox
    ) -> None:
        async with FakeDiscord(content=False) as fake, listening(fake, inbox, services=services):
            fake.say(fake.channel, fake.ann, f"<@&{fake.role}> help")
            await until(lambda: inbox.mentions)
        assert (inbox.texts, inbox.mentions[0].addressed) == ([UNSEEN], True)

    async def test_a_voice_message_is_said_not_to_be_heard_and_a_poll_is_read(
        self, fake: FakeDiscord, services: FakeServices, inbox: Inbox
    ) -> None:
        async with listening(fake, inbox, services=services):
            fake.voice(fake.dm_channel(fake.ann), fake.ann)
            await until(lambda: inbox.mentions)
            fake.poll(fake.dm_channel(fake.ann), fake.ann, "Tea?", "yes", "no", text="what would you say?")
            await until(lambda: len(inbox.mentions) == 2)
        assert inbox.texts == [
            "> (a voice message that I cannot hear)",
            "what would you say?\n\n> (poll: Tea?)\n> - yes\n> - no",
        ]
        assert inbox.mentions[0].files == ()
