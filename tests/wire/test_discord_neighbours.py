"""Two workers write in one channel: their live texts take turns, and nothing holds a final text up."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack

import pytest
from redis.asyncio import Redis

from adapters.discord.adapter import DiscordPlatform
from bot.answer.reply import Reply
from bot.errors import Busy, StoreError
from bot.events import Delta
from tests.discord_asking import asked, shown
from tests.fakes.discord import FakeDiscord
from tests.fakes.discord_bot import settings
from tests.fakes.services import FakeServices

WORDS = tuple(f"word{number} " for number in range(40))


@pytest.fixture
async def workers(fake: FakeDiscord, redis: Redis) -> AsyncGenerator[Sequence[DiscordPlatform]]:
    async with AsyncExitStack() as stack:
        found = [DiscordPlatform(settings(fake)) for _ in range(2)]
        for one in found:
            one.use(FakeServices(redis))
            await one.open()
            stack.push_async_callback(one.aclose)
        yield found


async def test_live_texts_of_two_processes_earn_no_429(fake: FakeDiscord, workers: Sequence[DiscordPlatform]) -> None:
    async def note(_number: int, _message_id: str) -> None: ...

    async def deltas() -> AsyncGenerator[Delta, None]:
        for word in WORDS:
            yield Delta(word)
            await asyncio.sleep(0.15)

    replies = [Reply(one, asked(fake), parts={}, note_part=note, guard=lambda: None, recover=False) for one in workers]
    await asyncio.gather(*(reply.stream(deltas()) for reply in replies))
    assert fake.entries("limited") == []
    for reply in replies:
        await reply.finish("".join(WORDS).strip(), deadline=asyncio.get_running_loop().time() + 30)
    assert shown(fake) == ["".join(WORDS).strip()] * 2
    assert fake.entries("edit")


async def test_a_live_text_waits_for_the_other_process_and_a_final_one_does_not(
    fake: FakeDiscord, workers: Sequence[DiscordPlatform]
) -> None:
    mentions = [asked(fake) for _ in workers]
    keys = [
        await one.post(mention, "h", key=mention.event_id, first=True, stage="growing")
        for one, mention in zip(workers, mentions, strict=True)
    ]
    await workers[0].edit(mentions[0], keys[0], "live", stage="growing")
    with pytest.raises(Busy) as busy:
        await workers[1].edit(mentions[1], keys[1], "live too", stage="growing")
    assert 0 < busy.value.retry_after_s <= 1.2
    await workers[1].edit(mentions[1], keys[1], "ended")
    assert shown(fake) == ["live", "ended"]


async def test_without_redis_live_text_goes_on(
    fake: FakeDiscord, workers: Sequence[DiscordPlatform], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def down(*_: object, **__: object) -> float:
        raise StoreError("down")

    monkeypatch.setattr("bot.shared.RedisShared.spend", down)
    mention = asked(fake)
    key = await workers[0].post(mention, "h", key="k", first=True, stage="growing")
    for text in ("one", "two"):
        await workers[0].edit(mention, key, text, stage="growing")
    assert shown(fake) == ["two"]
