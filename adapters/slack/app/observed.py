"""What Slack's answers tell about the app itself: its id, its manifest, its agent view, whether Stop would be heard.

Nothing here is visible to anybody: no message is posted, and no running session is touched. Where Slack refuses or
cannot be asked they raise PlatformError; what that means is `doctor`'s to say.
"""

from collections.abc import AsyncIterator
from typing import Any, Final, cast

from adapters.slack.api.calls import Answer, Api, code_of
from adapters.slack.payloads.fields import record, records, text
from adapters.slack.payloads.parse import Identity
from bot.errors import PlatformError, Rejected

Json = dict[str, Any]

NO_STOP_EVENT: Final = "missing_agent_session_stopped_event_subscription"
"""The warning in answers of agents.sessions.setStatus and chat.startStream (docs.slack.dev/reference/events/
agent_session_stopped, November 2026)."""

_NOWHERE: Final = "D000000000"  # no channel's id
_DMS_MAX: Final = 5  # chosen: doctor shall not read through a workspace
_MESSAGES_MAX: Final = 20
_QUIET_S: Final = 3_600  # a session is `processing` for an hour at most (docs.slack.dev/ai/agent-sessions)


def warnings(answer: Answer) -> frozenset[str]:
    """The warnings that came with an answer that went well."""
    listed = record(answer.data, "response_metadata").get("warnings")
    several = cast(list[object], listed) if isinstance(listed, list) else []
    single = text(answer.data, "warning").split(",")
    return frozenset(name for one in (*several, *single) if (name := str(one).strip()))


async def app_id(api: Api, me: Identity) -> str:
    """The app's id, which needs `users:read`."""
    answer = await api.read("bots.info", bot=me.bot_id)
    if found := text(record(answer.data, "bot"), "app_id"):
        return found
    raise Rejected("bots.info: no app id")


async def manifest_of(api: Api, *, app: str, config_token: str) -> Json:
    """The app's manifest as Slack has it. The token travels in a header, never in the address."""
    answer = await api.write("apps.manifest.export", app_id=app, token=config_token)
    if document := record(answer.data, "manifest"):
        return document
    raise Rejected("apps.manifest.export: no manifest")


async def is_legacy(api: Api) -> bool:
    """Whether Slack says that the app has no agent view; False also where it says nothing about that.

    Suggested prompts for a channel that does not exist: Slack was seen to ask for the agent view first
    (openclaw/openclaw, extensions/slack, read November 2026; not documented).
    """
    try:
        await api.write(
            "assistant.threads.setSuggestedPrompts", channel_id=_NOWHERE, prompts=[{"title": "-", "message": "-"}]
        )
    except PlatformError as error:  # any other code is an answer about the channel, or none at all
        return code_of(error) == "not_agent_app"
    return False


async def stop_is_heard(api: Api, me: Identity, *, now: float) -> bool | None:
    """Whether Slack shows its Stop button in the agent view; None where there is no session to ask by.

    It sets a session that the bot answered in, quiet for an hour, to what it is already: active.
    """
    async for channel, thread in _sessions(api, me, now=now):
        answer = await api.write("agents.sessions.setStatus", channel_id=channel, thread_ts=thread, status="active")
        return NO_STOP_EVENT not in warnings(answer)
    return None


async def _sessions(api: Api, me: Identity, *, now: float) -> AsyncIterator[tuple[str, str]]:
    listed = await api.read("users.conversations", types="im", limit=_DMS_MAX)
    for dm in records(listed.data, "channels"):
        channel = text(dm, "id")
        history = await api.read("conversations.history", channel=channel, limit=_MESSAGES_MAX)
        for message in records(history.data, "messages"):
            users = cast(object, message.get("reply_users"))
            answered = isinstance(users, list) and me.user_id in cast(list[object], users)
            # Timestamps of Slack's have ten digits before the point until 2286, so they sort as text.
            if answered and (text(message, "latest_reply") or "9") < f"{now - _QUIET_S:.6f}":
                yield channel, text(message, "ts")
