"""Payloads as Slack sends them, and what they are to the bot."""

import copy
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.slack.payloads.parse import Identity, Json, mention, message, named_in
from adapters.slack.text.mrkdwn import commonmark
from bot.events import Author, File, Mention, Place, dump, load

ME = Identity("T1", "UBOT", "BBOT")
TS = "1763860000.123456"


def payload(**event: Any) -> Json:
    """A `message` in a public channel, with what Slack sends around it."""
    plain: Json = {
        "user": "U1",
        "type": "message",
        "ts": TS,
        "client_msg_id": "0a1b",
        "text": "<@UBOT> what is a lane?",
        "team": "T1",
        "blocks": [
            {
                "type": "rich_text",
                "block_id": "x1",
                "elements": [
                    {
                        "type": "rich_text_section",
                        "elements": [{"type": "user", "user_id": "UBOT"}, {"type": "text", "text": " what is a lane?"}],
                    }
                ],
            }
        ],
        "channel": "C1",
        "event_ts": TS,
        "channel_type": "channel",
    }
    return {
        "token": "z",
        "team_id": "T1",
        "context_team_id": "T1",
        "context_enterprise_id": None,
        "api_app_id": "A1",
        "event": {name: value for name, value in {**plain, **event}.items() if value is not ...},
        "type": "event_callback",
        "event_id": "Ev1",
        "event_time": 1763860000,
        "authorizations": [{"enterprise_id": None, "team_id": "T1", "user_id": "UBOT", "is_bot": True}],
        "is_ext_shared_channel": False,
    }


def app_mention(**event: Any) -> Json:
    return payload(type="app_mention", channel_type=..., **event)


def parsed(raw: Json) -> Mention:
    found = mention(raw, ME)
    assert found
    return found


def test_a_mention_in_a_channel_opens_a_thread_under_itself() -> None:
    found = parsed(payload())
    assert found == Mention(
        event_id=f"slack:T1:C1:{TS}",
        place=Place("slack", "T1", "C1", TS, "channel"),
        author=Author("U1", "U1", team="T1"),
        text="what is a lane?",
        message_id=TS,
        sent_at=1763860000.123456,
    )
    assert load(Mention, dump(found)) == found


def test_both_forms_of_a_mention_are_the_same_event() -> None:
    assert parsed(app_mention()) == parsed(payload())


def test_a_mention_in_a_thread_stays_there_and_names_who_started_it() -> None:
    found = parsed(payload(thread_ts="1763850000.000100", parent_user_id="U2"))
    assert found.place == Place("slack", "T1", "C1", "1763850000.000100", "thread")
    assert found.others == ("U2",)
    assert found.addressed


@pytest.mark.parametrize("starter", ["U1", "UBOT", "USLACKBOT", None])
def test_the_author_the_bot_and_slackbot_are_no_others(starter: str | None) -> None:
    assert parsed(payload(thread_ts="1.2", parent_user_id=starter)).others == ()


def test_a_direct_message_is_one_conversation_answered_in_place() -> None:
    found = parsed(payload(channel="D1", channel_type="im", text="hello"))
    assert found.place == Place("slack", "T1", "D1", None, "dm")
    assert found.conversation == "slack:T1:D1"
    assert found.addressed
    in_thread = parsed(payload(channel="D1", channel_type="im", text="hello", thread_ts="1.2"))
    assert in_thread.place == Place("slack", "T1", "D1", "1.2", "dm")


def test_in_the_agent_view_each_direct_message_begins_a_conversation_and_a_thread_stays_one() -> None:
    found = mention(payload(channel="D1", channel_type="im", text="hello"), ME, threads=True)
    assert found
    assert found.place == Place("slack", "T1", "D1", TS, "dm")
    assert found.conversation == f"slack:T1:D1:{TS}"
    reply = mention(payload(channel="D1", channel_type="im", text="hello", thread_ts="1.2"), ME, threads=True)
    assert reply
    assert reply.conversation == "slack:T1:D1:1.2"


