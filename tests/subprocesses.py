"""The bot in a process of its own, between the fake services."""

import asyncio
import json
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.forked import Forked, forked
from tests.running import KEY, Services

ROOT = Path(__file__).parents[1]

ABSENT = ROOT / "tests/absent"
"""First on the path it hides what an operator does not have installed: a tenth of what a process needs to start.

For processes that are started by a command; those of `started` are forked from one that has everything loaded.
"""

ONLY_DISCORD = {"SLACK_BOT_TOKEN": "", "SLACK_APP_TOKEN": ""}
"""For `environment`: without Slack."""


def lean(*, traces: bool = False) -> dict[str, str]:
    """The environment in which a process starts as an operator's does, and reads no certificates that nobody uses."""
    path = [] if traces else [str(ABSENT)]
    return {"PYTHONPATH": os.pathsep.join([*path, str(ROOT)]), "SSL_CERT_FILE": os.devnull}


def environment(outside: Services, **more: str) -> dict[str, str]:
    """The settings of a bot between the fakes, and nothing of the caller's own."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    kept |= {name: value for name, value in os.environ.items() if name.startswith("COVERAGE")}
    return {
        **kept,
        **lean(),
        "COMPLETIONS_BASE_URL": outside.completions.base_url,
        "COMPLETIONS_API_KEY": KEY,
        "SLACK_BOT_TOKEN": outside.slack.bot_token,
        "SLACK_APP_TOKEN": outside.slack.app_token,
        "SLACK_API_URL": outside.slack.api_url,
        "DISCORD_TOKEN": outside.discord.token,
        "DISCORD_API_URL": outside.discord.api_url,
        "HTTP_HOST": "127.0.0.1",
        "HTTP_PORT": "0",
        "LOG_FORMAT": "json",
        **more,
    }


class Started:
    """A running process and everything that it has printed."""

    def __init__(self, process: Process | Forked) -> None:
        self.process = process
        self.output = ""
        self._reading = [asyncio.create_task(self._read(stream)) for stream in (process.stdout, process.stderr)]

    @property
    def running(self) -> bool:
        return self.process.returncode is None

    def events(self, name: str) -> list[dict[str, Any]]:
        """The log lines of one event (LOG_FORMAT=json)."""
        lines = [json.loads(line) for line in self.output.splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == name]

    async def stop(self, number: signal.Signals = signal.SIGTERM, *, within_s: float = 30.0) -> int:
        """Send a signal, wait, and give the exit code."""
        if self.running:
            self.process.send_signal(number)
        code = await asyncio.wait_for(self.process.wait(), within_s)
        await asyncio.gather(*self._reading)
        return code

    async def _read(self, stream: asyncio.StreamReader | None) -> None:
        assert stream
        async for line in stream:
            self.output += line.decode()


@asynccontextmanager
async def started(
    env: dict[str, str], *, folder: Path, role: str = "all", more: tuple[str, ...] = (), python: str = ""
) -> AsyncGenerator[Started]:
    """`routernesia-bot run`; killed at the end if it still runs. `python` is that of another version's environment."""
    words = ("run", "--role", role, *more)
    process = await (
        _executed(python, *words, env=env, folder=folder) if python else forked(*words, env=env, folder=folder)
    )
    one = Started(process)
    try:
        yield one
    finally:
        await one.stop(signal.SIGKILL)


async def _executed(python: str, *words: str, env: dict[str, str], folder: Path) -> Process:
    env = {name: value for name, value in env.items() if name != "PYTHONPATH"}  # the code is that environment's own
    return await asyncio.create_subprocess_exec(
        python, "-m", "bot", *words, env=env, cwd=folder, stdout=PIPE, stderr=PIPE
    )
