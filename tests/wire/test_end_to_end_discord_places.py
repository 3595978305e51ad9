"""Conversations on Discord from end to end: threads for questions, trees of replies, edits and deletions, a restart."""

import pytest
from redis.asyncio import Redis

from adapters.discord.incoming.lines import HINT
from tests.fakes.completions import Raw, endless
from tests.fakes.discord import FakeDiscord
from tests.running import Running, Services, always, count, running, services
from tests.until import until

THREADS = {"discord_threads": "on", "discord_thread_titles": "question"}


def asked(outside: Services, at: int = -1) -> list[str]:
    """What a request holds, the system's words apart."""
    messages = outside.completions.requests[at].messages
    return [str(one["content"]) for one in messages if one["role"] != "system"]


def answers(discord: FakeDiscord, place: str) -> list[str]:
    return [str(one["content"]) for one in discord.answers(place)]


async def settled(bot: Running, number: int) -> None:
    await until(lambda: bot.settled >= number)


async def test_a_question_in_a_channel_is_answered_in_a_thread_that_goes_on_without_mentions(
    valkey_url: str, redis: Redis
) -> None:
    async with services() as outside, running(outside, redis_url=valkey_url, on=["discord"], discord=THREADS) as bot:
        discord = outside.discord
        thread = discord.mention(discord.channel, discord.ann, "what is a lane?")
        await settled(bot, 1)
        discord.say(thread, discord.ann, "and a road?")
        await settled(bot, 2)
        discord.say(thread, discord.bob, "I know that one")
        await until(lambda: bot.ignored >= 1)
        discord.say(thread, discord.ann, "so do I")
        await until(lambda: bot.ignored >= 2)
        assert len(answers(discord, thread)) == 2
        assert answers(discord, discord.channel) == []
        assert discord.channels[thread]["name"] == "what is a lane?"
        assert ["what is a lane?" in asked(outside)[0], "and a road?" in asked(outside)[-1]] == [True, True]
        assert len(asked(outside)) == 3
        assert HINT not in answers(discord, thread)


async def test_without_the_intent_a_thread_says_once_how_to_go_on_and_replies_go_on(
    valkey_url: str, redis: Redis
) -> None:
    async with services() as outside:
        discord = outside.discord
        discord.content = False
        async with running(outside, redis_url=valkey_url, on=["discord"], discord=THREADS) as bot:
            thread = discord.mention(discord.channel, discord.ann, "what is a lane?")
            await until(lambda: answers(discord, thread)[1:] == [HINT])
            discord.say(thread, discord.ann, "nobody can read this")
            first = discord.answers(thread)[0]["id"]
            discord.say(thread, discord.ann, "and a road?", reply_to=first)
            await settled(bot, 2)
            discord.mention(thread, discord.ann, "and a path?")
            await settled(bot, 3)
            assert [text == HINT for text in answers(discord, thread)] == [False, True, False, False]
            assert [len(asked(outside, at)) for at in range(3)] == [1, 3, 5]
            assert not any("nobody can read this" in text for text in asked(outside))


async def test_where_no_thread_may_be_opened_a_question_is_answered_in_the_channel(
    valkey_url: str, redis: Redis
) -> None:
    async with services() as outside, running(outside, redis_url=valkey_url, on=["discord"], discord=THREADS) as bot:
        discord = outside.discord
        discord.no_threads.add(discord.channel)
        discord.mention(discord.channel, discord.ann, "what is a lane?")
        await settled(bot, 1)
        (answer,) = discord.answers(discord.channel)
        discord.say(discord.channel, discord.ann, "and a road?", reply_to=answer["id"])
        await settled(bot, 2)
        assert len(asked(outside)) == 3


async def test_a_forum_post_is_answered_and_goes_on(valkey_url: str, redis: Redis) -> None:
    async with services() as outside, running(outside, redis_url=valkey_url, on=["discord"], discord=THREADS) as bot:
        discord = outside.discord
        post = discord.forum_post(discord.add_forum(), discord.ann, "Lanes", f"<@{discord.bot['id']}> what is a lane?")
        await settled(bot, 1)
        discord.say(post, discord.ann, "and a road?")
        await settled(bot, 2)
        assert (len(answers(discord, post)), len(asked(outside))) == (2, 3)


async def test_a_restart_forgets_no_thread_although_discord_names_none(valkey_url: str, redis: Redis) -> None:
    async with services() as outside:
        discord = outside.discord
        async with running(outside, redis_url=valkey_url, on=["discord"], discord=THREADS) as bot:
            thread = discord.mention(discord.channel, discord.ann, "what is a lane?")
            await settled(bot, 1)
        discord.names_servers = False  # as after a RESUME
        async with running(outside, redis_url=valkey_url, on=["discord"], discord=THREADS) as bot:
            discord.say(thread, discord.ann, "and a road?")
            await settled(bot, 1)
            assert len(asked(outside)) == 3
            discord.remove(discord.channel, thread)  # the question itself
            await until(lambda: count(bot.bot.metrics.changes) >= 1)
            discord.say(thread, discord.ann, "and a path?")
            await settled(bot, 2)
            assert [text for text in asked(outside) if "what is a lane?" in text] == []
            assert len(asked(outside)) == 3


