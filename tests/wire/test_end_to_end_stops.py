"""Stop, pressed where one process listens and another one answers: the model is hung up on and the text stays."""

import time
from contextlib import AsyncExitStack

import pytest
from redis.asyncio import Redis

from bot.answer.marks import STOPPED
from tests.fakes.completions import Raw, endless
from tests.running import always, running, services
from tests.until import WITHIN_S, until


@pytest.mark.parametrize("silent", [True, False], ids=["before the first word", "while it streams"])
async def test_stop_at_the_gateway_ends_the_request_of_the_worker_and_keeps_what_was_said(
    valkey_url: str, redis: Redis, silent: bool
) -> None:
    async with AsyncExitStack() as stack:
        outside = await stack.enter_async_context(services())
        slack, model = outside.slack, outside.completions
        model.answers = always(Raw(first_after_s=600) if silent else endless(every_s=0.02))
        gateway = await stack.enter_async_context(running(outside, redis_url=valkey_url, on=["slack"], role="gateway"))
        worker = await stack.enter_async_context(running(outside, redis_url=valkey_url, on=["slack"], role="worker"))
        ts = await slack.mention("C1", "U01", "Go on and on.")
        await until(lambda: model.open_now and (slack.sessions if silent else slack.streams))
        assert (gateway.accepted, worker.accepted) == (1, 0)
        pressed_at = time.monotonic()
        await slack.press_stop("C1", ts, "U01")
        await until(lambda: model.open_now == 0)
        (request,) = model.requests
        assert request.ended_at is not None
        # Milliseconds (measured); asked for is 1 s. The bound is for a busy machine, far below the model's 600 s.
        assert request.ended_at - pressed_at < WITHIN_S
        await until(lambda: worker.answered == 1 and slack.sessions["C1", ts].status == "active")
        (answer,) = slack.answers("C1", ts)
        said, mark, rest = answer["text"].partition(STOPPED)
        assert (mark, rest) == (STOPPED, "")
        assert (said == "") is silent
