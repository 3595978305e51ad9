"""Several workers write in one channel: live texts take turns and make room, and nothing holds a final text up."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Literal

import pytest
from redis.asyncio import Redis

from adapters.discord.adapter import DiscordPlatform
from adapters.discord.answers import neighbours
from bot.answer.reply import Reply
from bot.errors import Busy, StoreError
from bot.events import Delta, Mention
from tests.discord_asking import asked, shown
from tests.fakes.discord import FakeDiscord
from tests.fakes.discord_bot import settings
from tests.fakes.services import FakeServices

WORDS = tuple(f"word{number} " for number in range(40))
WHOLE = "".join(WORDS).strip()

PATIENT_S = 600.0


@pytest.fixture
async def workers(fake: FakeDiscord, redis: Redis) -> AsyncGenerator[Sequence[DiscordPlatform]]:
    async with AsyncExitStack() as stack:
        found = [DiscordPlatform(settings(fake)) for _ in range(2)]
        for one in found:
            one.use(FakeServices(redis))
            await one.open()
            stack.push_async_callback(one.aclose)
        yield found


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next edit is granted so late that no slow machine gets there."""
    monkeypatch.setattr(neighbours, "PER_MINUTE", 60 / PATIENT_S)
    monkeypatch.setattr(neighbours, "FIRST_WITHIN_S", PATIENT_S)


async def begun(fake: FakeDiscord, workers: Sequence[DiscordPlatform]) -> tuple[list[Mention], list[str]]:
    """An answer each of two workers, and the ids of their first messages."""
    mentions = [asked(fake) for _ in range(2)]
    keys = [
        await one.post(mention, "h", key=mention.event_id, first=True, stage="growing")
        for one, mention in zip(workers, mentions, strict=True)
    ]
    return mentions, keys


async def grown(fake: FakeDiscord, worker: DiscordPlatform) -> Reply:
    """An answer whose model has spoken for six seconds; its final text is still to be written."""

    async def note(_number: int, _message_id: str) -> None: ...

    async def deltas() -> AsyncGenerator[Delta, None]:
        for word in WORDS:
            yield Delta(word)
            await asyncio.sleep(0.15)

    reply = Reply(worker, asked(fake), parts={}, note_part=note, guard=lambda: None, recover=False)
    await reply.stream(deltas())
    return reply


async def end(reply: Reply) -> None:
    await reply.finish(WHOLE, deadline=asyncio.get_running_loop().time() + 60)


async def test_live_texts_of_two_processes_earn_no_429(fake: FakeDiscord, workers: Sequence[DiscordPlatform]) -> None:
    replies = await asyncio.gather(*(grown(fake, one) for one in workers))
    assert fake.entries("edit")
    assert fake.entries("limited") == []
    for reply in replies:
        await end(reply)
    assert shown(fake) == [WHOLE] * 2


async def test_a_live_text_waits_for_the_other_process_and_a_final_one_does_not(
    fake: FakeDiscord, workers: Sequence[DiscordPlatform], patient: None
) -> None:
    mentions, keys = await begun(fake, workers)
    await workers[0].edit(mentions[0], keys[0], "live", stage="growing")
    with pytest.raises(Busy) as busy:
        await workers[1].edit(mentions[1], keys[1], "live too", stage="growing")
    assert 0 < busy.value.retry_after_s <= PATIENT_S
    await workers[1].edit(mentions[1], keys[1], "ended")
    assert shown(fake) == ["live", "ended"]


async def test_a_live_text_makes_room_for_final_texts_of_the_other_process(
    fake: FakeDiscord, workers: Sequence[DiscordPlatform], patient: None
) -> None:
    mentions, keys = await begun(fake, workers)
    for text in ("ended", "ended otherwise"):
        await workers[1].edit(mentions[1], keys[1], text)
    with pytest.raises(Busy) as busy:
        await workers[0].edit(mentions[0], keys[0], "live", stage="growing")
    assert PATIENT_S < busy.value.retry_after_s <= 2 * PATIENT_S
    assert shown(fake) == ["h", "ended otherwise"]


@pytest.mark.parametrize("kind", ["thread", "dm"])
async def test_where_one_process_writes_at_a_time_redis_is_not_asked(
    fake: FakeDiscord, redis: Redis, workers: Sequence[DiscordPlatform], kind: Literal["thread", "dm"], patient: None
) -> None:
    mention = asked(fake)
    mention = replace(mention, place=replace(mention.place, kind=kind))
    key = await workers[0].post(mention, "h", key="k", first=True, stage="growing")
    for text in ("one", "two"):
        await workers[0].edit(mention, key, text, stage="growing")
    assert shown(fake) == ["two"]
    assert await redis.keys("*:budget:*") == []


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


async def test_a_redis_that_does_not_answer_holds_no_final_text_up(
    fake: FakeDiscord, workers: Sequence[DiscordPlatform], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent(*_: object, **__: object) -> float:
        await asyncio.Event().wait()
        return 0.0

    monkeypatch.setattr("bot.shared.RedisShared.spend", silent)
    mention = asked(fake)
    key = await workers[0].post(mention, "h", key="k", first=True, stage="growing")
    async with asyncio.timeout(30):
        await workers[0].edit(mention, key, "ended")
    assert shown(fake) == ["ended"]
