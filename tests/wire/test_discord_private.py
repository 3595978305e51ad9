"""Private answers: where they are shown, how much of them, whom they ping, and what becomes of late ones."""

import time
from dataclasses import dataclass

import pytest
from redis.asyncio import Redis

from bot.errors import Ambiguous, Forbidden, RateLimited, Rejected, Unreachable
from bot.events import Mention
from tests.discord_interacting import Joined, joined
from tests.fakes.discord import FakeDiscord
from tests.fakes.discord.facts import Fault


@dataclass
class Clock:
    """The adapter's clock, which tests put forward."""

    ahead_s: float = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead_s


async def asked(discord: FakeDiscord, bot: Joined, channel: str | None = None) -> Mention:
    """Ann has asked privately, and waits."""
    one = discord.command(discord.ann, "ask", channel or discord.channel, question="why?")
    await discord.until(lambda: discord.response(one))
    return next(each for each in bot.taken.mentions if one in each.event_id)


async def post(bot: Joined, mention: Mention, text: str, number: int, *, recover: bool = False) -> str:
    key = f"{mention.event_id}/{number}"
    return await bot.platform.post(mention, text, key=key, first=number == 0, recover=recover)


async def test_the_first_part_replaces_the_deferred_response_and_the_others_follow_it(redis: Redis) -> None:
    async with FakeDiscord() as discord, joined(discord, redis) as bot:
        mention = await asked(discord, bot)
        ids = [await post(bot, mention, text, number) for number, text in enumerate(("one", "two", "three"))]
        assert discord.seen_privately(discord.ann) == ["one", "two", "three"]
        assert len(set(ids)) == 3
        assert all(body["flags"] & 64 for body in (one["body"] for one in discord.entries("follow_up")))
        assert discord.answers(discord.channel) == []


async def test_a_first_part_that_is_posted_again_stands_once(redis: Redis) -> None:
    async with FakeDiscord() as discord, joined(discord, redis) as bot:
        mention = await asked(discord, bot)
        ids = {await post(bot, mention, "one", 0, recover=recover) for recover in (False, True)}
        assert len(ids) == 1
        assert discord.seen_privately(discord.ann) == ["one"]


@pytest.mark.parametrize("late", [False, True])
async def test_nobody_but_the_asker_is_ever_pinged(redis: Redis, late: bool) -> None:
    clock = Clock()
    async with FakeDiscord() as discord, joined(discord, redis, now=clock) as bot:
        hostile = f"@everyone @here <@{discord.bob['id']}> <@&{discord.role}> <@{discord.ann['id']}>"
        mention = await asked(discord, bot)
        clock.ahead_s = 850.0 if late else 0.0
        for number in range(2):
            await post(bot, mention, hostile, number)
        posts = discord.entries("private_edit", "follow_up", "post", "edit")
        assert len(posts) >= 2
        for one in posts:
            assert set(one["pings"]) <= {discord.ann["id"]}
            assert one["body"]["allowed_mentions"]["parse"] == []
        for name in ("nonsense", "help"):
            discord.command(discord.ann, name, discord.channel)
        await discord.until(lambda: len(discord.entries("response")) == 3)
        bodies = [one["body"]["data"] for one in discord.entries("response") if one["body"]["type"] == 4]
        assert [one["allowed_mentions"] for one in bodies] == [{"parse": []}] * 2


async def test_an_answer_near_the_tokens_end_is_a_direct_message_that_stands_once(redis: Redis) -> None:
    clock = Clock()
    async with FakeDiscord() as discord, joined(discord, redis, now=clock) as bot:
        mention = await asked(discord, bot)
        clock.ahead_s = 850.0
        ids = {await post(bot, mention, "late", 0, recover=recover) for recover in (False, True)}
        assert len(ids) == 1
        assert [one["content"] for one in discord.answers(discord.dm_channel(discord.ann))] == ["late"]
        assert discord.seen_privately(discord.ann) == []


async def test_a_token_that_discord_no_longer_takes_makes_way_for_a_direct_message(redis: Redis) -> None:
    clock = Clock()
    async with FakeDiscord() as discord, joined(discord, redis, now=clock) as bot:
        mention = await asked(discord, bot)
        discord.age_tokens(1_000.0)
        clock.ahead_s = 60.0
        await post(bot, mention, "late", 0)
        assert [one["content"] for one in discord.answers(discord.dm_channel(discord.ann))] == ["late"]


async def test_a_direct_message_waits_where_too_many_were_opened_lately(redis: Redis) -> None:
    clock = Clock()
    async with FakeDiscord() as discord, joined(discord, redis, now=clock) as bot:
        mention = await asked(discord, bot)
        clock.ahead_s, discord.opens_too_fast = 850.0, True
        with pytest.raises(RateLimited):
            await post(bot, mention, "late", 0)
        discord.opens_too_fast = False
        await post(bot, mention, "late", 0)
        assert [one["content"] for one in discord.answers(discord.dm_channel(discord.ann))] == ["late"]


