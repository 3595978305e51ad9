"""The Web API's methods: which arguments, which scope, who answers. Any argument not named here is refused.

Arguments are those of slack_sdk's AsyncWebClient (3.47) and docs.slack.dev/reference/methods, November 2026.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tests.fakes.slack import conversations, files, messages, oauth, sessions, streams, views
from tests.fakes.slack.deliver import Delivering
from tests.fakes.slack.facts import Call, Json

Handler = Callable[[Delivering, Call], Json]

_SCOPE_KINDS = {"channel": "channels", "group": "groups", "mpim": "mpim", "im": "im"}


@dataclass(frozen=True, slots=True)
class Method:
    """One method. `scope` may hold {kind}: channels, groups, mpim or im after the channel's kind."""

    answer: Handler
    required: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    scope: str | None = None
    app_token: bool = False
    no_token: bool = False

    def needed(self, kind: str) -> str | None:
        """The scope for a channel of this kind."""
        return self.scope.format(kind=_SCOPE_KINDS[kind]) if self.scope else None


def _method(
    answer: Handler,
    required: str = "",
    optional: str = "",
    *,
    scope: str | None = None,
    app_token: bool = False,
    no_token: bool = False,
) -> Method:
    names = frozenset(required.split()), frozenset(optional.split())
    return Method(answer, *names, scope=scope, app_token=app_token, no_token=no_token)


def _connections_open(slack: Delivering, _: Call) -> Json:
    ticket = f"ticket-{next(slack.numbers)}"
    slack.tickets.add(ticket)
    return {"url": f"ws://{slack.host}:{slack.port}/link?ticket={ticket}"}


_LOOK = "icon_emoji icon_url username"
_PAGE = "limit cursor latest oldest inclusive include_all_metadata"

METHODS: dict[str, Method] = {
    "auth.test": _method(conversations.auth_test, "", "team_id"),  # Bolt sends it
    "bots.info": _method(conversations.bots_info, "", "bot team_id", scope="users:read"),
    "apps.connections.open": _method(_connections_open, scope="connections:write", app_token=True),
    "oauth.v2.access": _method(
        oauth.access,
        "",
        "client_id client_secret code redirect_uri grant_type refresh_token",
        no_token=True,
    ),
    "chat.postMessage": _method(
        messages.post_message,
        "channel",
        "text markdown_text blocks thread_ts unfurl_links unfurl_media client_msg_id metadata",
        scope="chat:write",
    ),
    "chat.update": _method(messages.update, "channel ts", "text markdown_text blocks metadata", scope="chat:write"),
    "chat.delete": _method(messages.delete, "channel ts", scope="chat:write"),
    "chat.postEphemeral": _method(
        messages.post_ephemeral,
        "channel user",
        "text markdown_text blocks thread_ts unfurl_links unfurl_media",
        scope="chat:write",
    ),
    "chat.startStream": _method(
        streams.start,
        "channel",
        "thread_ts markdown_text chunks recipient_user_id recipient_team_id task_display_mode reply_broadcast",
        scope="chat:write",
    ),
    "chat.appendStream": _method(streams.append, "channel ts", "markdown_text chunks", scope="chat:write"),
    "chat.stopStream": _method(
        streams.stop, "channel ts", "markdown_text chunks blocks metadata session_status", scope="chat:write"
    ),
    "agents.sessions.setStatus": _method(
        sessions.set_status, "channel_id status", f"thread_ts title initiator_user_id {_LOOK}", scope="chat:write"
    ),
    "agents.sessions.rename": _method(sessions.rename, "channel_id title", "thread_ts", scope="chat:write"),
    "assistant.threads.setStatus": _method(
        sessions.set_thread_status, "channel_id thread_ts status", f"loading_messages {_LOOK}", scope="chat:write"
    ),
    "assistant.threads.setTitle": _method(
        sessions.set_thread_title, "channel_id thread_ts title", scope="assistant:write"
    ),
    "assistant.threads.setSuggestedPrompts": _method(
        sessions.set_prompts, "channel_id prompts", "thread_ts title", scope="assistant:write"
    ),
    "views.open": _method(views.open_view, "view", "trigger_id"),
    "views.push": _method(views.push, "view", "trigger_id"),
    "views.update": _method(views.update, "view", "view_id external_id hash"),
    "views.publish": _method(views.publish, "user_id view", "hash"),
    "conversations.replies": _method(messages.replies, "channel ts", _PAGE, scope="{kind}:history"),
    "conversations.history": _method(messages.history, "channel", _PAGE, scope="{kind}:history"),
    "conversations.info": _method(
        conversations.conversations_info, "channel", "include_locale include_num_members", scope="{kind}:read"
    ),
    "conversations.open": _method(conversations.conversations_open, "", "users channel return_im", scope="im:write"),
    "users.info": _method(conversations.users_info, "user", "include_locale", scope="users:read"),
    "files.getUploadURLExternal": _method(
        files.get_upload_url, "filename length", "alt_txt snippet_type", scope="files:write"
    ),
    "files.completeUploadExternal": _method(
        files.complete_upload, "files", "channel_id initial_comment thread_ts", scope="files:write"
    ),
    "files.delete": _method(files.delete, "file", scope="files:write"),
    "files.info": _method(files.info, "file", "count cursor limit page", scope="files:read"),
    "reactions.add": _method(conversations.react, "channel name timestamp", scope="reactions:write"),
    "reactions.remove": _method(conversations.unreact, "channel name timestamp", scope="reactions:write"),
}
