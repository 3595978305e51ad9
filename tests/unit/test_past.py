"""What others say in a thread without the bot's name is known to it when it is mentioned there again, and only then."""

import json
import time
from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from bot import store
from bot.errors import Forbidden, PlatformError, RateLimited
from bot.events import Message
from bot.inbox.accepting import MISSED_MAX
from bot.inbox.forgetting import Forgetting
from tests.core import Bench, core
from tests.fakes.completions import Text
from tests.mentions import ANA, BEN, mention, stop
from tests.running import always

MISSED = "missed:fake:W:C:t1"


@pytest.fixture
async def bench(redis: Redis) -> AsyncGenerator[Bench]:
    async with core(redis) as made:
        made.server.default = always(Text("An answer."))
        yield made


async def talks(bench: Bench, number: int, text: str, *, sent_at: float | None = None) -> None:
    """Ben says something in the thread that is not for the bot."""
    one = mention(number, text=text, author=BEN, addressed=False, sent_at=sent_at)
    assert isinstance(bench.platform.earlier, list)
    bench.platform.earlier.append(Message("user", BEN, text, one.message_id, one.sent_at))
    assert await bench.inbox.submit(one) == "ignored"


def told(bench: Bench) -> str:
    """What the model was told last."""
    return json.dumps(bench.server.requests[-1].messages)


async def test_what_others_said_since_is_read_at_the_next_mention_and_kept(bench: Bench) -> None:
    bench.platform.earlier = []
    await bench.ask(mention(1, text="first"))
    await talks(bench, 2, "the port is 8081")
    await talks(bench, 3, "and the host is ares")
    for number in (4, 5):
        await bench.ask(mention(number, text="write the config"))
        assert [told(bench).count(word) for word in ("first", "8081", "ares")] == [1, 1, 1]
        bench.platform.earlier = []  # what was read once is remembered


async def test_nothing_is_read_where_nothing_was_missed(bench: Bench) -> None:
    await bench.ask(mention(1))
    bench.platform.earlier = Forbidden("never asked")
    await bench.ask(mention(2))
    assert not any("could not read" in text for text in bench.platform.messages.values())


async def test_what_the_history_has_and_what_the_bot_said_do_not_come_back(bench: Bench) -> None:
    bench.platform.earlier = []
    await bench.ask(mention(1, text="first"))
    await talks(bench, 2, "the port is 8081")
    bench.platform.earlier.append(Message("assistant", BEN, "not kept: Sorry", "3", 3.0))
    await bench.ask(mention(4, text="second"))
    await talks(bench, 0, "late")  # written before all of that, and delivered now
    bench.platform.earlier.append(Message("user", ANA, "second", "4", 4.0))
    await bench.ask(mention(5, text="again"))
    assert [told(bench).count(word) for word in ("8081", "not kept", "second", "late")] == [1, 0, 1, 1]


async def test_what_comes_while_an_answer_is_written_is_read_at_the_next_one(bench: Bench) -> None:
    bench.platform.earlier = []
    await bench.ask(mention(1))
    await talks(bench, 2, "the port is 8081")
    await bench.inbox.submit(mention(3))
    (claim,), _ = await bench.inbox.claim(1)
    await talks(bench, 4, "no, 8082")
    bench.platform.earlier, later = bench.platform.earlier[:1], bench.platform.earlier
    await bench.handler(claim)
    assert "8082" not in told(bench)
    bench.platform.earlier = later
    await bench.ask(mention(5))
    assert [told(bench).count(word) for word in ("8081", "8082")] == [1, 1]


async def test_what_comes_while_a_mention_waits_is_read_at_the_next_one(bench: Bench) -> None:
    bench.platform.earlier = []
    await bench.inbox.submit(mention(1))
    await talks(bench, 2, "the port is 8081")
    await bench.inbox.submit(mention(3))
    await talks(bench, 4, "and the host is ares")
    await bench.inbox.submit(mention(5))
    seen: list[list[int]] = []
    for _ in range(3):
        await bench.answer()
        seen.append([told(bench).count(word) for word in ("8081", "ares")])
    assert seen == [[0, 0], [1, 0], [1, 1]]


