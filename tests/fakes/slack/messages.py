"""chat.postMessage, update, delete, postEphemeral, and reading: conversations.replies and history.

Text limits are those of the reference, 2.6; block limits are in `blocks`; edits of a running stream are refused (2.4).
"""

import re

from tests.fakes.slack import blocks as block_kit
from tests.fakes.slack.deliver import Delivering
from tests.fakes.slack.facts import APP_ID, Call, Installation, Json, SlackError

MARKDOWN_TEXT_MAX = 12_000
TEXT_MAX = 40_000  # longer texts are truncated, with a warning
UPDATE_MAX = 4_000  # 2.4
LIMITED_PAGE_MAX = 15  # 2.3, history limit


def post_message(slack: Delivering, call: Call) -> Json:
    """chat.postMessage."""
    args, channel = call.args, str(call.args["channel"])
    content = content_of(slack, args, text_max=TEXT_MAX)
    place(slack, call)
    client_id = str(args.get("client_msg_id", ""))
    if slack.dedupe and client_id in slack.by_client_id:
        where, ts = slack.by_client_id[client_id]
        return {"channel": where, "ts": ts, "message": slack.channels[where][ts]}
    thread = args.get("thread_ts")
    if thread:
        check_thread(slack, channel, str(thread))
    message = own_message(slack, call.installation, channel) | content
    message |= {name: args[name] for name in ("thread_ts", "metadata") if args.get(name)}
    ts = str(message["ts"])
    slack.channels[channel][ts] = message
    slack.by_client_id[client_id] = (channel, ts)
    slack.statuses.pop((channel, str(thread)), None)
    slack.pings[ts] |= called(message)
    slack.echo(channel, message)
    return {"channel": channel, "ts": ts, "message": message}


def update(slack: Delivering, call: Call) -> Json:
    """chat.update: text without blocks removes the blocks; a running stream cannot be edited."""
    args, channel = call.args, str(call.args["channel"])
    message = own(slack, call, refusal="cant_update_message")
    stream = slack.streams.get((channel, str(args["ts"])))
    if stream and stream.open(slack.now()):
        raise SlackError("streaming_state_conflict")
    content = content_of(slack, args, text_max=None)
    before = dict(message)
    if "blocks" not in content:
        message.pop("blocks", None)
    message |= {**content, "edited": {"user": call.installation.bot_user, "ts": slack.new_ts()}}
    if "metadata" in args:
        message["metadata"] = args["metadata"]
    slack.pings[message["ts"]] |= called(message)
    slack.echo(channel, message, subtype="message_changed", message=dict(message), previous_message=before)
    return {"channel": channel, "ts": args["ts"], "text": message["text"], "message": message}


def delete(slack: Delivering, call: Call) -> Json:
    """chat.delete of the app's own message."""
    message, channel = own(slack, call, refusal="cant_delete_message"), str(call.args["channel"])
    slack.echo(channel, message, subtype="message_deleted", deleted_ts=call.args["ts"], previous_message=message)
    del slack.channels[channel][str(call.args["ts"])]
    slack.streams.pop((channel, str(call.args["ts"])), None)
    return {"channel": channel, "ts": call.args["ts"]}


def post_ephemeral(slack: Delivering, call: Call) -> Json:
    """chat.postEphemeral: seen by one member of the channel, kept in `ephemerals`."""
    args, channel, user = call.args, str(call.args["channel"]), str(call.args["user"])
    content = content_of(slack, args, text_max=TEXT_MAX)
    place(slack, call)
    if not in_channel(slack, channel, user):
        raise SlackError("user_not_in_channel")
    ts = slack.new_ts()
    said = {"channel": channel, "user": user, "ts": ts, "via": "chat.postEphemeral", **content}
    if thread := args.get("thread_ts"):
        said["thread_ts"] = thread
        if len(slack.thread(channel, str(thread))) < 2:
            # "Ephemeral messages in threads are only shown if there is already an active thread."
            slack.note("unshown", "chat.postEphemeral", channel=channel, user=user)
            return {"message_ts": ts}
    slack.ephemerals.append(said)
    return {"message_ts": ts}


def replies(slack: Delivering, call: Call) -> Json:
    """conversations.replies."""
    channel, root = str(call.args["channel"]), str(call.args["ts"])
    if root not in place(slack, call):
        raise SlackError("thread_not_found")
    thread = _visible(slack, slack.thread(channel, root))
    kept = [message for message in thread if message["ts"] == root or _between(message, call.args)]
    return _page(slack, kept, call.args)


def history(slack: Delivering, call: Call) -> Json:
    """conversations.history, newest first."""
    top = [one for one in place(slack, call).values() if one.get("thread_ts", one["ts"]) == one["ts"]]
    kept = [message for message in _visible(slack, top) if _between(message, call.args)]
    return _page(slack, sorted(kept, key=lambda message: str(message["ts"]), reverse=True), call.args)


