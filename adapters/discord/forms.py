"""The form of each list that an operator sets for Discord: what is accepted, and a plain sentence for what is not.

It asks nobody and repeats no value: any may have been pasted into the wrong line.
"""

import re
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator
from pydantic_settings import NoDecode

_ID: Final = re.compile(r"[0-9]{15,21}")  # snowflakes of 2015 had 17 digits, those of today have 19 (docs, Snowflakes)
_WHERE: Final = "ids like 1234567890123456789 (Discord's developer mode, right click, Copy ID), separated by commas"


def _ids(value: object, name: str, *, otherwise: str) -> object:
    if not isinstance(value, str):
        return value
    ids = [one.strip() for one in value.split(",") if one.strip()]
    if not ids:
        # A list that lost its entries must not open the bot to everybody (openclaw/openclaw issue 13161).
        raise ValueError(f"{name} holds no id. Remove it {otherwise}, or list {_WHERE}.")
    if not all(map(_ID.fullmatch, ids)):
        raise ValueError(f"{name} must list {_WHERE}; names and mentions are not ids.")
    return frozenset(ids)


def _users(value: object) -> object:
    return _ids(value, "DISCORD_ALLOWED_USERS", otherwise="to allow everybody")


def _roles(value: object) -> object:
    return _ids(value, "DISCORD_ALLOWED_ROLES", otherwise="to allow everybody")


def _channels(value: object) -> object:
    return _ids(value, "DISCORD_ALLOWED_CHANNELS", otherwise="to allow every channel")


def _guilds(value: object) -> object:
    return _ids(value, "DISCORD_ALLOWED_GUILDS", otherwise="to allow every server")


def _free(value: object) -> object:
    if isinstance(value, str) and not value.strip():
        return frozenset[str]()
    return _ids(value, "DISCORD_FREE_CHANNELS", otherwise="where the bot is to be mentioned everywhere")


def _threads(value: object) -> object:
    if not isinstance(value, str):
        return value
    word = value.strip().lower() or "off"
    if word in ("on", "off"):
        return word
    return _ids(value, "DISCORD_THREADS", otherwise="or set it to on or off")


Ids = frozenset[str]
UserIds = Annotated[Ids, NoDecode, BeforeValidator(_users)]
RoleIds = Annotated[Ids, NoDecode, BeforeValidator(_roles)]
ChannelIds = Annotated[Ids, NoDecode, BeforeValidator(_channels)]
GuildIds = Annotated[Ids, NoDecode, BeforeValidator(_guilds)]
FreeChannelIds = Annotated[Ids, NoDecode, BeforeValidator(_free)]
Threads = Annotated[Literal["on", "off"] | Ids, NoDecode, BeforeValidator(_threads)]
