"""Payloads in the form Discord sends them, read as the bot's facts."""

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.discord.incoming.directory import THREADS_MAX, Directory
from adapters.discord.payloads.guild import Guild
from adapters.discord.payloads.parse import Around, history, mention, sent_at
from bot.events import File, Mention, dump, load

BOT, ANN, BOB, ROLE = "1000", "2000", "3000", "4000"
GUILD, CHANNEL, THREAD = "5000", "6000", "7000"
KEY = "1300000000000000000"

Payload = Mapping[str, Any]


def user(key: str, name: str, **more: Any) -> dict[str, Any]:
    return {"id": key, "username": name, "global_name": None, "discriminator": "0", **more}


def message(content: str = f"<@{BOT}> hi", **more: Any) -> dict[str, Any]:
    """A MESSAGE_CREATE as recorded from the gateway, without what no one reads."""
    named = [user(BOT, "routernesia", bot=True)] if f"<@{BOT}>" in content or f"<@!{BOT}>" in content else []
    return {
        "id": KEY,
        "type": 0,
        "channel_id": CHANNEL,
        "guild_id": GUILD,
        "author": user(ANN, "ann", global_name="Ann A."),
        "member": {"nick": None, "roles": []},
        "content": content,
        "mentions": named,
        "mention_roles": [],
        "mention_everyone": False,
        "attachments": [],
        "embeds": [],
        "tts": False,
        "pinned": False,
        "flags": 0,
        **more,
    }


def around(**guild: Any) -> Around:
    return Around(BOT, Guild(**guild))


def read(payload: Payload, **guild: Any) -> Mention:
    found = mention(payload, around(**guild))
    assert found is not None
    assert load(Mention, dump(found)) == found
    return found


IMAGE = {"id": "1", "filename": "a b.png", "content_type": "image/png", "size": 12, "url": "https://cdn.example/a"}
IMAGE_FILE = File("1", "a b.png", "image/png", 12, "https://cdn.example/a")
QUOTED = message("what Bob said", id="1200000000000000000", author=user(BOB, "bob"))


def test_a_mention_is_named_after_its_message_and_dated_by_its_snowflake() -> None:
    found = read(message())
    assert (found.event_id, found.message_id) == (f"discord:{KEY}", KEY)
    assert found.sent_at == pytest.approx(1730012779, abs=300_000)
    assert found.conversation == f"discord:{GUILD}:{CHANNEL}:{KEY}"


def test_sent_at_is_the_time_in_the_snowflake() -> None:
    assert sent_at("175928847299117063") == 1462015105.796  # the example in Discord's reference


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (f"<@{BOT}> hi", "hi"),
        (f"<@!{BOT}>, hi", "hi"),
        (f"<@{BOT}>: hi", "hi"),
        (f"hi <@{BOT}> there", "hi there"),
        (f"hi <@{BOT}>", "hi"),
        (f"<@{BOT}>", ""),
        (f"<@{BOT}> ask <@{BOB}>", "ask <@3000>"),
        (f"<@{BOT}> <:wave:123> <a:dance:9>", ":wave: :dance:"),
        (f"<@{BOT}> in <#6001> or <#6002>", "in #general or <#6002>"),
        (f"<@{BOT}> the <@&77> team", "the <@&77> team"),
        (f"<@{BOT}> <@&{ROLE}> x", "x"),
        (f"<@{BOT}>\n- a\n  - b", "- a\n  - b"),
        (f"<@{BOT}> 1 < 2 & 3 > 2", "1 < 2 & 3 > 2"),
    ],
)
def test_marks_become_words(content: str, text: str) -> None:
    assert read(message(content), names={"6001": "general"}, own_role=ROLE).text == text


def test_names_come_from_the_payloads_mentions() -> None:
    named = [user(BOT, "routernesia"), user(BOB, "bob", global_name="Bob\nB.")]
    assert read(message(f"<@{BOT}> ask <@!{BOB}>", mentions=named)).text == "ask @Bob B."


