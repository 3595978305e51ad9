"""The bot's processes without the second that each one takes to load its libraries: forked from one that has them.

Only the loading is left out: each is a process of its own, with its own settings, folder, outputs and signals. Starting
it as operators do is tested by what starts the command itself: test_rendered, test_commands, test_cli.
"""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from bot.cli import main

_CONTEXT = get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [__name__, "bot.app", "bot.process", "bot.operating", "adapters.slack.adapter", "adapters.discord.adapter"]
)


class Forked:
    """As asyncio's Process: `stdout` and `stderr` are what it prints."""

    def __init__(self, process: BaseProcess, stdout: asyncio.StreamReader, stderr: asyncio.StreamReader) -> None:
        self.stdout = stdout
        self.stderr = stderr
        self._process = process
        self._ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(process.sentinel, self._end)

    @property
    def pid(self) -> int:
        """Its number."""
        assert self._process.pid
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """Its exit code, that of a signal negative; None while it runs."""
        return self._process.exitcode if self._ended.is_set() else None

    def send_signal(self, number: signal.Signals) -> None:
        """Send it one; nothing happens where it has ended."""
        if not self._ended.is_set():
            # It may have ended unnoticed: the server that forks takes its exit code, not this process.
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def wait(self) -> int:
        """Its exit code, once it has ended."""
        await self._ended.wait()
        assert self._process.exitcode is not None
        return self._process.exitcode

    def _end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._process.sentinel)
        self._process.join()
        self._ended.set()


async def forked(*words: str, env: Mapping[str, str], folder: Path) -> Forked:
    """`routernesia-bot` with these words, in this folder, with these settings and no others."""
    (from_out, out), (from_err, err) = _CONTEXT.Pipe(duplex=False), _CONTEXT.Pipe(duplex=False)
    process = _CONTEXT.Process(target=_become, args=(words, dict(env), str(folder), out, err))
    process.start()
    out.close()
    err.close()
    return Forked(process, await _reader(from_out), await _reader(from_err))


async def _reader(source: Connection) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), source)
    return reader


def _become(words: tuple[str, ...], env: dict[str, str], folder: str, out: Connection, err: Connection) -> None:
    threading.Thread(target=_end_with_the_tests, daemon=True).start()
    os.environ.clear()
    os.environ.update(env)
    os.chdir(folder)
    for number, target in ((1, out), (2, err)):
        os.dup2(target.fileno(), number)
        target.close()
    sys.exit(main(words))


def _end_with_the_tests() -> None:
    """A run of tests that is killed leaves no bot behind, and no server that forks, which lives as long as those do."""
    tests = parent_process()
    assert tests
    tests.join()
    os.kill(os.getpid(), signal.SIGKILL)
