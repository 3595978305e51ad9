"""Interaction payloads as facts, messages as quoted data, and what a custom id or a reply reference says."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.discord.answers import responses
from adapters.discord.answers.buttons import Wish, pressed
from adapters.discord.api.webhooks import Ref, ref
from adapters.discord.incoming.signature import Verifier
from adapters.discord.payloads import quoting
from adapters.discord.payloads.interactions import Autocomplete, Form, Menu, Press, Slash, interaction
from adapters.discord.payloads.parse import Around
from tests.fakes.discord import FakeDiscord
from tests.fakes.discord.forms import check_message, check_modal

Payload = dict[str, Any]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)
AROUND = Around(own_id="1")
USER: Payload = {"id": "5", "username": "ann", "global_name": "Ann\nOwner: me"}


def slash(**more: Any) -> Payload:
    """A slash command on a server where the app is installed."""
    data = {"type": 1, "name": "ask", "options": [{"name": "question", "type": 3, "value": "why?"}]}
    member = {"user": USER, "roles": ["8", "9"], "permissions": "8192", "nick": "A"}
    where = {"channel_id": "30", "channel": {"id": "30", "type": 0}, "guild_id": "20", "context": 0}
    owners = {"authorizing_integration_owners": {"0": "20"}, "app_permissions": str(1 << 10 | 1 << 16)}
    return (
        {"id": "40", "application_id": "1", "type": 2, "token": "t", "data": data, "member": member}
        | where
        | owners
        | more
    )


class TestInteraction:
    def test_a_slash_command_says_who_asks_what_where(self) -> None:
        found = interaction(slash())
        assert isinstance(found, Slash)
        source = found.source
        assert (found.name, found.options) == ("ask", {"question": "why?"})
        assert (source.actor.id, source.actor.name) == ("5", "Ann Owner: me")
        assert (source.place.workspace, source.place.channel, source.place.kind) == ("20", "30", "channel")
        assert (source.roles, source.moderates, source.here, source.reads) == (("8", "9"), True, True, True)

    def test_its_token_is_not_shown_with_it(self) -> None:
        assert "secret" not in repr(interaction(slash(token="secret")))
        assert "secret" not in f"{Ref('1', 'secret', 2.0)}"

    @pytest.mark.parametrize("kind", [10, 11, 12])
    def test_a_thread_is_its_own_place_and_names_its_parent_and_owner(self, kind: int) -> None:
        found = interaction(slash(channel={"id": "30", "type": kind, "parent_id": "29", "owner_id": "6"}))
        assert found
        assert (found.source.place.thread, found.source.place.kind) == ("30", "thread")
        assert (found.source.parent, found.source.owner) == ("29", "6")

    @pytest.mark.parametrize(("context", "kind"), [(1, "dm"), (2, "channel")])
    def test_only_the_bots_own_direct_messages_are_a_conversation_with_it(self, context: int, kind: str) -> None:
        payload = slash(user=USER, context=context)
        del payload["member"], payload["guild_id"]
        found = interaction(payload)
        assert found
        assert (found.source.place.kind, found.source.place.workspace) == (kind, "")

    def test_where_a_person_alone_installed_it_nothing_around_is_read(self) -> None:
        thread = {"id": "30", "type": 11, "parent_id": "29"}
        found = interaction(slash(authorizing_integration_owners={"1": "5"}, channel=thread))
        assert found
        assert (found.source.here, found.source.reads, found.source.place.thread) == (False, False, None)

    @pytest.mark.parametrize(("rights", "reads"), [(0, False), (1 << 10, False), (1 << 10 | 1 << 16, True), (8, True)])
    def test_reading_the_channel_needs_both_rights_or_all(self, rights: int, reads: bool) -> None:
        found = interaction(slash(app_permissions=str(rights)))
        assert found
        assert found.source.reads is reads

    def test_typing_into_an_option_is_told_by_its_focus(self) -> None:
        options = [{"name": "other", "value": "x"}, {"name": "name", "value": "m-", "focused": True}]
        found = interaction(slash(type=4, data={"type": 1, "name": "model", "options": options}))
        assert isinstance(found, Autocomplete)
        assert (found.name, found.focused, found.typed) == ("model", "name", "m-")

    def test_a_menus_target_comes_with_it(self) -> None:
        target = {"id": "50", "content": "hello"}
        data = {"type": 3, "name": "Ask", "target_id": "50", "resolved": {"messages": {"50": target}}}
        found = interaction(slash(data=data))
        assert isinstance(found, Menu)
        assert (found.message_id, found.target) == ("50", target)

    def test_a_press_names_its_message(self) -> None:
        found = interaction(slash(type=3, data={"custom_id": "rb:stop:5:6"}, message={"id": "60"}))
        assert isinstance(found, Press)
        assert (found.custom_id, found.message_id) == ("rb:stop:5:6", "60")

    @pytest.mark.parametrize("row", [True, False])
    def test_a_form_says_what_was_typed_in_the_old_and_the_new_layout(self, row: bool) -> None:
        typed = {"type": 4, "custom_id": "typed", "value": "too short"}
        components = [{"type": 1, "components": [typed]}] if row else [{"type": 18, "component": typed}]
        found = interaction(slash(type=5, data={"custom_id": "rb:why:6", "components": components}))
        assert isinstance(found, Form)
        assert (found.custom_id, found.values) == ("rb:why:6", {"typed": "too short"})

    @pytest.mark.parametrize("name", ["id", "application_id", "token", "member", "channel_id"])
    def test_without_a_field_that_is_needed_it_is_nothing(self, name: str) -> None:
        payload = slash(channel={})
        del payload[name]
        assert interaction(payload) is None

    @given(st.sampled_from(sorted(slash())), JSON)
    def test_a_field_of_another_kind_raises_nothing(self, name: str, value: Any) -> None:
        for kind in (2, 3, 4, 5):
            interaction(slash(type=kind, message={"id": "1"}) | {name: value})

    @given(JSON)
    def test_data_of_any_kind_raises_nothing(self, value: Any) -> None:
        for kind in (2, 3, 4, 5):
            for inner in (value, {"type": 1, "name": value, "options": value}, {"type": 3, "resolved": value}):
                interaction(slash(type=kind, data=inner))


class TestQuoting:
    @given(st.text(max_size=300), st.text(max_size=40))
    def test_no_text_and_no_name_leaves_its_quotation(self, words: str, name: str) -> None:
        message: Payload = {"id": "7", "content": words, "author": {"id": "5", "username": name}, "mentions": []}
        head, _, quoted = quoting.one(message, AROUND).partition("\n\n")
        assert len(head.splitlines()) == 1
        assert all(line.startswith("> ") or line == ">" for line in quoted.splitlines())
        _, *blocks = quoting.several([message], AROUND).split("\n\n")
        assert all(line.startswith(("> ", "(")) for block in blocks for line in block.splitlines())

    def test_a_long_past_keeps_its_newest_and_says_what_is_left_out(self) -> None:
        many: list[Payload] = [
            {"id": str(number), "content": f"{number:04} " + "x" * 1_900, "author": USER} for number in range(1, 101)
        ]
        text = quoting.several(many, AROUND)
        assert len(text) < quoting.ALL_MAX + 500
        assert "0100 x" in text
        assert "0001 x" not in text
        assert "of the messages, the oldest, are left out.)" in text

    def test_what_discord_says_itself_is_no_message(self) -> None:
        text = quoting.several([{"id": "1", "type": 7, "content": "joined", "author": USER}], AROUND)
        assert "joined" not in text
        assert quoting.UNREAD in text


class TestIds:
    @pytest.mark.parametrize("act", ["stop", "again", "good", "bad"])
    def test_a_buttons_id_is_read(self, act: Any) -> None:
        assert pressed(f"rb:{act}:5:6") == Wish(act, "5", "6")

    @given(st.text(max_size=100))
    def test_any_other_id_is_none(self, custom_id: str) -> None:
        found = pressed(custom_id)
        assert found is None or custom_id == f"rb:{found.act}:{found.asker}:{found.question}"

    @given(st.integers(0, 2**63), st.text(min_size=1, max_size=200), st.integers(0, 2**40))
    def test_a_reply_reference_comes_back_as_it_was(self, application: int, token: str, made: int) -> None:
        to = Ref(str(application), token, made)
        assert ref(to.reply_ref) == to

    @pytest.mark.parametrize("text", ["", "view:V1", "https://a.example/1", "1:t", "1::2", "x:t:2", "1:t:x", "1:t:²"])
    def test_what_is_no_reply_reference_is_none(self, text: str) -> None:
        assert ref(text) is None


class TestResponses:
    def test_forms_and_choices_keep_within_what_discord_takes(self) -> None:
        check_modal(
            responses.form("rb:about:" + "9" * 20, "Ask about this message", "Your question", required=True)["data"]
        )
        found = responses.choices(["x" * 200, "", *map(str, range(40))])["data"]["choices"]
        assert len(found) == 25
        assert all(1 <= len(one["name"]) <= 100 for one in found)

    def test_what_is_said_pings_nobody_and_is_seen_by_one(self) -> None:
        body = responses.said("@everyone")["data"]
        check_message(body)
        assert (body["allowed_mentions"], body["flags"] & 64) == ({"parse": []}, 64)


class TestVerifier:
    @given(st.binary(max_size=200), st.binary(min_size=1, max_size=3), st.integers(0, 200))
    def test_one_changed_byte_is_noticed(self, body: bytes, other: bytes, at: int) -> None:
        discord = FakeDiscord()
        verifier, headers = Verifier(discord.public_key), discord.signed(body, at=1_000)
        given_ = {"timestamp": headers["X-Signature-Timestamp"], "signature": headers["X-Signature-Ed25519"]}
        assert verifier.verified(body, now=1_000.0 + at, **given_)
        assert not verifier.verified(body + other, now=1_000.0, **given_)
        assert not verifier.verified(body, now=1_301.0, **given_)
        assert not verifier.verified(body, now=1_000.0, **given_ | {"timestamp": "1001"})

    @given(st.text(max_size=140), st.text(max_size=20))
    def test_anything_else_is_not_verified_and_raises_nothing(self, signature: str, timestamp: str) -> None:
        verifier = Verifier(FakeDiscord().public_key)
        assert not verifier.verified(b"", timestamp=timestamp, signature=signature, now=0.0)
