"""What the gateway has not told is asked for, and nothing is decided by an answer that has not come."""

import pytest
from redis.asyncio import Redis

from adapters.discord.incoming import lookup
from adapters.discord.incoming.access import ELSEWHERE
from adapters.discord.incoming.directory import Directory
from adapters.discord.incoming.lookup import Lookup
from adapters.discord.incoming.marks import Marks
from bot.errors import Unreachable
from bot.events import Place
from tests.discord_listening import Inbox, listening
from tests.fakes.discord import FakeDiscord
from tests.fakes.discord_bot import writing
from tests.fakes.services import FakeServices


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def services(redis: Redis) -> FakeServices:
    return FakeServices(redis)


class TestWhereDiscordDoesNotAnswerForAMoment:
    """A session that another process has begun names no server: what a channel is has to be asked for."""

    @pytest.fixture(autouse=True)
    def _unnamed(self, fake: FakeDiscord) -> None:
        fake.names_servers = False

    async def test_nobody_is_refused_in_a_thread_of_a_listed_channel(
        self, fake: FakeDiscord, services: FakeServices
    ) -> None:
        thread, inbox = fake.create_thread(fake.channel, fake.bob), Inbox()
        fake.fail(503, method="GET", path=f"/channels/{thread}")
        async with listening(fake, inbox, services=services, discord_allowed_channels=frozenset({fake.channel})):
            fake.mention(thread, fake.ann, "hello")
            await fake.until(lambda: inbox.texts or fake.answers(thread))
        assert (inbox.texts, [one["content"] for one in fake.answers(thread)]) == (["hello"], [])

    async def test_a_follow_up_in_a_thread_is_not_lost(self, fake: FakeDiscord, services: FakeServices) -> None:
        thread, inbox = fake.create_thread(fake.channel, fake.bob), Inbox()
        marks = Marks(lambda: services.shared)
        await marks.join(Place("discord", fake.guild, thread, thread, "thread"))  # as an earlier process has noted
        async with listening(fake, inbox, services=services):
            fake.fail(503, method="GET", path=f"/channels/{thread}")
            fake.say(thread, fake.ann, "and then?")
            fake.mention(thread, fake.ann, "last")
            await fake.until(lambda: "last" in inbox.texts)
        assert inbox.texts == ["and then?", "last"]
        assert {one.place.kind for one in inbox.mentions} == {"thread"}

    async def test_a_message_in_a_thread_of_a_free_channel_is_not_lost(
        self, fake: FakeDiscord, services: FakeServices
    ) -> None:
        thread, inbox = fake.create_thread(fake.channel, fake.bob), Inbox()
        fake.fail(503, method="GET", path=f"/channels/{thread}")
        async with listening(fake, inbox, services=services, discord_free_channels=frozenset({fake.channel})):
            fake.say(thread, fake.ann, "hello")
            fake.mention(thread, fake.ann, "last")
            await fake.until(lambda: "last" in inbox.texts)
        assert inbox.texts == ["hello", "last"]

    async def test_a_mention_of_the_bots_role_is_not_lost(self, fake: FakeDiscord, services: FakeServices) -> None:
        inbox = Inbox()
        fake.fail(503, method="GET", path="/roles")
        async with listening(fake, inbox, services=services):
            fake.say(fake.channel, fake.ann, f"<@&{fake.role}> hello")
            fake.mention(fake.channel, fake.ann, "last")
            await fake.until(lambda: "last" in inbox.texts)
        assert inbox.texts == ["hello", "last"]

    async def test_who_may_not_read_a_channel_is_elsewhere_for_the_bot(
        self, fake: FakeDiscord, services: FakeServices
    ) -> None:
        thread, inbox = fake.create_thread(fake.channel, fake.bob), Inbox()
        fake.fail(403, method="GET", path=f"/channels/{thread}")
        async with listening(fake, inbox, services=services, discord_allowed_channels=frozenset({fake.channel})):
            fake.mention(thread, fake.ann, "hello")
            await fake.until(lambda: fake.answers(thread))
        assert [one["content"] for one in fake.answers(thread)] == [ELSEWHERE]


async def test_a_silence_that_lasts_holds_up_no_channel_for_ever(fake: FakeDiscord) -> None:
    clock, directory = Clock(), Directory()
    async with writing(fake) as platform:
        rest = platform._rest  # pyright: ignore[reportPrivateUsage] -- the real way to Discord, without a gateway
        asking = Lookup(rest, directory, clock=clock)
        fake.fail(503, method="GET", path="/channels/", times=4)
        for wait_s in (2 * lookup.PATIENCE_S, lookup.PATIENCE_S / 2, lookup.PATIENCE_S / 2):
            with pytest.raises(Unreachable):  # the second time, long after the first, another silence begins
                await asking.learn(fake.guild, fake.channel)
            clock.now += wait_s
        await asking.learn(fake.guild, fake.channel)
        assert fake.channel not in directory.guild(fake.guild).names
        await asking.learn(fake.guild, fake.channel)
        assert directory.guild(fake.guild).names[fake.channel] == "general"


async def test_the_bots_role_is_asked_for_again_where_the_server_was_another_processs_meanwhile(
    fake: FakeDiscord,
) -> None:
    directory = Directory()
    async with writing(fake) as platform:
        directory.own_id = str(fake.bot["id"])
        rest = platform._rest  # pyright: ignore[reportPrivateUsage] -- as above
        asking = Lookup(rest, directory)
        await asking.learn_roles(fake.guild)
        assert directory.guild(fake.guild).own_role == fake.role
        directory.handlers()["READY"]({"shard": [0, 1], "guilds": []})  # as where a shard is given to another process
        assert directory.guild(fake.guild).own_role is None
        await asking.learn_roles(fake.guild)
        assert directory.guild(fake.guild).own_role == fake.role
