"""What `doctor` finds, asked of a working fake."""

import pytest

from adapters.discord.app.doctor import application_id, check
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


async def test_the_application_id_comes_from_discord(fake: FakeDiscord) -> None:
    assert await application_id(settings(fake)) == fake.application_id
    with pytest.raises(ConfigError):
        await application_id(settings(fake, token="wrong.secret"))


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
