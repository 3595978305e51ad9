"""The fake's native streaming, sessions and rates decide as the reference says (0, 2.3 to 2.5)."""

from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from tests.fakes.slack import ChannelFacts, FakeSlack, Person


class Clock:
    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def slack(clock: Clock) -> AsyncIterator[FakeSlack]:
    async with FakeSlack(clock=clock) as fake:
        yield fake


@pytest.fixture
def web(slack: FakeSlack) -> AsyncWebClient:
    return AsyncWebClient(slack.bot_token, base_url=slack.api_url)


async def called(web: AsyncWebClient, method: str, **args: Any) -> str:
    """The error a call ends in, empty for none."""
    try:
        await web.api_call(method, json=args)
    except SlackApiError as error:
        return str(cast(dict[str, Any], error.response.data)["error"])
    return ""


async def begun(slack: FakeSlack, web: AsyncWebClient, text: str = "", **more: Any) -> dict[str, Any]:
    """Channel and ts of a new stream."""
    root = slack.store("C1", "U1", "a question")
    args = {"thread_ts": root, "recipient_user_id": "U1A", "recipient_team_id": "T1", "markdown_text": text, **more}
    answer = await web.api_call("chat.startStream", json={"channel": "C1", **args})
    return {"channel": "C1", "ts": answer["ts"]}


async def test_a_stream_grows_in_its_thread_and_ends_with_blocks_and_metadata(
    slack: FakeSlack, web: AsyncWebClient
) -> None:
    stream = await begun(slack, web, "one ")
    await web.chat_appendStream(**stream, markdown_text="two ")
    await web.chat_appendStream(**stream, chunks=[{"type": "markdown_text", "text": "three"}])
    assert slack.streaming("C1") == [stream["ts"]]
    metadata = {"event_type": "e", "event_payload": {"key": "k"}}
    await web.chat_stopStream(**stream, markdown_text="!", blocks=[{"type": "divider"}], metadata=metadata)
    [answer] = slack.answers("C1")
    assert answer["text"] == answer["markdown_text"] == "one two three!"
    assert answer["blocks"] == [{"type": "divider"}]
    assert answer["metadata"] == metadata
    assert slack.streaming("C1") == []


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"thread_ts": None}, "invalid_thread_ts"),
        ({"thread_ts": "1.2"}, "thread_not_found"),
        ({"recipient_user_id": None}, "missing_recipient_user_id"),
        ({"recipient_team_id": None}, "missing_recipient_team_id"),
        ({"recipient_user_id": "B123"}, "invalid_arguments"),
        ({"recipient_user_id": "U9X"}, "user_not_found"),
        ({"recipient_team_id": "T9"}, "team_not_found"),
        ({"recipient_user_id": "U2A"}, "user_not_found"),  # of T2, but T1 was said
        ({"markdown_text": "x" * 12_001}, "msg_too_long"),
        ({"markdown_text": "x", "chunks": [{"type": "markdown_text", "text": "y"}]}, "invalid_arguments"),
        ({"unfurl_links": False}, "invalid_arguments"),
        ({"channel": "C9"}, "channel_not_found"),
    ],
)
async def test_a_start_that_slack_refuses_leaves_nothing(
    slack: FakeSlack, web: AsyncWebClient, given: dict[str, Any], code: str
) -> None:
    slack.people = {"U1A": Person("Ana"), "U2A": Person("Ben", team="T2")}
    args: dict[str, Any] = {"channel": "C1", "thread_ts": slack.store("C1", "U1A", "a question")}
    args |= {"recipient_user_id": "U1A", "recipient_team_id": "T1", **given}
    assert await called(web, "chat.startStream", **{k: v for k, v in args.items() if v is not None}) == code
    assert not slack.answers("C1")
    assert not slack.sessions


async def test_a_direct_message_streams_without_a_recipient(slack: FakeSlack, web: AsyncWebClient) -> None:
    root = await slack.dm("U1A", "a question")
    await web.chat_startStream(channel="DU1A", thread_ts=root, markdown_text="hi")
    assert slack.answers("DU1A", root)[0]["text"] == "hi"


async def test_streaming_needs_chat_write_and_nothing_else(slack: FakeSlack, web: AsyncWebClient) -> None:
    slack.scopes = {"chat:write"}
    await begun(slack, web)
    slack.scopes = {"assistant:write"}
    assert await called(web, "chat.startStream", channel="C1", thread_ts="1") == "missing_scope"


