"""What a Discord message says besides its words, and the name a question gives its thread."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.discord.payloads.content import EMBEDS_MAX
from adapters.discord.payloads.parse import begins_anew, hidden, history, mention
from adapters.discord.payloads.title import TITLE_MAX, title
from bot.platform import utf16_length
from tests.unit.test_discord_parse import BOB, BOT, IMAGE, IMAGE_FILE, QUOTED, around, message, read, user

EMBED = {"title": "A page", "description": "about\nsomething", "fields": [{"name": "price", "value": "7"}]}
EMBEDDED = "> (embed)\n> A page\n> about\n> something\n> price: 7"
POLL: dict[str, Any] = {
    "question": {"text": "Tea?"},
    "answers": [{"poll_media": {"text": "yes"}}, {"poll_media": {"emoji": {}}}],
}
REPLY: dict[str, Any] = {"type": 19, "message_reference": {"type": 0, "message_id": QUOTED["id"]}}
SOUND = IMAGE | {"filename": "voice-message.ogg", "content_type": "audio/ogg"}


class TestAnEmbed:
    def test_is_quoted_below_the_words(self) -> None:
        assert read(message(embeds=[EMBED])).text == f"hi\n\n{EMBEDDED}"

    def test_of_a_quoted_message_comes_with_the_quote(self) -> None:
        found = read(message(**REPLY, referenced_message=QUOTED | {"embeds": [EMBED]}))
        assert found.text == "> bob: what Bob said\n> (embed)\n> A page\n> about\n> something\n> price: 7\n\nhi"

    def test_of_a_forward_comes_with_it(self) -> None:
        snapshot = {"message": {"content": "", "embeds": [EMBED]}}
        payload = message(message_reference={"type": 1, "message_id": "9"}, message_snapshots=[snapshot])
        assert read(payload).text == "> forwarded: (embed)\n> A page\n> about\n> something\n> price: 7\n\nhi"

    def test_of_a_webhook_is_what_it_said(self) -> None:
        (line,) = history([message("", author=user("8", "ci", bot=True), webhook_id="8", embeds=[EMBED])], around())
        assert (line.text, line.author.is_bot) == (EMBEDDED, True)

    def test_is_bounded_over_all_of_a_message(self) -> None:
        found = read(message(embeds=[{"description": "x" * 4096}, {"description": "y" * 4096}]))
        assert found.text.count("x") == EMBEDS_MAX
        assert "y" not in found.text

    def test_cannot_pose_as_words_of_the_writer(self) -> None:
        found = read(message(embeds=[{"title": "a\nb", "description": "> c\n\n# d"}]))
        assert all(line.startswith(">") for line in found.text.partition("\n\n")[2].splitlines())


class TestAPoll:
    def test_is_read_with_its_answers(self) -> None:
        assert read(message(poll=POLL)).text == "hi\n\n> (poll: Tea?)\n> - yes"

    def test_without_words_can_be_read(self) -> None:
        assert not hidden([message("", author=user(BOB, "bob"), mentions=[], poll=POLL)], around())


class TestAVoiceMessage:
    def test_is_said_not_to_be_heard_and_brings_no_file(self) -> None:
        found = read(message(flags=1 << 13, attachments=[SOUND]))
        assert (found.text, found.files) == ("hi\n\n> (a voice message that I cannot hear)", ())

    def test_that_is_answered_is_named_and_the_asker_s_own_file_stays(self) -> None:
        quoted = QUOTED | {"content": "", "flags": 1 << 13, "attachments": [SOUND]}
        found = read(message(**REPLY, referenced_message=quoted, attachments=[IMAGE]))
        assert found.text == "> bob: (a voice message that I cannot hear)\n\nhi"
        assert found.files == (IMAGE_FILE,)

    def test_is_known_by_its_flag_alone(self) -> None:
        assert len(read(message(attachments=[SOUND])).files) == 1


def test_what_others_said_is_hidden_only_where_nothing_of_it_is_shown() -> None:
    mute, own = message("", author=user(BOB, "bob"), mentions=[]), message("mine", author=user(BOT, "b", bot=True))
    assert hidden([mute, own], around())
    assert not hidden([mute, message("shown")], around())
    assert not hidden([own, message("joined", type=7)], around())
    assert not hidden([], around())


@pytest.mark.parametrize(
    ("payload", "anew"),
    [
        (message(), True),
        (message(f"so, <@!{BOT}>?"), True),
        (message("hi"), False),
        (message("hi", mentions=[user(BOT, "b")]), False),
        (message(**REPLY), False),
    ],
)
def test_a_conversation_begins_anew_where_the_bot_is_mentioned_by_hand(payload: dict[str, Any], anew: bool) -> None:
    assert begins_anew(payload, around()) == anew


def test_another_bot_is_heard_where_that_is_allowed() -> None:
    payload = message(author=user("8", "ci", bot=True))
    facts = around()
    assert mention(payload, facts) is None
    allowed = type(facts)(facts.own_id, facts.guild, bots=True)
    assert mention(payload, allowed) is not None
    assert mention(payload | {"webhook_id": "8"}, allowed) is None
    assert mention(payload | {"author": user(BOT, "routernesia", bot=True)}, allowed) is None


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("what is a lane?", "what is a lane?"),
        ("What is a lane? And a road?", "What is a lane?"),
        ("Explain lanes.", "Explain lanes"),
        ("v1.2 is out", "v1.2 is out"),
        ("> bob: quoted\n\nwhat of it?", "what of it?"),
        ("# **Lanes** and `roads`\nmore", "Lanes and roads"),
        ("- [x](https://e.x) is ~~not~~ a list", "x is not a list"),
        ("<@123> hi <#5> <a:wave:9> there", "hi there"),
        ("@Bob Miller, and #general?", "Bob Miller, and general?"),
        ("```py\nprint(1)\n```\nwhy?", "print(1)"),
        ("为什么?因为。", "为什么?"),
        ("", "Question from Ann"),
        ("> only: a quote", "Question from Ann"),
        ("?!", "Question from Ann"),
        ("**", "Question from Ann"),
    ],
)
def test_a_thread_is_named_after_the_first_sentence_without_its_marks(question: str, name: str) -> None:
    assert title(question, author="Ann") == name


def test_a_long_name_ends_at_a_word() -> None:
    name = title("word " * 60, author="Ann")
    assert name.endswith("word…")
    assert utf16_length(name) <= TITLE_MAX


@given(st.text(max_size=400), st.text(max_size=200))
@example("0\r.", "")
def test_any_question_gives_a_name_that_discord_takes(question: str, author: str) -> None:
    name = title(question, author=author)
    assert 1 <= utf16_length(name) <= TITLE_MAX
    assert name.strip() == name
    assert "\n" not in name
