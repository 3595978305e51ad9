"""Why Redis could not be asked, for who sits at a shell: which server, what it did, what to do. It names no password.

It asks nothing itself: it reads what redis-py and the system said.
"""

import socket
import ssl
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import urlsplit

from redis import exceptions

from bot.errors import StoreError
from bot.settings import Settings
from bot.store import ANSWER_WITHIN_S

_LOOK: Final = "See that it runs and listens there, or correct REDIS_URL."
_WAY: Final = "See that nothing (a firewall, a network policy) is in the way, or correct REDIS_URL."

_KNOWN: Final[tuple[tuple[type[Exception], str, str], ...]] = (
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
    url = settings.redis_url.get_secret_value()
    if not url:
        return f"DATA_DIR {settings.data_dir} (the bot's own)"
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return parts.path
    host = parts.netloc.rpartition("@")[2]
    return host if ":" in host.rpartition("]")[2] else f"{host}:6379"


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
    if settings.redis_password or urlsplit(settings.redis_url.get_secret_value()).password:
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
