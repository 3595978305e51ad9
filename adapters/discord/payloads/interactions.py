"""What people do with commands, menus, buttons and forms, as facts. Pure; an odd payload is None.

Payloads (developer docs, Receiving and Responding to Interactions, read November 2026): `member` on a server, `user`
elsewhere; `context` 0 a server, 1 the bot's direct messages, 2 others' direct and group messages;
`authorizing_integration_owners` has the key "0" where the app is installed on the server (or in the bot's direct
messages), and only "1" where the person alone installed it. Each comes once; it is answered within 3 s.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from adapters.discord.payloads.fields import Payload, key, keys, number, record, records, text
from adapters.discord.payloads.guild import THREAD_TYPES
from bot.events import Author, Place

PING: Final = 1
_COMMAND, _COMPONENT, _AUTOCOMPLETE, _MODAL = 2, 3, 4, 5
_SLASH, _MESSAGE_MENU = 1, 3
_BOT_DM = 1
_SERVER_INSTALL: Final = "0"
_ROW, _LABEL = 1, 18
_ADMINISTRATOR, _VIEW_CHANNEL, _MANAGE_MESSAGES, _READ_HISTORY = 1 << 3, 1 << 10, 1 << 13, 1 << 16


@dataclass(frozen=True, slots=True)
class Source:
    """Who did it, where, and how to answer.

    `token` answers for 15 minutes and is as good as a password. `here` is whether the app is installed where it
    happened, so that the bot may be asked to do something there; `reads` whether it may read that channel. `parent`
    is the channel around a thread and `owner` who began the thread, "" where there is none or it is not said.
    """

    id: str
    application: str
    token: str = field(repr=False)
    actor: Author
    place: Place
    parent: str = ""
    owner: str = ""
    roles: tuple[str, ...] = ()
    moderates: bool = False
    here: bool = True
    reads: bool = False


@dataclass(frozen=True, slots=True)
class Slash:
    """A slash command, and its options by name."""

    source: Source
    name: str
    options: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Autocomplete:
    """Somebody types an option's value: `focused` is its name, `typed` what stands there by now."""

    source: Source
    name: str
    focused: str
    typed: str


@dataclass(frozen=True, slots=True)
class Menu:
    """An entry of a message's menu was chosen. `target` is that message, with its content, as Discord sent it."""

    source: Source
    name: str
    message_id: str
    target: Payload


@dataclass(frozen=True, slots=True)
class Press:
    """A button was pressed in a message."""

    source: Source
    custom_id: str
    message_id: str


@dataclass(frozen=True, slots=True)
class Form:
    """A form was sent; `values` are what was typed, by the ids of the inputs."""

    source: Source
    custom_id: str
    values: Mapping[str, str]


Interaction = Slash | Autocomplete | Menu | Press | Form


def interaction(payload: Payload) -> Interaction | None:
    """What somebody did; None for what the bot did not offer or cannot place."""
    source, data = _source(payload), record(payload, "data")
    if source is None:
        return None
    match payload.get("type"), data.get("type"):
        case (2, 1):
            options = {text(one, "name"): _value(one) for one in records(data, "options")}
            return Slash(source, text(data, "name"), options)
        case (2, 3):
            return _menu(source, data)
        case (3, _):
            message_id = key(record(payload, "message"), "id")
            return Press(source, text(data, "custom_id"), message_id) if message_id else None
        case (4, _):
            return _autocomplete(source, data)
        case (5, _):
            return Form(source, text(data, "custom_id"), dict(_typed(data)))
        case _:
            return None


def _menu(source: Source, data: Payload) -> Menu | None:
    message_id = key(data, "target_id")
    target = record(record(record(data, "resolved"), "messages"), message_id)
    return Menu(source, text(data, "name"), message_id, target) if message_id and target else None


def _autocomplete(source: Source, data: Payload) -> Autocomplete | None:
    focused = next((one for one in records(data, "options") if one.get("focused") is True), None)
    if focused is None:
        return None
    return Autocomplete(source, text(data, "name"), text(focused, "name"), _value(focused))


def _source(payload: Payload) -> Source | None:
    member, channel = record(payload, "member"), record(payload, "channel")
    user = record(member, "user") or record(payload, "user")
    ids = key(payload, "id"), key(payload, "application_id"), key(user, "id")
    where, token = key(payload, "channel_id") or key(channel, "id"), text(payload, "token")
    if not (all(ids) and where and token):
        return None
    here = _SERVER_INSTALL in record(payload, "authorizing_integration_owners")
    rights = _bits(payload, "app_permissions")
    return Source(
        id=ids[0],
        application=ids[1],
        token=token,
        actor=_actor(user, member),
        place=_place(payload, channel, where, here=here),
        parent=key(channel, "parent_id") if number(channel, "type") in THREAD_TYPES else "",
        owner=key(channel, "owner_id") if number(channel, "type") in THREAD_TYPES else "",
        roles=tuple(keys(member, "roles")),
        moderates=bool(_bits(member, "permissions") & (_ADMINISTRATOR | _MANAGE_MESSAGES)),
        here=here,
        reads=here and (bool(rights & _ADMINISTRATOR) or not ~rights & (_VIEW_CHANNEL | _READ_HISTORY)),
    )


def _actor(user: Payload, member: Payload) -> Author:
    name = text(user, "global_name") or text(member, "nick") or text(user, "username") or "someone"
    return Author(key(user, "id"), " ".join(name.split()), is_bot=bool(user.get("bot")))


def _place(payload: Payload, channel: Payload, where: str, *, here: bool) -> Place:
    """Named as messages' places are. Where the bot is not there is nothing around a message that it could read."""
    guild = key(payload, "guild_id")
    if not guild:
        return Place("discord", "", where, None, "dm" if payload.get("context") == _BOT_DM else "channel")
    if here and number(channel, "type") in THREAD_TYPES:
        return Place("discord", guild, where, where, "thread")
    return Place("discord", guild, where, None, "channel")


def _bits(of: Payload, name: str) -> int:
    """A set of permissions, which Discord writes as a decimal text."""
    value = text(of, name)
    return int(value) if value.isascii() and value.isdigit() and len(value) <= 20 else 0


def _value(option: Payload) -> str:
    """An option's value as text, whatever its kind."""
    return text(option, "value") or (str(number(option, "value")) if number(option, "value") else "")


def _typed(data: Payload) -> Iterator[tuple[str, str]]:
    """The inputs of a form: each in a label, or in a row as before September 2025."""
    for one in records(data, "components"):
        inside = [record(one, "component")] if one.get("type") == _LABEL else records(one, "components")
        yield from ((text(each, "custom_id"), text(each, "value")) for each in inside if text(each, "custom_id"))
