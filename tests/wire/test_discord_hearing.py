"""What people write reaches `submit`: the real discord.py against a gateway that works and misbehaves."""

import asyncio
import logging

import discord.gateway
import discord.http
import pytest

from adapters.discord.adapter import DiscordPlatform
from adapters.discord.settings import DiscordSettings
from bot.errors import ConfigError, StoreError, Unreachable
from tests.fakes.discord import FakeDiscord
from tests.fakes.discord.gateway import MESSAGE_CONTENT
from tests.fakes.discord_bot import Heard, hearing, settings, writing
from tests.mentions import only_mentions


@pytest.fixture
def heard() -> Heard:
    return Heard()


async def test_a_mention_in_a_channel_arrives_with_the_bots_name_removed(fake: FakeDiscord, heard: Heard) -> None:
    async with hearing(fake, heard):
        key = fake.mention(fake.channel, fake.ann, "what is <#" + fake.channel + ">?")
        await fake.until(lambda: heard.mentions)
    (mention,) = heard.mentions
    assert mention.text == "what is #general?"
    assert (mention.message_id, mention.event_id) == (key, f"discord:{key}")
    assert (mention.place.kind, mention.place.thread, mention.addressed) == ("channel", None, True)
    assert mention.author.id == fake.ann["id"]


async def test_a_direct_message_needs_no_mention(fake: FakeDiscord, heard: Heard) -> None:
    async with hearing(fake, heard):
        fake.dm(fake.ann, "hello")
        await fake.until(lambda: heard.mentions)
    assert heard.mentions[0].place.kind == "dm"
    assert heard.mentions[0].place.workspace == ""
    assert heard.mentions[0].conversation == f"discord::{fake.dm_channel(fake.ann)}"


async def test_a_reply_with_its_ping_on_is_a_mention_that_names_what_it_answers(
    fake: FakeDiscord, heard: Heard
) -> None:
    async with hearing(fake, heard) as platform:
        fake.mention(fake.channel, fake.ann, "one")
        await fake.until(lambda: heard.mentions)
        answer = await platform.post(heard.mentions[0], "an answer", key="k", first=True)
        fake.say(fake.channel, fake.ann, "and then?", reply_to=answer)
        await fake.until(lambda: len(heard.mentions) == 2)
    assert heard.mentions[1].reply_to == answer
    assert heard.mentions[1].text == "and then?"


async def test_a_reply_with_its_ping_off_is_heard_where_its_content_may_be_read(
    fake: FakeDiscord, heard: Heard
) -> None:
    for content in (True, False):
        fake.content = content
        async with hearing(fake, heard) as platform:
            fake.mention(fake.channel, fake.ann, "one")
            await fake.until(lambda: heard.mentions)
            answer = await platform.post(heard.mentions[0], "an answer", key=f"k{content}", first=True)
            fake.say(fake.channel, fake.ann, "quietly", reply_to=answer, ping=False)
            fake.mention(fake.channel, fake.ann, "last")
            await fake.until(lambda: heard.mentions[-1].text == "last")
        assert [mention.text for mention in heard.mentions] == ["one", *(["quietly"] if content else []), "last"]
        heard.mentions.clear()


async def test_a_mention_of_the_bots_own_role_counts_as_a_mention(fake: FakeDiscord, heard: Heard) -> None:
    async with hearing(fake, heard):
        fake.say(fake.channel, fake.ann, f"<@&{fake.role}> help")
        await fake.until(lambda: heard.mentions)
    assert heard.mentions[0].text == "help"


async def test_everyone_bots_webhooks_joins_and_talk_among_people_are_not_for_the_bot(
    fake: FakeDiscord, heard: Heard
) -> None:
    async with hearing(fake, heard):
        fake.say(fake.channel, fake.ann, "@everyone lunch")
        fake.say(fake.channel, fake.ann, f"<@{fake.bob['id']}> lunch?")
        fake.mention(fake.channel, fake.user("other", bot=True), "beep")
        fake.mention(fake.channel, fake.ann, "hook", webhook_id="1")
        fake.mention(fake.channel, fake.ann, "joined", type=7)
        last = fake.mention(fake.channel, fake.ann, "the only one")
        await fake.until(lambda: heard.mentions)
    assert heard.ids == [last]


