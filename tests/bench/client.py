"""The measured process: started, watched through /proc, stopped. Linux only."""

import asyncio
import os
import sys
import tempfile
import time
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.bench.stage import Stage

Who = Literal["bot", "reference"]

ROOT = Path(__file__).parents[2]
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
CONNECT_WITHIN_S = 30.0
STOP_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True)
class Setup:
    """How the clients are started.

    `transport` is the reference's; `redis_url`, `profile` (a file for cProfile's figures, which slow it down) and
    `settings` (NAME=VALUE) are the bot's.
    """

    transport: Literal["httpx", "aiohttp"] = "httpx"
    redis_url: str = ""
    profile: str = ""
    settings: tuple[str, ...] = ()


class Client:
    """A running client. `connected_ms` is the time from its spawn to its live connection."""

    def __init__(self, process: Process, *, connected_ms: float) -> None:
        self._pid = process.pid
        self.connected_ms = connected_ms

    def cpu_s(self) -> float:
        """CPU time of the client's own process so far."""
        return _cpu_s(self._pid)

    def children_cpu_s(self) -> float:
        """CPU time of the processes it has started so far: the embedded store."""
        return sum(map(_cpu_s, _descendants(self._pid)))

    def rss_mb(self) -> float:
        """Memory of the client's own process now."""
        return _status_mb(self._pid, "VmRSS")

    def peak_rss_mb(self) -> float:
        """The most memory its own process ever had."""
        return _status_mb(self._pid, "VmHWM")


@asynccontextmanager
async def running(who: Who, stage: Stage, model_url: str, setup: Setup) -> AsyncGenerator[Client]:
    """The client, connected to the stage, as long as the context lasts."""
    with tempfile.TemporaryDirectory(prefix="rb-bench-") as folder, (Path(folder) / "log").open("wb") as log:
        command = _command(who, stage, model_url, setup)
        environment = _environment(stage, model_url, Path(folder), setup)
        stage.connected.clear()
        began = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            *command, cwd=folder, env=environment, stdout=log, stderr=log, stdin=asyncio.subprocess.DEVNULL
        )
        try:
            await _connected(process, stage, Path(folder) / "log")
            yield Client(process, connected_ms=(time.monotonic() - began) * 1000)
        finally:
            await _stop(process)


async def _connected(process: Process, stage: Stage, log: Path) -> None:
    connected, ended = asyncio.create_task(stage.connected.wait()), asyncio.create_task(process.wait())
    waiting = (connected, ended)
    await asyncio.wait(waiting, timeout=CONNECT_WITHIN_S, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
    if not stage.connected.is_set():
        raise RuntimeError(f"the client did not connect; it said:\n{log.read_text()[-4000:]}")


async def _stop(process: Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(STOP_WITHIN_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _command(who: Who, stage: Stage, model_url: str, setup: Setup) -> Sequence[str]:
    if who == "reference":
        arguments = [*stage.reference_arguments(), "--model-url", model_url, "--transport", setup.transport]
        return [sys.executable, "-m", "tests.bench.reference", *arguments]
    profiled = ["-m", "cProfile", "-o", setup.profile] if setup.profile else []
    return [sys.executable, *profiled, "-m", "tests.bench.bot", stage.name, "run"]


def _environment(stage: Stage, model_url: str, folder: Path, setup: Setup) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    # Whatever tree the driver was started from is measured, also where it was put first by PYTHONPATH.
    path = {"PYTHONPATH": os.pathsep.join((str(ROOT), os.environ.get("PYTHONPATH", "")))}
    model = {"COMPLETIONS_BASE_URL": model_url, "COMPLETIONS_API_KEY": "sk-bench", "REDIS_URL": setup.redis_url}
    http = {"HTTP_HOST": "127.0.0.1", "HTTP_PORT": "0", "DATA_DIR": str(folder / "data")}
    extra = dict(one.split("=", 1) for one in setup.settings)
    return {**kept, **path, **model, **http, **stage.bot_settings(), **extra}


def _cpu_s(pid: int) -> float:
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) * TICK_S


def _descendants(pid: int) -> list[int]:
    parents = {int(entry.name): _parent(int(entry.name)) for entry in Path("/proc").iterdir() if entry.name.isdigit()}
    found, fresh = list[int](), {pid}
    while fresh := {child for child, parent in parents.items() if parent in fresh}:
        found += fresh
    return found


def _parent(pid: int) -> int:
    try:
        return int(_stat(pid)[1])
    except OSError:  # it has ended meanwhile
        return -1


def _stat(pid: int) -> list[str]:
    # The name in brackets may hold blanks; what follows it may not (proc_pid_stat(5)).
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _status_mb(pid: int, name: str) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    found = next(line for line in lines if line.startswith(f"{name}:"))
    return int(found.split()[1]) / 1024
