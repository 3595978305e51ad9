"""What messages cost on Discord that are nothing to the bot, and where it is remembered to have been spoken to."""

from typing import Any

import pytest
from redis.asyncio import Redis

from adapters.discord.incoming.directory import Directory
from adapters.discord.incoming.hearing import Hearing, Rules
from adapters.discord.incoming.intake import Intake
from adapters.discord.incoming.lines import Lines
from adapters.discord.incoming.lookup import Lookup
from adapters.discord.incoming.marks import DOUBTED_S, Marks
from adapters.discord.incoming.opening import Opening
from bot.events import Event, Place
from tests.fakes.services import FakeServices
from tests.unit.test_discord_parse import BOB, BOT, CHANNEL, GUILD, message, user

HERE = Place("discord", GUILD, CHANNEL, None, "channel")


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def submit(event: Event) -> None:
    raise AssertionError(event)


def hearing(directory: Directory, intake: Intake, marks: Marks, *, free: frozenset[str] = frozenset()) -> Hearing:
    """A hearing whose ways to Discord must not be taken."""
    nowhere: Any = None
    return Hearing(
        Rules(free=free),
        intake,
        directory,
        lookup=Lookup(nowhere, directory),
        opening=Opening(nowhere, directory, where="on"),
        marks=marks,
        lines=Lines(nowhere, marks),
        services=lambda: None,
        submit=lambda: submit,
    )


@pytest.mark.parametrize("kind", ["known", "doubted"])
async def test_a_message_that_is_not_for_the_bot_waits_for_nothing_and_is_through_at_once(
    redis: Redis, kind: str
) -> None:
    directory, intake, services = Directory(), Intake(), FakeServices(redis)
    directory.own_id = BOT
    marks = Marks(lambda: services.shared)
    if kind == "known":
        directory.learn({"id": CHANNEL, "type": 0, "name": "general", "guild_id": GUILD})
    else:
        assert not await marks.known(HERE)
    ears, payload = hearing(directory, intake, marks), message("just talking", mentions=[user(BOB, "bob")])
    through: list[None] = []
    ears.created(payload, lambda: through.append(None))
    assert (len(through), intake.waiting) == (1, 0)


@pytest.mark.parametrize(
    ("event", "payload"),
    [
        ("updated", message(edited_timestamp=None)),
        ("deleted", {"id": "1"}),
        ("deleted", {}),
        ("created", {}),
        ("updated", {"embeds": []}),
    ],
)
async def test_what_is_nothing_is_through_at_once(event: str, payload: dict[str, Any]) -> None:
    directory, intake = Directory(), Intake()
    directory.own_id = BOT
    through: list[None] = []
    getattr(hearing(directory, intake, Marks(lambda: None)), event)(payload, lambda: through.append(None))
    assert (len(through), intake.waiting) == (1, 0)


class TestNotes:
    async def test_of_where_the_bot_was_spoken_to_are_shared_by_all_processes(self, redis: Redis) -> None:
        one, other = Marks(lambda: FakeServices(redis).shared), Marks(lambda: FakeServices(redis).shared)
        await one.join(HERE)
        assert await other.known(HERE)
        assert not await other.known(Place("discord", GUILD, "6001", None, "channel"))

    async def test_a_no_is_doubted_soon_and_at_once_where_somebody_speaks_to_it(self, redis: Redis) -> None:
        clock, services = Clock(), FakeServices(redis)
        one, other = Marks(lambda: services.shared, clock=clock), Marks(lambda: services.shared, clock=clock)
        assert not await one.known(HERE)
        await other.join(HERE)
        assert one.remembered(HERE) is False
        clock.now += DOUBTED_S
        assert await one.known(HERE)

    async def test_what_was_expected_is_asked_about_again(self, redis: Redis) -> None:
        clock, services = Clock(), FakeServices(redis)
        one, other = Marks(lambda: services.shared, clock=clock), Marks(lambda: services.shared, clock=clock)
        assert not await one.known(HERE)
        await other.join(HERE)
        one.expect(HERE)
        assert await one.known(HERE)

    async def test_without_shared_state_every_place_may_be_one(self) -> None:
        marks = Marks(lambda: None)
        assert await marks.known(HERE)
        async with marks.first("x:discord:1", workspace="1", ttl_s=1) as first:
            assert first
