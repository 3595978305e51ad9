"""What a dead worker left, between any two steps, is taken up by the next one: nothing stands twice, nothing stays."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from redis.asyncio import Redis

from bot import store
from bot.errors import StoreError, Throttled
from bot.events import Event, Message
from bot.handler import Handler
from bot.inbox.claim import Claim
from bot.inbox.inbox import Inbox
from tests.core import Bench, core
from tests.fakes.completions import Text
from tests.fakes.platform import FakePlatform, FakeUploads
from tests.mentions import deleted, edited, mention, stop


async def claimed(bench: Bench) -> Claim:
    (claim,), _ = await bench.inbox.claim(1)
    return claim


async def lapsed(redis: Redis, claim: Claim) -> None:
    """The claim's worker is dead: its lease runs out."""
    await redis.zadd(store.key("ready"), {claim.conversation: 1}, xx=True)


async def test_a_stop_that_its_worker_did_not_hear_ends_the_back_off(redis: Redis) -> None:
    async with core(redis) as bench:
        await bench.inbox.submit(mention(1))
        claim = await claimed(bench)
        await bench.inbox.submit(stop())
        await bench.inbox.again(claim, delay_s=claim.back_off_s(Throttled("429", retry_after_s=300)))
        assert (await claimed(bench)).stopped


async def test_a_deletion_that_its_worker_did_not_hear_ends_the_back_off(redis: Redis) -> None:
    async with core(redis) as bench:
        await bench.inbox.submit(mention(1))
        claim = await claimed(bench)
        await bench.inbox.submit(deleted(mention(1)))
        await bench.inbox.again(claim, delay_s=300)
        assert (await claimed(bench)).withdrawn


@pytest.mark.parametrize("wish", [stop(), deleted(mention(1))])
async def test_a_wish_to_end_that_cannot_be_met_now_waits_for_its_back_off(redis: Redis, wish: Event) -> None:
    """Due at once is what an attempt did not begin with: else it comes a thousand times a second."""
    async with core(redis) as bench:
        await bench.inbox.submit(mention(1))
        claim = await claimed(bench)
        await bench.inbox.submit(wish)
        await bench.inbox.again(claim, delay_s=300)
        await bench.inbox.again(await claimed(bench), delay_s=300)
        claims, next_due_s = await bench.inbox.claim(1)
        assert claims == []
        assert next_due_s == pytest.approx(300, abs=10)


async def test_a_deleted_question_takes_along_what_a_dead_worker_posted_and_did_not_note(redis: Redis) -> None:
    async with core(redis) as bench:
        one = mention(1)
        await bench.inbox.submit(one)
        claim = await claimed(bench)
        await bench.platform.post(one, "half", key=f"{one.event_id}/0", first=True)
        await lapsed(redis, claim)
        await bench.inbox.submit(deleted(one))
        await bench.answer()
        assert bench.platform.messages == {}


async def test_a_later_message_that_a_dead_worker_did_not_note_does_not_stay_below_a_shorter_answer(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the post of the second message and its note; the model then says less."""
    async with core(redis) as bench:
        bench.server.answers = [Text("word " * 60), Text("Short.")]
        noted = Inbox.note_part

        async def killed(self: Inbox, claim: Claim, part: int, message_id: str) -> None:
            if part == 1 and message_id:
                raise asyncio.CancelledError
            await noted(self, claim, part, message_id)

        monkeypatch.setattr(Inbox, "note_part", killed)
        await bench.inbox.submit(mention(1))
        claim = await claimed(bench)
        with pytest.raises(asyncio.CancelledError):
            await bench.handler(claim)
        assert len(bench.platform.messages) == 2
        monkeypatch.undo()
        await redis.hdel(store.key("turn", claim.event_id), "answer")  # pyright: ignore[reportGeneralTypeIssues] -- redis-py's union
        await lapsed(redis, claim)
        await bench.answer()
        assert list(bench.platform.messages.values()) == ["Short."]


async def test_a_file_of_what_was_said_before_the_question_was_edited_gives_way_to_a_new_one(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with core(redis) as bench:
        platform = FakeUploads(bounds=bench.platform.bounds)
        handler = Handler(bench.handler.means, {"fake": platform})
        bench.server.answers = [Text("Old words. " * 200), Text("New words. " * 200)]
        await bench.inbox.submit(mention(1))
        claim = await claimed(bench)
        done = bench.inbox.done

        async def down(*_: Any, **__: Any) -> bool:
            raise StoreError("down")

        monkeypatch.setattr(bench.inbox, "done", down)
        with pytest.raises(StoreError):
            await handler(claim)
        monkeypatch.setattr(bench.inbox, "done", done)
        await bench.inbox.submit(edited(mention(1), "another question"))
        await lapsed(redis, claim)
        await handler(await claimed(bench))
        (text,) = platform.files.values()
        assert text.startswith("New words.")


class Watched(FakePlatform):
    """Notes what is said of the work on a mention."""

    signs: list[bool]

    async def working(self, mention: Any, *, on: bool) -> None:
        self.signs.append(on)


@pytest.mark.parametrize("how", ["answered", "given up", "deleted"])
async def test_the_sign_is_taken_away_before_the_settlement(
    redis: Redis, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Whoever dies after the settlement leaves nothing behind that nobody would take away."""
    async with core(redis) as bench:
        platform = Watched(bounds=bench.platform.bounds)
        platform.signs = []
        handler = Handler(bench.handler.means, {"fake": platform})
        settled = bench.inbox.done
        stood: list[bool] = []

        async def done(claim: Claim, messages: Sequence[Message] = (), **more: Any) -> bool:
            stood.append(platform.signs[-1])
            return await settled(claim, messages, **more)

        monkeypatch.setattr(bench.inbox, "done", done)
        await bench.inbox.submit(mention(1))
        claim = await claimed(bench)
        if how == "given up":
            claim.tries = 6
        if how == "deleted":
            claim.withdrawn = True
        await handler(claim)
        assert stood == [False]
