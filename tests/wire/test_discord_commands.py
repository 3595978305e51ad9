"""Slash commands against the real adapter: what people are told, what the core is given, and when."""

from redis.asyncio import Redis

from tests.discord_interacting import joined
from tests.fakes.discord import FakeDiscord


async def test_a_question_by_command_is_deferred_for_its_author_alone_and_submitted_privately(redis: Redis) -> None:
    async with FakeDiscord() as discord, joined(discord, redis) as bot:
        asked = discord.command(discord.ann, "ask", discord.channel, question="why?")
        await discord.until(lambda: discord.response(asked))
        assert discord.response(asked) == {"type": 5, "data": {"flags": 64}}
        [mention] = bot.taken.mentions
        assert (mention.text, mention.private, mention.author.id) == ("why?", True, discord.ann["id"])
        await bot.platform.post(mention, "Because.", key="k/0", first=True)
        assert discord.seen_privately(discord.ann) == ["Because."]