@pytest.mark.parametrize(
    ("who", "member", "name"),
    [
        (user(ANN, "ann", global_name="Ann A."), {"nick": "Annie"}, "Ann A."),
        (user(ANN, "ann"), {"nick": "Annie"}, "Annie"),
        (user(ANN, "ann"), {}, "ann"),
        (user(ANN, "x", global_name="# a\n> b"), {}, "# a > b"),
    ],
)
def test_the_author_is_named_as_people_see_them_on_one_line(who: Payload, member: Payload, name: str) -> None:
    found = read(message(author=who, member=member))
    assert (found.author.id, found.author.name, found.author.is_bot) == (ANN, name, False)


@pytest.mark.parametrize(
    "change",
    [
        {"content": "no mention", "mentions": []},
        {"content": "@everyone", "mentions": [], "mention_everyone": True},
        {"author": user(ANN, "bot", bot=True)},
        {"author": user(BOT, "routernesia", bot=True)},
        {"webhook_id": "1"},
        {"type": 6},
        {"type": 7},
        {"type": 18},
        {"type": 20},
        {"content": f"<@{BOB}>", "mentions": [user(BOB, "bob")]},
    ],
)
def test_what_is_not_for_the_bot_is_nothing(change: dict[str, Any]) -> None:
    assert mention(message() | change, around(own_role=ROLE)) is None


def test_the_bots_own_role_is_a_mention_and_other_roles_are_not() -> None:
    payload = message(f"<@&{ROLE}> hi", mention_roles=[ROLE])
    assert read(payload, own_role=ROLE).text == "hi"
    assert mention(payload, around(own_role="9")) is None
    assert mention(payload, around()) is None


def test_a_direct_message_is_addressed_without_a_mention() -> None:
    payload = message("hi")
    del payload["guild_id"], payload["member"]
    found = read(payload)
    assert (found.place.kind, found.place.workspace, found.addressed) == ("dm", "", True)
    assert found.conversation == f"discord::{CHANNEL}"


class TestThreads:
    THREADS: ClassVar[dict[str, Any]] = {"threads": {THREAD: BOB}}

    def test_a_mention_in_a_thread_stands_in_it(self) -> None:
        found = read(message(channel_id=THREAD), **self.THREADS)
        assert (found.place.channel, found.place.thread, found.place.kind) == (THREAD, THREAD, "thread")
        assert (found.addressed, found.others, found.reply_to) == (True, (BOB,), None)
        assert found.conversation == f"discord:{GUILD}:{THREAD}:{THREAD}"

    def test_a_follow_up_is_not_addressed(self) -> None:
        assert not read(message("go on", channel_id=THREAD), **self.THREADS).addressed

    def test_an_image_alone_is_a_follow_up(self) -> None:
        assert read(message("", channel_id=THREAD, attachments=[IMAGE]), **self.THREADS).files == (IMAGE_FILE,)

    @pytest.mark.parametrize("content", ["", "  "])
    def test_the_unreadable_is_no_follow_up(self, content: str) -> None:
        answered = {"type": 19, "message_reference": {"message_id": "1"}, "referenced_message": QUOTED}
        assert mention(message(content, channel_id=THREAD), around(**self.THREADS)) is None
        assert mention(message(content, channel_id=THREAD, **answered), around(**self.THREADS)) is None

    @pytest.mark.parametrize(
        ("content", "other"), [(f"<@{BOB}> you?", BOB), (f"and <@!{BOB}>?", BOB), ("<@&77> all of you", "77")]
    )
    def test_talk_to_others_tells_that_they_take_part(self, content: str, other: str) -> None:
        found = read(message(content, channel_id=THREAD), threads={THREAD: ANN})
        assert (found.addressed, found.others) == (False, (other,))

    def test_a_reply_to_somebody_else_tells_that_they_take_part(self) -> None:
        answered = {"type": 19, "message_reference": {"message_id": "1"}, "referenced_message": QUOTED}
        found = read(message("right", channel_id=THREAD, **answered), threads={THREAD: ANN})
        assert (found.addressed, found.others) == (False, (BOB,))

    def test_a_question_about_somebody_does_not_make_them_take_part(self) -> None:
        assert read(message(f"<@{BOT}> who is <@{BOB}>?", channel_id=THREAD), threads={THREAD: ANN}).others == ()

    def test_a_reply_to_the_bot_is_for_the_bot(self) -> None:
        own = message("mine", author=user(BOT, "routernesia", bot=True))
        answered = {"type": 19, "message_reference": {"message_id": "1"}, "referenced_message": own}
        found = read(message("right", channel_id=THREAD, **answered), **self.THREADS)
        assert (found.text, found.reply_to, found.addressed) == ("right", None, True)
        found = read(message(f"<@{BOB}> look", channel_id=THREAD, **answered), **self.THREADS)
        assert (found.addressed, found.others) == (False, (BOB,))

    def test_an_unknown_thread_is_told_by_the_payload_if_it_says_so(self) -> None:
        found = read(message(channel_id=THREAD, channel_type=11))
        assert found.conversation == read(message(channel_id=THREAD), **self.THREADS).conversation

    def test_an_unknown_channel_is_treated_as_a_channel(self) -> None:
        assert read(message(channel_id=THREAD)).place.kind == "channel"

    def test_the_starter_is_no_other_when_they_ask_themselves_or_are_the_bot(self) -> None:
        for owner in (ANN, BOT, ""):
            assert read(message(channel_id=THREAD), threads={THREAD: owner}).others == ()


