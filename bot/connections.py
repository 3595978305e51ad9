"""How the bot connects to its server: with which login, to which address, in a pool of how many.

It knows redis-py and an address; it knows no key and no command of the bot's.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from redis import __version__ as redis_version
from redis.asyncio import BlockingConnectionPool, Connection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelManagedConnection, SentinelManagedSSLConnection
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.credentials import CredentialProvider
from redis.driver_info import DriverInfo
from redis.exceptions import AuthenticationError
from redis.exceptions import ConnectionError as NotConnected

from bot.settings.redis_address import RedisAddress

log = logging.getLogger(__name__)

CONNECTIONS: Final = 64
"""Chosen: 200 answers at once spend well under a millisecond each in Redis; more would only queue there."""

ANSWER_WITHIN_S: Final = 3.0
"""Longer than the longest blocking call of the inbox, short enough for Slack's 3 s to end in a resend."""

SENTINEL_WITHIN_S: Final = 0.5
"""A Sentinel that is silent so long is passed over for the next; the first two must fit into `ANSWER_WITHIN_S`."""


class Login(CredentialProvider):
    """User and password of new connections. Those that are open stay what they are: Redis asks once.

    A renewed login and the server's own change come in either order, so the one before stays at hand.
    """

    def __init__(self, user: str, password: str) -> None:
        self._given = self._other = (user, password)

    def use(self, user: str, password: str) -> None:
        """Take others from now on."""
        if (user, password) != self._given:
            self._other, self._given = self._given, (user, password)

    def turn(self, refused: tuple[str] | tuple[str, str]) -> bool:
        """Take the other one than `refused`, unless another connection has done so already. Whether there is one."""
        if refused == self.get_credentials():
            self._other, self._given = self._given, self._other
        return refused != self.get_credentials()

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        """As redis-py wants them: user and password, or a password alone, or nothing where there is none."""
        user, password = self._given
        # Empty where nothing is set: redis-py then sends no AUTH, though its type does not say so (8.1, read).
        return (user, password) if user else (password,) if password else ()  # type: ignore[return-value]

    async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
        """The same."""
        return self.get_credentials()

    async def greet(self, connection: AbstractConnection) -> None:
        """Log a new connection in, with the other login where this one is refused. Raises redis-py's errors."""
        used = self.get_credentials()
        try:
            await connection.on_connect()
        except AuthenticationError:  # not over a unix socket: there redis-py has asked before (8.1)
            if not self.turn(used):
                raise
            await connection.on_connect()


class Connections(BlockingConnectionPool):
    """A pool at whose end every connection is closed. `sentinels` is the login of those that are asked for the server.

    redis-py's own cuts a command off at its end, whose retry then connects again, for nobody to close (8.1, measured).
    """

    def __init__(self, *, login: Login, sentinels: Login, **options: Any) -> None:
        super().__init__(**options, credential_provider=login, redis_connect_func=self._greet)
        self.login = login
        self.sentinels = sentinels
        self._closed = False
        self._released = asyncio.Event()

    async def release(self, connection: AbstractConnection) -> None:
        """Take a connection back."""
        await super().release(connection)
        self._released.set()

    async def aclose(self) -> None:
        """Let what is under way end, as every `store.attempt` does in time; cut off the rest, which stays cut off."""
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
        await self.login.greet(connection)


@dataclass(frozen=True, slots=True)
class _Primary:
    """Where the server is now, for redis-py's managed connections: each asks when it connects.

    One that finds itself at a server that was made a replica (READONLY) closes itself and asks again.
    """

    sentinel: Sentinel
    monitored: str
    is_master: bool = True
    check_connection: bool = False

    async def get_master_address(self) -> tuple[str, int]:
        """Host and port. Raises redis-py's ConnectionError where no Sentinel knows a primary that is up."""
        return cast("tuple[str, int]", await self.sentinel.discover_master(self.monitored))


@asynccontextmanager
async def connections(
    address: RedisAddress, login: Login, *, sentinels: Login, ca_file: Path | None = None
) -> AsyncGenerator[Connections]:
    """A pool for that address. `ca_file` says whom to trust where it is one with TLS."""
    trusted = {"ssl_ca_certs": str(ca_file)} if ca_file and address.tls else {}
    options: dict[str, Any] = {
        "db": address.db,
        "decode_responses": True,
        "encoding_errors": "surrogateescape",  # whatever stands there goes back as the same bytes
        "max_connections": CONNECTIONS,
        "timeout": ANSWER_WITHIN_S,
        # Not socket_timeout: redis-py keeps it with asyncio.wait_for, which on Python 3.11 swallows a
        # cancellation that comes just in time (python/cpython#86296), and costs a task for each command.
        # `store.attempt` bounds every call instead.
        "socket_timeout": None,
        "socket_connect_timeout": ANSWER_WITHIN_S,
        # Else every connection reads its version from the files of the installed package: 1.6 ms (measured).
        "driver_info": DriverInfo(lib_version=redis_version),
        # Every command here may run twice: what a claim gave out whose answer was lost is taken back by the next.
        "retry": Retry(ExponentialBackoff(cap=0.5, base=0.05), 2),
    }
    if not address.monitored:
        yield Connections(login=login, sentinels=sentinels, **options, **_to(address), **trusted)
        return
    kind = SentinelManagedSSLConnection if address.tls else SentinelManagedConnection
    # Of several Sentinels the next one is the retry; redis-py's own waits seconds for one that has gone.
    once = {"socket_timeout": SENTINEL_WITHIN_S, "retry": Retry(NoBackoff(), 0)}
    known = {"credential_provider": sentinels, "redis_connect_func": sentinels.greet}
    asking = {**known, "ssl": address.tls, **once, **trusted}
    async with Sentinel(address.hosts, sentinel_kwargs=asking) as sentinel:
        primary = _Primary(sentinel, address.monitored)
        yield Connections(
            login=login, sentinels=sentinels, connection_class=kind, connection_pool=primary, **options, **trusted
        )


def _to(address: RedisAddress) -> dict[str, Any]:
    if address.socket:
        return {"connection_class": UnixDomainSocketConnection, "path": address.socket}
    host, port = address.hosts[0]
    return {"connection_class": SSLConnection if address.tls else Connection, "host": host, "port": port}