def test_the_author_belongs_to_the_team_that_the_event_names_and_the_place_to_the_bots() -> None:
    found = parsed(payload(team="T_FOREIGN", user_team="T_FOREIGN"))
    assert (found.author.team, found.place.workspace) == ("T_FOREIGN", "T1")
    assert parsed(payload(team="T_FOREIGN")).author.team == "T_FOREIGN"
    assert parsed(payload(team=...)).author.team == "T1"


def test_the_id_of_an_event_does_not_depend_on_the_id_that_the_client_made_up() -> None:
    assert parsed(app_mention(client_msg_id=...)).event_id == parsed(payload()).event_id


def test_a_group_message_is_a_channel() -> None:
    assert mention(payload(channel="G1", channel_type="mpim", text="just us", blocks=...), ME) is None
    assert parsed(payload(channel="G1", channel_type="mpim")).place.kind == "channel"


def test_a_follow_up_in_a_thread_is_not_addressed() -> None:
    assert not parsed(payload(thread_ts="1.2", text="and then?", blocks=...)).addressed


@pytest.mark.parametrize("text", ["<@U2> you know this", "  <@U2|zoe>: look", "<!here> look", "<!subteam^S1> look"])
def test_a_follow_up_that_calls_someone_else_counts_that_one_and_is_not_addressed(text: str) -> None:
    found = parsed(payload(thread_ts="1.2", text=text, blocks=..., parent_user_id="U7"))
    assert not found.addressed
    assert found.others[0] == "U7"
    assert found.others[1] in ("U2", "here", "subteam^S1")
    assert parsed(payload(thread_ts="1.2", text="<@U1> that is me", blocks=...)).others == ()
    assert parsed(payload(thread_ts="1.2", text="I asked <@U2>", blocks=...)).others == ()


def test_an_action_that_names_the_bot_is_for_it_and_another_is_not() -> None:
    assert parsed(payload(subtype="me_message")).addressed
    assert mention(payload(subtype="me_message", thread_ts="1.2", text="waves", blocks=...), ME) is None


def test_known_names_stand_for_ids_of_authors_and_of_people_in_the_text() -> None:
    raw = payload(text="<@UBOT> ask <@U2> and <@U3|old> or <@U4>, `<@U2>`")
    assert named_in(raw["event"], ME) == ["U1", "U2", "U3", "U4"]
    found = mention(raw, ME, {"U1": "Ana", "U2": "Ben <b> & Co", "U3": "Cy"})
    assert found
    assert found.author == Author("U1", "Ana", team="T1")
    assert found.text == "ask @Ben <b> & Co and @Cy or @U4, `@Ben <b> & Co`"
    line = message({"ts": TS, "user": "U2", "text": "hi <@U1>"}, ME, {"U1": "Ana", "U2": "Ben"})
    assert line
    assert (line.author.name, line.text) == ("Ben", "hi @Ana")


def test_known_names_stand_for_channels_that_slack_sends_without_one() -> None:
    raw = payload(text="<@UBOT> see <#C7> and <#C8|> and <#C9|general> and <#C10>")
    assert named_in(raw["event"], ME) == ["U1", "C7", "C8", "C10"]
    found = mention(raw, ME, {"C7": "lanes", "C8": "roads"})
    assert found
    assert found.text == "see #lanes and #roads and #general and #C10"


def test_a_follow_up_that_calls_someone_else_and_the_bot_is_for_the_bot() -> None:
    assert parsed(payload(thread_ts="1.2", text="<@U2> ask <@UBOT>", blocks=...)).addressed


def quoting(kind: str) -> Json:
    element = {"type": kind, "elements": [{"type": "user", "user_id": "UBOT"}]}
    return {"type": "rich_text", "elements": [element]}


def test_a_mention_that_stands_only_in_rich_text_counts_unless_it_is_quoted() -> None:
    assert parsed(payload(text="hello", blocks=[quoting("rich_text_section")])).addressed
    assert mention(payload(text="hello", blocks=[quoting("rich_text_quote")]), ME) is None
    assert parsed(payload(text="hello <@UBOT|bot>", blocks=...)).text == "hello"


