"""Questions from a pipe or file, answers to standard output: one question a line, nothing but the answers printed."""

import asyncio
import codecs
import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TextIO

from adapters.console.face import harmless

READ_BYTES = 65_536


class Lines:
    """The lines of a file descriptor, read on the loop's own thread and only when there is something to read.

    No thread is left hanging in a read at exit, and the descriptor stays blocking: it may be shared with the shell
    that started us.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._text = ""
        self._ended = fd < 0

    async def next(self) -> str | None:
        """The next line without its end, or None after the last."""
        while "\n" not in self._text and not self._ended:
            await self._readable()
            self._take()
        if not self._text:
            return None
        line, _, self._text = self._text.partition("\n")
        return line

    async def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        try:
            loop.add_reader(self._fd, ready.set)
        except (OSError, ValueError):
            return  # a file or /dev/null cannot be watched, and reading it never waits
        try:
            await ready.wait()
        finally:
            loop.remove_reader(self._fd)

    def _take(self) -> None:
        try:
            data = os.read(self._fd, READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._ended = not data
        self._text += self._decoder.decode(data, final=self._ended)


class Pipe:
    """The face without a person: implements `Face`."""

    def __init__(self, lines: Lines, *, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self._lines = lines
        self._out = out or sys.stdout
        self._err = err or sys.stderr
        self._answer = ""
        self._closed = False

    async def line(self, thread: str) -> str | None:
        """The next line that is not empty; None at the end or when nobody reads the answers."""
        while not self._closed and (line := await self._lines.next()) is not None:
            if line.strip():
                return line
        return None

    def stoppable(self, stop: Callable[[], None]) -> AbstractContextManager[None]:
        """Nothing: a script that is interrupted ends."""
        return nullcontext()

    def remark(self, text: str) -> None:
        """Print to standard error: standard output holds only answers."""
        self._print(self._err, text)

    def thinking(self) -> None:
        """Say nothing."""

    def show(self, text: str) -> None:
        """Keep the text; it is printed when it stands."""
        self._answer = text

    def stand(self) -> None:
        """Print the answer as it is, Markdown and all."""
        text = harmless(self._answer) if self._out.isatty() else self._answer
        self._closed = not self._print(self._out, text) or self._closed
        self._answer = ""

    def _print(self, stream: TextIO, text: str) -> bool:
        encoding = stream.encoding or "utf-8"
        try:
            stream.write(text.encode(encoding, "replace").decode(encoding) + "\n")
            stream.flush()
        except (OSError, ValueError):
            return False  # whoever read has gone
        return True
