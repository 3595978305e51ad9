"""A Slack event payload as a Mention, or nothing. Pure: no I/O, no clock, no look-ups.

Slack sends one mention as `app_mention` and as `message`, in any order and each up to four times; both forms give the
same `event_id`, made of the place and the message's ts (docs.slack.dev/apis/events-api, read November 2026). It is not
made of `client_msg_id`: an `app_mention` is documented without one, and the two forms would then be two questions.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, cast

from adapters.slack.payloads.fields import Json, record, records, seconds, text, words
from adapters.slack.text.mrkdwn import commonmark
from bot.events import Author, File, Mention, Message, Place

Names = Mapping[str, str]

NO_NAMES: Names = MappingProxyType({})

_SUBTYPES = (None, "file_share", "thread_broadcast", "me_message")
_SLACKBOT = "USLACKBOT"
_CALLED = re.compile(
    r"<(?:@([A-Z0-9]+)(?:\|[^<>\n]*)?|#([CG][A-Z0-9]+)\|?)>"
)  # a person, or a channel without its name
_OPENS = re.compile(r"\s*<(?:@([A-Z0-9]+)|!(here|channel|everyone|subteam\^[A-Z0-9]+))")
_NAMED_MAX = 10  # chosen: of one message, so many are looked up
_DEPTH_MAX = 8  # rich text nests three deep; more is not from Slack


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the bot is in the workspace, as `auth.test` says; `scopes` is what it was installed with, where known.

    `enterprise` is the Enterprise Grid organisation that the workspace belongs to, "" where it belongs to none.
    """

    team_id: str
    user_id: str
    bot_id: str
    scopes: frozenset[str] = frozenset()
    enterprise: str = ""


def mention(payload: Json, me: Identity, names: Names = NO_NAMES, *, threads: bool = False) -> Mention | None:
    """The mention in an Events API payload; None for everything that is not for the bot.

    `names` says what the ids of people and channels are called; what is not among them keeps the id. With `threads`
    each message of a direct conversation that stands in no thread begins one, as the agent view wants it.
    """
    event = _event(payload)
    if event is None or not from_a_person(event, me):
        return None
    called = addressed(event, me)
    if not called and (not text(event, "thread_ts") or event.get("subtype") == "me_message"):
        return None
    return built(event, team(payload) or me.team_id, me, names, threads=threads)


def message(raw: Json, me: Identity, names: Names = NO_NAMES) -> Message | None:
    """A line of a thread's history as Slack stores it; None for what nobody said (joins, deleted messages)."""
    ts = text(raw, "ts")
    if math.isnan(seconds(ts)) or raw.get("hidden") or raw.get("subtype") not in (*_SUBTYPES, "bot_message"):
        return None
    return Message(
        role="assistant" if own(raw, me) else "user",
        author=_author(raw, names),
        text=commonmark(words(raw), without_user=me.user_id, names=names),
        message_id=ts,
        at=seconds(ts),
        files=tuple(_files(raw)),
    )


def team(payload: Json) -> str:
    """The workspace through which the bot sees the event; "" where none is named.

    Never the event's own `team`: in a Slack Connect channel that is the author's, and one mention's two forms could
    then differ.
    """
    return text(payload, "context_team_id") or text(payload, "team_id")


def enterprise(payload: Json) -> str:
    """The Enterprise Grid organisation of that workspace; "" where there is none."""
    return text(payload, "context_enterprise_id") or text(payload, "enterprise_id")


def named_in(raw: Json, me: Identity) -> list[str]:
    """The ids whose names a reader of this message needs: its author's, and those of people and channels in it."""
    author = [] if raw.get("bot_id") else [text(raw, "user")]
    found = dict.fromkeys([*author, *(called[1] or called[2] for called in _CALLED.finditer(text(raw, "text")))])
    return [user for user in found if user not in ("", me.user_id, _SLACKBOT)][:_NAMED_MAX]


def own(raw: Json, me: Identity) -> bool:
    """Whether the bot itself wrote a message."""
    return me.user_id == raw.get("user") or me.bot_id == raw.get("bot_id")


