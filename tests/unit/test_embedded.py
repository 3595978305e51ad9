"""How long the bot waits for its embedded server, which loads its file first."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import cast

import pytest

from bot import embedded
from bot.errors import ConfigError

LOADING = b"-LOADING Valkey is loading the dataset in memory\r\n"


@asynccontextmanager
async def server(socket: Path, answers: Iterator[bytes]) -> AsyncGenerator[None]:
    """Answers each command with the next one; after an empty one it is silent until the other side has gone."""
    before = asyncio.all_tasks()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readline()
            if answer := next(answers):
                writer.write(answer)
            else:
                await reader.read()
        finally:
            writer.close()
            with suppress(OSError):  # the other side may have gone before
                await writer.wait_closed()

    async with await asyncio.start_unix_server(serve, socket):
        yield
    # A server of Python 3.11 that is closed waits for none of them, and one that was accepted just now is yet to begin.
    while left := asyncio.all_tasks() - before:
        await asyncio.wait(left)


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


@pytest.mark.parametrize("number", range(5))
async def test_a_start_that_is_cancelled_at_once_ends_and_leaves_no_server(tmp_path: Path, number: int) -> None:
    async def started() -> None:
        cast("asyncio.Task[None]", asyncio.current_task()).cancel()  # as Ctrl-C does while modules are loaded
        async with embedded.serving(tmp_path / "data"):
            raise AssertionError("it goes on")

    starting = asyncio.create_task(started())
    done, _ = await asyncio.wait({starting}, timeout=20)
    assert done
    assert starting.cancelled()
    assert not _at(tmp_path / "data")


KILLED = """
import asyncio, sys
from pathlib import Path
from bot import embedded

async def served():
    async with embedded.serving(Path(sys.argv[1])):
        print("served", flush=True)
        await asyncio.sleep(60)

asyncio.run(served())
"""


async def test_a_stalled_server_whose_bot_was_killed_gets_no_second_one_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    # ASYNC220: asyncio's waits for the end of the pipe, which the keeper has as well.
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as bot:  # noqa: ASYNC220
        assert bot.stdout
        assert bot.stdout.readline() == "served\n"
        (stalled,) = _at(tmp_path)
        os.kill(int(stalled), signal.SIGSTOP)
        bot.kill()
    try:
        monkeypatch.setattr(embedded, "GONE_WITHIN_S", 0.3)
        with pytest.raises(ConfigError, match="was killed still works"):
            async with embedded.serving(tmp_path):
                pass
        assert _at(tmp_path) == [stalled]
    finally:
        os.kill(int(stalled), signal.SIGCONT)
    monkeypatch.setattr(embedded, "GONE_WITHIN_S", 20.0)
    async with embedded.serving(tmp_path):
        assert stalled not in _at(tmp_path)


@pytest.mark.parametrize("after_s", [0.0, 0.0005, 0.001, 0.002, 0.005])
def test_a_keeper_leaves_no_server_whenever_its_bot_dies(after_s: float) -> None:
    for number in range(5):
        seconds = f"{os.getpid()}.{number}"
        command = ["/bin/sh", "-c", embedded.KEEPER, "keeper", "/bin/sleep", seconds]
        with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as keeper:
            time.sleep(after_s)
            assert keeper.stdin
            keeper.stdin.close()
            keeper.wait(20)
        assert not _running(f"/bin/sleep\0{seconds}\0")


def _running(words: str) -> list[str]:
    """The numbers of the processes that were not started by a shell and whose command has these words."""
    found: list[str] = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            command = file.read_text()
            if words in command and embedded.KEEPER not in command:
                found.append(file.parent.name)
    return found


def _at(folder: Path) -> list[str]:
    """The numbers of the processes that work in a folder, as a server does in that of its file."""
    found: list[str] = []
    for link in Path("/proc").glob("[0-9]*/cwd"):
        with suppress(OSError):
            if link.readlink() == folder:
                found.append(link.parent.name)
    return found