async def test_a_thread_is_a_place_of_its_own_and_goes_on_without_mentions(fake: FakeDiscord, heard: Heard) -> None:
    async with hearing(fake, heard):
        thread = fake.create_thread(fake.channel, fake.bob)
        fake.mention(thread, fake.ann, "start")
        fake.say(thread, fake.ann, "go on")
        fake.say(thread, fake.ann, f"<@{fake.bob['id']}> not you")
        fake.say(thread, fake.ann, "and on")
        await fake.until(lambda: len(heard.mentions) == 4)
    first = heard.mentions[0]
    assert (first.place.thread, first.place.kind) == (thread, "thread")
    assert first.others == (fake.bob["id"],)
    assert [mention.addressed for mention in heard.mentions] == [True, False, False, False]
    assert len({mention.conversation for mention in heard.mentions}) == 1


async def test_threads_that_existed_before_are_known_from_the_greeting(fake: FakeDiscord, heard: Heard) -> None:
    thread = fake.create_thread(fake.channel, fake.ann)
    async with hearing(fake, heard):
        fake.mention(thread, fake.ann, "hello")
        await fake.until(lambda: heard.mentions)
    assert heard.mentions[0].place.thread == thread


async def test_fifty_quick_messages_of_a_channel_keep_their_order_past_a_slow_store(
    fake: FakeDiscord, heard: Heard
) -> None:
    heard.error, heard.refusals = StoreError("down"), 7
    other = fake.add_channel("other")
    async with hearing(fake, heard):
        sent = [fake.mention(fake.channel if at % 2 else other, fake.ann, str(at)) for at in range(50)]
        await fake.until(lambda: len(heard.mentions) == 50)
    for remainder in (0, 1):
        assert [key for key in heard.ids if sent.index(key) % 2 == remainder] == sent[remainder::2]


async def test_a_cut_connection_is_resumed_and_loses_nothing(fake: FakeDiscord, heard: Heard) -> None:
    async with hearing(fake, heard) as platform:
        sent = [fake.mention(fake.channel, fake.ann, "before")]
        await fake.until(lambda: heard.mentions)
        for _ in range(3):
            fake.gateway.cut()
            sent += [fake.mention(fake.channel, fake.ann, f"while away {at}") for at in range(5)]
            await fake.until(lambda: heard.ids[-1] == fake.entries("event")[-1]["id"] and platform.connected)
    assert heard.ids == sent
    assert len(fake.entries("identify")) == 1
    assert len(fake.entries("resume")) == 3


async def test_a_request_to_reconnect_is_followed_by_a_resume(fake: FakeDiscord, heard: Heard) -> None:
    async with hearing(fake, heard):
        fake.gateway.say(7)
        await fake.until(lambda: fake.entries("resume"))
        key = fake.mention(fake.channel, fake.ann, "still there?")
        await fake.until(lambda: heard.mentions)
    assert heard.ids == [key]


async def test_an_invalidated_session_begins_afresh_after_the_pause_discord_asks_for(
    fake: FakeDiscord, heard: Heard
) -> None:
    pauses: list[float] = []

    async def pause(pause_s: float) -> None:
        pauses.append(pause_s)
        await asyncio.sleep(0)

    async with hearing(fake, heard, pause=pause, chance=lambda: 0.5):
        fake.gateway.say(9, False)
        await fake.until(lambda: len(fake.entries("identify")) == 2 and fake.gateway.live)
        key = fake.mention(fake.channel, fake.ann, "hello again")
        await fake.until(lambda: heard.mentions)
    assert heard.ids == [key]
    assert 3.0 in pauses


async def test_an_invalidated_session_that_may_be_resumed_is_resumed(fake: FakeDiscord, heard: Heard) -> None:
    async with hearing(fake, heard):
        fake.gateway.say(9, True)
        await fake.until(lambda: fake.entries("resume"))
    assert len(fake.entries("identify")) == 1


async def test_a_refused_resume_ends_in_a_new_session(fake: FakeDiscord, heard: Heard) -> None:
    async with hearing(fake, heard):
        fake.gateway.resumable = False
        fake.gateway.cut()
        await fake.until(lambda: len(fake.entries("identify")) == 2 and fake.gateway.live)
        fake.mention(fake.channel, fake.ann, "hello again")
        await fake.until(lambda: heard.mentions)


