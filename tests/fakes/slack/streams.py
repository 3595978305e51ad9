"""chat.startStream, appendStream, stopStream: the rules of the reference, 2.4 and section 0.

What was streamed stands in the stored message, whole; the rest of a stream is a `Stream` in `streams`.
"""

import re
from dataclasses import dataclass, field
from typing import cast

from tests.fakes.slack import blocks as block_kit
from tests.fakes.slack import sessions
from tests.fakes.slack.deliver import Delivering
from tests.fakes.slack.facts import Call, Json, SlackError
from tests.fakes.slack.messages import MARKDOWN_TEXT_MAX, called, check_thread, own, own_message, place
from tests.fakes.slack.records import Stream

STREAM_MAX_BYTES = 11_000  # 0.3: about 10,600 to 11,300 UTF-8 bytes over the whole message, undocumented
CHUNK_BLOCKS_MAX = STOP_BLOCKS_MAX = 50
_RECIPIENT = re.compile(r"[UW][A-Z0-9]{2,}")
_TASK_STATUSES = {"pending", "in_progress", "complete", "error"}


@dataclass(slots=True)
class Addition:
    """What one call adds to a stream."""

    text: str = ""
    size_bytes: int = 0
    tasks: dict[str, Json] = field(default_factory=dict[str, Json])
    blocks: list[Json] = field(default_factory=list[Json])


def start(slack: Delivering, call: Call) -> Json:
    """chat.startStream: only in a thread, in channels only for a recipient; the agent's session begins processing."""
    args, channel = call.args, str(call.args["channel"])
    place(slack, call)
    if not args.get("thread_ts"):
        raise SlackError("invalid_thread_ts")
    thread_ts = str(args["thread_ts"])
    check_thread(slack, channel, thread_ts)
    _check_recipient(slack, channel, args)
    if args.get("task_display_mode", "timeline") not in ("timeline", "plan", "dense"):
        raise SlackError("invalid_arguments")
    message = own_message(slack, call.installation, channel) | {"thread_ts": thread_ts}
    stream = Stream(call.installation.key, thread_ts, slack.now())
    _apply(slack, message, stream, _addition(args, stream, message))
    ts = str(message["ts"])
    slack.channels[channel][ts] = message
    slack.streams[channel, ts] = stream
    slack.echo(channel, message)
    return {"channel": channel, "ts": ts, **sessions.begin(slack, channel, thread_ts)}


def append(slack: Delivering, call: Call) -> Json:
    """chat.appendStream: markdown_text or chunks, not both."""
    message, stream = _running(slack, call)
    if not call.args.get("markdown_text") and not call.args.get("chunks"):
        raise SlackError("no_text")
    warning = _apply(slack, message, stream, _addition(call.args, stream, message))
    return {"channel": call.args["channel"], "ts": call.args["ts"], **warning}


def stop(slack: Delivering, call: Call) -> Json:
    """chat.stopStream: the last text, blocks below it, metadata; the session becomes `session_status` (active)."""
    args, channel = call.args, str(call.args["channel"])
    message, stream = _running(slack, call)
    status = str(args.get("session_status") or "active")
    sessions.check_status(status)
    blocks = block_kit.check(args["blocks"]) if args.get("blocks") else []
    addition = _addition(args, stream, message)
    block_kit.check_tables(str(message["text"]) + addition.text + "\n\n" + block_kit.markdown_of(blocks))
    before = dict(message)
    _apply(slack, message, stream, addition)
    stream.stopped = True
    if standing := stream.blocks + blocks:
        message["blocks"] = standing
        message["markdown_text"] = "\n\n".join(filter(None, [message["text"], block_kit.markdown_of(standing)]))
    if "metadata" in args:
        message["metadata"] = args["metadata"]
    sessions.become(slack, channel, stream.thread_ts, status)
    slack.echo(channel, message, subtype="message_changed", message=dict(message), previous_message=before)
    return {"channel": channel, "ts": args["ts"], "message": message}