class TestQuotes:
    REPLY: ClassVar[dict[str, Any]] = {"type": 19, "message_reference": {"type": 0, "message_id": QUOTED["id"]}}

    def test_a_reply_that_quotes_somebody_brings_their_words_and_files(self) -> None:
        quoted = QUOTED | {"content": "line one\n> line two", "attachments": [IMAGE]}
        found = read(message(**self.REPLY, referenced_message=quoted))
        assert found.text == "> bob: line one\n> line two\n\nhi"
        assert found.files == (IMAGE_FILE,)
        assert found.reply_to == QUOTED["id"]

    def test_a_quote_that_discord_withholds_is_named(self) -> None:
        found = read(message(**self.REPLY, referenced_message=QUOTED | {"content": ""}))
        assert found.text == "> bob: (a message that I am not allowed to read)\n\nhi"

    def test_a_quote_of_an_image_is_its_author_and_the_file(self) -> None:
        found = read(message(**self.REPLY, referenced_message=QUOTED | {"content": "", "attachments": [IMAGE]}))
        assert (found.text, found.files) == ("> bob:\n\nhi", (IMAGE_FILE,))

    def test_the_bots_own_words_are_not_quoted_back(self) -> None:
        own = QUOTED | {"author": user(BOT, "routernesia", bot=True)}
        assert read(message(**self.REPLY, referenced_message=own)).text == "hi"

    @pytest.mark.parametrize(("content", "heard"), [("and then?", True), ("", False), (f"<@{BOB}> look", False)])
    def test_a_reply_to_the_bot_with_its_ping_off_is_for_the_bot_where_it_can_be_read(
        self, content: str, heard: bool
    ) -> None:
        own = QUOTED | {"author": user(BOT, "routernesia", bot=True)}
        found = mention(message(content, **self.REPLY, referenced_message=own), around())
        assert (found is not None and found.addressed) == heard

    def test_a_reply_to_a_deleted_message_still_names_it(self) -> None:
        found = read(message(**self.REPLY, referenced_message=None))
        assert (found.text, found.reply_to) == ("hi", QUOTED["id"])

    def test_a_forward_brings_what_it_carries(self) -> None:
        snapshot = {"message": {"content": "far away", "attachments": [IMAGE], "sticker_items": [{"name": "hi"}]}}
        payload = message("", message_reference={"type": 1, "message_id": "9"}, message_snapshots=[snapshot])
        del payload["guild_id"]
        found = read(payload)
        assert found.text == "> forwarded: far away\n> (sticker: hi)"
        assert (found.files, found.reply_to) == ((IMAGE_FILE,), None)

    def test_stickers_are_named(self) -> None:
        assert read(message(sticker_items=[{"id": "1", "name": "party"}])).text == "hi\n\n> (sticker: party)"

    def test_a_file_without_details_is_still_a_file(self) -> None:
        assert read(message(attachments=[{"id": "1"}])).files == (File("1", "file", "application/octet-stream", 0),)


