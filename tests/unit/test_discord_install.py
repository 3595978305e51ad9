"""What installs the bot: the links, the commands, the developer portal's switches and the docs say the same."""

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import discord
import pytest

from adapters.discord.app.commands import definitions
from adapters.discord.app.doctor import WAYS
from adapters.discord.app.invite import (
    PERMISSIONS,
    PERSON,
    SCOPES,
    SERVER,
    invite,
    permissions,
    person_link,
    server_link,
    takes,
)
from adapters.discord.payloads.fields import Payload
from adapters.discord.settings import DiscordSettings

DOCS = (Path(__file__).parents[2] / "docs" / "discord.md").read_text()
SETTING_UP = DOCS.partition("## Setting it up")[2].partition("\n## ")[0]


def query(link: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}


def test_the_docs_show_the_links_that_are_printed() -> None:
    for link in (server_link("YOUR-ID"), person_link("YOUR-ID")):
        assert f"`{link}`" in DOCS


def test_a_server_grants_the_least_and_a_person_no_permission_at_all() -> None:
    on_server, alone = query(server_link("1")), query(person_link("1"))
    assert on_server["permissions"] == str(permissions())
    assert on_server["scope"].split() == list(SCOPES)
    assert (on_server["integration_type"], alone["integration_type"]) == (SERVER, PERSON)
    assert alone["scope"] == "applications.commands"
    assert "permissions" not in alone
    assert permissions() == sum(PERMISSIONS.values())
    assert not permissions() & (1 << 3 | 1 << 17)  # ADMINISTRATOR, MENTION_EVERYONE


def test_every_command_is_there_for_both_installs_and_everywhere() -> None:
    for one in definitions():
        assert {str(kind) for kind in one["integration_types"]} == {SERVER, PERSON}
        assert one["contexts"] == [0, 1, 2]


@pytest.mark.parametrize(
    ("config", "server", "person"),
    [
        ({"0": {}, "1": {}}, True, True),
        ({"0": {}}, True, False),
        ({"1": {}}, False, True),
        ({}, True, False),
        (None, True, False),
        ("?", True, False),
    ],
)
def test_the_links_are_those_that_the_portal_allows(config: object, server: bool, person: bool) -> None:
    application: Payload = {"id": "7", "integration_types_config": config}
    assert (takes(application, SERVER), takes(application, PERSON)) == (server, person)
    assert (person_link("7") in invite(application)) is person
    assert (server_link("7") in invite(application)) is server


@pytest.mark.parametrize("way", WAYS)
def test_the_docs_lead_to_each_switch_that_doctor_names(way: str) -> None:
    for step in way.split(" > "):
        assert f"*{step}*" in DOCS


def test_the_docs_name_the_permissions_as_discord_does() -> None:
    asked = discord.Permissions(permissions())
    named = [name.replace("_", " ") for name, on in asked if on]
    (row,) = [line for line in DOCS.splitlines() if server_link("YOUR-ID") in line]
    assert sorted(row.split("|")[3].strip().split(", ")) == sorted(
        {"read messages": "view channels"}.get(name, name) for name in named
    )


def test_the_docs_go_from_the_portal_to_shards_with_the_commands_and_settings_that_there_are() -> None:
    steps = ["New Application", "User Install", "DISCORD_TOKEN", "Message Content Intent", "bot doctor", "bot invite"]
    steps += ["second link", "bot run", "Sharding", "REDIS_URL"]
    assert [SETTING_UP.index(step) for step in steps] == sorted(SETTING_UP.index(step) for step in steps)
    default = DiscordSettings.model_fields["discord_shard_count"].default
    assert f"`DISCORD_SHARD_COUNT={default}`" in DOCS
