"""How long the bot waits for its embedded server, which loads its file first."""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot import embedded
from bot.errors import ConfigError

LOADING = b"-LOADING Valkey is loading the dataset in memory\r\n"


@asynccontextmanager
async def server(socket: Path, answers: Iterator[bytes]) -> AsyncGenerator[None]:
    """Answers each command with the next one; after an empty one it is silent until the other side has gone."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        if answer := next(answers):
            writer.write(answer)
        else:
            await reader.read()
        writer.close()

    async with await asyncio.start_unix_server(serve, socket):
        yield


def loading(times: int) -> Iterator[bytes]:
    yield from [LOADING] * times
    while True:
        yield b"+PONG\r\n"


def loading_for(seconds: float) -> Iterator[bytes]:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        yield LOADING


async def test_a_server_that_still_loads_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "START_WITHIN_S", 0.1)
    async with server(tmp_path / "s", loading(100)):
        await embedded.answering(tmp_path / "s", tmp_path / "log")


async def test_a_server_that_loads_may_be_silent_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "PINGED_WITHIN_S", 0.05)
    monkeypatch.setattr(embedded, "START_WITHIN_S", 1.0)

    def answers() -> Iterator[bytes]:
        yield from loading_for(1.1)
        yield b""
        yield b"+PONG\r\n"

    async with server(tmp_path / "s", answers()):
        await embedded.answering(tmp_path / "s", tmp_path / "log")


async def test_a_server_that_loads_for_ever_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "LOADED_WITHIN_S", 0.1)
    async with server(tmp_path / "s", loading(1_000_000)):
        with pytest.raises(ConfigError, match="did not start"):
            await embedded.answering(tmp_path / "s", tmp_path / "log")
