"""What `doctor` finds, asked of a working fake."""

import pytest

from adapters.discord.app.doctor import CODE_GRANT, WAYS, application, check
from adapters.discord.app.invite import person_link, server_link
from adapters.discord.settings import DiscordSettings
from bot.errors import ConfigError
from tests.fakes.discord import FakeDiscord
from tests.fakes.discord_bot import settings


async def test_a_good_set_up_is_all_ok_and_shows_the_invite_link(fake: FakeDiscord) -> None:
    findings = await check(settings(fake))
    assert {finding.level for finding in findings} == {"ok"}
    assert any(f"client_id={fake.application_id}" in finding.what for finding in findings)


async def test_a_missing_intent_and_a_restart_loop_are_warnings_with_a_remedy(fake: FakeDiscord) -> None:
    fake.content, fake.starts_left = False, 3
    warnings = [finding for finding in await check(settings(fake)) if finding.level == "warn"]
    assert len(warnings) == 2
    assert all(warning.todo for warning in warnings)
    assert "threads without a mention" in warnings[0].what


async def test_a_refused_or_missing_token_fails_without_showing_it(fake: FakeDiscord) -> None:
    for bad in (settings(fake, token="wrong.secret"), DiscordSettings(discord_token=None)):
        (finding,) = await check(bad)
        assert finding.level == "fail"
        assert "wrong.secret" not in finding.what + finding.todo


async def test_a_discord_that_does_not_answer_fails(fake: FakeDiscord) -> None:
    fake.fail(503, method="GET", path="/users/@me")
    (finding,) = await check(settings(fake))
    assert (finding.level, bool(finding.todo)) == ("fail", True)


async def test_the_application_comes_from_discord(fake: FakeDiscord) -> None:
    assert (await application(settings(fake)))["id"] == fake.application_id
    with pytest.raises(ConfigError):
        await application(settings(fake, token="wrong.secret"))


async def test_both_links_are_shown_and_who_may_open_them(fake: FakeDiscord) -> None:
    said = [finding.what for finding in await check(settings(fake))]
    assert f"Anybody may install the bot on a server: {server_link(fake.application_id)}" in said
    assert f"Anybody may install it for themselves: {person_link(fake.application_id)}" in said


async def test_an_app_that_is_not_public_is_for_its_owner(fake: FakeDiscord) -> None:
    fake.portal["bot_public"] = False
    said = [finding.what for finding in await check(settings(fake)) if "may install" in finding.what]
    assert len(said) == 2
    assert all(one.startswith("Only its owner") for one in said)


async def test_a_code_grant_which_no_link_can_give_is_a_failure(fake: FakeDiscord) -> None:
    fake.portal["bot_require_code_grant"] = True
    (failure,) = [finding for finding in await check(settings(fake)) if finding.level == "fail"]
    assert CODE_GRANT in failure.todo


async def test_each_remedy_in_the_portal_names_its_page_and_switch(fake: FakeDiscord) -> None:
    said = [*await check(DiscordSettings(discord_token=None))]
    fake.content, fake.installs, fake.portal["bot_require_code_grant"] = False, {"1": {}}, True
    fake.interactions_url = "https://bot.example.com/discord/interactions"
    said += await check(settings(fake))
    fake.installs, fake.interactions_url = {"0": {"oauth2_install_params": {"scopes": [], "permissions": "0"}}}, None
    said += await check(settings(fake).model_copy(update={"discord_public_key": "0" * 64}))
    remedies = [text for finding in said for text in (finding.what, finding.todo) if "portal" in text]
    remedies += [finding.todo for finding in said if "Add App" in finding.what]
    for remedy in remedies:
        assert any(way in remedy for way in WAYS)
    for way in WAYS:
        assert any(way in remedy for remedy in remedies)


async def test_switches_of_the_portal_that_keep_people_out_are_named(fake: FakeDiscord) -> None:
    fake.installs = {"0": {}}
    assert any("User Install" in finding.what for finding in await check(settings(fake)))
    fake.installs = {"1": {}}
    (warning,) = [finding for finding in await check(settings(fake)) if finding.level == "warn"]
    assert "Guild Install" in warning.todo


@pytest.mark.parametrize(
    ("scopes", "bits", "lacks"),
    [
        (["applications.commands"], "309237746688", "bot"),
        (["bot", "applications.commands"], "1024", "open a thread"),
        (None, None, "applications.commands"),
    ],
)
async def test_discords_own_button_that_asks_for_too_little_is_a_warning(
    fake: FakeDiscord, scopes: object, bits: object, lacks: str
) -> None:
    fake.installs["0"] = {"oauth2_install_params": {"scopes": scopes, "permissions": bits}}
    (warning,) = [finding for finding in await check(settings(fake)) if finding.level == "warn"]
    assert lacks in warning.what
    assert "on a server" in warning.what
    assert "Default Install Settings" in warning.todo


async def test_the_button_is_compared_for_people_as_well(fake: FakeDiscord) -> None:
    fake.installs["1"] = {"oauth2_install_params": {"scopes": [], "permissions": "0"}}
    (warning,) = [finding for finding in await check(settings(fake)) if finding.level == "warn"]
    assert "for oneself: applications.commands" in warning.what
    fake.installs["1"] = {"oauth2_install_params": {"scopes": ["applications.commands"], "permissions": "0"}}
    buttons = [finding for finding in await check(settings(fake)) if "Add App" in finding.what]
    assert [finding.level for finding in buttons] == ["ok", "ok"]


async def test_an_administrator_lacks_nothing_and_has_too_much(fake: FakeDiscord) -> None:
    asked = [finding.what for finding in await check(settings(fake)) if "Add App, on a server" in finding.what]
    fake.installs["0"]["oauth2_install_params"]["permissions"] = "8"
    findings = await check(settings(fake))
    assert {finding.level for finding in findings} == {"ok"}
    asked += [finding.what for finding in findings if "Add App, on a server" in finding.what]
    assert ["for more permissions" in one for one in asked] == [False, True]


@pytest.mark.parametrize(
    ("key", "address", "level"),
    [("own", True, "ok"), ("own", False, "warn"), ("", True, "fail"), ("", False, "ok"), ("other", True, "fail")],
)
async def test_where_interactions_go_and_where_the_bot_listens_are_compared(
    fake: FakeDiscord, key: str, address: bool, level: str
) -> None:
    keys = {"own": fake.public_key, "other": "0" * 64, "": ""}
    fake.interactions_url = "https://bot.example.com/discord/interactions" if address else None
    findings = await check(settings(fake).model_copy(update={"discord_public_key": keys[key]}))
    assert {finding.level for finding in findings} == {"ok", level}
    assert all(finding.todo for finding in findings if finding.level != "ok")
