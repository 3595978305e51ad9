"""Presses, shortcuts, forms and commands as Slack sends them, and what they say."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.slack.answers import blocks
from adapters.slack.incoming.buttons import note, noted
from adapters.slack.incoming.commands import spoken
from adapters.slack.incoming.home import home, mrkdwn
from adapters.slack.payloads.fields import Json
from adapters.slack.payloads.interactions import Form, Press, Shortcut, Slash, interaction, is_interaction, stands, team
from bot.events import Author, Place

ANA = Author("U1", "ana", team="T1")


def about(kind: str, **more: Any) -> Json:
    plain: Json = {
        "type": kind,
        "user": {"id": "U1", "username": "ana", "team_id": "T1"},
        "team": {"id": "T1", "domain": "fake"},
        "enterprise": None,
        "channel": {"id": "C1", "name": "general"},
        "trigger_id": "1.2.abc",
        "response_url": "https://hooks.slack.com/actions/T1/1/2",
    }
    return {name: value for name, value in {**plain, **more}.items() if value is not ...}


PRESSED = about(
    "block_actions",
    container={"type": "message", "message_ts": "5.0", "channel_id": "C1", "thread_ts": "1.2"},
    message={"ts": "5.0", "thread_ts": "1.2", "bot_id": "BBOT", "text": "an answer"},
    actions=[{"action_id": "routernesia_stop", "value": "U1:1.2", "action_ts": "6.0", "type": "button"}],
)
CHOSEN = about(
    "message_action",
    callback_id="summarize_thread",
    message_ts="3.0",
    action_ts="6.0",
    message={"ts": "3.0", "user": "U2", "text": "*look* at <https://x.y|this>", "thread_ts": "1.2"},
)
SENT = about(
    "view_submission",
    channel=...,
    view={
        "id": "V1",
        "callback_id": "routernesia_ask",
        "private_metadata": "{}",
        "state": {"values": {"b": {"typed": {"type": "plain_text_input", "value": "why?"}}}},
    },
)
TYPED: Json = {
    "command": "/routernesia",
    "text": "ask what does &lt;b&gt; mean to <@U2|ben>?",
    "team_id": "T1",
    "enterprise_id": "E1",
    "user_id": "U1",
    "user_name": "ana",
    "channel_id": "D1",
    "trigger_id": "1.2.abc",
    "response_url": "https://hooks.slack.com/commands/T1/1/2",
}


def test_a_press_says_who_pressed_what_in_which_message_and_thread() -> None:
    found = interaction(PRESSED)
    assert isinstance(found, Press)
    assert found.source.actor == ANA
    assert found.source.place == Place("slack", "T1", "C1", "1.2", "thread")
    assert (found.action_id, found.value, found.message_ts, found.at) == ("routernesia_stop", "U1:1.2", "5.0", "6.0")
    assert found.by_bot == "BBOT"
    assert (found.source.trigger_id, found.source.response_url[:8]) == ("1.2.abc", "https://")


def test_a_press_in_a_direct_message_stands_in_its_thread_or_in_none() -> None:
    found = interaction({**PRESSED, "channel": {"id": "D1"}})
    assert isinstance(found, Press)
    assert found.source.place == Place("slack", "T1", "D1", "1.2", "dm")
    alone = interaction(
        {**PRESSED, "channel": {"id": "D1"}, "container": {"message_ts": "5.0"}, "message": {"bot_id": "BBOT"}}
    )
    assert isinstance(alone, Press)
    assert alone.source.place.thread is None


def test_a_shortcut_brings_the_message_and_its_thread_or_itself_as_one() -> None:
    found = interaction(CHOSEN)
    assert isinstance(found, Shortcut)
    assert (found.said, found.writer, found.message_ts) == ("**look** at [this](https://x.y)", "U2", "3.0")
    assert found.source.place.thread == "1.2"
    alone = interaction({**CHOSEN, "message": {"ts": "3.0", "text": "hi"}})
    assert isinstance(alone, Shortcut)
    assert alone.source.place.thread == "3.0"


def test_a_form_gives_what_was_typed_and_stands_nowhere() -> None:
    found = interaction(SENT)
    assert isinstance(found, Form)
    assert (found.callback_id, found.note, dict(found.values), found.view_id) == (
        "routernesia_ask",
        "{}",
        {"typed": "why?"},
        "V1",
    )
    assert found.source.place.channel == ""


def test_a_command_is_read_as_people_typed_it() -> None:
    found = interaction(TYPED)
    assert isinstance(found, Slash)
    assert found.typed == "ask what does <b> mean to @ben?"
    assert found.source.place == Place("slack", "T1", "D1", None, "dm")
    assert found.source.enterprise == "E1"


def test_the_workspace_is_the_installations_also_for_a_form_of_a_person_from_elsewhere() -> None:
    assert team(about("view_submission", view={"app_installed_team_id": "T7"})) == "T7"
    assert team(about("block_actions", team=None)) == "T1"  # an organisation-wide installation
    assert team({"team_id": "T3"}) == "T3"


@pytest.mark.parametrize(
    "raw",
    [
        {**PRESSED, "actions": []},
        {**PRESSED, "user": {}},
        {**PRESSED, "team": None, "user": {"id": "U1"}},
        about("block_actions", container={"type": "view", "view_id": "V1"}, channel=..., actions=[{"action_id": "x"}]),
        {**CHOSEN, "channel": None},
        about("shortcut"),
        about("view_closed"),
    ],
)
def test_what_the_bot_did_not_offer_is_nothing_and_still_no_event(raw: Json) -> None:
    assert is_interaction(raw)
    assert interaction(raw) is None


def test_an_event_is_no_interaction() -> None:
    assert not is_interaction({"type": "event_callback", "event": {}})
    assert not is_interaction({"type": "url_verification"})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from([PRESSED, CHOSEN, SENT, TYPED]), st.data())
def test_no_payload_makes_the_parser_fail(whole: Json, data: st.DataObject) -> None:
    changed = data.draw(st.dictionaries(st.sampled_from(list(whole)), json_values))
    found = interaction({**whole, **changed})
    assert found is None or found.source.actor.id


_IDS = st.text("CDG0123", min_size=1)


@given(st.builds(stands, st.just("T1"), _IDS, st.none() | st.text("0123.", min_size=1)))
def test_a_place_comes_back_from_a_form_as_it_went_in(place: Place) -> None:
    assert noted("T1", note(place, "1.2")) == (place, "1.2")


def test_a_note_cannot_call_a_channel_a_direct_conversation_which_nobody_else_would_read() -> None:
    said = '{"channel": "C1", "thread": "1.2", "kind": "dm", "ts": "1.2"}'
    assert noted("T1", said) == (Place("slack", "T1", "C1", "1.2", "thread"), "1.2")


@pytest.mark.parametrize("odd", ["", "odd", "[1]", '{"ts": 1}', '{"kind": "moon"}'])
def test_a_note_that_is_none_names_no_message(odd: str) -> None:
    assert noted("T1", odd) == (Place("slack", "T1", "", None, "channel"), "")


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("!stop", ("stop", "")),
        ("  !Reset ", ("reset", "")),
        ("!model gpt\nnow", ("model", "gpt\nnow")),
        ("!important: look", None),
        ("!", None),
        ("! stop", None),
        ("!!stop", None),
        ("!stopper", None),
        ("!stop!", None),
        ("please !stop", None),
        ("!ask why", ("ask", "why")),
        ("", None),
    ],
)
def test_only_known_words_behind_an_exclamation_mark_are_commands(text: str, command: tuple[str, str] | None) -> None:
    assert spoken(text) == command


def test_what_the_core_says_acts_on_nobody_in_the_home() -> None:
    assert mrkdwn("**Model**: <!channel> & `x`\n- one") == "*Model*: &lt;!channel&gt; &amp; `x`\n• one"
    shown = home("m" * 4_000, "")
    assert all(len(block["text"]["text"]) <= 3_000 for block in shown["blocks"])
    assert "Your usage" not in str(shown)


def test_a_press_below_an_answer_that_was_replied_to_is_of_the_running_direct_conversation() -> None:
    press = interaction(
        {
            "type": "block_actions",
            "user": {"id": "U1"},
            "team": {"id": "T1"},
            "channel": {"id": "D1"},
            "message": {"ts": "10.2", "thread_ts": "10.2", "bot_id": "BBOT"},
            "actions": [{"action_id": blocks.REGENERATE, "value": "U1:10.1", "action_ts": "12.0"}],
        }
    )
    assert isinstance(press, Press)
    assert press.source.place == Place("slack", "T1", "D1", None, "dm")


def test_a_message_that_only_has_blocks_is_read_from_them() -> None:
    blocks_ = [
        {"type": "header", "text": {"type": "plain_text", "text": "Alert"}},
        {
            "type": "rich_text",
            "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": "disk full"}]}],
        },
    ]
    found = interaction(
        {
            "type": "message_action",
            "callback_id": "ask_about_message",
            "user": {"id": "U1"},
            "team": {"id": "T1"},
            "channel": {"id": "C1"},
            "message": {"ts": "10.2", "text": "", "bot_id": "B1", "blocks": blocks_},
        }
    )
    assert isinstance(found, Shortcut)
    assert found.said == "Alert\ndisk full"
