"""Who may use the bot on Discord, and in which form an operator says so."""

from collections.abc import Mapping

import pytest
from pydantic import ValidationError

from adapters.discord.incoming.access import ALONE, ELSEWHERE, FOREIGN, UNLISTED, Access
from adapters.discord.settings import DiscordSettings
from bot.events import Author

ANN, BOB = Author("2000", "Ann"), Author("3000", "2000")  # Bob bears Ann's id as a name
ROLE, GUILD, CHANNEL, THREAD, DM = "4000", "5000", "6000", "7000", "8000"

HERE: Mapping[str, str] = {"guild": GUILD, "channel": CHANNEL, "parent": ""}
IN_THREAD: Mapping[str, str] = {"guild": GUILD, "channel": THREAD, "parent": CHANNEL}
ALONE_WITH_IT: Mapping[str, str] = {"guild": "", "channel": DM, "parent": ""}


def test_without_lists_everybody_may_everywhere() -> None:
    for where in (HERE, IN_THREAD, ALONE_WITH_IT):
        assert Access().refusal(BOB, **where) is None


def test_a_list_of_users_goes_by_id() -> None:
    access = Access(users=frozenset({ANN.id}))
    assert access.refusal(ANN, **HERE) is None
    assert access.refusal(BOB, **HERE) == UNLISTED
    assert access.refusal(ANN, **ALONE_WITH_IT) is None


def test_a_role_lets_in_beside_the_list_of_users_and_nobody_has_one_in_a_direct_message() -> None:
    access = Access(users=frozenset({ANN.id}), roles=frozenset({ROLE}))
    assert access.refusal(BOB, **HERE, roles=["1", ROLE]) is None
    assert access.refusal(BOB, **HERE, roles=["1"]) == UNLISTED
    assert access.refusal(BOB, **ALONE_WITH_IT) == UNLISTED
    assert access.refusal(ANN, **ALONE_WITH_IT) is None


def test_a_listed_channel_lets_its_threads_in() -> None:
    access = Access(channels=frozenset({CHANNEL}))
    assert access.refusal(ANN, **HERE) is None
    assert access.refusal(ANN, **IN_THREAD) is None
    assert access.refusal(ANN, guild=GUILD, channel=THREAD, parent="") == ELSEWHERE
    assert access.refusal(ANN, guild=GUILD, channel=THREAD, parent="6001") == ELSEWHERE


def test_only_listed_servers_are_answered() -> None:
    access = Access(guilds=frozenset({GUILD}))
    assert access.refusal(ANN, **HERE) is None
    assert access.refusal(ANN, guild="5001", channel=CHANNEL, parent="") == FOREIGN


@pytest.mark.parametrize("access", [Access(channels=frozenset({CHANNEL})), Access(guilds=frozenset({GUILD}))])
def test_lists_of_places_shut_out_direct_messages_of_who_is_not_listed(access: Access) -> None:
    assert access.refusal(ANN, **ALONE_WITH_IT) == ALONE
    listed = Access(users=frozenset({ANN.id}), channels=access.channels, guilds=access.guilds)
    assert listed.refusal(ANN, **ALONE_WITH_IT) is None
    by_channel = Access(channels=access.channels | {DM}, guilds=access.guilds)
    assert by_channel.refusal(ANN, **ALONE_WITH_IT) is None


ONE, TWO = "123456789012345678", "1300000000000000000"
LISTS = ["USERS", "ROLES", "CHANNELS", "GUILDS"]


@pytest.mark.parametrize("kind", LISTS)
def test_lists_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setenv(f"DISCORD_ALLOWED_{kind}", f" {ONE}, {TWO} ,")
    access = Access.of(DiscordSettings())
    assert getattr(access, kind.lower()) == {ONE, TWO}


@pytest.mark.parametrize("kind", LISTS)
@pytest.mark.parametrize(
    "value", ["", " , ", "somebody", "<@123456789012345678>", "98765", f"{ONE} {TWO}", f"{ONE};{TWO}"]
)
def test_a_list_in_the_wrong_form_is_refused_by_its_name_without_showing_it(
    monkeypatch: pytest.MonkeyPatch, kind: str, value: str
) -> None:
    monkeypatch.setenv(f"DISCORD_ALLOWED_{kind}", value)
    with pytest.raises(ValidationError) as caught:
        DiscordSettings()
    assert f"DISCORD_ALLOWED_{kind}" in str(caught.value)
    assert not value.strip(" ,") or value not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "threads"), [("on", "on"), ("OFF", "off"), ("", "off"), (f"{ONE},{TWO}", frozenset({ONE, TWO}))]
)
def test_where_threads_are_opened_is_a_word_or_a_list(
    monkeypatch: pytest.MonkeyPatch, value: str, threads: object
) -> None:
    monkeypatch.setenv("DISCORD_THREADS", value)
    assert DiscordSettings().discord_threads == threads


@pytest.mark.parametrize("value", ["yes", "auto", "general"])
def test_where_threads_are_opened_is_no_other_word(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("DISCORD_THREADS", value)
    with pytest.raises(ValidationError, match="DISCORD_THREADS"):
        DiscordSettings()


def test_free_channels_are_a_list_that_may_be_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCORD_FREE_CHANNELS", "")
    assert DiscordSettings().discord_free_channels == frozenset()
    monkeypatch.setenv("DISCORD_FREE_CHANNELS", ONE)
    assert DiscordSettings().discord_free_channels == {ONE}
    monkeypatch.setenv("DISCORD_FREE_CHANNELS", "#general")
    with pytest.raises(ValidationError, match="DISCORD_FREE_CHANNELS"):
        DiscordSettings()
