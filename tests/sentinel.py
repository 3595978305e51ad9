"""A primary and a replica that a Sentinel watches, all real: what a failover is tried on."""

import asyncio
import signal
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

from bot import embedded
from tests.ports import free

NAME = "main"
PASSWORD = "p@ss,w:ord"
WITHIN_S = 20.0


class Watched:
    """The servers by their ports, and the Sentinel."""

    def __init__(self, folder: Path, ports: Sequence[int]) -> None:
        self._folder = folder
        self.sentinel, self.first, self.second = ports
        self._processes: dict[int, asyncio.subprocess.Process] = {}

    @property
    def url(self) -> str:
        """A REDIS_URL whose first Sentinel does not exist."""
        return f"redis+sentinel://127.0.0.1:1,127.0.0.1:{self.sentinel}/{NAME}/0"

    async def start(self) -> None:
        """All three, until the replica follows and the Sentinel knows it."""
        await self.serve(self.first)
        await self.serve(self.second, follows=self.first)
        watching = self._folder / "sentinel.conf"
        watching.write_text(
            f"port {self.sentinel}\nbind 127.0.0.1\ndir {self._folder}\nrequirepass {PASSWORD}\n"
            f"sentinel monitor {NAME} 127.0.0.1 {self.first} 1\nsentinel auth-pass {NAME} {PASSWORD}\n"
            f"sentinel down-after-milliseconds {NAME} 1000\nsentinel failover-timeout {NAME} 3000\n"
        )
        await self._run(self.sentinel, str(watching), "--sentinel")
        await self.until(self.first, "INFO", "replication", shows="'state': 'online'")
        await self.until(self.sentinel, "INFO", "sentinel", shows="'slaves': 1")

    async def serve(self, port: int, *, follows: int | None = None) -> None:
        """A server on that port, with what it had on its disk."""
        folder = self._folder / str(port)
        folder.mkdir(exist_ok=True)
        options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
        options += ["--appendonly", "yes", "--appendfsync", "always"]
        options += ["--requirepass", PASSWORD, "--primaryauth", PASSWORD]
        # Else a primary waits five seconds for more replicas before it gives one its data.
        options += ["--repl-diskless-sync-delay", "0"]
        options += ["--replicaof", "127.0.0.1", str(follows)] if follows else []
        await self._run(port, *options)
        await self.until(port, "PING")

    async def kill(self, port: int) -> None:
        """As when its machine dies."""
        process = self._processes.pop(port)
        process.send_signal(signal.SIGKILL)
        await process.wait()

    async def fail_over(self) -> None:
        """Have the Sentinel promote the replica, as soon as it knows enough of it to do so."""
        await self.until(self.sentinel, "SENTINEL", "FAILOVER", NAME, shows="OK")

    async def ask(self, port: int, *command: str) -> object:
        """The reply to one command."""
        async with Redis(host="127.0.0.1", port=port, password=PASSWORD, decode_responses=True) as client:
            return cast(object, await client.execute_command(*command))

    async def until(self, port: int, *command: str, shows: str = "") -> None:
        """Wait until the reply, as Python writes it, has that in it."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                with suppress(RedisError, OSError):
                    if shows in str(await self.ask(port, *command)):
                        return
                await asyncio.sleep(0.02)

    async def _run(self, port: int, *arguments: str) -> None:
        self._processes[port] = await asyncio.create_subprocess_exec(
            str(embedded.server_binary()), *arguments, "--logfile", str(self._folder / f"{port}.log")
        )

    async def stop(self) -> None:
        """End them all."""
        for port in list(self._processes):
            await self.kill(port)


@asynccontextmanager
async def watched(folder: Path) -> AsyncGenerator[Watched]:
    """Servers and Sentinel on free ports of loopback."""
    servers = Watched(folder, free(3))
    try:
        await servers.start()
        yield servers
    finally:
        await servers.stop()