async def test_a_stream_ends_five_minutes_after_its_start_whatever_is_appended(
    slack: FakeSlack, web: AsyncWebClient, clock: Clock
) -> None:
    stream = await begun(slack, web, "one ")
    for _ in range(3):
        clock.at += 99.9
        assert await called(web, "chat.appendStream", **stream, markdown_text="x") == ""
    assert await called(web, "chat.update", **stream, text="edited") == "streaming_state_conflict"
    clock.at += 1
    assert await called(web, "chat.appendStream", **stream, markdown_text="y") == "message_not_in_streaming_state"
    assert await called(web, "chat.stopStream", **stream) == "message_not_in_streaming_state"
    assert slack.answers("C1")[0]["text"] == "one xxx"
    assert await called(web, "chat.update", **stream, markdown_text="x" * 4_001) == "msg_too_long"
    assert await called(web, "chat.update", **stream, markdown_text="x" * 4_000) == ""


async def test_a_streamed_message_holds_eleven_thousand_bytes_and_a_longer_append_adds_nothing(
    slack: FakeSlack, web: AsyncWebClient
) -> None:
    stream = await begun(slack, web, "x" * 5_000)
    await web.chat_appendStream(**stream, markdown_text="é" * 2_999)
    assert await called(web, "chat.appendStream", **stream, markdown_text="abc") == "msg_too_long"
    assert await called(web, "chat.stopStream", **stream, markdown_text="abc") == "msg_too_long"
    assert len(slack.answers("C1")[0]["text"]) == 7_999
    assert await called(web, "chat.stopStream", **stream, markdown_text="ab") == ""


async def test_details_of_tasks_count_and_are_appended(slack: FakeSlack, web: AsyncWebClient) -> None:
    stream = await begun(slack, web)
    task = {"type": "task_update", "id": "t", "title": "Look", "status": "in_progress", "details": "x" * 10_000}
    await web.chat_appendStream(**stream, chunks=[task])
    assert await called(web, "chat.appendStream", **stream, markdown_text="x" * 1_000) == "msg_too_long"
    await web.chat_appendStream(**stream, chunks=[{**task, "status": "complete", "details": "y"}])
    kept = slack.streams["C1", stream["ts"]].tasks["t"]
    assert kept["status"] == "complete"
    assert kept["details"] == "x" * 10_000 + "y"
    assert await called(web, "chat.appendStream", **stream, chunks=[{"type": "song"}]) == "invalid_chunks"


async def test_a_second_table_is_refused_and_the_stream_goes_on(slack: FakeSlack, web: AsyncWebClient) -> None:
    table = "\n\n|a|\n|-|\n|1|\n"
    stream = await begun(slack, web, table)
    assert await called(web, "chat.appendStream", **stream, markdown_text=table) == "only_one_table_allowed"
    assert await called(web, "chat.stopStream", **stream, markdown_text="\nend") == ""
    assert slack.answers("C1")[0]["text"] == table + "\nend"


async def test_a_stop_refused_for_its_blocks_leaves_the_stream_open(slack: FakeSlack, web: AsyncWebClient) -> None:
    stream = await begun(slack, web, "x")
    assert await called(web, "chat.stopStream", **stream, blocks=[{"type": "speech"}]) == "invalid_blocks"
    assert await called(web, "chat.stopStream", **stream, session_status="done") == "invalid_status"
    assert slack.streaming("C1") == [stream["ts"]]


async def test_only_running_streams_of_the_apps_own_can_be_appended_to(slack: FakeSlack, web: AsyncWebClient) -> None:
    stream = await begun(slack, web, "x")
    theirs = slack.store("C1", "U1", "mine")
    assert await called(web, "chat.appendStream", **stream) == "no_text"
    assert await called(web, "chat.appendStream", channel="C1", ts=theirs, markdown_text="x") == (
        "message_not_owned_by_app"
    )
    await web.chat_postMessage(channel="C1", text="posted")
    posted = slack.answers("C1")[-1]["ts"]
    assert await called(web, "chat.appendStream", channel="C1", ts=posted, markdown_text="x") == (
        "message_not_in_streaming_state"
    )
    await web.chat_delete(**stream)
    assert await called(web, "chat.appendStream", **stream, markdown_text="x") == "message_not_found"