def _check_recipient(slack: Delivering, channel: str, args: Json) -> None:
    """In channels both ids are needed, and a stranger to the workspace is refused (2.4, Slack Connect)."""
    user, team = str(args.get("recipient_user_id") or ""), str(args.get("recipient_team_id") or "")
    if slack.kind(channel) == "im" and not user and not team:
        return
    if not user:
        raise SlackError("missing_recipient_user_id")
    if not team:
        raise SlackError("missing_recipient_team_id")
    if not _RECIPIENT.fullmatch(user):
        raise SlackError("invalid_arguments")
    teams = {*slack.teams, *(person.team for person in slack.people.values())}
    if team not in teams:
        raise SlackError("team_not_found")
    person = slack.known(user)
    if (slack.people or slack.names) and not person:
        raise SlackError("user_not_found")
    if person and (person.team or slack.team_of(channel)) != team:
        raise SlackError("user_not_found")


def _running(slack: Delivering, call: Call) -> tuple[Json, Stream]:
    """The stream that a call names, with its message."""
    message = own(slack, call, refusal="message_not_owned_by_app")
    stream = slack.streams.get((str(call.args["channel"]), str(call.args["ts"])))
    if stream and stream.stopped_by_user and call.method == "chat.appendStream":
        raise SlackError("stopped_by_user")
    if not stream or not stream.open(slack.now()):
        raise SlackError("message_not_in_streaming_state")
    return message, stream


def _addition(args: Json, stream: Stream, message: Json) -> Addition:
    """What a call adds, checked against every limit before anything is applied."""
    text, chunks = str(args.get("markdown_text") or ""), cast(list[Json], args.get("chunks") or [])
    if text and chunks:
        raise SlackError("invalid_arguments", response_metadata={"messages": ["markdown_text and chunks"]})
    if len(text) > MARKDOWN_TEXT_MAX:
        raise SlackError("msg_too_long")
    found = Addition(text, len(text.encode("utf-8", "surrogatepass")))
    for chunk in chunks:
        _add_chunk(found, chunk)
    if stream.size_bytes + found.size_bytes > STREAM_MAX_BYTES:
        raise SlackError("msg_too_long")
    block_kit.check_tables(str(message["text"]) + found.text)
    return found


def _add_chunk(found: Addition, chunk: Json) -> None:
    """Add one typed chunk. Titles and details count to the size of the message, too (2.4)."""
    counted: list[str] = []
    match chunk:
        case {"type": "markdown_text", "text": str(text)}:
            found.text += text
            counted = [text]
        case {"type": "task_update", "id": str(task), "title": str(title), "status": status}:
            if status not in _TASK_STATUSES:
                raise SlackError("invalid_chunks")
            found.tasks[task] = chunk
            counted = [title, str(chunk.get("details", "")), str(chunk.get("output", ""))]
        case {"type": "plan_update", "title": str(title)}:
            counted = [title]
        case {"type": "blocks", "blocks": blocks}:
            found.blocks += block_kit.check(blocks)
        case _:
            raise SlackError("invalid_chunks")
    found.size_bytes += sum(len(text.encode("utf-8", "surrogatepass")) for text in counted)


def _apply(slack: Delivering, message: Json, stream: Stream, addition: Addition) -> Json:
    """Append, and warn of blocks that were dropped because there are too many of them."""
    message["text"] += addition.text
    message["markdown_text"] = message["text"]
    stream.size_bytes += addition.size_bytes
    for task, update in addition.tasks.items():
        known = stream.tasks.get(task, {})
        more = {name: str(known.get(name, "")) + str(update.get(name, "")) for name in ("details", "output")}
        stream.tasks[task] = {**known, **update, **more}
    dropped = len(stream.blocks) + len(addition.blocks) > CHUNK_BLOCKS_MAX
    stream.blocks = (stream.blocks + addition.blocks)[:CHUNK_BLOCKS_MAX]
    slack.pings[str(message["ts"])] |= called(message)
    return {"warning": "blocks_dropped"} if dropped else {}
