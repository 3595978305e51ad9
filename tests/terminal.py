"""A pseudo-terminal for a command, and the person in front of it."""

import asyncio
import os
import pty
import re
import sys
import termios
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from tests.subprocesses import lean

ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """`inner` is the descriptor for the program; `all` is what it has written, `text` that since the last keys."""

    def __init__(self) -> None:
        self._outer, self.inner = pty.openpty()
        termios.tcsetwinsize(self.inner, (24, 80))
        os.set_blocking(self._outer, False)
        self.all = self.text = ""

    def type(self, keys: str) -> None:
        """Press keys; `until` does not look at what was written before."""
        self.text = ""
        os.write(self._outer, keys.encode())

    async def until(self, pattern: str) -> None:
        """Wait for a text on the screen, escape sequences apart."""
        loop = asyncio.get_running_loop()
        more = asyncio.Event()
        loop.add_reader(self._outer, more.set)
        try:
            async with asyncio.timeout(20):
                while not re.search(pattern, ANSI.sub("", self.text), re.DOTALL):
                    await more.wait()
                    more.clear()
                    self._read()
        finally:
            loop.remove_reader(self._outer)

    def _read(self) -> None:
        with suppress(BlockingIOError):
            data = os.read(self._outer, 65536)
            text = data.decode(errors="replace")
            self.all, self.text = self.all + text, self.text + text
            if b"\x1b[6n" in data:
                os.write(self._outer, b"\x1b[1;1R")  # where the cursor is

    def close(self) -> None:
        """Take the terminal away."""
        os.close(self._outer)
        os.close(self.inner)


@asynccontextmanager
async def at_terminal(*words: str, **environ: str) -> AsyncGenerator[tuple[asyncio.subprocess.Process, Terminal]]:
    """`python -m bot` on a terminal of its own, where Ctrl-C is a signal."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    screen = Terminal()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "import fcntl, os, sys, termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
        "os.execv(sys.executable, [sys.executable, '-m', 'bot', *sys.argv[1:]])",
        *words,
        env={**inherited, **lean(), "TERM": "xterm", **environ},
        stdin=screen.inner,
        stdout=screen.inner,
        stderr=screen.inner,
    )
    try:
        yield process, screen
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        screen.close()
