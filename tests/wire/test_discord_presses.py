"""Buttons under an answer: what a press does, who may press, and that it is taken before it is acknowledged."""

import asyncio

import pytest
from redis.asyncio import Redis

from adapters.discord.incoming.entrance import FAILED
from adapters.discord.incoming.presses import NOT_YOURS, OLD, THANKS
from bot.errors import StoreError
from tests.discord_interacting import Joined, joined
from tests.fakes.discord import FakeDiscord

MANAGE_MESSAGES, ADMINISTRATOR = 1 << 13, 1 << 3


def answered(discord: FakeDiscord, channel: str) -> tuple[str, str]:
    """A question of Ann's, and the bot's answer to it."""
    asked = discord.mention(channel, discord.ann, "why?")
    answer = discord.message(channel, discord.bot, "Because.", {})
    discord.publish(answer)
    return asked, answer["id"]


def again_of(bot: Joined) -> list[str]:
    return [one.replaces for one in bot.taken.mentions if one.replaces]


async def test_stop_names_the_answer_and_is_acknowledged_without_a_word(redis: Redis) -> None:
    async with FakeDiscord() as discord, joined(discord, redis) as bot:
        asked, answer = answered(discord, discord.channel)
        pressed = discord.press(discord.ann, discord.channel, answer, f"rb:stop:{discord.ann['id']}:{asked}")
        await discord.until(lambda: discord.response(pressed))
        assert discord.response(pressed) == {"type": 6}
        [stop] = bot.taken.stops
        assert (stop.message_id, stop.by.name, stop.place.channel) == (answer, "Ann", discord.channel)


async def test_regenerate_asks_anew_in_place_of_the_pressed_message_and_a_double_click_once(redis: Redis) -> None:
    async with FakeDiscord() as discord, joined(discord, redis) as bot:
        asked, answer = answered(discord, discord.channel)
        custom_id = f"rb:again:{discord.ann['id']}:{asked}"
        presses = [discord.press(discord.ann, discord.channel, answer, custom_id) for _ in range(3)]
        await discord.until(lambda: all(discord.response(one) for one in presses))
        assert [discord.response(one) for one in presses] == [{"type": 6}] * 3
        assert again_of(bot) == [answer]


async def test_a_press_that_the_store_did_not_take_says_so_and_can_be_repeated(redis: Redis) -> None:
    async with FakeDiscord() as discord, joined(discord, redis) as bot:
        asked, answer = answered(discord, discord.channel)
        custom_id = f"rb:again:{discord.ann['id']}:{asked}"
        await discord.until(lambda: bot.taken.mentions)
        bot.taken.error = StoreError("no disk")
        discord.press(discord.ann, discord.channel, answer, custom_id)
        await discord.until(lambda: discord.seen_privately(discord.ann))
        assert discord.seen_privately(discord.ann) == [FAILED]
        bot.taken.error = None
        pressed = discord.press(discord.ann, discord.channel, answer, custom_id)
        await discord.until(lambda: discord.response(pressed))
        assert again_of(bot) == [answer]


async def test_a_press_is_acknowledged_only_once_it_is_taken(redis: Redis) -> None:
    async with FakeDiscord() as discord, joined(discord, redis) as bot:
        asked, answer = answered(discord, discord.channel)
        await discord.until(lambda: bot.taken.mentions)
        bot.taken.gate.clear()
        pressed = discord.press(discord.ann, discord.channel, answer, f"rb:stop:{discord.ann['id']}:{asked}")
        await discord.until(lambda: bot.taken.waiting)
        for _ in range(20):
            await asyncio.sleep(0)
        assert discord.response(pressed) is None
        bot.taken.gate.set()
        await discord.until(lambda: discord.response(pressed))
        assert bot.taken.stops


@pytest.mark.parametrize("act", ["stop", "again"])
async def test_others_read_one_sentence_alone_and_do_nothing(redis: Redis, act: str) -> None:
    async with FakeDiscord() as discord, joined(discord, redis) as bot:
        asked, answer = answered(discord, discord.channel)
        discord.press(discord.bob, discord.channel, answer, f"rb:{act}:{discord.ann['id']}:{asked}")
        await discord.until(lambda: discord.seen_privately(discord.bob))
        assert discord.seen_privately(discord.bob) == [NOT_YOURS]
        assert (bot.taken.stops, again_of(bot)) == ([], [])


