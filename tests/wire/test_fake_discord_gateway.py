"""The fake gateway refuses what Discord refuses: else the tests of the adapter would prove nothing."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from tests.fakes.discord import FakeDiscord
from tests.fakes.discord.gateway import GUILD_MESSAGES


@pytest.fixture
async def fake() -> AsyncIterator[FakeDiscord]:
    async with FakeDiscord() as running:
        yield running


class Peer:
    """A client that does what it is told."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse, token: str) -> None:
        self.ws = ws
        self.token = token

    async def send(self, op: int, data: Any) -> None:
        await self.ws.send_json({"op": op, "d": data})

    async def identify(self, shard: tuple[int, int] = (0, 1)) -> None:
        await self.send(2, {"token": self.token, "intents": GUILD_MESSAGES, "shard": shard})

    async def resume(self, session: str, number: int) -> None:
        await self.send(6, {"token": self.token, "session_id": session, "seq": number})

    async def answer(self) -> Any:
        """The next frame, without beats; the code where it was closed."""
        while True:
            message = await self.ws.receive(timeout=10)
            if message.type is not aiohttp.WSMsgType.TEXT:
                return self.ws.close_code
            frame = json.loads(message.data)
            if frame["op"] not in (10, 11):
                return frame

    async def session(self) -> str:
        """The session of a READY."""
        frame = await self.answer()
        assert frame["t"] == "READY", frame
        return frame["d"]["session_id"]


@asynccontextmanager
async def peer(fake: FakeDiscord) -> AsyncGenerator[Peer]:
    async with aiohttp.ClientSession() as session, session.ws_connect(fake.gateway.url) as ws:
        yield Peer(ws, fake.token)


async def left(fake: FakeDiscord, times: int = 1) -> None:
    await fake.until(lambda: len(fake.entries("left")) >= times)


async def test_a_second_identify_within_five_seconds_is_refused_by_its_bucket(fake: FakeDiscord) -> None:
    fake.gateway.max_concurrency = 2
    for shard, refused in (((0, 4), False), ((1, 4), False), ((2, 4), True)):
        async with peer(fake) as one:
            await one.identify(shard)
            assert ((await one.answer())["op"] == 9) is refused
    fake.gateway.skipped_s += 6
    async with peer(fake) as one:
        await one.identify((2, 4))
        await one.session()


async def test_one_identify_too_many_in_a_day_costs_the_token(fake: FakeDiscord) -> None:
    fake.gateway.starts_a_day = 2
    for expected in ("READY", "READY", 4004, 4004):
        fake.gateway.skipped_s += 6
        async with peer(fake) as one:
            await one.identify()
            answer = await one.answer()
            assert answer == expected if isinstance(expected, int) else answer["t"] == expected
    assert len(fake.entries("token_reset")) == 1


@pytest.mark.parametrize("shard", [(1, 1), (-1, 2), (2, 2)])
async def test_a_shard_that_does_not_exist_is_refused(fake: FakeDiscord, shard: tuple[int, int]) -> None:
    async with peer(fake) as one:
        await one.identify(shard)
        assert await one.answer() == 4010


async def test_a_shard_of_too_many_servers_is_refused(fake: FakeDiscord) -> None:
    fake.guilds += [str(number << 22) for number in range(2_500)]
    async with peer(fake) as one:
        await one.identify()
        assert await one.answer() == 4011
    fake.gateway.skipped_s += 6
    async with peer(fake) as one:
        await one.identify((0, 2))
        await one.session()


async def test_a_resume_replays_what_was_sent_since_and_no_more(fake: FakeDiscord) -> None:
    async with peer(fake) as one:
        await one.identify()
        session = await one.session()
        await one.ws.close(code=4000)
    await left(fake)
    before = fake.gateway.sessions[session].sequence
    fake.say(fake.channel, fake.ann, "meanwhile")
    async with peer(fake) as two:
        await two.resume(session, before)
        frames = [await two.answer() for _ in range(2)]
    assert [frame["t"] for frame in frames] == ["MESSAGE_CREATE", "RESUMED"]
    assert [frame["s"] for frame in frames] == [before + 1, before + 2]


async def test_a_number_that_was_never_sent_is_refused(fake: FakeDiscord) -> None:
    async with peer(fake) as one:
        await one.identify()
        session = await one.session()
        await one.ws.close(code=4000)
    async with peer(fake) as two:
        await two.resume(session, 10_000)
        assert await two.answer() == 4007


@pytest.mark.parametrize("code", [1000, 1001])
async def test_a_session_that_was_closed_for_good_cannot_be_resumed(fake: FakeDiscord, code: int) -> None:
    async with peer(fake) as one:
        await one.identify()
        session = await one.session()
        await one.ws.close(code=code)
    await left(fake)
    async with peer(fake) as two:
        await two.resume(session, 1)
        assert await two.answer() == {"op": 9, "d": False}


async def test_a_session_lives_as_long_as_it_is_kept_and_what_was_acknowledged_is_not_replayed(
    fake: FakeDiscord,
) -> None:
    async with peer(fake) as one:
        await one.identify()
        session = await one.session()
        await one.send(1, 2)
        await fake.until(lambda: fake.gateway.sessions[session].acknowledged == 2)
        await one.ws.close(code=4000)
    await left(fake)
    async with peer(fake) as two:
        await two.resume(session, 1)
        assert await two.answer() == {"op": 9, "d": False}
    fake.gateway.skipped_s += 6
    async with peer(fake) as one:
        await one.identify()
        session = await one.session()
        await one.ws.close(code=4000)
    await left(fake, 2)
    fake.gateway.skipped_s += fake.gateway.kept_s
    async with peer(fake) as two:
        await two.resume(session, 2)
        assert await two.answer() == {"op": 9, "d": False}
