"""Edits, deletions and Slack's own Stop, as payloads, and what they are to the bot."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.slack.payloads.changes import change, edited, stop
from adapters.slack.payloads.parse import Identity, Json
from bot.events import Author, Change, Place, Stop, dump, load

ME = Identity("T1", "UBOT", "BBOT")
TS, EDITED, AT = "1763860000.123456", "1763860010.000100", "1763860010.000200"
ASKED: Json = {"type": "message", "user": "U1", "ts": TS, "text": "<@UBOT> what is a lane?", "team": "T1"}
OWN: Json = {"type": "message", "user": "UBOT", "bot_id": "BBOT", "ts": TS, "text": "A lane is", "thread_ts": "1.2"}


def payload(subtype: str, **event: Any) -> Json:
    plain: Json = {"type": "message", "subtype": subtype, "channel": "C1", "channel_type": "channel", "hidden": True}
    plain |= {"ts": AT, "event_ts": AT}
    return {"type": "event_callback", "team_id": "T1", "event": without_dots({**plain, **event})}


def without_dots(given: Json) -> Json:
    """What is not `...`: that stands for a field that is missing."""
    return {name: value for name, value in given.items() if value is not ...}


def edit(before: Json = ASKED, **now: Any) -> Json:
    after = {**before, "text": "<@UBOT> what is a road?", "edited": {"user": "U1", "ts": EDITED}, **now}
    return payload("message_changed", message=without_dots(after), previous_message=before)


def deletion(before: Json | None = ASKED, **event: Any) -> Json:
    given: Json = {"deleted_ts": TS, **({"previous_message": before} if before else {})}
    return payload("message_deleted", **{**given, **event})


def found(raw: Json) -> Change:
    change_ = change(raw, ME)
    assert change_
    return change_


def test_an_edit_is_the_question_as_it_reads_now_under_the_questions_own_id() -> None:
    now = found(edit())
    assert (now.event_id, now.message_id) == (f"slack:T1:C1:{TS}:edited:{EDITED}", TS)
    assert now.at == 1763860010.0001
    assert now.now
    assert now.now.event_id == f"slack:T1:C1:{TS}"
    assert (now.now.text, now.now.addressed, now.now.conversation) == ("what is a road?", True, now.conversation)
    assert load(Change, dump(now)) == now


def test_names_stand_in_an_edited_text_as_in_any_other() -> None:
    raw = edit(text="<@UBOT> ask <@U2>")
    assert edited(raw)["text"] == "<@UBOT> ask <@U2>"
    named = change(raw, ME, {"U2": "Ben"})
    assert named
    assert named.now
    assert named.now.text == "ask @Ben"


def test_two_edits_of_one_message_are_two_events_and_one_edit_delivered_twice_is_one() -> None:
    assert found(edit()) == found(edit())
    assert found(edit()).event_id != found(edit(edited={"user": "U1", "ts": "1763860020.000100"})).event_id


@pytest.mark.parametrize(
    "raw",
    [
        edit(text=ASKED["text"], edited=..., attachments=[{"title": "a preview"}]),
        edit(text=ASKED["text"]),
        edit(before=OWN, text="A lane is a queue"),
        edit(before={**ASKED, "user": "U9", "bot_id": "B9"}),
        edit(before={**ASKED, "text": "nothing for the bot"}, text="nor is this"),
        payload("message_changed", message=ASKED),
        payload("message_changed"),
        payload("message_changed", message="odd", previous_message=[1]),
        payload("channel_join"),
        {"type": "event_callback", "event": {"type": "reaction_added"}},
        {},
    ],
)
def test_previews_own_edits_and_what_others_say_to_others_are_no_change(raw: Json) -> None:
    assert change(raw, ME) is None


def test_another_list_of_files_is_a_change() -> None:
    files = [{"id": "F1", "name": "a.pdf"}]
    now = found(edit(text=ASKED["text"], files=files)).now
    assert now
    assert [file.name for file in now.files] == ["a.pdf"]


def test_a_follow_up_stays_one_when_it_is_edited_and_a_question_may_lose_its_mention() -> None:
    follow_up = found(edit(before={**ASKED, "text": "and then?", "thread_ts": "1.2"}, text="and after that?")).now
    assert follow_up
    assert not follow_up.addressed
    assert follow_up.place == Place("slack", "T1", "C1", "1.2", "thread")
    assert found(edit(text="never mind the bot")).now


def test_a_deletion_names_the_message_and_its_thread() -> None:
    gone = found(deletion({**ASKED, "thread_ts": "1.2"}))
    assert gone == Change(f"slack:T1:C1:{TS}:deleted", Place("slack", "T1", "C1", "1.2", "thread"), TS, 1763860010.0002)


def test_a_deleted_answer_is_a_change_and_so_is_one_of_which_slack_says_nothing() -> None:
    assert found(deletion(OWN)).conversation == "slack:T1:C1:1.2"
    assert found(deletion(None)).conversation == f"slack:T1:C1:{TS}"


def test_a_question_deleted_above_its_answers_is_left_by_slack_as_a_tombstone() -> None:
    stone = {"user": "USLACKBOT", "subtype": "tombstone", "text": "This message was deleted."}
    raw = payload(
        "message_changed",
        message={**ASKED, **stone, "thread_ts": TS, "hidden": True},
        previous_message={**ASKED, "thread_ts": TS},
    )
    gone = found(raw)
    assert (gone.message_id, gone.now, gone.event_id) == (TS, None, f"slack:T1:C1:{TS}:deleted")


@pytest.mark.parametrize(
    "raw",
    [
        deletion({**ASKED, "text": "said to others"}),
        deletion({**ASKED, "user": "U9", "bot_id": "B9"}),
        deletion(None, deleted_ts=...),
        deletion(channel=None),
    ],
)
def test_what_the_bot_never_had_is_not_missed_when_it_goes(raw: Json) -> None:
    assert change(raw, ME) is None


def test_direct_messages_change_where_they_stand() -> None:
    raw = edit()
    raw["event"] |= {"channel": "D1", "channel_type": "im"}
    assert found(raw).conversation == "slack:T1:D1"
    threaded = change(raw, ME, threads=True)
    assert threaded
    assert threaded.conversation == f"slack:T1:D1:{TS}"


def test_slacks_own_stop_names_the_thread_and_who_pressed_it() -> None:
    event = {"type": "agent_session_stopped", "channel": "C1", "thread_ts": "1.2", "user": "U1"}
    raw: Json = {"type": "event_callback", "team_id": "T1", "event": event}
    assert stop(raw, ME) == Stop(Place("slack", "T1", "C1", "1.2", "thread"), Author("U1", "U1"))
    event["channel"] = "D1"
    in_dm = stop(raw, ME)
    assert in_dm
    assert in_dm.conversation == "slack:T1:D1:1.2"
    del event["thread_ts"]
    assert stop(raw, ME) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
fields = st.sampled_from(["message", "previous_message", "channel", "deleted_ts", "ts", "event_ts", "channel_type"])


@given(st.booleans(), st.dictionaries(fields, json_values))
def test_no_payload_makes_the_parser_fail(of_edit: bool, changed: Json) -> None:
    raw = edit() if of_edit else deletion()
    raw["event"] |= changed
    read = change(raw, ME)
    assert read is None or not math.isnan(read.at)
    stop({**raw, "event": {**raw["event"], "type": "agent_session_stopped"}}, ME)


def test_in_a_running_direct_conversation_a_message_that_was_replied_to_is_still_of_that() -> None:
    """Slack then names the message itself as its thread."""
    said = {"type": "message", "user": "U1", "text": "my secret is 42", "ts": TS, "thread_ts": TS}
    direct: Json = {"channel": "D1", "channel_type": "im"}
    tomb = {**said, "subtype": "tombstone", "user": "USLACKBOT", "text": "This message was deleted."}
    for raw in (
        payload("message_deleted", deleted_ts=TS, previous_message=said, **direct),
        payload("message_changed", message=tomb, previous_message=said, **direct),
        payload(
            "message_changed",
            message={**said, "text": "new", "edited": {"user": "U1", "ts": EDITED}},
            previous_message=said,
            **direct,
        ),
    ):
        assert found(raw).conversation == "slack:T1:D1"
        with_threads = change(raw, ME, threads=True)
        assert with_threads
        assert with_threads.conversation == f"slack:T1:D1:{TS}"
