"""Installing the Slack app by OAuth, from the browser's side and from the store's."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis

from adapters.slack.installs import oauth
from adapters.slack.installs.installations import Installations, States
from bot.app import ADAPTER_SETTINGS, platforms
from bot.errors import ConfigError, Forbidden
from bot.sealing import new_key
from bot.settings import load
from tests.distributed import Core, Distributed, answered, distributed, dump
from tests.fakes.slack import Call, FakeSlack, Json
from tests.fakes.slack.deliver import Delivering
from tests.mentions import mention
from tests.slack_listening import NEVER_S
from tests.until import until

NOWHERE = Path("no-such-env-file")


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack(resend_after_s=NEVER_S, rates=False, echoes=False) as fake:
        fake.add_team("T2", channels=["C2"])
        yield fake


@pytest.fixture
async def core(redis: Redis) -> Core:
    return Core(redis)


@pytest.fixture
async def one(slack: FakeSlack, core: Core, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Distributed]:
    # As in production, where Bolt finds them too and would set up its own store in a file.
    monkeypatch.setenv("SLACK_CLIENT_ID", slack.client_id)
    monkeypatch.setenv("SLACK_CLIENT_SECRET", slack.client_secret)
    async with distributed(slack, core) as platform:
        yield platform


async def installed(core: Core, team: str) -> bool:
    return await Installations(core.shared).find(team) is not None


async def test_a_workspace_installs_the_bot_and_is_answered_with_its_own_token(
    slack: FakeSlack, core: Core, one: Distributed
) -> None:
    landed = await slack.install(one.url, team="T2")
    assert (landed.status, "The bot is installed in Fake T2." in landed.text) == (200, True)
    ts = await slack.mention("C2", "U2", "hello")
    await until(lambda: one.taken)
    assert one.taken[0].place.workspace == "T2"
    await answered(one, one.taken[:1])
    answer = slack.thread("C2", ts)[-1]
    granted = slack.installation("T2")
    assert granted
    assert answer["user"] == granted.bot_user != slack.bot_user


async def test_the_pages_tell_no_secret_and_are_kept_by_nobody(slack: FakeSlack, one: Distributed) -> None:
    landed = await slack.install(one.url, team="T2")
    granted = slack.installation("T2")
    assert granted
    assert granted.bot_token not in landed.text
    address = f"{one.url}/slack/oauth_redirect?code=secret-code&state=secret-state"
    async with aiohttp.ClientSession() as browser, browser.get(address) as page:
        assert "secret" not in await page.text()
        assert page.headers["Cache-Control"] == "no-store"
        assert page.headers["Referrer-Policy"] == "no-referrer"


async def test_a_state_is_good_once(slack: FakeSlack, core: Core) -> None:
    states = States(core.shared)
    state = await states.async_issue()
    used = await asyncio.gather(*(states.async_consume(state) for _ in range(5)))
    assert sorted(used) == [False] * 4 + [True]


async def test_a_state_lives_ten_minutes_and_its_name_does_not_tell_it(core: Core, redis: Redis) -> None:
    state = await States(core.shared).async_issue()
    [key] = await redis.keys()
    assert state not in await dump(redis)
    assert 590 < await redis.ttl(key) <= 600


@pytest.mark.parametrize(
    ("how", "status", "said"),
    [
        ({"deny": True}, 200, "You did not allow the installation"),
        ({"state": "made-up"}, 400, "begun in another browser"),
        ({"cookies": False}, 400, "begun in another browser"),
    ],
    ids=["denied", "wrong-state", "another-browser"],
)
async def test_an_installation_that_is_not_the_persons_own_ends_in_a_plain_sentence(
    slack: FakeSlack, core: Core, one: Distributed, how: dict[str, Any], status: int, said: str
) -> None:
    landed = await slack.install(one.url, team="T2", **how)
    assert (landed.status, said in landed.text) == (status, True)
    assert "Start again." in landed.text
    assert not await installed(core, "T2")


async def test_a_page_that_was_used_or_waited_too_long_is_refused(
    slack: FakeSlack, core: Core, one: Distributed, redis: Redis
) -> None:
    async with aiohttp.ClientSession() as browser:
        async with browser.get(f"{one.url}/slack/install", allow_redirects=False) as page:
            [cookie] = page.cookies.values()
        await redis.execute_command("FLUSHALL")  # ten minutes have passed
        address = f"{one.url}/slack/oauth_redirect?code=x&state={cookie.value}"
        async with browser.get(address, headers={"Cookie": f"{cookie.key}={cookie.value}"}) as page:
            assert page.status == 401
            assert "more than ten minutes have passed" in await page.text()
    assert slack.calls("oauth.v2.access") == []


@pytest.mark.parametrize("fault", ["invalid_code", "bad_client_secret", "reset_before", "500html", "garbage", "list"])
async def test_where_slack_does_not_give_a_token_nothing_is_stored(
    slack: FakeSlack, core: Core, one: Distributed, fault: str
) -> None:
    slack.fail("oauth.v2.access", fault)
    landed = await slack.install(one.url, team="T2")
    assert (landed.status, "Slack did not confirm the installation." in landed.text) == (401, True)
    assert not await installed(core, "T2")


async def test_where_slack_does_not_say_who_the_bot_is_nothing_is_stored(
    slack: FakeSlack, core: Core, one: Distributed
) -> None:
    slack.fail("auth.test", "ok")
    landed = await slack.install(one.url, team="T2")
    assert landed.status == 401
    assert not await installed(core, "T2")


async def test_scopes_that_slack_did_not_grant_are_named_with_what_is_off(
    slack: FakeSlack, core: Core, one: Distributed
) -> None:
    whole = slack.methods["oauth.v2.access"]

    def less(at: Delivering, call: Call) -> Json:
        return {**whole.answer(at, call), "scope": "app_mentions:read,chat:write"}

    slack.methods["oauth.v2.access"] = replace(whole, answer=less)
    landed = await slack.install(one.url, team="T2")
    assert landed.status == 200
    assert "Slack did not grant files:write. Off: very long answers as a file." in landed.text
    assert "grant chat:write" not in landed.text
    assert await installed(core, "T2")


@pytest.mark.parametrize(("asked", "passed"), [("T2", "T2"), ("T2&scope=admin", None), ("x", None)])
async def test_a_link_may_name_a_workspace_and_nothing_else(one: Distributed, asked: str, passed: str | None) -> None:
    address = f"{one.url}/slack/install"
    async with (
        aiohttp.ClientSession() as browser,
        browser.get(address, params={"team": asked}, allow_redirects=False) as page,
    ):
        where = page.headers["Location"]
    assert where.count("scope=admin") == 0
    assert (f"&team={passed}" in where) is (passed is not None)


async def test_the_states_cookie_is_the_hosts_own_and_hidden_from_scripts(one: Distributed) -> None:
    async with (
        aiohttp.ClientSession() as browser,
        browser.get(f"{one.url}/slack/install", allow_redirects=False) as page,
    ):
        [cookie] = page.cookies.values()
    assert cookie.key.startswith("__Host-")
    assert (cookie["secure"], cookie["httponly"], cookie["path"], cookie["domain"]) == (True, True, "/", "")


async def test_nobody_fills_the_store_with_states(
    one: Distributed, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oauth, "STATES_PER_MINUTE", 1)
    monkeypatch.setattr(oauth, "_STATES_BURST", 3)
    async with aiohttp.ClientSession() as browser:
        statuses: list[int] = []
        for _ in range(5):
            async with browser.get(f"{one.url}/slack/install", allow_redirects=False) as page:
                statuses.append(page.status)
    assert statuses == [302] * 3 + [429] * 2
    assert sum("oauth:slack" in str(key) for key in await redis.keys()) == 3


async def test_secrets_that_nobody_asked_for_are_not_kept(slack: FakeSlack, core: Core, one: Distributed) -> None:
    whole = slack.methods["oauth.v2.access"]
    person = {"id": "U2", "access_token": "xoxp-secret", "refresh_token": "xoxe-1-secret", "expires_in": 43_200}
    webhook = {"url": "https://hooks.slack.com/secret", "configuration_url": "https://x.slack.com/secret"}

    def more(at: Delivering, call: Call) -> Json:
        return {**whole.answer(at, call), "authed_user": person, "incoming_webhook": webhook}

    slack.methods["oauth.v2.access"] = replace(whole, answer=more)
    assert (await slack.install(one.url, team="T2")).status == 200
    found = await Installations(core.shared).find("T2")
    assert found
    assert found.bot_token
    assert "secret" not in str(found.to_dict_for_copying())


async def test_asking_for_the_head_of_a_page_uses_no_state_up(one: Distributed, redis: Redis) -> None:
    async with aiohttp.ClientSession() as scanner, scanner.head(f"{one.url}/slack/install") as page:
        assert page.status == 405
    assert await redis.keys() == []


async def test_a_person_of_a_workspace_without_the_bot_is_not_answered(core: Core, one: Distributed) -> None:
    with pytest.raises(Forbidden):
        await one.platform.post(mention(platform="slack"), "hello", key="k", first=True)


async def test_what_comes_from_a_workspace_without_the_bot_is_acknowledged_and_dropped(
    slack: FakeSlack, one: Distributed
) -> None:
    await slack.mention("C1", "U1", "the fake has it installed, this bot has not")
    assert [entry.fields["status"] for entry in slack.entries("ack")] == [200, 200]
    assert one.taken == []


async def test_slack_may_check_the_address_before_anybody_has_installed_the_bot(
    slack: FakeSlack, one: Distributed
) -> None:
    body = b'{"type": "url_verification", "challenge": "c-17"}'
    address = f"{one.url}/slack/events"
    async with aiohttp.ClientSession() as caller, caller.post(address, data=body, headers=slack.sign(body)) as answer:
        assert (answer.status, "c-17" in await answer.text()) == (200, True)


def test_without_a_key_to_seal_tokens_with_the_bot_does_not_start() -> None:
    given = {
        "SLACK_CLIENT_ID": "1.2",
        "SLACK_CLIENT_SECRET": "0" * 32,
        "SLACK_SIGNING_SECRET": "1" * 32,
        "SLACK_PUBLIC_URL": "https://bot.example.org",
    }
    with pytest.raises(ConfigError, match="SLACK_CLIENT_ID needs ENCRYPTION_KEY"):
        platforms(load(ADAPTER_SETTINGS, env_file=NOWHERE, environ=given))
    sealed = load(ADAPTER_SETTINGS, env_file=NOWHERE, environ={**given, "ENCRYPTION_KEY": new_key()})
    assert [platform.name for platform in platforms(sealed)] == ["slack"]