async def test_stop_pressed_by_a_person_ends_the_streams_of_that_thread_and_tells_the_app(
    slack: FakeSlack, web: AsyncWebClient
) -> None:
    stream, other = await begun(slack, web, "x"), await begun(slack, web, "y")
    thread = slack.answers("C1")[0]["thread_ts"]
    await slack.press_stop("C1", thread, "U2")
    [told] = [one.payload["event"] for one in slack.deliveries.values()]
    assert told | {"event_ts": ""} == {
        "type": "agent_session_stopped",
        "channel": "C1",
        "thread_ts": thread,
        "user": "U2",
        "streaming_message_ts": [stream["ts"]],
        "event_ts": "",
    }
    assert await called(web, "chat.appendStream", **stream, markdown_text="z") == "stopped_by_user"
    assert await called(web, "chat.stopStream", **stream) == "message_not_in_streaming_state"
    assert await called(web, "chat.update", **stream, text="stopped") == ""
    assert slack.streaming("C1") == [other["ts"]]
    assert await called(web, "agents.sessions.setStatus", channel_id="C1", thread_ts=thread, status="active") == ""
    with pytest.raises(LookupError):
        await slack.press_stop("C1", thread, "U2")


async def test_a_stream_makes_its_session_process_and_its_stop_sets_the_status(
    slack: FakeSlack, web: AsyncWebClient, clock: Clock
) -> None:
    stream = await begun(slack, web)
    [session] = slack.sessions.values()
    assert session.status == "processing"
    clock.at += 3_599
    assert session.status == "processing"
    clock.at += 1
    assert session.status == "active"  # by itself, after an hour
    stream = await begun(slack, web)
    await web.chat_stopStream(**stream, session_status="suspended")
    assert list(slack.sessions.values())[1].status == "suspended"


async def test_sessions_take_four_words_and_titles_of_200_characters(slack: FakeSlack, web: AsyncWebClient) -> None:
    where = {"channel_id": "C1", "thread_ts": slack.store("C1", "U1", "q")}
    assert await called(web, "agents.sessions.rename", **where, title="x") == "session_not_found"
    assert await called(web, "agents.sessions.setStatus", **where, status="is thinking") == "invalid_status"
    assert await called(web, "agents.sessions.setStatus", channel_id="C1", status="active") == "thread_ts_required"
    assert await called(web, "agents.sessions.setStatus", **where, status="processing", title="first") == ""
    assert await called(web, "agents.sessions.rename", **where, title="x" * 201) == "invalid_arguments"
    assert await called(web, "agents.sessions.rename", **where, title="") == "invalid_arguments"
    assert slack.sessions["C1", where["thread_ts"]].title == "first"
    assert await called(web, "agents.sessions.rename", **where, title="x" * 200) == ""


async def test_a_legacy_app_streams_without_sessions(slack: FakeSlack, web: AsyncWebClient) -> None:
    slack.agent = False
    stream = await begun(slack, web, "x")
    await web.chat_stopStream(**stream, session_status="active")
    assert not slack.sessions
    where = {"channel_id": "C1", "thread_ts": slack.answers("C1")[0]["thread_ts"]}
    assert await called(web, "agents.sessions.setStatus", **where, status="active") == "not_agent_app"
    prompts = [{"title": "t", "message": "m"}]
    assert await called(web, "assistant.threads.setSuggestedPrompts", channel_id="C1", prompts=prompts) == (
        "not_agent_app"
    )


async def test_suggested_prompts_with_a_thread_do_nothing_for_an_agent_app(
    slack: FakeSlack, web: AsyncWebClient
) -> None:
    root = await slack.dm("U1", "hi")
    prompts = [{"title": "t", "message": "m"}]
    await web.assistant_threads_setSuggestedPrompts(channel_id="DU1", thread_ts=root, prompts=prompts)
    assert (slack.ignored_prompts, slack.prompts) == (1, {})
    await web.assistant_threads_setSuggestedPrompts(channel_id="DU1", prompts=prompts, title="Try")
    assert slack.prompts["DU1"] == {"title": "Try", "prompts": prompts}
    assert await called(web, "assistant.threads.setSuggestedPrompts", channel_id="DU1", prompts=prompts * 5) == (
        "invalid_arguments"
    )


