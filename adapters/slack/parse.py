"""A Slack event payload as a Mention, or nothing. Pure: no I/O, no clock, no look-ups.

Slack sends one mention as `app_mention` and as `message`, in any order and each up to four times; both forms give the
same `event_id`, made of the place and the message's ts (docs.slack.dev/apis/events-api, read November 2026).
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, cast

from adapters.slack.mrkdwn import commonmark
from bot.events import Author, File, Mention, Message, Place

Json = dict[str, Any]
Names = Mapping[str, str]

_NO_NAMES: Names = MappingProxyType({})

_SUBTYPES = (None, "file_share", "thread_broadcast", "me_message")
_SLACKBOT = "USLACKBOT"
_CALLED = re.compile(r"<@([A-Z0-9]+)(?:\|[^<>\n]*)?>")
_OPENS = re.compile(r"\s*<(?:@([A-Z0-9]+)|!(here|channel|everyone|subteam\^[A-Z0-9]+))")
_NAMED_MAX = 10  # chosen: of one message, so many people are looked up
_DEPTH_MAX = 8  # rich text nests three deep; more is not from Slack


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the bot is in the workspace, as `auth.test` says."""

    team_id: str
    user_id: str
    bot_id: str


def mention(payload: Json, me: Identity, names: Names = _NO_NAMES) -> Mention | None:
    """The mention in an Events API payload; None for everything that is not for the bot.

    `names` says what user ids are called; whoever is not among them keeps the id.
    """
    event = _event(payload)
    if event is None or not _from_a_person(event, me):
        return None
    addressed = _addressed(event, me)
    if not addressed and (not _text(event, "thread_ts") or event.get("subtype") == "me_message"):
        return None
    return _built(event, team(payload) or me.team_id, me, names, addressed=addressed)


def message(raw: Json, me: Identity, names: Names = _NO_NAMES) -> Message | None:
    """A line of a thread's history as Slack stores it; None for what nobody said (joins, deleted messages)."""
    ts = _text(raw, "ts")
    own = me.user_id == raw.get("user") or me.bot_id == raw.get("bot_id")
    if math.isnan(_seconds(ts)) or raw.get("hidden") or raw.get("subtype") not in (*_SUBTYPES, "bot_message"):
        return None
    return Message(
        role="assistant" if own else "user",
        author=_author(raw, names),
        text=commonmark(_text(raw, "text"), without_user=me.user_id, names=names),
        message_id=ts,
        at=_seconds(ts),
        files=tuple(_files(raw)),
    )


def team(payload: Json) -> str:
    """The workspace through which the bot sees the event; "" where none is named.

    Never the event's own `team`: in a Slack Connect channel that is the author's, and one mention's two forms could
    then differ.
    """
    return _text(payload, "context_team_id") or _text(payload, "team_id")


def enterprise(payload: Json) -> str:
    """The Enterprise Grid organisation of that workspace; "" where there is none."""
    return _text(payload, "context_enterprise_id") or _text(payload, "enterprise_id")


def named_in(raw: Json, me: Identity) -> list[str]:
    """The ids of the people whose names a reader of this message needs: its author, and whom it mentions."""
    author = [] if raw.get("bot_id") else [_text(raw, "user")]
    found = dict.fromkeys([*author, *(called[1] for called in _CALLED.finditer(_text(raw, "text")))])
    return [user for user in found if user not in ("", me.user_id, _SLACKBOT)][:_NAMED_MAX]


def _event(payload: Json) -> Json | None:
    event = payload.get("event")
    if payload.get("type") != "event_callback" or not isinstance(event, dict):
        return None
    found = cast(Json, event)
    wanted = found.get("type") in ("message", "app_mention") and found.get("subtype") in _SUBTYPES
    return found if wanted and not found.get("hidden") and not found.get("edited") else None


def _from_a_person(event: Json, me: Identity) -> bool:
    """Whether a person wrote it: bots answer bots for ever otherwise. Own messages fail both tests."""
    user = _text(event, "user")
    known = bool(user and _text(event, "channel")) and not math.isnan(_seconds(_text(event, "ts")))
    return known and user not in (me.user_id, _SLACKBOT) and not event.get("bot_id") and not event.get("bot_profile")


