"""Agent sessions, the legacy status of an assistant thread, suggested prompts; reference 0.2 and 2.5."""

from typing import cast

from tests.fakes.slack.deliver import Delivering
from tests.fakes.slack.facts import Call, Json, SlackError
from tests.fakes.slack.messages import check_thread, place
from tests.fakes.slack.records import Session

STATUSES = ("processing", "active", "suspended", "closed")
TITLE_MAX = 200
PROMPTS_MAX = 4


def set_status(slack: Delivering, call: Call) -> Json:
    """agents.sessions.setStatus: makes the session where there is none."""
    channel, thread_ts = _thread(slack, call)
    status, title = str(call.args["status"]), str(call.args.get("title") or "")
    check_status(status)
    if len(title) > TITLE_MAX:
        raise SlackError("invalid_arguments")
    session = _session(slack, channel, thread_ts, title=title)
    session.become(status)
    shown = {"title": session.title} if session.title else {}
    return {"status": status, "agent_status": status, **shown, **_warning(slack, status)}


def rename(slack: Delivering, call: Call) -> Json:
    """agents.sessions.rename: the session must exist; 1 to 200 characters."""
    channel, thread_ts = _thread(slack, call)
    title = str(call.args["title"])
    if not 1 <= len(title) <= TITLE_MAX:
        raise SlackError("invalid_arguments")
    if (channel, thread_ts) not in slack.sessions:
        raise SlackError("session_not_found")
    slack.sessions[channel, thread_ts].title = title
    return {"title": title}


def set_thread_status(slack: Delivering, call: Call) -> Json:
    """assistant.threads.setStatus, deprecated: free text, gone with the next post."""
    slack.statuses[str(call.args["channel_id"]), str(call.args["thread_ts"])] = str(call.args["status"])
    return {}


def set_thread_title(slack: Delivering, call: Call) -> Json:
    """assistant.threads.setTitle, deprecated."""
    place(slack, call)
    return {}


def set_prompts(slack: Delivering, call: Call) -> Json:
    """assistant.threads.setSuggestedPrompts: does nothing for an agent app when a thread is named (2.5)."""
    place(slack, call)
    prompts = call.args["prompts"]
    if not isinstance(prompts, list) or not 1 <= len(cast(list[Json], prompts)) <= PROMPTS_MAX:
        raise SlackError("invalid_arguments")
    if not all(one.get("title") and one.get("message") for one in cast(list[Json], prompts)):
        raise SlackError("invalid_arguments")
    if slack.agent and call.args.get("thread_ts"):
        slack.ignored_prompts += 1
        return {}
    if not slack.agent and not call.args.get("thread_ts"):
        raise SlackError("not_agent_app")
    slack.prompts[str(call.args["channel_id"])] = {"title": call.args.get("title", ""), "prompts": prompts}
    return {}


def begin(slack: Delivering, channel: str, thread_ts: str) -> Json:
    """A stream has started: the session exists and is processing. Gives the warnings of the answer."""
    if not slack.agent:
        return {}
    _session(slack, channel, thread_ts).become("processing")
    return _warning(slack, "processing")


def become(slack: Delivering, channel: str, thread_ts: str, status: str) -> None:
    """A stream has ended with this status."""
    if slack.agent:
        _session(slack, channel, thread_ts).become(status)


def check_status(status: str) -> None:
    """Refuse what is no status."""
    if status not in STATUSES:
        raise SlackError("invalid_status")


def _thread(slack: Delivering, call: Call) -> tuple[str, str]:
    if not slack.agent:
        raise SlackError("not_agent_app")
    place(slack, call)
    channel, thread_ts = str(call.args["channel_id"]), str(call.args.get("thread_ts") or "")
    if not thread_ts:
        raise SlackError("thread_ts_required")
    check_thread(slack, channel, thread_ts)
    return channel, thread_ts


def _session(slack: Delivering, channel: str, thread_ts: str, *, title: str = "") -> Session:
    if (channel, thread_ts) not in slack.sessions:
        slack.sessions[channel, thread_ts] = Session(slack.now, slack.team_of(channel), title)
    return slack.sessions[channel, thread_ts]


def _warning(slack: Delivering, status: str) -> Json:
    """Without the event there is no Stop button, and Slack says so (2.5)."""
    word = "missing_agent_session_stopped_event_subscription"
    if status != "processing" or slack.subscribed is None or "agent_session_stopped" in slack.subscribed:
        return {}
    return {"warning": word, "response_metadata": {"warnings": [word]}}
