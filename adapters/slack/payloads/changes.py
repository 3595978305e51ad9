"""What became of a message after it was sent, and the wish that an answer stops: facts from payloads. Pure.

A person's edit comes as `message_changed`. So do link previews, the bot's own edits and the text of its streams, and a
parent that was deleted under its replies, whose message then has the subtype `tombstone` (docs.slack.dev/reference/
events/message, November 2026). Only what changed the text or the files is an edit.
"""

import math

from adapters.slack.payloads.fields import Json, record, records, seconds, text
from adapters.slack.payloads.parse import (
    NO_NAMES,
    Identity,
    Names,
    addressed,
    built,
    from_a_person,
    is_dm,
    own,
    place,
    team,
)
from bot.events import Author, Change, Place, Stop


def change(payload: Json, me: Identity, names: Names = NO_NAMES, *, threads: bool = False) -> Change | None:
    """An edit by a person, or a deletion by anybody; None for all else. For `threads` see `parse.mention`.

    A deletion names a person's message or the bot's own: whoever removed an answer does not want it in the history.
    """
    event = record(payload, "event")
    if payload.get("type") != "event_callback" or event.get("type") != "message":
        return None
    workspace = team(payload) or me.team_id
    match event.get("subtype"):
        case "message_deleted":
            return _deletion(event, _standing(event, "previous_message"), workspace, me, threads=threads)
        case "message_changed":
            now = _standing(event, "message")
            if now.get("subtype") == "tombstone":
                return _deletion(event, {**_standing(event, "previous_message"), **now}, workspace, me, threads=threads)
            return _edit(event, now, workspace, me, names, threads=threads)
        case _:
            return None


def edited(payload: Json) -> Json:
    """The message as it reads after an edit, with its channel: what `parse.named_in` reads."""
    return _standing(record(payload, "event"), "message")


def stop(payload: Json, me: Identity) -> Stop | None:
    """The native Stop of an agent session, `agent_session_stopped` (docs.slack.dev/ai/agent-sessions, Nov 2026)."""
    event = record(payload, "event")
    user, thread, channel = (text(event, name) for name in ("user", "thread_ts", "channel"))
    if event.get("type") != "agent_session_stopped" or not (channel and thread):
        return None
    where = Place("slack", team(payload) or me.team_id, channel, thread, "dm" if is_dm(event) else "thread")
    return Stop(where, Author(user, user))


def _standing(event: Json, name: str) -> Json:
    """A message inside an event: the channel is said once, around it."""
    return {**record(event, name), "channel": event.get("channel"), "channel_type": event.get("channel_type")}


def _edit(event: Json, now: Json, workspace: str, me: Identity, names: Names, *, threads: bool) -> Change | None:
    before = _standing(event, "previous_message")
    if not from_a_person(now, me) or not _differs(now, record(event, "previous_message")):
        return None
    if not text(now, "thread_ts") and not addressed(now, me) and not addressed(before, me):
        return None  # said in a channel to others: the bot never had it
    found = built(now, workspace, me, names, threads=threads)
    ts = text(record(now, "edited"), "ts") or text(event, "event_ts") or text(event, "ts")
    return Change(f"{found.event_id}:edited:{ts}", found.place, found.message_id, _at(ts, found.sent_at), found)


def _differs(now: Json, before: Json) -> bool:
    """Whether the writer changed it. Where Slack does not say how it read before, `edited` tells it from a preview."""
    if not before:
        return bool(now.get("edited"))
    return text(now, "text") != text(before, "text") or _files(now) != _files(before)


def _files(message: Json) -> list[str]:
    return [text(file, "id") for file in records(message, "files")]


def _deletion(event: Json, before: Json, workspace: str, me: Identity, *, threads: bool) -> Change | None:
    ts = text(event, "deleted_ts") or text(before, "ts")
    if math.isnan(seconds(ts)) or not text(event, "channel") or not _may_be_known(before, me):
        return None
    where = place({**before, "ts": ts}, workspace, threads=threads)
    at = _at(text(event, "event_ts") or text(event, "ts"), seconds(ts))
    return Change(f"slack:{workspace}:{where.channel}:{ts}:deleted", where, ts, at)


def _may_be_known(before: Json, me: Identity) -> bool:
    """Whether what is gone may stand in a history: also where Slack no longer says what it was."""
    if own(before, me) or not text(before, "text"):
        return True
    return not before.get("bot_id") and (bool(text(before, "thread_ts")) or addressed(before, me))


def _at(ts: str, otherwise: float) -> float:
    at = seconds(ts)
    return otherwise if math.isnan(at) else at
