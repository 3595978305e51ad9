"""Mentions that were given up: the operator sees them, has them answered after all, or deletes them."""

from collections.abc import AsyncGenerator

import pytest
from redis.asyncio import Redis

from bot import store
from bot.inbox.letters import Letters
from bot.inbox.tally import Tally
from bot.sealing import Seal
from tests.core import Bench, core, lane_is_empty
from tests.fakes.completions import Text, status
from tests.mentions import deleted, edited, mention

SECRET = "what Ana wrote"


@pytest.fixture(params=["open", "sealed"])
def seal(request: pytest.FixtureRequest) -> Seal:
    return Seal([bytes(range(32))] if request.param == "sealed" else [])


@pytest.fixture
async def bench(redis: Redis, seal: Seal) -> AsyncGenerator[Bench]:
    async with core(redis, seal=seal) as made:
        yield made


async def given_up(bench: Bench) -> str:
    """One question that the model has refused, and the sentence that stands instead of its answer."""
    bench.server.answers = [status(404)]
    await bench.ask(mention(1, text=SECRET))
    (sentence,) = bench.platform.messages.values()
    return sentence


async def test_a_letter_tells_why_and_where_and_has_the_id_that_people_read(
    bench: Bench, redis: Redis, seal: Seal
) -> None:
    sentence = await given_up(bench)
    (letter,) = await Letters(redis, seal=seal).all()
    assert f"(id {letter.id})" in sentence
    assert (letter.why, letter.conversation) == ("invalid", "fake:W:C:t1")
    assert letter.at > 1_700_000_000
    assert SECRET not in repr(letter)


async def test_one_whose_question_is_deleted_afterwards_goes_and_no_other(
    bench: Bench, redis: Redis, seal: Seal
) -> None:
    await given_up(bench)
    bench.server.answers = [status(404)]
    await bench.ask(mention(11))  # the id of the other stands in this one
    for _ in range(2):  # a platform may deliver it twice
        await bench.inbox.submit(deleted(mention(1)))
    assert [one.event_id for one in await Letters(redis, seal=seal).all()] == ["fake:W:C:11"]


async def test_one_that_is_taken_up_again_is_answered_in_the_place_of_the_apology_and_accounted_for(
    bench: Bench, redis: Redis, seal: Seal
) -> None:
    await given_up(bench)
    letters = Letters(redis, seal=seal)
    (letter,) = await letters.all()
    assert await letters.retry(letter)
    assert not await letters.retry(letter)
    assert await letters.all() == []
    bench.server.answers = [Text("An answer.")]
    await bench.answer()
    assert list(bench.platform.messages.values()) == ["An answer."]
    assert bench.server.requests[-1].messages[-1]["content"].endswith(SECRET)
    assert await lane_is_empty(bench)
    balance = await Tally(redis)()
    assert (balance.accepted, balance.failed, balance.answered, balance.unaccounted) == (2, 1, 1, 0)


async def test_one_that_was_edited_is_taken_up_again_as_it_reads_now(bench: Bench, redis: Redis, seal: Seal) -> None:
    await given_up(bench)
    await bench.inbox.submit(edited(mention(1, text=SECRET), "what Ana meant"))
    letters = Letters(redis, seal=seal)
    (letter,) = await letters.all()
    assert (letter.why, letter.at > 1_700_000_000) == ("invalid", True)
    assert await letters.retry(letter)
    bench.server.answers = [Text("An answer.")]
    await bench.answer()
    assert list(bench.platform.messages.values()) == ["An answer."]
    assert bench.server.requests[-1].messages[-1]["content"].endswith("what Ana meant")


async def test_one_whose_turn_is_forgotten_is_answered_all_the_same(bench: Bench, redis: Redis, seal: Seal) -> None:
    await given_up(bench)
    letters = Letters(redis, seal=seal)
    (letter,) = await letters.all()
    await redis.delete(store.key("turn", letter.event_id))
    assert await letters.retry(letter)
    bench.server.answers = [Text("An answer.")]
    await bench.answer()
    assert "An answer." in bench.platform.messages.values()


async def test_one_that_is_dropped_is_gone_and_the_others_stay(bench: Bench, redis: Redis, seal: Seal) -> None:
    await given_up(bench)
    bench.server.answers = [status(404)]
    await bench.ask(mention(2, thread="t2"))
    letters = Letters(redis, seal=seal)
    second, first = await letters.all()
    assert await letters.drop(first)
    assert not await letters.drop(first)
    assert await letters.all() == [second]


@pytest.mark.parametrize("raw", ["", "[]", "{}", "[" * 5000, '{"event": 7, "at": "x", "why": null}'])
async def test_what_somebody_else_has_written_there_is_shown_and_can_be_dropped(redis: Redis, raw: str) -> None:
    await redis.execute_command("LPUSH", store.key("dead"), raw)
    await redis.expire(store.key("dead"), 60)
    letters = Letters(redis, seal=Seal())
    (letter,) = await letters.all()
    assert not await letters.retry(letter)
    assert await letters.drop(letter)
    assert await letters.all() == []


async def test_what_a_lost_key_seals_stays_in_the_list(bench: Bench, redis: Redis, seal: Seal) -> None:
    if not seal.enabled:
        pytest.skip("nothing is sealed")
    await given_up(bench)
    letters = Letters(redis, seal=Seal([bytes(32)]))
    (letter,) = await letters.all()
    assert not await letters.retry(letter)
    assert await letters.all() == [letter]
