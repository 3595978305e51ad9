"""Edits and deletions from Discord's payloads, in whatever form they come."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.discord.payloads.changes import deletions, edits
from adapters.discord.payloads.guild import Around, Guild
from adapters.discord.payloads.parse import history, mention
from bot.events import Change, dump, load
from tests.unit.test_discord_parse import (
    ANN,
    BOT,
    CHANNEL,
    GUILD,
    IMAGE,
    KEY,
    QUOTED,
    ROLE,
    THREAD,
    around,
    message,
    user,
)

EDITED = "2026-11-20T10:00:00.123000+00:00"
AT = 1795514400.0


def edit(**more: Any) -> dict[str, Any]:
    return message(edited_timestamp=EDITED, **more)


def one(payload: dict[str, Any], guild: Guild) -> list[Change]:
    found = edits(payload, Around(BOT, guild))
    assert [load(Change, dump(change)) for change in found] == found
    return found


class TestAnEdit:
    def test_in_a_channel_is_of_a_chain_or_of_the_thread_that_was_opened_on_it(self) -> None:
        chain, opened = one(edit(), Guild(names={CHANNEL: "general"}))
        assert chain.conversation == f"discord:{GUILD}:{CHANNEL}:{KEY}"
        assert opened.conversation == f"discord:{GUILD}:{KEY}:{KEY}"
        assert chain.now
        assert (chain.now.text, chain.now.event_id, chain.message_id) == ("hi", f"discord:{KEY}", KEY)
        assert chain.at == 1795168800.123

    def test_in_a_thread_is_of_that_thread(self) -> None:
        (found,) = one(edit(channel_id=THREAD), Guild(threads={THREAD: ANN}, names={THREAD: "t"}))
        assert found.conversation == f"discord:{GUILD}:{THREAD}:{THREAD}"

    def test_where_the_payload_names_the_kind_of_channel_needs_no_knowledge(self) -> None:
        assert [change.place.kind for change in one(edit(channel_type=11, channel_id=THREAD), Guild())] == ["thread"]
        assert [change.place.channel for change in one(edit(channel_type=0), Guild())] == [CHANNEL, KEY]

    def test_where_nothing_is_known_is_of_each_place_it_may_stand_in(self) -> None:
        found = one(edit(), Guild())
        assert [change.conversation for change in found] == [
            f"discord:{GUILD}:{CHANNEL}:{KEY}",
            f"discord:{GUILD}:{CHANNEL}:{CHANNEL}",
            f"discord:{GUILD}:{KEY}:{KEY}",
        ]
        assert len({change.event_id for change in found}) == 3

    def test_has_the_same_id_however_often_it_comes_and_another_one_after_the_next_edit(self) -> None:
        again = {**edit(), "embeds": [{"title": "a preview"}], "pinned": True}
        guild = Guild(names={CHANNEL: "general"})
        ids = [[change.event_id for change in one(payload, guild)] for payload in (edit(), again)]
        assert ids[0] == ids[1]
        later = edit() | {"edited_timestamp": "2026-11-20T10:00:01+00:00"}
        assert one(later, guild)[0].event_id not in ids[0]

    @pytest.mark.parametrize(
        "change",
        [
            {"edited_timestamp": None},
            {"content": ""},
            {"content": "   "},
            {"author": user(BOT, "routernesia", bot=True)},
            {"author": user("8", "ci", bot=True)},
            {"author": None},
            {"webhook_id": "1"},
            {"type": 18},
            {"id": None},
            {"channel_id": None},
        ],
    )
    def test_is_nothing_where_nobody_edited_or_nothing_is_shown(self, change: dict[str, Any]) -> None:
        assert edits(edit() | change, around()) == []

    @pytest.mark.parametrize("missing", ["content", "author", "edited_timestamp", "id", "channel_id"])
    def test_that_is_told_in_part_is_nothing(self, missing: str) -> None:
        payload = edit()
        del payload[missing]
        assert edits(payload, around()) == []

    def test_with_an_odd_time_is_dated_by_the_message(self) -> None:
        (found, _) = one(edit() | {"edited_timestamp": "soon"}, Guild(names={CHANNEL: "general"}))
        assert found.now
        assert found.at == found.now.sent_at


class TestADeletion:
    def test_names_each_message_of_many(self) -> None:
        payload = {"ids": ["11", "12"], "channel_id": THREAD, "guild_id": GUILD}
        found = deletions(payload, Guild(threads={THREAD: ANN}), at=AT)
        assert [(change.message_id, change.now, change.at) for change in found] == [("11", None, AT), ("12", None, AT)]
        assert {change.conversation for change in found} == {f"discord:{GUILD}:{THREAD}:{THREAD}"}

    def test_of_a_direct_message_is_of_that_conversation(self) -> None:
        (found,) = deletions({"id": KEY, "channel_id": CHANNEL}, Guild(), at=AT)
        assert found.conversation == f"discord::{CHANNEL}"

    @pytest.mark.parametrize("payload", [{}, {"id": KEY}, {"channel_id": CHANNEL}, {"ids": [], "channel_id": "1"}])
    def test_that_names_too_little_is_nothing(self, payload: dict[str, Any]) -> None:
        assert deletions(payload, Guild(), at=AT) == []


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FULL: dict[str, Any] = {
    **edit(type=19),
    "message_reference": {"type": 0, "message_id": QUOTED["id"]},
    "referenced_message": QUOTED,
    "attachments": [IMAGE],
    "sticker_items": [{"name": "party"}],
    "message_snapshots": [{"message": {"content": "far", "attachments": [IMAGE], "embeds": [{"title": "t"}]}}],
    "embeds": [{"title": "t", "description": "d", "fields": [{"name": "n", "value": "v"}]}],
    "poll": {"question": {"text": "q"}, "answers": [{"poll_media": {"text": "a"}}]},
    "channel_type": 0,
    "ids": ["1", "2"],
}


def paths(of: object, before: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every field of a payload."""
    steps: list[Any] = list(of) if isinstance(of, dict) else list(range(len(of))) if isinstance(of, list) else []  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    return [before, *(path for step in steps for path in paths(of[step], (*before, step)))]  # pyright: ignore[reportIndexIssue, reportUnknownArgumentType, reportUnknownVariableType]


def changed(of: Any, path: tuple[Any, ...], now: Any) -> Any:
    """A copy with another value at the end of a path."""
    if not path:
        return now
    copy = dict(of) if isinstance(of, dict) else list(of)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    copy[path[0]] = changed(of[path[0]], path[1:], now)  # pyright: ignore[reportIndexIssue, reportArgumentType, reportCallIssue]
    return copy  # pyright: ignore[reportUnknownVariableType]


@given(st.data())
def test_odd_payloads_never_raise(data: st.DataObject) -> None:
    payload: dict[str, Any] = FULL
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(paths(payload)[1:]))
        payload = changed(payload, path, data.draw(JUNK))
    facts = Around(BOT, Guild(own_role=ROLE), free=True, bots=True)
    mention(payload, facts)
    history([payload], facts)
    edits(payload, facts)
    deletions(payload, facts.guild, at=AT)
