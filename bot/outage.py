"""Why Redis could not be asked, for who sits at a shell: which server, what it did, what to do. It names no password.

It asks nothing itself: it reads what redis-py and the system said.
"""

import socket
import ssl
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Final

from redis import exceptions
from redis.asyncio.sentinel import MasterNotFoundError

from bot.errors import StoreError
from bot.settings import Settings, plain
from bot.settings.redis_address import redis_address
from bot.settings.urls import password_in
from bot.store import ANSWER_WITHIN_S

_LOOK: Final = "See that it runs and listens there, or correct REDIS_URL."
_WAY: Final = "See that nothing (a firewall, a network policy) is in the way, or correct REDIS_URL."

_KNOWN: Final[tuple[tuple[type[Exception], str, str], ...]] = (
    (
        MasterNotFoundError,
        "cannot be found: no Sentinel answers and knows a primary of that name",
        "See that they run and listen there, that one of them has a primary that is up (SENTINEL MASTERS), or correct\n"
        "REDIS_URL. Where they want a password: REDIS_SENTINEL_PASSWORD.",
    ),
    (
        ssl.SSLError,
        "does not speak TLS as asked",
        "Where it has no TLS, REDIS_URL begins with redis://, not rediss://.",
    ),
    (socket.gaierror, "cannot be found: its name has no address", "Correct the host in REDIS_URL."),
    (ConnectionRefusedError, "refuses the connection", _LOOK),
    (FileNotFoundError, "is not there", _LOOK),
    (PermissionError, "does not let this user in", "Let the user of this process read and write the socket."),
    (exceptions.NoPermissionError, "forbids a command", "Allow its ACL user what helm/README.md lists under Store."),
    (exceptions.BusyLoadingError, "is still loading its data", "Wait for it."),
    (
        exceptions.OutOfMemoryError,
        "is full: its data have reached its maxmemory, and it takes no more",
        "Raise its maxmemory, and with it the memory that it may use.",
    ),
    (exceptions.ReadOnlyError, "is a replica, which takes no writes", "Set REDIS_URL to the primary."),
    (exceptions.InvalidResponse, "answers, but not as Redis does", "Correct the port in REDIS_URL."),
    (
        TimeoutError,
        f"does not answer within {ANSWER_WITHIN_S:g} s",
        f"{_WAY} A server without TLS is silent to rediss://, too.",
    ),
    (exceptions.TimeoutError, "does not answer in time", _WAY),
    (ConnectionError, "closes the connection", "Where it has TLS, REDIS_URL begins with rediss://, not redis://."),
    (OSError, "cannot be reached", _WAY),
    (
        exceptions.ResponseError,
        "answers with an error",
        "Look at its log, and at the number of the database in REDIS_URL.",
    ),
    (exceptions.ConnectionError, "closes the connection", "Where it has TLS, REDIS_URL begins with rediss://."),
)
"""What may stand in the chain of causes, the telling first; what the server did; what to do."""


@contextmanager
def explained(settings: Settings) -> Generator[None]:
    """Let a StoreError that comes of the connection say in plain sentences what is wrong, what to do on a new line."""
    try:
        yield
    except StoreError as error:
        causes = list(_causes(error))
        if not causes:
            raise
        did, todo = _certificate(causes) or _password(causes, settings) or _known(causes)
        raise StoreError(f"Redis at {server(settings)} {did}.\n{todo}") from error


def server(settings: Settings) -> str:
    """Where it is looked for: host and port, the path of a socket, or the folder of the bot's own."""
    url = plain(settings.redis_url)
    if not url:
        return f"DATA_DIR {settings.data_dir} (the bot's own)"
    address = redis_address(url)
    hosts = ", ".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in address.hosts)
    return f"{address.monitored!r} by the Sentinels {hosts}" if address.monitored else address.socket or hosts


def _causes(error: BaseException) -> Iterator[BaseException]:
    while found := error.__cause__ or error.__context__:
        yield found
        error = found


def _certificate(causes: list[BaseException]) -> tuple[str, str] | None:
    for one in causes:
        if isinstance(one, ssl.SSLCertVerificationError):
            did = f"shows a certificate that cannot be trusted: {one.verify_message.rstrip('.')}"
            return did, "Set REDIS_CA_FILE to the authority that signed it, and REDIS_URL to a host that it names."
    return None


def _password(causes: list[BaseException], settings: Settings) -> tuple[str, str] | None:
    if not any(isinstance(one, exceptions.AuthenticationError) for one in causes):
        return None
    if settings.redis_password or password_in(plain(settings.redis_url)):
        return "refuses the user or the password", "Correct REDIS_PASSWORD, or the user and password in REDIS_URL."
    return "wants a password, and none is set", "Set REDIS_PASSWORD."


def _known(causes: list[BaseException]) -> tuple[str, str]:
    for kind, did, todo in _KNOWN:
        for one in causes:
            if isinstance(one, kind):
                why = _code(one)
                return f"{did}: {why}" if why else did, todo
    return "does not do its part", _LOOK


def _code(error: BaseException) -> str:
    """What may be said of an error's own text, which can quote arguments: the system's reason, or Redis' code."""
    if type(error) is OSError:
        return error.strerror or ""
    code = str(error).partition(" ")[0]
    return code if type(error) is exceptions.ResponseError and code.isupper() else ""