def test_rich_text_nested_without_end_is_left_alone() -> None:
    node: Any = {"type": "user", "user_id": "UBOT"}
    for _ in range(200):
        node = {"elements": [node]}
    assert mention(payload(text="hello", blocks=[node]), ME) is None
    assert mention(payload(text="hello", blocks=["odd"]), ME) is None


@pytest.mark.parametrize(
    "event",
    [
        {"text": "nothing for the bot", "blocks": ...},
        {"user": "UBOT"},
        {"bot_id": "BBOT"},
        {"bot_id": "B9"},
        {"bot_profile": {"id": "B9"}},
        {"user": "USLACKBOT"},
        {"user": ...},
        {"user": None},
        {"channel": ...},
        {"ts": ...},
        {"ts": "yesterday"},
        {"ts": 1763860000},
        {"edited": {"user": "U1", "ts": TS}},
        {"hidden": True},
        {"type": "reaction_added"},
        {"type": ...},
        *({"subtype": subtype} for subtype in ("message_changed", "message_deleted", "bot_message", "channel_join")),
    ],
)
def test_what_is_not_for_the_bot_is_nothing(event: Json) -> None:
    assert mention(payload(**event), ME) is None


@pytest.mark.parametrize("subtype", ["file_share", "thread_broadcast"])
def test_files_and_broadcasts_count(subtype: str) -> None:
    assert parsed(payload(subtype=subtype))


@pytest.mark.parametrize(
    "raw", [{}, {"type": "event_callback"}, {"type": "event_callback", "event": []}, {"event": {}}]
)
def test_what_is_no_event_is_nothing(raw: Json) -> None:
    assert mention(raw, ME) is None


def test_a_greeting_without_words_is_still_a_mention() -> None:
    assert parsed(payload(text="<@UBOT>")).text == ""


def test_in_a_shared_channel_the_bots_own_workspace_counts() -> None:
    raw = payload(team="T_FOREIGN", user_team="T_FOREIGN", source_team="T_FOREIGN")
    assert parsed(raw).place.workspace == "T1"
    raw["team_id"] = "T_HOST"
    assert parsed(raw).place.workspace == "T1"
    raw["context_team_id"] = None
    assert parsed(raw).place.workspace == "T_HOST"
    del raw["team_id"]
    assert parsed(raw).place.workspace == "T1"


def test_the_authors_name_is_taken_where_it_is_sent() -> None:
    assert parsed(payload(user_profile={"display_name": "", "real_name": "Zoe Z"})).author.name == "Zoe Z"
    assert parsed(payload(user_profile="odd")).author.name == "U1"


def test_files_keep_their_address_only_where_it_is_slacks_own_and_safe() -> None:
    file: Json = {"id": "F1", "name": "a.pdf", "mimetype": "application/pdf", "size": 12, "mode": "hosted"}
    url = "https://files.slack.com/files-pri/T1-F1/a.pdf"
    files = [
        {**file, "url_private": url},
        {**file, "url_private": url, "is_external": True},
        {**file, "url_private": url, "mode": "external"},
        {**file, "url_private": "http://files.slack.com/a.pdf"},
        {"id": "F2", "title": "stub", "size": "?"},
        "odd",
    ]
    found = parsed(payload(subtype="file_share", text="<@UBOT>", files=files)).files
    whole = File("F1", "a.pdf", "application/pdf", 12, url)
    bare = File("F1", "a.pdf", "application/pdf", 12)
    assert found == (whole, bare, bare, bare, File("F2", "stub", "", 0))
    assert parsed(payload(files={"odd": 1})).files == ()


def test_a_line_of_history_that_nobody_said_is_nothing() -> None:
    assert message({"ts": TS, "user": "U1", "text": "x", "subtype": "tombstone"}, ME) is None
    assert message({"ts": TS, "user": "U1", "text": "x", "hidden": True}, ME) is None
    assert message({"user": "U1", "text": "x"}, ME) is None
    slackbot = message({"ts": TS, "user": "USLACKBOT", "text": "x"}, ME)
    assert slackbot
    assert slackbot.author.is_bot


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*payload()["event"], "files", "thread_ts", "subtype", "bot_id"]), json_values))
def test_no_payload_makes_the_parser_fail(changed: Json) -> None:
    raw = payload()
    raw["event"] = {**copy.deepcopy(raw["event"]), **changed}
    found = mention(raw, ME)
    assert found is None or not math.isnan(found.sent_at)