@pytest.mark.parametrize("rights", [MANAGE_MESSAGES, ADMINISTRATOR])
async def test_whoever_manages_messages_may_stop_anybodys_answer(redis: Redis, rights: int) -> None:
    async with FakeDiscord() as discord, joined(discord, redis) as bot:
        asked, answer = answered(discord, discord.channel)
        custom_id = f"rb:stop:{discord.ann['id']}:{asked}"
        discord.press(discord.bob, discord.channel, answer, custom_id, rights=rights)
        await discord.until(lambda: bot.taken.stops)
        assert bot.taken.stops[0].by.id == discord.bob["id"]


async def test_the_owner_of_a_thread_may_stop_answers_in_it(redis: Redis) -> None:
    async with FakeDiscord() as discord, joined(discord, redis) as bot:
        thread = discord.create_thread(discord.channel, discord.bob)
        asked, answer = answered(discord, thread)
        discord.press(discord.bob, thread, answer, f"rb:stop:{discord.ann['id']}:{asked}")
        await discord.until(lambda: bot.taken.stops)
        assert bot.taken.stops[0].place.thread == thread


async def test_a_thumb_up_is_anybodys_and_is_stored(redis: Redis) -> None:
    async with FakeDiscord() as discord, joined(discord, redis) as bot:
        asked, answer = answered(discord, discord.channel)
        pressed = discord.press(discord.bob, discord.channel, answer, f"rb:good:{discord.ann['id']}:{asked}")
        await discord.until(lambda: discord.response(pressed))
        assert discord.response(pressed) == {"type": 6}
        [feedback] = bot.services.feedbacks
        assert (feedback.good, feedback.message_id, feedback.author.id) == (True, answer, discord.bob["id"])


async def test_a_thumb_down_is_stored_and_asks_why(redis: Redis) -> None:
    async with FakeDiscord() as discord, joined(discord, redis) as bot:
        asked, answer = answered(discord, discord.channel)
        pressed = discord.press(discord.bob, discord.channel, answer, f"rb:bad:{discord.ann['id']}:{asked}")
        await discord.until(lambda: discord.response(pressed))
        form = discord.response(pressed)
        assert form
        assert form["type"] == 9
        assert form["data"]["components"][0]["component"]["required"] is False
        assert [(one.good, one.text) for one in bot.services.feedbacks] == [(False, "")]
        discord.fill(discord.bob, pressed, "too short")
        await discord.until(lambda: discord.seen_privately(discord.bob))
        assert discord.seen_privately(discord.bob) == [THANKS]
        last = bot.services.feedbacks[-1]
        assert (last.good, last.text, last.message_id) == (False, "too short", answer)


async def test_every_press_of_a_thumb_is_handed_on(redis: Redis) -> None:
    async with FakeDiscord() as discord, joined(discord, redis) as bot:
        asked, answer = answered(discord, discord.channel)
        for act in ("bad", "bad", "good"):
            pressed = discord.press(discord.bob, discord.channel, answer, f"rb:{act}:{discord.ann['id']}:{asked}")
            await discord.until(lambda pressed=pressed: discord.response(pressed))
        assert [one.good for one in bot.services.feedbacks] == [False, False, True]  # the core counts the same one once


async def test_a_reason_left_out_is_no_feedback(redis: Redis) -> None:
    async with FakeDiscord() as discord, joined(discord, redis) as bot:
        asked, answer = answered(discord, discord.channel)
        pressed = discord.press(discord.bob, discord.channel, answer, f"rb:bad:{discord.ann['id']}:{asked}")
        await discord.until(lambda: discord.response(pressed))
        discord.fill(discord.bob, pressed, "  ")
        await discord.until(lambda: discord.seen_privately(discord.bob))
        assert [one.text for one in bot.services.feedbacks] == [""]


@pytest.mark.parametrize("custom_id", ["x", "rb:stop", "rb:dance:1:2", "rb:stop:1:2:3"])
async def test_a_button_that_says_nothing_we_know_says_so(redis: Redis, custom_id: str) -> None:
    async with FakeDiscord() as discord, joined(discord, redis) as bot:
        _, answer = answered(discord, discord.channel)
        discord.press(discord.ann, discord.channel, answer, custom_id)
        await discord.until(lambda: discord.seen_privately(discord.ann))
        assert discord.seen_privately(discord.ann) == [OLD]
        assert bot.taken.stops == []


async def test_a_press_works_without_the_message_content_intent_and_in_a_direct_message(redis: Redis) -> None:
    async with FakeDiscord(content=False) as discord, joined(discord, redis) as bot:
        channel = discord.dm_channel(discord.ann)
        asked, answer = answered(discord, channel)
        discord.press(discord.ann, channel, answer, f"rb:stop:{discord.ann['id']}:{asked}")
        await discord.until(lambda: bot.taken.stops)
        assert bot.taken.stops[0].place.kind == "dm"
