"""What REDIS_URL says, taken apart: one server, a unix socket, or the Sentinels that know which server it is."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from bot.settings.urls import split

FORMS: Final = (
    "REDIS_URL must look like redis://host:6379/0, rediss://..., unix:///path/to/socket, "
    "or for Sentinel redis+sentinel://host:26379,host:26379/name/0."
)
REDIS_PORT: Final = 6379
SENTINEL_PORT: Final = 26379

_SENTINEL: Final = "+sentinel"
_PATH: Final = {False: re.compile(r"/?(?P<name>)(?P<db>\d*)"), True: re.compile(r"/(?P<name>[^/]+)(/(?P<db>\d*))?")}
"""By whether Sentinels are named: `/db`, or `/name/db` with the name that they know the server by."""


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """Where the server is. With `monitored` the hosts are Sentinels, which say where the server of that name is now."""

    hosts: Sequence[tuple[str, int]] = ()
    socket: str = ""
    tls: bool = False
    db: int = 0
    monitored: str = ""
    user: str = field(default="", compare=False)
    password: str = field(default="", compare=False, repr=False)


def redis_address(url: str) -> RedisAddress:
    """The parts of REDIS_URL. Raises ValueError, which says what it must look like and never what it was."""
    try:
        found = None if re.search(r"\s", url) else _address(urlsplit(url))
    except ValueError:  # urllib quotes what it dislikes, passwords included
        found = None
    if found is None:
        raise ValueError(FORMS)
    return found


def _address(parts: SplitResult) -> RedisAddress | None:
    scheme, monitored = parts.scheme.removesuffix(_SENTINEL), parts.scheme.endswith(_SENTINEL)
    # A query would reach the client library as arguments that this bot sets itself.
    if parts.query or parts.fragment:
        return None
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if scheme == "unix" and not monitored:
        socket = unquote(parts.path)
        return RedisAddress(socket=socket, user=user, password=password) if len(socket) > 1 else None
    path = _PATH[monitored].fullmatch(parts.path)
    hosts = _hosts(parts.netloc.rpartition("@")[2], port=SENTINEL_PORT if monitored else REDIS_PORT)
    if scheme not in ("redis", "rediss") or path is None or not hosts or (len(hosts) > 1 and not monitored):
        return None
    return RedisAddress(
        hosts=hosts,
        tls=scheme == "rediss",
        db=int(path["db"] or 0),
        monitored=unquote(path["name"]),
        user=user,
        password=password,
    )


def _hosts(names: str, *, port: int) -> Sequence[tuple[str, int]]:
    found = [split(f"//{name}") for name in names.split(",")]
    good = tuple((one.hostname, one.port or port) for one in found if one and one.hostname)
    return good if len(good) == len(found) else ()