async def test_a_silent_connection_is_noticed_and_resumed(fake: FakeDiscord, heard: Heard) -> None:
    async with hearing(fake, heard, frame_max_s=1.0):
        fake.gateway.zombify()
        key = fake.mention(fake.channel, fake.ann, "anybody?")
        await fake.until(lambda: heard.mentions)
    assert heard.ids == [key]
    assert len(fake.entries("identify")) == 1


async def test_heartbeats_keep_a_quiet_connection(fake: FakeDiscord, heard: Heard) -> None:
    fake.gateway.heartbeat_s = 0.05
    async with hearing(fake, heard, frame_max_s=2.0) as platform:
        with pytest.raises(AssertionError):
            await fake.until(lambda: fake.entries("resume"), limit_s=2.5)
        assert platform.connected


async def test_a_dead_resume_address_is_given_up_for_the_general_one_and_the_session_survives(
    fake: FakeDiscord, heard: Heard
) -> None:
    fake.gateway.resume_url = "ws://127.0.0.1:9/"
    async with hearing(fake, heard):
        fake.gateway.cut()
        key = fake.mention(fake.channel, fake.ann, "meanwhile")
        await fake.until(lambda: heard.mentions)
    assert heard.ids == [key]
    assert len(fake.entries("identify")) == 1


async def test_a_session_that_can_never_be_resumed_is_replaced(fake: FakeDiscord, heard: Heard) -> None:
    async with hearing(fake, heard, frame_max_s=0.3):
        fake.gateway.dumb = 6  # three tries at its own address, three at the general one
        before, resumed = len(fake.entries("identify")), len(fake.entries("resume"))
        fake.gateway.cut()
        await fake.until(lambda: len(fake.entries("identify")) > before)
        assert len(fake.entries("resume")) == resumed
        await fake.until(lambda: fake.gateway.live)


@pytest.mark.parametrize("code", [4000, 4009, 1000])
async def test_closes_that_heal_are_survived(fake: FakeDiscord, heard: Heard, code: int) -> None:
    async with hearing(fake, heard):
        await fake.gateway.close(code)
        await fake.until(lambda: fake.gateway.live)
        key = fake.mention(fake.channel, fake.ann, "hello")
        await fake.until(lambda: heard.mentions)
    assert heard.ids == [key]
    assert len(fake.entries("identify")) == (2 if code == 4009 else 1)


async def test_a_hopeless_close_waits_long_before_the_next_try(
    fake: FakeDiscord, heard: Heard, caplog: pytest.LogCaptureFixture
) -> None:
    pauses: list[float] = []

    async def pause(pause_s: float) -> None:
        pauses.append(pause_s)
        await asyncio.sleep(0)

    async with hearing(fake, heard, pause=pause):
        await fake.gateway.close(4013)
        await fake.until(lambda: len(fake.entries("identify")) == 2)
    assert 300.0 in pauses
    assert "gateway_refused" in caplog.messages


async def test_without_the_content_intent_the_bot_works_and_says_what_does_not(
    fake: FakeDiscord, heard: Heard, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "adapters.discord")
    fake.content = False
    async with hearing(fake, heard):
        thread = fake.create_thread(fake.channel, fake.ann)
        fake.mention(fake.channel, fake.ann, "hello")
        fake.say(thread, fake.ann, "a follow-up nobody can read")
        fake.dm(fake.ann, "private")
        await fake.until(lambda: len(heard.mentions) == 2)
    assert {mention.text for mention in heard.mentions} == {"hello", "private"}
    assert not fake.entries("identify")[0]["intents"] & MESSAGE_CONTENT
    assert caplog.messages.count("message_content_missing") == 1


async def test_an_intent_that_is_withdrawn_later_is_done_without(
    fake: FakeDiscord, heard: Heard, caplog: pytest.LogCaptureFixture
) -> None:
    async with hearing(fake, heard):
        fake.content = False
        await fake.gateway.close(4014)
        await fake.until(lambda: fake.gateway.live)
        fake.mention(fake.channel, fake.ann, "hello")
        await fake.until(lambda: heard.mentions)
    assert "message_content_refused" in caplog.messages


async def test_a_low_identify_budget_is_logged_and_a_spent_one_waited_for(
    fake: FakeDiscord, heard: Heard, caplog: pytest.LogCaptureFixture
) -> None:
    fake.starts_left = 0
    pauses: list[float] = []

    async def pause(pause_s: float) -> None:
        pauses.append(pause_s)

    async with hearing(fake, heard, pause=pause):
        pass
    assert "identify_budget_low" in caplog.messages
    assert pauses[0] == 0.05


