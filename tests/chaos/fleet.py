"""The processes of a run: one Valkey, gateways and workers, which can be killed and come back."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from bot import embedded, store
from tests import ports
from tests.subprocesses import lean

START_WITHIN_S: Final = 20.0


class Valkey:
    """A Valkey that loses nothing it has answered to; stopped and started again it has its data and its address."""

    def __init__(self, folder: Path) -> None:
        (self._port,) = ports.free(1)
        options = {"bind": "127.0.0.1", "port": str(self._port), "dir": str(folder), "save": ""}
        options |= {"appendonly": "yes", "appendfsync": "always", "logfile": str(folder / "valkey.log")}
        self._options = [word for name, value in options.items() for word in (f"--{name}", value)]
        self._server: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._port}"

    async def start(self) -> None:
        """Return once it answers."""
        self._server = await asyncio.create_subprocess_exec(str(embedded.server_binary()), *self._options)
        async with store.connect(self.url, data_dir=Path("unused")) as redis, asyncio.timeout(START_WITHIN_S):
            while not await _pongs(redis):  # noqa: ASYNC110 - another process signals nothing
                await asyncio.sleep(0.01)

    async def stop(self) -> None:
        """As a StatefulSet stops it: SIGTERM, whereupon it writes what is not on the disk yet, and ends."""
        if self._server is not None:
            self._server.terminate()
            await self._server.wait()
            self._server = None


async def _pongs(redis: Redis) -> bool:
    try:
        return await redis.ping()
    except RedisError:
        return False


@asynccontextmanager
async def valkey(folder: Path) -> AsyncGenerator[Valkey]:
    """One that runs."""
    one = Valkey(folder)
    await one.start()
    try:
        yield one
    finally:
        await one.stop()


class Process:
    """One process of ours, which is started again after it was killed; its output goes to a file in `folder`."""

    def __init__(self, name: str, module: tuple[str, ...], *, env: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self.kills = 0
        self._arguments = [sys.executable, "-m", *module]
        # Nothing of the caller's own settings may reach the processes, nor a .env file.
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
        self._env = {**kept, **lean(), **env}
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