def test_history_is_a_conversation_oldest_first_without_what_cannot_be_read() -> None:
    told = history(
        [
            message("an answer", id="40", author=user(BOT, "routernesia", bot=True), attachments=[IMAGE]),
            message("-# how to go on", id="45", author=user(BOT, "routernesia", bot=True)),
            message("", id="30"),
            message("joined", id="20", type=7),
            message("", id="10", type=21, referenced_message=QUOTED),
            message("", id="11", type=21, referenced_message=None),
            message("from a bot", id="50", author=user("8", "ci", bot=True)),
        ],
        around(),
    )
    assert [(line.role, line.text, line.author.is_bot) for line in told] == [
        ("user", "what Bob said", False),
        ("assistant", "an answer", True),
        ("user", "from a bot", True),
    ]
    assert told[1].files == ()


@given(st.text(max_size=200))
def test_any_content_is_read(content: str) -> None:
    found = mention(message(content, mentions=[user(BOT, "b"), user(BOB, "bob")]), around(own_role=ROLE))
    assert found is not None
    assert f"<@{BOT}>" not in found.text


class TestDirectory:
    def test_it_learns_forgets_and_keeps_up(self) -> None:
        directory = Directory()
        directory.own_id = BOT
        tell = directory.handlers()
        role = {"id": ROLE, "tags": {"bot_id": BOT}}
        channel = {"id": CHANNEL, "type": 0, "name": "general", "guild_id": GUILD}
        thread = {"id": THREAD, "type": 11, "name": "t", "guild_id": GUILD, "parent_id": CHANNEL, "owner_id": ANN}
        tell["GUILD_CREATE"]({"id": GUILD, "channels": [channel], "threads": [thread], "roles": [{"id": "1"}, role]})
        assert directory.guild(GUILD) == Guild(
            {CHANNEL: "general", THREAD: "t"}, {THREAD: ANN}, ROLE, {THREAD: CHANNEL}
        )

        tell["CHANNEL_UPDATE"](channel | {"name": "lobby"})
        tell["THREAD_DELETE"]({"id": THREAD, "guild_id": GUILD})
        tell["GUILD_ROLE_UPDATE"]({"guild_id": GUILD, "role": {"id": "4001", "tags": {"bot_id": BOT}}})
        assert directory.guild(GUILD) == Guild({CHANNEL: "lobby"}, {}, "4001")

        tell["THREAD_LIST_SYNC"]({"guild_id": GUILD, "threads": [thread]})
        assert THREAD in directory.guild(GUILD).threads

        tell["GUILD_DELETE"]({"id": GUILD, "unavailable": True})
        assert directory.guild(GUILD).names
        tell["GUILD_DELETE"]({"id": GUILD})
        assert directory.guild(GUILD) == Guild()

    def test_a_new_session_forgets_servers_that_were_left(self) -> None:
        directory = Directory()
        tell = directory.handlers()
        for guild in ("1", "2"):
            tell["CHANNEL_CREATE"]({"id": CHANNEL, "type": 0, "name": "general", "guild_id": guild})
        tell["READY"]({"guilds": [{"id": "2", "unavailable": True}]})
        assert directory.guild("1") == Guild()
        assert directory.guild("2").names == {CHANNEL: "general"}
        assert directory.guild(None) == Guild()

    def test_it_remembers_only_the_latest_threads_of_a_server(self) -> None:
        directory = Directory()
        create = directory.handlers()["THREAD_CREATE"]
        for key in range(THREADS_MAX + 5):
            create({"id": str(key), "type": 11, "name": "t", "guild_id": GUILD})
        known = directory.guild(GUILD)
        assert (len(known.threads), len(known.names)) == (THREADS_MAX, THREADS_MAX)
        assert "4" not in known.threads
        assert str(THREADS_MAX + 4) in known.threads