async def test_a_reply_to_an_earlier_answer_leaves_the_later_ones_out(valkey_url: str, redis: Redis) -> None:
    async with services() as outside, running(outside, redis_url=valkey_url, on=["discord"]) as bot:
        discord = outside.discord
        discord.mention(discord.channel, discord.ann, "one")
        await settled(bot, 1)
        (first,) = discord.answers(discord.channel)
        for number, text in ((2, "two"), (3, "three")):
            discord.say(discord.channel, discord.ann, text, reply_to=first["id"])
            await settled(bot, number)
        third = discord.answers(discord.channel)[-1]
        discord.say(discord.channel, discord.bob, "four", reply_to=third["id"])
        await settled(bot, 4)
        assert [len(asked(outside, at)) for at in range(4)] == [1, 3, 3, 5]
        for at, wanted in ((2, ("one", "one", "three")), (3, ("one", "one", "three", "three", "four"))):
            assert all(text in found for text, found in zip(wanted, asked(outside, at), strict=True))


async def test_a_fresh_mention_in_a_direct_message_begins_anew(valkey_url: str, redis: Redis) -> None:
    async with services() as outside, running(outside, redis_url=valkey_url, on=["discord"]) as bot:
        discord = outside.discord
        for number, text in enumerate(("one", "two", f"<@{discord.bot['id']}> three", "four"), 1):
            discord.dm(discord.ann, text)
            await settled(bot, number)
        assert [len(asked(outside, at)) for at in range(4)] == [1, 3, 1, 3]


@pytest.mark.parametrize("threads", ["off", "on"])
async def test_a_question_that_waits_is_answered_as_it_reads_now_and_a_deleted_one_is_not(
    valkey_url: str, redis: Redis, threads: str
) -> None:
    options = {"discord_threads": threads}
    async with services() as outside:
        discord = outside.discord
        async with running(outside, redis_url=valkey_url, on=["discord"], role="gateway", discord=options) as gateway:
            edited = discord.mention(discord.channel, discord.ann, "what is a lain?")
            deleted = discord.mention(discord.channel, discord.ann, "forget this")
            await until(lambda: gateway.accepted == 2)
            discord.edit(discord.channel, edited, f"<@{discord.bot['id']}> what is a lane?")
            discord.remove(discord.channel, deleted)
            await until(lambda: count(gateway.bot.metrics.withdrawn) == 1)
        async with running(outside, redis_url=valkey_url, on=["discord"], role="worker", discord=options) as worker:
            await settled(worker, 1)
        assert [asked(outside, at) for at in range(len(outside.completions.requests))] == [asked(outside)]
        assert "what is a lane?" in asked(outside)[0]
        assert len(answers(discord, edited if threads == "on" else discord.channel)) == 1


async def test_a_deleted_question_takes_its_half_answer_along(valkey_url: str, redis: Redis) -> None:
    async with services() as outside, running(outside, redis_url=valkey_url, on=["discord"]) as bot:
        discord = outside.discord
        outside.completions.answers = always(endless(every_s=0.02))
        question = discord.mention(discord.channel, discord.ann, "Go on and on.")
        await until(lambda: discord.answers(discord.channel))
        discord.remove(discord.channel, question)
        await until(lambda: count(bot.bot.metrics.withdrawn) == 1)
        assert discord.answers(discord.channel) == []
        await until(lambda: outside.completions.open_now == 0)


async def test_a_question_that_was_deleted_before_the_first_word_is_not_answered(valkey_url: str, redis: Redis) -> None:
    async with services() as outside, running(outside, redis_url=valkey_url, on=["discord"]) as bot:
        discord = outside.discord
        outside.completions.answers = always(Raw(first_after_s=600))
        question = discord.mention(discord.channel, discord.ann, "hello")
        await until(lambda: outside.completions.requests)
        discord.remove(discord.channel, question)
        await until(lambda: count(bot.bot.metrics.withdrawn) == 1)
        assert (bot.answered, discord.answers(discord.channel)) == (0, [])


async def test_the_memory_follows_edits_and_deletions_also_of_the_bots_own_messages(
    valkey_url: str, redis: Redis
) -> None:
    async with services() as outside, running(outside, redis_url=valkey_url, on=["discord"]) as bot:
        discord = outside.discord
        first = discord.mention(discord.channel, discord.ann, "the word is red")
        await settled(bot, 1)
        answer = discord.answers(discord.channel)[0]["id"]
        second = discord.say(discord.channel, discord.ann, "a secret", reply_to=answer)
        await settled(bot, 2)
        discord.edit(discord.channel, first, f"<@{discord.bot['id']}> the word is blue")
        discord.remove(discord.channel, second)
        await until(lambda: count(bot.bot.metrics.changes) >= 2)
        discord.say(discord.channel, discord.ann, "which word?", reply_to=answer)
        await settled(bot, 3)
        assert "the word is blue" in asked(outside)[0]
        assert "a secret" not in " ".join(asked(outside))
        assert any("the word is red" in text for text in asked(outside))  # as the bot had repeated it

        before = count(bot.bot.metrics.changes)
        discord.remove(discord.channel, answer)  # by a moderator
        await until(lambda: count(bot.bot.metrics.changes) > before)
        later = discord.answers(discord.channel)[-1]["id"]
        discord.say(discord.channel, discord.ann, "and now?", reply_to=later)
        await settled(bot, 4)
        assert not any("the word is red" in text for text in asked(outside))