async def test_who_takes_no_direct_messages_is_given_up(redis: Redis) -> None:
    clock = Clock()
    async with FakeDiscord() as discord, joined(discord, redis, now=clock) as bot:
        discord.closed_dms.add(discord.ann["id"])
        mention = await asked(discord, bot)
        clock.ahead_s = 850.0
        with pytest.raises(Forbidden):
            await post(bot, mention, "late", 0)


async def test_an_answer_that_is_faster_than_its_acknowledgement_waits_for_it(redis: Redis) -> None:
    clock = Clock()
    async with FakeDiscord() as discord, joined(discord, redis, now=clock) as bot:
        discord.patience_s = -1.0
        discord.command(discord.ann, "ask", discord.channel, question="why?")
        await discord.until(lambda: bot.taken.mentions)
        [mention] = bot.taken.mentions
        clock.ahead_s = mention.sent_at - time.time()
        with pytest.raises(Unreachable):
            await post(bot, mention, "early", 0)
        clock.ahead_s += 60.0  # it never came: the person was told that the bot did not respond
        await post(bot, mention, "early", 0)
        assert [one["content"] for one in discord.answers(discord.dm_channel(discord.ann))] == ["early"]


@pytest.mark.parametrize("where", ["elsewhere", "group"])
async def test_where_the_bot_is_not_six_messages_are_shown_and_the_next_goes_to_the_person(
    redis: Redis, where: str
) -> None:
    async with FakeDiscord() as discord, joined(discord, redis) as bot:
        channel = discord.channel_elsewhere() if where == "elsewhere" else discord.group_dm()
        mention = await asked(discord, bot, channel)
        # The core ends an answer with one more message that says so.
        assert bot.platform.limits(mention).parts_max + 1 == 6
        for number in range(7):
            await post(bot, mention, f"part {number}", number)
        assert discord.seen_privately(discord.ann) == [f"part {number}" for number in range(6)]
        assert [one["content"] for one in discord.answers(discord.dm_channel(discord.ann))] == ["part 6"]
        assert [one for one in discord.entries("request") if channel in one["path"]] == []


async def test_nothing_is_typed_or_read_in_public_for_a_private_answer(redis: Redis) -> None:
    async with FakeDiscord() as discord, joined(discord, redis) as bot:
        mention = await asked(discord, bot, discord.channel_elsewhere())
        await bot.platform.working(mention, on=True)
        await bot.platform.working(mention, on=False)
        assert discord.entries("typing") == []
        assert mention.place.thread is None


@pytest.mark.parametrize("fault", ["reset_after", "cut_after", "500_after", "503_after"])
async def test_a_follow_up_whose_outcome_is_unclear_is_not_repeated_by_the_adapter(redis: Redis, fault: Fault) -> None:
    async with FakeDiscord() as discord, joined(discord, redis) as bot:
        mention = await asked(discord, bot)
        await post(bot, mention, "one", 0)
        discord.fail(fault, path="/webhooks")
        with pytest.raises(Ambiguous):
            await post(bot, mention, "two", 1)
        assert len(discord.entries("follow_up")) == 1


@pytest.mark.parametrize("fault", ["reset_after", "reset", 500, 503])
async def test_a_first_part_whose_outcome_is_unclear_may_be_tried_again(redis: Redis, fault: Fault) -> None:
    async with FakeDiscord() as discord, joined(discord, redis) as bot:
        mention = await asked(discord, bot)
        discord.fail(fault, method="PATCH", path="/webhooks")
        with pytest.raises(Unreachable):
            await post(bot, mention, "one", 0)
        await post(bot, mention, "one", 0, recover=True)
        assert discord.seen_privately(discord.ann) == ["one"]


async def test_a_limit_is_told_to_the_core_and_not_slept_through(redis: Redis) -> None:
    async with FakeDiscord() as discord, joined(discord, redis) as bot:
        mention = await asked(discord, bot)
        discord.retry_after_s = 7.0
        discord.fail(429, method="PATCH", path="/webhooks")
        with pytest.raises(RateLimited) as limited:
            await post(bot, mention, "one", 0)
        assert limited.value.retry_after_s == 7.0
        assert bot.platform.refused_calls[429] == 1


async def test_a_ban_by_the_edge_is_waited_out_for_as_long_as_it_says(redis: Redis) -> None:
    async with FakeDiscord() as discord, joined(discord, redis) as bot:
        mention = await asked(discord, bot)
        discord.via = False
        discord.fail(429, method="PATCH", path="/webhooks")
        with pytest.raises(RateLimited) as limited:
            await post(bot, mention, "one", 0)
        assert limited.value.retry_after_s == 7.0


async def test_a_text_that_discord_refuses_is_refused_and_sent_nowhere_else(redis: Redis) -> None:
    async with FakeDiscord() as discord, joined(discord, redis) as bot:
        mention = await asked(discord, bot)
        with pytest.raises(Rejected):
            await post(bot, mention, "x" * 2_001, 0)
        assert discord.answers(discord.dm_channel(discord.ann)) == []