async def test_without_the_stop_event_slack_warns(slack: FakeSlack, web: AsyncWebClient) -> None:
    slack.subscribed = {"app_mention"}
    where = {"channel_id": "C1", "thread_ts": slack.store("C1", "U1", "q")}
    answer = await web.agents_sessions_setStatus(**where, status="processing")
    assert answer["warning"] == "missing_agent_session_stopped_event_subscription"


@pytest.mark.parametrize(
    ("method", "most"),
    [("chat.startStream", 20), ("chat.stopStream", 20), ("chat.appendStream", 100), ("chat.update", 50)],
)
async def test_calls_beyond_a_minutes_rate_are_answered_429_until_time_has_passed(
    slack: FakeSlack, web: AsyncWebClient, clock: Clock, method: str, most: int
) -> None:
    args = {"channel": "C1", "ts": "1.1"}  # of no message: the rate is counted all the same
    if method == "chat.startStream":
        args = {"channel": "C1"}
    for _ in range(most):
        assert await called(web, method, **args) != "ratelimited"
    assert await called(web, method, **args) == "ratelimited"
    assert slack.answered_429(method) == 1
    clock.at += 59
    assert await called(web, method, **args) == "ratelimited"
    clock.at += 1
    assert await called(web, method, **args) != "ratelimited"


async def test_a_429_says_how_long_in_the_apps_time_and_is_of_one_method_and_workspace(
    slack: FakeSlack, web: AsyncWebClient
) -> None:
    slack.speed = 10
    for _ in range(20):
        await called(web, "chat.startStream", channel="C1")
    with pytest.raises(SlackApiError) as refused:
        await web.api_call("chat.startStream", json={"channel": "C1"})
    assert refused.value.response.status_code == 429
    assert refused.value.response.headers["Retry-After"] == "6"
    assert await called(web, "chat.stopStream", channel="C1", ts="1") != "ratelimited"


async def test_a_distributed_app_reads_fifteen_messages_a_minute(web: AsyncWebClient, slack: FakeSlack) -> None:
    slack.history_limited = True
    root = slack.store("C1", "U1", "root")
    for number in range(30):
        slack.store("C1", "U1", str(number), thread_ts=root)
    page = await web.conversations_replies(channel="C1", ts=root, limit=200)
    assert len(cast(list[Any], page["messages"])) == 15
    assert page["has_more"]
    assert await called(web, "conversations.replies", channel="C1", ts=root) == "ratelimited"
    slack.jump(60)
    await web.conversations_replies(channel="C1", ts=root)


async def test_a_method_that_is_off_and_a_channel_the_bot_is_not_in(slack: FakeSlack, web: AsyncWebClient) -> None:
    slack.off["chat.startStream"] = "feature_not_enabled"
    assert await called(web, "chat.startStream", channel="C1") == "feature_not_enabled"
    slack.store("C2", "U1", "x")
    slack.channel_facts["C2"] = ChannelFacts(is_member=False)
    assert await called(web, "chat.postMessage", channel="C2", text="x") == "not_in_channel"


async def test_two_tables_in_a_posted_text_are_refused_where_the_fake_is_told_to(
    slack: FakeSlack, web: AsyncWebClient
) -> None:
    slack.one_table = True
    slack.store("C1", "U1", "q")
    table = "\n\n|a|\n|-|\n|1|\n"
    assert await called(web, "chat.postMessage", channel="C1", markdown_text=table * 2) == "only_one_table_allowed"
    assert await called(web, "chat.postMessage", channel="C1", markdown_text=table) == ""
    ts = slack.answers("C1")[0]["ts"]
    assert await called(web, "chat.update", channel="C1", ts=ts, markdown_text=table * 2) == "only_one_table_allowed"
    assert slack.answers("C1")[0]["text"] == table


async def test_a_scripted_fault_is_answered_once_and_counts_as_no_limit_of_the_fakes(
    slack: FakeSlack, web: AsyncWebClient
) -> None:
    stream = await begun(slack, web, "x")
    slack.fail("chat.stopStream", "user_not_found", "429:1", "after:500")
    assert await called(web, "chat.stopStream", **stream, markdown_text="y") == "user_not_found"
    assert await called(web, "chat.stopStream", **stream, markdown_text="y") == "ratelimited"
    assert slack.answered_429("chat.stopStream") == 0
    assert await called(web, "chat.stopStream", **stream, markdown_text="y") == "internal_error"
    assert slack.answers("C1")[0]["text"] == "xy"  # the work was done, its answer lost
    assert slack.streaming("C1") == []
