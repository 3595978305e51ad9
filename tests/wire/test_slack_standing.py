"""Doctor on an app that workspaces have installed by OAuth: each installation, and the key that seals them."""

import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import aiohttp
import pytest
from redis.asyncio import Redis

from adapters.slack.api.calls import Api
from adapters.slack.api.clients import Clients
from adapters.slack.installs import standing
from adapters.slack.installs.installations import Installations
from adapters.slack.installs.rotation import Rotation
from adapters.slack.installs.standing import check_installations
from bot.app import ADAPTER_SETTINGS, NO_SEAL, doctor
from bot.platform import Finding
from bot.sealing import Seal, new_key
from bot.settings import load
from bot.shared import RedisShared
from tests.distributed import Core, Distributed, distributed, settings
from tests.fakes.slack import FakeSlack


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack(rates=False, echoes=False, rotation=True) as fake:
        fake.add_team("T2", channels=["C2"])
        fake.add_team("T4", enterprise="E4", channels=["C4"])
        yield fake


@pytest.fixture
async def core(redis: Redis) -> Core:
    return Core(redis)


@pytest.fixture
async def one(slack: FakeSlack, core: Core) -> AsyncIterator[Distributed]:
    async with distributed(slack, core) as platform:
        await slack.install(platform.url, team="T2")
        await slack.install(platform.url, team="T4", org=True)
        yield platform


def bad(findings: Sequence[Finding]) -> list[str]:
    return [f"{finding.level} {finding.what}" for finding in findings if finding.level != "ok"]


async def test_installations_that_are_in_order_are_counted(slack: FakeSlack, core: Core, one: Distributed) -> None:
    findings = await check_installations(settings(slack), core.shared)
    assert [finding.what for finding in findings] == ["Workspaces that have it installed: 1; organisations: 1."]


async def test_of_very_many_installations_some_are_tried_and_it_says_so(
    slack: FakeSlack, core: Core, one: Distributed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standing, "ASKED_MAX", 1)
    slack.ledger.clear()
    [counted] = await check_installations(settings(slack), core.shared)
    assert "The first 1 were tried." in counted.what
    assert len(slack.calls("auth.test")) == 1


async def test_an_installation_that_slack_has_ended_is_named_with_where_to_install_again(
    slack: FakeSlack, core: Core, one: Distributed
) -> None:
    slack.installations["T2"].alive = False
    _, finding = await check_installations(settings(slack), core.shared)
    assert finding.what == "Workspace T2: Slack has ended the installation (account_inactive)."
    assert "https://bot.example.org/slack/install" in finding.todo


async def test_a_token_that_slack_does_not_renew_is_named_before_it_ends(
    slack: FakeSlack, core: Core, one: Distributed
) -> None:
    store = Installations(core.shared)
    found = await store.find("T2")
    assert found
    found.bot_token_expires_at = int(time.time()) + 600
    await store.keep(found)
    slack.fail("oauth.v2.access", "reset_after")
    async with aiohttp.ClientSession() as session:
        rotation = Rotation(store, Api(Clients(settings(slack), session).app()))
        await rotation.renewed(found)
        await rotation.aclose()
    [said] = bad(await check_installations(settings(slack), core.shared))
    assert said.startswith("fail Workspace T2: Slack does not renew its token, which ends at 20")
    await slack.install(one.url, team="T2")
    assert bad(await check_installations(settings(slack), core.shared)) == []


async def test_a_token_that_ended_where_nobody_used_the_bot_is_no_finding(
    slack: FakeSlack, core: Core, one: Distributed
) -> None:
    slack.expire_tokens()
    assert bad(await check_installations(settings(slack), core.shared)) == []


async def test_a_scope_that_one_installation_lacks_is_named_with_what_is_off(
    slack: FakeSlack, core: Core, one: Distributed
) -> None:
    slack.installations["E4"].scopes.discard("files:write")
    [said] = bad(await check_installations(settings(slack), core.shared))
    assert said == "warn Organisation E4: the scope files:write is missing. Off: very long answers as a file."


async def test_installations_whose_key_is_gone_are_named_and_no_token_is_shown(
    slack: FakeSlack, one: Distributed, redis: Redis
) -> None:
    other = RedisShared(redis, seal=Seal([b"0123456789abcdef" * 2]))
    found = bad(await check_installations(settings(slack), other))
    assert [said.partition(":")[0] for said in found] == ["fail Workspace T2", "fail Organisation E4"]
    assert all("ENCRYPTION_KEY" in said for said in found)


@pytest.mark.parametrize("sealed", [True, False])
async def test_doctor_asks_for_the_key_and_with_it_lists_the_installations(
    sealed: bool, slack: FakeSlack, valkey_url: str, redis: Redis
) -> None:
    given = {
        "REDIS_URL": valkey_url,
        "SLACK_CLIENT_ID": slack.client_id,
        "SLACK_CLIENT_SECRET": slack.client_secret,
        "SLACK_SIGNING_SECRET": slack.signing_secret,
        "SLACK_PUBLIC_URL": "https://bot.example.org",
        "SLACK_API_URL": slack.api_url,
        **({"ENCRYPTION_KEY": new_key()} if sealed else {}),
    }
    findings = await doctor(load(ADAPTER_SETTINGS, env_file=Path("no-such-file"), environ=given))
    assert (NO_SEAL in findings) is not sealed
    assert any("have it installed: 0" in finding.what for finding in findings) is sealed
