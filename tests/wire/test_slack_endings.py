"""How a session and its messages end when Slack is slow, and when another process ends the turn."""

import asyncio
from collections.abc import Callable
from typing import Any

from aiohttp import web
from redis.asyncio import Redis

from adapters.slack.answers import streaming
from tests.fakes.slack import FakeSlack
from tests.until import until
from tests.wire.test_slack_sessions import asked, process, session


class Held(FakeSlack):
    """Holds the first call that `holds` names until `go`."""

    def __init__(self) -> None:
        super().__init__()
        self.go, self.held = asyncio.Event(), asyncio.Event()
        self.holds: Callable[[str], bool] | None = None

    async def serve_call(self, request: web.Request) -> web.StreamResponse:
        if self.holds and self.holds(request.match_info["method"]):
            self.holds = None
            self.held.set()
            await self.go.wait()
        return await super().serve_call(request)


class Gate:
    """A pause that lets `free` of them pass at once and holds the others until `open`."""

    def __init__(self, free: int) -> None:
        self.asked = 0
        self.open = asyncio.Event()
        self._free = free

    async def __call__(self, _: float) -> None:
        self.asked += 1
        if self.asked > self._free:
            await self.open.wait()
        await asyncio.sleep(0)


async def test_a_part_that_is_ended_late_does_not_set_a_finished_session_to_work_again(redis: Redis) -> None:
    async with Held() as slack:
        platform = process(slack, redis)
        await platform.open()
        mention = asked(slack)
        one = await platform.begin(mention, "One", key="k0")
        assert one
        slack.fail("chat.stopStream", *["500"] * 6)
        slack.holds = lambda method: method == "chat.stopStream" and slack.counts()["chat.stopStream"] == 6
        await one.close(stage="full")  # the seventh try is a chore's, and slow
        await asyncio.wait_for(slack.held.wait(), 20)
        two = await platform.begin(mention, "Two", key="k1")
        assert two
        await two.close(stage="last")
        await platform.working(mention, on=False)
        slack.go.set()
        await until(lambda: not slack.streaming("C1"))
        await platform.aclose()
        assert session(slack, mention).status == "active"


async def test_a_part_that_is_ended_late_leaves_a_session_alone_that_another_process_ended(redis: Redis) -> None:
    gate = Gate(free=5)
    async with FakeSlack() as slack:
        first, second = process(slack, redis, pause=gate), process(slack, redis)
        await first.open()
        await second.open()
        mention = asked(slack)
        one = await first.begin(mention, "One", key="k0")
        assert one
        slack.fail("chat.stopStream", *["500"] * 7)
        await one.close(stage="full")
        await until(lambda: gate.asked > 5)
        await second.post(mention, "whole", key="k1", first=False)  # the turn was put back and taken up there
        await second.working(mention, on=False)
        assert session(slack, mention).status == "active"
        gate.open.set()
        await until(lambda: not slack.streaming("C1"))
        await first.aclose()
        await second.aclose()
        assert session(slack, mention).status == "active"


async def test_what_is_ended_late_keeps_the_newer_text_that_another_process_wrote(
    redis: Redis, monkeypatch: Any
) -> None:
    monkeypatch.setattr(streaming, "CLOSE_WITHIN_S", 0.0)
    gate = Gate(free=0)
    async with FakeSlack() as slack:
        first, second = process(slack, redis, pause=gate), process(slack, redis)
        await first.open()
        await second.open()
        mention = asked(slack)
        one = await first.begin(mention, "Old answer", key="k0")
        assert one
        slack.fail("chat.stopStream", "500", "500")
        await one.close(stage="last")
        await until(lambda: gate.asked)
        await second.edit(mention, one.message_id, "New answer", stage="last")
        calls = slack.counts()["chat.stopStream"]
        gate.open.set()
        await until(lambda: slack.counts()["chat.stopStream"] > calls)
        await first.aclose()
        await second.aclose()
        assert [said["text"] for said in slack.answers("C1")] == ["New answer"]