async def test_what_was_said_before_a_thread_was_forgotten_stays_forgotten(bench: Bench, redis: Redis) -> None:
    """Also where it comes again, as Slack repeats what was not acknowledged, and a catch-up what it reads."""
    bench.platform.earlier = []
    await bench.ask(mention(1, text="first"))
    await talks(bench, 2, "the port is 8081")
    assert await Forgetting(redis).conversation("fake:W:C:t1")
    assert await bench.inbox.submit(mention(2, author=BEN, addressed=False)) == "ignored"
    await talks(bench, 3, "hello all", sent_at=time.time() + 60)
    await bench.ask(mention(4, sent_at=time.time() + 120))
    assert [told(bench).count(word) for word in ("first", "8081", "hello all")] == [0, 0, 1]


@pytest.mark.parametrize(("why", "left"), [(Forbidden("no"), 0), (RateLimited("later", retry_after_s=55), 1)])
async def test_what_cannot_be_read_keeps_no_answer_back(
    bench: Bench, redis: Redis, why: PlatformError, left: int
) -> None:
    """And is tried again at the next mention where it may go by."""
    bench.platform.earlier = []
    await bench.ask(mention(1))
    await talks(bench, 2, "the port is 8081")
    bench.platform.earlier = why
    await bench.ask(mention(3))
    assert bench.answered() == 2
    assert await redis.zcard(store.key(MISSED)) == left


async def test_no_more_is_noted_than_is_read(bench: Bench, redis: Redis) -> None:
    bench.platform.earlier = []
    await bench.ask(mention(1))
    for number in range(100, 100 + MISSED_MAX + 7):
        await talks(bench, number, f"line {number}")
    missed = await redis.zrange(store.key(MISSED), 0, -1)
    assert missed == [str(number) for number in range(107, 107 + MISSED_MAX)]
    assert await redis.ttl(store.key(MISSED)) > 0


async def test_a_private_question_takes_nothing_from_the_next_public_one(bench: Bench) -> None:
    bench.platform.earlier = []
    await bench.ask(mention(1))
    await talks(bench, 2, "the port is 8081")
    await bench.ask(replace(mention(3, text="summarize"), private=True))
    await bench.ask(mention(4))
    assert told(bench).count("8081") == 1


async def test_a_thread_whose_first_answer_was_stopped_is_read_all_the_same(bench: Bench) -> None:
    bench.platform.earlier = [Message("user", BEN, "the port is 8081", "0", 0.0)]
    await bench.inbox.submit(mention(1))
    await bench.inbox.submit(stop())
    await bench.answer()
    await bench.ask(mention(2))
    assert told(bench).count("8081") == 1


async def test_a_thread_is_read_also_where_the_worker_that_read_it_died(bench: Bench, redis: Redis) -> None:
    bench.platform.earlier = [Message("user", BEN, "the port is 8081", "0", 0.0)]
    await bench.inbox.submit(mention(1))
    (claim,), _ = await bench.inbox.claim(1)
    await bench.inbox.note_answer(claim, "An answer.")
    await redis.zadd(store.key("ready"), {claim.conversation: 1}, xx=True)
    await bench.answer()
    await bench.ask(mention(2))
    assert told(bench).count("8081") == 1


async def test_nothing_is_read_below_a_private_answer_that_was_not_asked_for(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody asks later there; and Slack may allow one call in a minute."""
    bench.platform.earlier = Forbidden("never asked")
    private = replace(mention(1), private=True)
    await bench.inbox.submit(private)
    (claim,), _ = await bench.inbox.claim(1)
    claim.end(stopped=ANA)
    await bench.handler(claim)
    assert bench.answered("stopped") == 1
    assert "backfill_failed" not in caplog.messages
