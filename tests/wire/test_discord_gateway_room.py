"""What cannot be taken yet stays with Discord: nothing is dropped, no live connection is taken for a dead one."""

import asyncio
from dataclasses import replace

import pytest

from adapters.discord.gateway.plan import Paces
from bot.events import Mention
from tests.discord_processes import Once
from tests.fakes.discord import FakeDiscord
from tests.fakes.discord_bot import hearing


class Gated(Once):
    """Takes nothing while it is shut; probes pass."""

    def __init__(self) -> None:
        super().__init__()
        self.open = asyncio.Event()
        self.open.set()
        self.waiting = 0

    async def submit(self, mention: Mention) -> None:
        self.waiting += 1
        await self.open.wait()
        await super().submit(mention)


async def test_a_full_intake_leaves_frames_unread_and_heartbeats_go_on(
    fake: FakeDiscord, caplog: pytest.LogCaptureFixture
) -> None:
    fake.gateway.heartbeat_s = 0.1
    heard = Gated()
    async with hearing(fake, heard, waiting_max=4) as platform:
        heard.open.clear()
        beats = fake.gateway.beats
        sent = [fake.mention(fake.add_channel(str(at)), fake.ann, str(at)) for at in range(40)]
        await fake.until(lambda: fake.gateway.beats > beats + 10)
        assert heard.waiting <= 4 + 1
        assert platform.connected
        heard.open.set()
        await fake.until(lambda: len(heard.ids) == len(sent))
    assert sorted(heard.ids) == sorted(sent)
    assert not fake.entries("resume")
    assert "event_dropped" not in caplog.messages


async def test_a_full_intake_closes_the_connection_after_a_while_and_resumes_when_there_is_room(
    fake: FakeDiscord, caplog: pytest.LogCaptureFixture
) -> None:
    heard = Gated()
    paces = replace(Paces(), room_max_s=0.05)
    async with hearing(fake, heard, waiting_max=4, paces=paces) as platform:
        heard.open.clear()
        sent = [fake.mention(fake.channel, fake.ann, str(at)) for at in range(40)]
        await fake.until(lambda: fake.entries("left"))
        await fake.until(lambda: not platform.connected)
        sent += [fake.mention(fake.channel, fake.ann, str(at)) for at in range(40)]
        assert not fake.entries("resume")
        heard.open.set()
        await fake.until(lambda: len(heard.ids) == len(sent))
    assert heard.ids == sent
    assert heard.repeated == 0
    assert {entry["code"] for entry in fake.entries("left")} == {4000}
    assert len(fake.entries("identify")) == 1
    assert "event_dropped" not in caplog.messages


async def test_a_heartbeat_names_no_event_that_is_not_through(fake: FakeDiscord) -> None:
    fake.gateway.heartbeat_s = 0.05
    heard = Gated()
    async with hearing(fake, heard):
        await fake.until(lambda: fake.gateway.live[0].acknowledged == fake.gateway.live[0].sequence)
        before = fake.gateway.live[0].sequence
        heard.open.clear()
        fake.mention(fake.channel, fake.ann, "waits")
        fake.say(fake.channel, fake.ann, "not for the bot")
        beats = fake.gateway.beats
        await fake.until(lambda: fake.gateway.beats > beats + 3)
        assert fake.gateway.live[0].acknowledged == before
        heard.open.set()
        await fake.until(lambda: fake.gateway.live[0].acknowledged == fake.gateway.live[0].sequence > before)