def from_a_person(event: Json, me: Identity) -> bool:
    """Whether a person wrote it: bots answer bots for ever otherwise. Own messages fail both tests."""
    user = text(event, "user")
    known = bool(user and text(event, "channel")) and not math.isnan(seconds(text(event, "ts")))
    return known and user not in (me.user_id, _SLACKBOT) and not event.get("bot_id") and not event.get("bot_profile")


def addressed(event: Json, me: Identity) -> bool:
    """Whether a message is for the bot: it names the bot, or nobody else is there."""
    if event.get("type") == "app_mention" or is_dm(event):
        return True
    said = text(event, "text")
    return f"<@{me.user_id}>" in said or f"<@{me.user_id}|" in said or _named(event.get("blocks"), me.user_id)


def is_dm(event: Json) -> bool:
    """Group direct messages (mpim) are channels: more than one person reads them."""
    kind = event.get("channel_type")
    return kind == "im" if isinstance(kind, str) else text(event, "channel").startswith("D")


def built(event: Json, team: str, me: Identity, names: Names, *, threads: bool) -> Mention:
    """The mention that a person's message is; the message carries its channel."""
    ts, called = text(event, "ts"), addressed(event, me)
    return Mention(
        event_id=f"slack:{team}:{text(event, 'channel')}:{ts}",
        place=place(event, team, threads=threads),
        author=_author(event, names, team=text(event, "user_team") or text(event, "team") or team),
        text=commonmark(text(event, "text"), without_user=me.user_id, names=names),
        message_id=ts,
        sent_at=seconds(ts),
        files=tuple(_files(event)),
        addressed=called,
        others=_others(event, me, addressed=called),
    )


def place(event: Json, team: str, *, threads: bool) -> Place:
    """Where a message stands; it carries its channel. For `threads` see `mention`."""
    channel, thread = text(event, "channel"), text(event, "thread_ts")
    kind: Literal["dm", "channel", "thread"] = "thread" if thread else "channel"
    if is_dm(event):
        own_thread = thread if thread != text(event, "ts") else ""  # the first reply below a message names it so
        return Place("slack", team, channel, own_thread or (text(event, "ts") if threads else None), "dm")
    return Place("slack", team, channel, thread or text(event, "ts"), kind)


def _event(payload: Json) -> Json | None:
    found = record(payload, "event")
    wanted = found.get("type") in ("message", "app_mention") and found.get("subtype") in _SUBTYPES
    if payload.get("type") != "event_callback" or not wanted:
        return None
    return found if not found.get("hidden") and not found.get("edited") else None


def _called_first(event: Json) -> str:
    """Whom the text calls at its very beginning: a person's id, or the group's; "" for nobody."""
    found = _OPENS.match(text(event, "text"))
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


def _others(event: Json, me: Identity, *, addressed: bool) -> tuple[str, ...]:
    """Who else takes part: the thread's starter, and whom a follow-up turns to, which is then not for the bot."""
    found = dict.fromkeys((text(event, "parent_user_id"), "" if addressed else _called_first(event)))
    return tuple(user for user in found if user not in ("", me.user_id, event.get("user"), _SLACKBOT))


def _author(event: Json, names: Names, *, team: str = "") -> Author:
    user = text(event, "user") or text(event, "bot_id")
    is_bot = bool(event.get("bot_id") or event.get("subtype") == "bot_message" or user == _SLACKBOT)
    return Author(user, names.get(user) or _name(event) or user, is_bot, team)


def _name(event: Json) -> str:
    profile = record(event, "user_profile")
    return text(profile, "display_name") or text(profile, "real_name") or text(event, "username")


def _files(event: Json) -> Iterable[File]:
    return map(_file, records(event, "files"))


def _file(file: Json) -> File:
    url, size = text(file, "url_private"), file.get("size")
    # A remote file's address is chosen by a stranger: it must never be asked with the bot's token.
    remote = file.get("is_external") or file.get("mode") == "external" or not url.startswith("https://")
    return File(
        id=text(file, "id"),
        name=text(file, "name") or text(file, "title"),
        mime=text(file, "mimetype"),
        size_bytes=size if isinstance(size, int) else 0,
        ref="" if remote else url,
    )
