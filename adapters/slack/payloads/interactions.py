"""What people do with buttons, shortcuts, forms and slash commands, as facts. Pure.

Payloads: docs.slack.dev/reference/interaction-payloads and docs.slack.dev/interactivity/implementing-slash-commands,
November 2026. Unlike events they come once: Slack shows the person a failure and does not send them again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from adapters.slack.payloads.fields import Json, record, records, text, words
from adapters.slack.text.mrkdwn import commonmark
from bot.events import Author, Place


@dataclass(frozen=True, slots=True)
class Source:
    """Who did it, where, and how to answer: `trigger_id` opens one form within 3 s, `response_url` takes five messages.

    `place.channel` is "" for a form, which stands nowhere. `enterprise` is the Enterprise Grid organisation.
    """

    actor: Author
    place: Place
    enterprise: str = ""
    trigger_id: str = ""
    response_url: str = ""


@dataclass(frozen=True, slots=True)
class Press:
    """A button was pressed in a message. `at` is when, as a Slack ts; `by_bot` is the app that wrote the message."""

    source: Source
    action_id: str
    value: str
    message_ts: str
    at: str
    by_bot: str


@dataclass(frozen=True, slots=True)
class Shortcut:
    """A message's menu entry was chosen. `said` is the message's text as CommonMark, `writer` its author's id."""

    source: Source
    callback_id: str
    said: str
    writer: str
    message_ts: str
    at: str


@dataclass(frozen=True, slots=True)
class Form:
    """A form was sent. `note` is what the bot wrote into it when it was opened, `values` what the person did."""

    source: Source
    callback_id: str
    note: str
    values: Mapping[str, str]
    view_id: str


@dataclass(frozen=True, slots=True)
class Slash:
    """A slash command. `typed` is what follows the command, as CommonMark."""

    source: Source
    typed: str


Interaction = Press | Shortcut | Form | Slash


def interaction(payload: Json) -> Interaction | None:
    """What somebody did; None for what the bot did not offer or cannot place.

    A press carries one action; a second in the same payload belongs to no button of this bot.
    """
    if not _actor(payload).id or not team(payload):
        return None
    match _kind(payload):
        case "slash":
            return Slash(_source(payload, text(payload, "channel_id")), commonmark(text(payload, "text")))
        case "block_actions":
            return _press(payload)
        case "message_action":
            return _shortcut(payload)
        case "view_submission":
            view = record(payload, "view")
            note, state = text(view, "private_metadata"), record(record(view, "state"), "values")
            return Form(_source(payload, ""), text(view, "callback_id"), note, _values(state), text(view, "id"))
        case _:
            return None


def is_interaction(payload: Json) -> bool:
    """Whether a delivery is one at all, known to this bot or not."""
    return bool(text(payload, "command")) or text(payload, "type") in (
        "block_actions", "message_action", "shortcut", "view_submission", "view_closed", "block_suggestion",
    )  # fmt: skip


def team(payload: Json) -> str:
    """The workspace whose installation is meant: a form's own first, which may have been opened through Slack Connect.

    An organisation-wide installation may send no team but the person's.
    """
    return (
        text(record(payload, "view"), "app_installed_team_id")
        or text(record(payload, "team"), "id")
        or text(payload, "team_id")
        or text(record(payload, "user"), "team_id")
    )


def enterprise(payload: Json) -> str:
    """The Enterprise Grid organisation; "" where there is none."""
    return text(record(payload, "enterprise"), "id") or text(payload, "enterprise_id")


def stands(workspace: str, channel: str, thread: str | None) -> Place:
    """The place with these ids; a gesture's payload does not say of what kind its channel is, the id does."""
    kind: Literal["dm", "channel", "thread"] = "thread" if thread else "channel"
    return Place("slack", workspace, channel, thread, "dm" if channel.startswith("D") else kind)


def _kind(payload: Json) -> str:
    return "slash" if text(payload, "command") else text(payload, "type")


def _actor(payload: Json) -> Author:
    user = record(payload, "user")
    id_ = text(user, "id") or text(payload, "user_id")
    name = text(user, "username") or text(user, "name") or text(payload, "user_name")
    return Author(id_, name or id_, team=text(user, "team_id") or text(payload, "team_id"))


def _source(payload: Json, channel: str, thread: str | None = None) -> Source:
    return Source(
        actor=_actor(payload),
        place=stands(team(payload), channel, thread),
        enterprise=enterprise(payload),
        trigger_id=text(payload, "trigger_id"),
        response_url=text(payload, "response_url"),
    )


def _press(payload: Json) -> Press | None:
    container, message = record(payload, "container"), record(payload, "message")
    channel = text(record(payload, "channel"), "id") or text(container, "channel_id")
    ts = text(container, "message_ts") or text(message, "ts")
    actions = records(payload, "actions")
    if not (channel and ts and actions):
        return None  # a button outside of messages: none of ours
    thread = text(message, "thread_ts") or text(container, "thread_ts") or None
    if channel.startswith("D") and thread == ts:
        thread = None  # a message of a running conversation that somebody has replied to
    action = actions[0]
    return Press(
        source=_source(payload, channel, thread),
        action_id=text(action, "action_id"),
        value=text(action, "value"),
        message_ts=ts,
        at=text(action, "action_ts"),
        by_bot=text(message, "bot_id"),
    )


def _shortcut(payload: Json) -> Shortcut | None:
    channel, message = text(record(payload, "channel"), "id"), record(payload, "message")
    ts = text(payload, "message_ts") or text(message, "ts")
    if not (channel and ts):
        return None
    return Shortcut(
        source=_source(payload, channel, text(message, "thread_ts") or ts),
        callback_id=text(payload, "callback_id"),
        said=commonmark(words(message)),
        writer=text(message, "user") or text(message, "bot_id"),
        message_ts=ts,
        at=text(payload, "action_ts"),
    )


def _values(state: Json) -> Mapping[str, str]:
    """What was typed, by the action ids of the inputs."""
    found: dict[str, str] = {}
    for block in state:
        inputs = record(state, block)
        found |= {name: text(record(inputs, name), "value") for name in inputs}
    return found
