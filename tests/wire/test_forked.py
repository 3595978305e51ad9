"""The bots of tests end with their tests, and may end before them."""

import asyncio
import os
import signal
import sys
import time
from asyncio.subprocess import PIPE
from pathlib import Path

from redis.asyncio import Redis

from tests.forked import forked
from tests.running import services
from tests.subprocesses import ROOT, environment

TESTS = """
import asyncio, os
from pathlib import Path
from tests.forked import forked

async def run():
    bot = await forked("run", env=os.environ, folder=Path.cwd())
    print(bot.pid, flush=True)
    await bot.wait()

asyncio.run(run())
"""


async def answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def becomes(port: int, *, answering: bool) -> None:
    async with asyncio.timeout(30):
        while await answers(port) != answering:  # noqa: ASYNC110 - nothing signals it
            await asyncio.sleep(0.05)


async def test_a_run_of_tests_that_is_killed_leaves_no_bot_behind(
    valkey_url: str, redis: Redis, tmp_path: Path, unused_tcp_port: int
) -> None:
    async with services() as outside:
        env = environment(outside, REDIS_URL=valkey_url, HTTP_PORT=str(unused_tcp_port), PYTHONPATH=str(ROOT))
        tests = await asyncio.create_subprocess_exec(
            sys.executable, "-c", TESTS, env=env, cwd=tmp_path, stdout=PIPE, stderr=PIPE
        )
        assert tests.stdout
        bot = int(await tests.stdout.readline())
        try:
            await becomes(unused_tcp_port, answering=True)
            tests.kill()
            await tests.wait()
            await becomes(unused_tcp_port, answering=False)
        except BaseException:
            os.kill(bot, signal.SIGKILL)
            raise


async def test_a_bot_that_has_ended_unnoticed_may_be_sent_a_signal(tmp_path: Path) -> None:
    bot = await forked("--version", env={}, folder=tmp_path)
    while _exists(bot.pid):
        time.sleep(0.01)  # noqa: ASYNC251 - the loop is not to notice it
    assert bot.returncode is None
    bot.send_signal(signal.SIGKILL)
    assert await bot.wait() == 0


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
