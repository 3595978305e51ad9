"""Which places a shard remembers, so that what was missed there can be read."""

from adapters.discord.gateway.sessions import Shard
from adapters.discord.gateway.talked import PLACES_MAX, Talk, Talked

ALL = Shard(0, 1)


def channel(number: int) -> Talk:
    return Talk(f"c{number}", "1", None)


def direct(number: int) -> Talk:
    return Talk(f"d{number}", "", None)


async def noted(*talks: Talk) -> Talked:
    talked = Talked(None, application_id="1")
    for talk in talks:
        talked.note(talk, addressed=True)
    await talked.save(ALL)
    return talked


async def test_busy_channels_do_not_push_out_direct_messages() -> None:
    talked = await noted(direct(1), *(channel(number) for number in range(2 * PLACES_MAX)))
    assert direct(1) in talked.of(ALL)
    assert len(talked.of(ALL)) == PLACES_MAX + 1


async def test_of_each_kind_the_latest_are_remembered() -> None:
    talked = await noted(*map(direct, range(PLACES_MAX + 1)), *map(channel, range(PLACES_MAX + 1)), direct(1))
    kept = talked.of(ALL)
    assert len(kept) == 2 * PLACES_MAX
    assert {direct(1), direct(PLACES_MAX), channel(PLACES_MAX), channel(1)} <= set(kept)
    assert not {direct(0), channel(0)} & set(kept)


async def test_where_nobody_spoke_to_the_bot_nothing_is_remembered() -> None:
    talked = Talked(None, application_id="1")
    talked.note(channel(1), addressed=False)
    assert talked.of(ALL) == ()


async def test_only_a_place_that_is_not_known_is_news() -> None:
    talked = Talked(None, application_id="1")
    assert [talked.note(direct(1), addressed=named) for named in (False, True, True, False)] == [
        False,
        True,
        False,
        False,
    ]


async def test_direct_messages_are_the_first_shards() -> None:
    talked = await noted(direct(1), Talk("c", str(1 << 22), None))
    assert [talk.channel for talk in talked.of(Shard(0, 2))] == ["d1"]
    assert [talk.channel for talk in talked.of(Shard(1, 2))] == ["c"]