def _addressed(event: Json, me: Identity) -> bool:
    if event.get("type") == "app_mention" or _is_dm(event):
        return True
    text = _text(event, "text")
    return f"<@{me.user_id}>" in text or f"<@{me.user_id}|" in text or _named(event.get("blocks"), me.user_id)


def _called_first(event: Json) -> str:
    """Whom the text calls at its very beginning: a person's id, or the group's; "" for nobody."""
    found = _OPENS.match(_text(event, "text"))
    return (found[1] or found[2]) if found else ""


def _named(node: object, user: str, depth: int = 0) -> bool:
    """Whether rich text mentions the user outside quotes: a mention in a block may be missing in `text`."""
    if depth > _DEPTH_MAX:
        return False
    if isinstance(node, list):
        return any(_named(part, user, depth + 1) for part in cast(list[object], node))
    if not isinstance(node, dict):
        return False
    part = cast(Json, node)
    if part.get("type") == "rich_text_quote":
        return False
    found = part.get("type") == "user" and part.get("user_id") == user
    return found or _named(part.get("elements"), user, depth + 1)


def _is_dm(event: Json) -> bool:
    """Group direct messages (mpim) are channels: more than one person reads them."""
    kind = event.get("channel_type")
    return kind == "im" if isinstance(kind, str) else _text(event, "channel").startswith("D")


def _built(event: Json, team: str, me: Identity, names: Names, *, addressed: bool) -> Mention:
    ts, channel = _text(event, "ts"), _text(event, "channel")
    return Mention(
        event_id=f"slack:{team}:{channel}:{ts}",
        place=_place(event, team),
        author=_author(event, names),
        text=commonmark(_text(event, "text"), without_user=me.user_id, names=names),
        message_id=ts,
        sent_at=_seconds(ts),
        files=tuple(_files(event)),
        addressed=addressed,
        others=_others(event, me, addressed=addressed),
    )


def _place(event: Json, team: str) -> Place:
    channel, thread = _text(event, "channel"), _text(event, "thread_ts")
    kind: Literal["dm", "channel", "thread"] = "thread" if thread else "channel"
    if _is_dm(event):
        return Place("slack", team, channel, thread or None, "dm")
    return Place("slack", team, channel, thread or _text(event, "ts"), kind)


def _others(event: Json, me: Identity, *, addressed: bool) -> tuple[str, ...]:
    """Who else takes part: the thread's starter, and whom a follow-up turns to, which is then not for the bot."""
    found = dict.fromkeys((_text(event, "parent_user_id"), "" if addressed else _called_first(event)))
    return tuple(user for user in found if user not in ("", me.user_id, event.get("user"), _SLACKBOT))


def _author(event: Json, names: Names) -> Author:
    user = _text(event, "user") or _text(event, "bot_id")
    is_bot = bool(event.get("bot_id") or event.get("subtype") == "bot_message" or user == _SLACKBOT)
    return Author(user, names.get(user) or _name(event) or user, is_bot)


def _name(event: Json) -> str:
    profile = cast(Json, found) if isinstance(found := event.get("user_profile"), dict) else {}
    return _text(profile, "display_name") or _text(profile, "real_name") or _text(event, "username")


def _files(event: Json) -> Iterable[File]:
    files = event.get("files")
    for file in cast(list[object], files) if isinstance(files, list) else []:
        if isinstance(file, dict):
            yield _file(cast(Json, file))


def _file(file: Json) -> File:
    url, size = _text(file, "url_private"), file.get("size")
    # A remote file's address is chosen by a stranger: it must never be asked with the bot's token.
    remote = file.get("is_external") or file.get("mode") == "external" or not url.startswith("https://")
    return File(
        id=_text(file, "id"),
        name=_text(file, "name") or _text(file, "title"),
        mime=_text(file, "mimetype"),
        size_bytes=size if isinstance(size, int) else 0,
        ref="" if remote else url,
    )


def _text(of: Json, name: str) -> str:
    value = of.get(name)
    return value if isinstance(value, str) else ""


def _seconds(ts: str) -> float:
    """A Slack ts as Unix seconds; NaN when it is none."""
    whole, dot, rest = ts.partition(".")
    return float(ts) if whole.isdecimal() and ts.isascii() and (rest.isdecimal() or not dot) else math.nan