# What other methods share


def place(slack: Delivering, call: Call) -> dict[str, Json]:
    """The messages of the channel that a call names.

    A channel of another workspace than the token's does not exist for it; the ledger gets a `crossed`.
    """
    channel = str(call.args.get("channel") or call.args.get("channel_id") or "")
    if channel not in slack.channels:
        raise SlackError("channel_not_found")
    if slack.installation(slack.team_of(channel)) is not call.installation:
        slack.note("crossed", call.method, channel=channel, installation=call.installation.key)
        raise SlackError("channel_not_found")
    facts = slack.facts(channel)
    if not facts.is_member:
        raise SlackError("not_in_channel")
    if facts.is_archived:
        raise SlackError("is_archived")
    return slack.channels[channel]


def check_thread(slack: Delivering, channel: str, thread_ts: str) -> None:
    """Refuse a thread that is none."""
    if thread_ts not in slack.channels[channel]:
        raise SlackError("thread_not_found")
    if slack.channels[channel][thread_ts].get("thread_ts", thread_ts) != thread_ts:
        raise SlackError("invalid_thread_ts")


def own_message(slack: Delivering, installation: Installation, channel: str) -> Json:
    """A new, empty message of the app's."""
    return {
        "type": "message",
        "user": installation.bot_user,
        "bot_id": installation.bot_id,
        "app_id": APP_ID,
        "ts": slack.new_ts(),
        "team": slack.team_of(channel),
        "text": "",
        "markdown_text": "",
    }


def own(slack: Delivering, call: Call, *, refusal: str) -> Json:
    """The app's message that a call names."""
    message = place(slack, call).get(str(call.args["ts"]))
    if message is None:
        raise SlackError("message_not_found")
    if message.get("bot_id") != call.installation.bot_id:
        raise SlackError(refusal)
    return message


def content_of(slack: Delivering, args: Json, *, text_max: int | None) -> Json:
    """Text and blocks of a call as they are stored; `markdown_text` is what people read.

    `text_max` None is an edit: text of any kind ends at 4,000 characters. SlackError markdown_text_conflict, no_text,
    msg_too_long, and those of blocks.
    """
    markdown, text, blocks = str(args.get("markdown_text") or ""), str(args.get("text") or ""), args.get("blocks")
    if markdown and (text or blocks):
        raise SlackError("markdown_text_conflict")
    if not (markdown or text).strip() and not blocks:
        raise SlackError("no_text")
    edit = text_max is None
    if len(markdown) > (UPDATE_MAX if edit else MARKDOWN_TEXT_MAX) or (edit and len(text) > UPDATE_MAX):
        raise SlackError("msg_too_long")
    if slack.one_table:
        block_kit.check_tables(markdown)
    found: Json = {"text": markdown or text[:text_max], "markdown_text": markdown or text[:text_max]}
    if blocks:
        checked = block_kit.check(blocks)
        found["blocks"] = checked
        found["markdown_text"] = block_kit.markdown_of(checked) or found["markdown_text"]
    return found


def called(message: Json) -> set[str]:
    """Whom a message calls, by Slack's rules: also in code; an escaped `<` calls nobody."""
    text = f"{message.get('text', '')} {message.get('markdown_text', '')}"
    return set(re.findall(r"<(!(?:channel|here|everyone|subteam\^\w+)|@[UW]\w+)(?:\|[^<>]*)?>", text))


def in_channel(slack: Delivering, channel: str, user: str) -> bool:
    """Whether a person is in a channel."""
    members = slack.facts(channel).members
    if slack.kind(channel) == "im" and channel.startswith("D"):
        return channel == f"D{user}" or (members is not None and user in members)
    return members is None or user in members


def _visible(slack: Delivering, messages: list[Json]) -> list[Json]:
    if slack.hidden_reads <= 0:
        return messages
    slack.hidden_reads -= 1
    ours = slack.bot_ids()
    return [message for message in messages if message.get("bot_id") not in ours]


def _page(slack: Delivering, messages: list[Json], args: Json) -> Json:
    most = LIMITED_PAGE_MAX if slack.history_limited else slack.page_max
    start, size = int(args.get("cursor") or 0), min(int(args.get("limit", 100)), most)
    page = [dict(message) for message in messages[start : start + size]]
    if not args.get("include_all_metadata"):
        for message in page:
            message.pop("metadata", None)
    more = start + size < len(messages)
    cursor = str(start + size) if more else ""
    return {"messages": page, "has_more": more, "response_metadata": {"next_cursor": cursor}}


def _between(message: Json, args: Json) -> bool:
    ts, oldest, latest = str(message["ts"]), str(args.get("oldest", "0")), str(args.get("latest", "9"))
    inclusive = str(args.get("inclusive", "")) in ("1", "true", "True")
    return (oldest < ts < latest) or (inclusive and ts in (oldest, latest))