async def test_an_outage_while_connecting_is_survived(fake: FakeDiscord, heard: Heard) -> None:
    fake.fail(503, method="GET", path="/gateway/bot", times=4)
    async with hearing(fake, heard):
        fake.mention(fake.channel, fake.ann, "hello")
        await fake.until(lambda: heard.mentions)


async def test_an_event_that_is_not_understood_does_not_end_the_connection(
    fake: FakeDiscord, heard: Heard, caplog: pytest.LogCaptureFixture
) -> None:
    async with hearing(fake, heard):
        fake.gateway.dispatch("CHANNEL_CREATE", lambda _: {"name": "secret words", "type": 0})
        fake.mention(fake.channel, fake.ann, "hello")
        await fake.until(lambda: heard.mentions)
    assert "event_not_understood" in caplog.messages
    assert "secret words" not in caplog.text
    assert len(fake.entries("identify")) == 1


async def test_what_has_arrived_when_listening_stops_is_still_taken(fake: FakeDiscord, heard: Heard) -> None:
    gate = asyncio.Event()
    taking = asyncio.Event()

    async def slow(pause_s: float) -> None:
        taking.set()
        await gate.wait()

    heard.error, heard.refusals = StoreError("down"), 1
    async with writing(fake, pause=slow) as platform:
        listening = asyncio.create_task(platform.listen(only_mentions(heard.submit)))
        await fake.until(lambda: fake.gateway.live)
        fake.mention(fake.channel, fake.ann, "hello")
        await taking.wait()
        listening.cancel()
        gate.set()
        with pytest.raises(asyncio.CancelledError):
            await listening
    assert len(heard.mentions) == 1


async def test_listening_again_resumes_the_session(fake: FakeDiscord, heard: Heard) -> None:
    async with writing(fake) as platform:
        for _ in range(2):
            listening = asyncio.create_task(platform.listen(only_mentions(heard.submit)))
            await fake.until(lambda: fake.gateway.live and platform.connected)
            key = fake.mention(fake.channel, fake.ann, "hello")
            await fake.until(lambda key=key: key in heard.ids)
            listening.cancel()
            await asyncio.wait((listening,))
            assert not platform.connected
            await fake.until(lambda: not fake.gateway.live)
            fake.mention(fake.channel, fake.ann, "between")
    assert len(fake.entries("identify")) == 1
    assert len(heard.mentions) == 3


async def test_two_clients_with_different_addresses_live_in_one_process(heard: Heard) -> None:
    async with FakeDiscord() as one, FakeDiscord() as two:
        others = Heard()
        async with hearing(one, heard), hearing(two, others):
            here, there = one.mention(one.channel, one.ann, "a"), two.mention(two.channel, two.ann, "b")
            await one.until(lambda: heard.mentions and others.mentions)
    assert (heard.ids, others.ids) == ([here], [there])
    assert discord.http.Route.BASE == "https://discord.com/api/v10"
    assert str(discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY) == "wss://gateway.discord.gg/"


async def test_several_sessions_of_one_bot_all_hear(fake: FakeDiscord, heard: Heard) -> None:
    others = Heard()
    async with hearing(fake, heard), hearing(fake, others):
        key = fake.mention(fake.channel, fake.ann, "hello")
        await fake.until(lambda: heard.mentions and others.mentions)
    assert heard.ids == others.ids == [key]


async def test_a_refused_token_is_an_error_of_configuration_that_does_not_show_it(fake: FakeDiscord) -> None:
    platform = DiscordPlatform(settings(fake, token="wrong.secret"))
    with pytest.raises(ConfigError) as caught:
        await platform.open()
    assert "wrong.secret" not in str(caught.value)
    assert not platform.connected
    await platform.aclose()


async def test_a_missing_token_is_an_error_of_configuration() -> None:
    platform = DiscordPlatform(DiscordSettings(discord_token=None))
    with pytest.raises(ConfigError):
        await platform.open()
    await platform.aclose()


async def test_a_discord_that_is_down_at_open_is_unreachable(fake: FakeDiscord) -> None:
    for path in ("/users/@me", "/applications/@me"):
        fake.fail(503, method="GET", path=path)
        platform = DiscordPlatform(settings(fake))
        with pytest.raises(Unreachable):
            await platform.open()
        await platform.aclose()
