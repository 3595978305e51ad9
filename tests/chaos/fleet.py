"""The processes of a run: one Valkey, gateways and workers, which can be killed and come back."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from bot import embedded
from tests.until import until

ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def valkey(folder: Path) -> AsyncGenerator[str]:
    """A Valkey that loses nothing it has answered to; gives its URL."""
    socket = folder / "s"
    options = ["--port", "0", "--unixsocket", str(socket), "--dir", str(folder), "--save", ""]
    options += ["--appendonly", "yes", "--appendfsync", "always", "--logfile", str(folder / "valkey.log")]
    server = await asyncio.create_subprocess_exec(str(embedded.server_binary()), *options)
    try:
        await until(socket.exists)
        yield f"unix://{socket}"
    finally:
        server.terminate()
        await server.wait()


class Process:
    """One process of ours, which is started again after it was killed; its output goes to a file in `folder`."""

    def __init__(self, name: str, module: tuple[str, ...], *, env: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self.kills = 0
        self._arguments = [sys.executable, "-m", *module]
        # Nothing of the caller's own settings may reach the processes, nor a .env file.
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
        self._env = {**kept, "PYTHONPATH": str(ROOT), **env}
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None

    @property
    def log(self) -> Path:
        return self._folder / f"{self.name}.log"

    @property
    def process(self) -> asyncio.subprocess.Process:
        assert self._process
        return self._process

    async def start(self) -> None:
        with self.log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *self._arguments, env=self._env, cwd=self._folder, stdout=output, stderr=output
            )

    async def kill(self) -> None:
        """SIGKILL: no goodbye."""
        self.kills += 1
        await self.stop(signal.SIGKILL)

    async def stop(self, number: signal.Signals = signal.SIGTERM, *, within_s: float = 30.0) -> int:
        """Send a signal and give the exit code."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), within_s)


@asynccontextmanager
async def processes(*fleet: Process) -> AsyncGenerator[None]:
    """Start them; kill what is left at the end."""
    try:
        for one in fleet:
            await one.start()
        yield
    finally:
        for one in fleet:
            await one.stop(signal.SIGKILL)