@pytest.mark.parametrize(
    ("slack", "markdown"),
    [
        ("plain", "plain"),
        ("<@U1> and <@U2|zoe>", "@U1 and @zoe"),
        ("<#C1> and <#C2|general> and <#C3|>", "#C1 and #general and #C3"),
        ("<!here> <!channel> <!everyone|@everyone>", "@here @channel @everyone"),
        ("<!subteam^S1> <!subteam^S2|@devs>", "@S1 @devs"),
        ("<!date^1700000000^{date}|14 Nov> <!date^1700000000^{date}>", "14 Nov 1700000000"),
        ("<https://x.y/z>", "https://x.y/z"),
        ("<https://x.y|here>", "[here](https://x.y)"),
        ("<http://x.y|x.y>", "http://x.y"),
        ("<https://x.y/(a)|a [b]>", "[a \\[b\\]](<https://x.y/(a)>)"),
        ("<mailto:a@b.c|a@b.c> <tel:123>", "a@b.c 123"),
        ("*bold* _soft_ ~gone~", "**bold** _soft_ ~~gone~~"),
        ("*two words*, (*x*)", "**two words**, (**x**)"),
        ("2 * 3 * 4 and a*b*c and ~/x ~/y", "2 * 3 * 4 and a*b*c and ~/x ~/y"),
        ("**twice** ***", "**twice** ***"),
        ("1 &lt; 2 &amp;&amp; 3 &gt; 2 &amp;lt;", "1 < 2 && 3 > 2 &lt;"),
        ("&gt; quoted\nanswer", "> quoted\nanswer"),
        ("• one\n  ◦ two", "- one\n  - two"),
        ("`*a* <https://x.y> &lt;b&gt;`", "`*a* https://x.y <b>`"),
        ("see ```*a*\n<@U1> <https://x.y|x.y>``` end", "see \n```\n*a*\n@U1 x.y\n```\n end"),
        ("```\ncode\n```", "```\ncode\n```"),
        ("a  b   c", "a  b   c"),
        ("``` unclosed *a*", "``` unclosed **a**"),
    ],
)
def test_slacks_markup_becomes_commonmark(slack: str, markdown: str) -> None:
    assert commonmark(slack) == markdown


@pytest.mark.parametrize(
    ("slack", "markdown"),
    [
        ("<@UBOT> hi", "hi"),
        ("<@UBOT>: hi", "hi"),
        ("  <@UBOT|bot>, hi", "hi"),
        ("hi <@UBOT> there", "hi there"),
        ("hi <@UBOT>", "hi"),
        ("hi<@UBOT>there", "hi there"),
        ("one\n<@UBOT> two", "one\ntwo"),
        ("<@UBOT> <@UBOT>", ""),
        ("<@UBOTHER> hi", "@UBOTHER hi"),
    ],
)
def test_the_bots_own_mention_is_removed(slack: str, markdown: str) -> None:
    assert commonmark(slack, without_user="UBOT") == markdown


@pytest.mark.parametrize("part", ["*", "`", "```", "<", "~", "&", " ", "<@", "* a", "<a|", "`a", "*a ", "<@UBOT>"])
def test_a_long_hostile_text_is_converted_before_the_suites_timeout(part: str) -> None:
    """A pattern that goes back and forth over it would take hours."""
    text = part * (100_000 // len(part))
    assert len(commonmark(text, without_user="UBOT")) <= 6 * len(text)


@given(st.text(alphabet="*_~`<>|@#!&;ltgamp UBOT\n•a1", max_size=60))
def test_no_text_makes_the_conversion_fail(text: str) -> None:
    assert "<@UBOT>" not in commonmark(text, without_user="UBOT") or "&" in text
