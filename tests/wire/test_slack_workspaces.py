"""Many workspaces at once: whose token answers where, tokens that end, workspaces that leave."""

import asyncio
import itertools
import json
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from redis.asyncio import Redis
from slack_sdk.oauth.installation_store import Installation

from adapters.slack.api.calls import Api
from adapters.slack.api.clients import Clients
from adapters.slack.installs import installed
from adapters.slack.installs.installations import Installations
from adapters.slack.installs.installed import LOOK_EVERY_S, InstalledWorkspaces
from adapters.slack.installs.rotation import Rotation
from bot.errors import Forbidden, StoreError, Unreachable
from bot.events import Author, Mention, Place
from bot.sealing import Seal
from bot.shared import RedisShared
from tests.distributed import Core, Distributed, answered, distributed, dump, settings
from tests.fakes.slack import FakeSlack
from tests.ports import served
from tests.slack_listening import NEVER_S
from tests.until import until

TEAMS = {"T2": "C2", "T3": "C3", "T4": "C4", "T5": "C5"}
"""T2 installs alone, T3 alone within an organisation, T4 and T5 through theirs."""


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack(resend_after_s=NEVER_S, rates=False, echoes=False, rotation=True) as fake:
        fake.add_team("T2", channels=["C2"])
        fake.add_team("T3", enterprise="E3", channels=["C3"])
        fake.add_team("T4", enterprise="E4", channels=["C4"])
        fake.add_team("T5", enterprise="E4", channels=["C5"])
        yield fake


@pytest.fixture
async def core(redis: Redis) -> Core:
    return Core(redis)


@pytest.fixture
async def one(slack: FakeSlack, core: Core) -> AsyncIterator[Distributed]:
    async with distributed(slack, core) as platform:
        yield platform


@pytest.fixture
async def other(slack: FakeSlack, redis: Redis) -> AsyncIterator[Distributed]:
    """A second replica; events go to the first."""
    url = slack.events_url
    async with distributed(slack, Core(redis)) as platform:
        slack.events_url = url
        yield platform


async def install_all(slack: FakeSlack, at: Distributed) -> None:
    for team in ("T2", "T3"):
        assert (await slack.install(at.url, team=team)).status == 200
    assert (await slack.install(at.url, team="T4", org=True)).status == 200


def question(slack: FakeSlack, team: str, number: int = 0) -> Mention:
    """A mention that stands in the team's channel, as a worker finds it in the inbox."""
    ts = slack.store(TEAMS[team], f"U{team}", f"question {number}")
    place = Place("slack", team, TEAMS[team], ts, "thread")
    return Mention(f"slack:{team}:{TEAMS[team]}:{ts}", place, Author(f"U{team}", "Ana"), "?", ts, time.time())


def exchanges(slack: FakeSlack) -> int:
    """How often a refresh token was sent."""
    return sum(call.get("grant_type") == "refresh_token" for call in slack.calls("oauth.v2.access"))


def bots(slack: FakeSlack, team: str) -> set[str]:
    """Who answered in the team's channel."""
    return {message["user"] for message in slack.channels[TEAMS[team]].values() if message.get("bot_id")}


async def expired(slack: FakeSlack, core: Core, team: str) -> Installation:
    """Let a team's token be over, in Slack and in the record."""
    slack.expire_tokens()
    store = Installations(core.shared)
    found = await store.find(team)
    assert found
    found.bot_token_expires_at = int(time.time()) - 1
    await store.keep(found)
    return found


async def test_tokens_are_never_mixed_when_all_workspaces_talk_at_once(
    slack: FakeSlack, core: Core, one: Distributed, other: Distributed, redis: Redis
) -> None:
    await install_all(slack, one)
    rounds = 15
    await asyncio.gather(*(slack.mention(TEAMS[team], f"U{team}", f"n {n}") for n in range(rounds) for team in TEAMS))
    await until(lambda: len(one.ids()) == rounds * len(TEAMS))
    mentions = list({mention.event_id: mention for mention in one.taken}.values())
    await asyncio.gather(answered(one, mentions[::2]), answered(other, mentions[1::2]))
    assert slack.entries("crossed") == []
    for team in TEAMS:
        granted = slack.installation(team)
        assert granted
        assert bots(slack, team) == {granted.bot_user}
        assert sum(bool(m.get("bot_id")) for m in slack.channels[TEAMS[team]].values()) == rounds
    stands = await dump(redis)
    assert "xoxb" not in stands
    assert "xoxe" not in stands


async def test_an_event_costs_no_call_to_learn_whose_it_is(slack: FakeSlack, one: Distributed) -> None:
    await install_all(slack, one)
    before = len(slack.calls("auth.test"))
    for _ in range(3):
        await slack.mention("C4", "UT4", "hello")
    assert len(one.ids()) == 3
    assert len(slack.calls("auth.test")) == before


async def test_a_worker_that_knows_the_workspace_alone_finds_its_organisations_token(
    slack: FakeSlack, one: Distributed, other: Distributed
) -> None:
    await install_all(slack, one)
    await slack.mention("C5", "UT5", "hello")  # the listening replica learns where T5 belongs
    await until(lambda: one.taken)
    await answered(other, [one.taken[0], question(slack, "T3")])
    assert (len(bots(slack, "T5")), len(bots(slack, "T3"))) == (1, 1)
    assert slack.entries("crossed") == []


async def test_of_a_workspaces_and_its_organisations_installation_the_newer_one_serves(
    slack: FakeSlack, core: Core
) -> None:
    store = Installations(core.shared)
    for at, (enterprise, team) in enumerate(((None, "T9"), ("E4", "T8"), ("E4", None), ("E4", "T4"))):
        token = f"xoxb-{at}"
        org = team is None
        await store.async_save(
            Installation(
                user_id="U1",
                team_id=team,
                enterprise_id=enterprise,
                bot_token=token,
                is_enterprise_install=org,
                installed_at=float(at),
            )
        )
    found = [await store.find(team, enterprise="E4") for team in ("T4", "T5", "T8", "T9")]
    assert [one and one.bot_token for one in found] == ["xoxb-3", "xoxb-2", "xoxb-2", "xoxb-2"]
    assert (alone := await store.find("T9"))
    assert alone.bot_token == "xoxb-0"
    assert await store.stored() == [("", "T9"), ("E4", ""), ("E4", "T4"), ("E4", "T8")]


async def test_the_sdks_eight_methods_agree_with_each_other(slack: FakeSlack, core: Core) -> None:
    store = Installations(core.shared)
    made = Installation(user_id="U1", team_id="T2", bot_token="token", bot_id="B", bot_user_id="UB", bot_scopes="a,b")
    await store.async_save_bot(made.to_bot())
    bot = await store.async_find_bot(enterprise_id=None, team_id="T2")
    assert bot
    assert (bot.bot_token, bot.bot_id, list(bot.bot_scopes)) == ("token", "B", ["a", "b"])
    await store.async_save(made)
    whose: Any
    for whose, there in (("U1", True), ("U2", False), (None, True)):
        found = await store.async_find_installation(enterprise_id=None, team_id="T2", user_id=whose)
        assert (found is not None) is there
    await store.async_delete_installation(enterprise_id=None, team_id="T2", user_id="U1")
    assert await store.async_find_bot(enterprise_id=None, team_id="T2")
    await store.async_delete_installation(enterprise_id=None, team_id="T2")
    assert await store.async_find_bot(enterprise_id=None, team_id="T2") is None
    assert store.logger.name == "adapters.slack.sdk"


async def test_without_its_key_a_stored_token_is_not_used(slack: FakeSlack, core: Core, redis: Redis) -> None:
    await Installations(core.shared).async_save(Installation(user_id="U1", team_id="T2", bot_token="token"))
    for stranger in (Seal([bytes(range(32))]), Seal()):
        with pytest.raises(StoreError):
            await Installations(RedisShared(redis, seal=stranger)).find("T2")


async def test_two_replicas_renew_an_ended_token_once_and_both_have_the_pair(
    slack: FakeSlack, core: Core, one: Distributed, other: Distributed
) -> None:
    await slack.install(one.url, team="T2")
    await asyncio.gather(*(answered(at, [question(slack, "T2")]) for at in (one, other)))
    for turn in (1, 2, 3):
        slack.expire_tokens()
        questions = [question(slack, "T2", number) for number in range(12)]
        await asyncio.gather(answered(one, questions[::2]), answered(other, questions[1::2]))
        assert exchanges(slack) == turn
    found = await Installations(core.shared).find("T2")
    granted = slack.installation("T2")
    assert found
    assert granted
    assert (found.bot_token, found.bot_refresh_token) == (granted.bot_token, granted.refresh_token)


async def test_a_token_is_renewed_before_it_ends_and_meanwhile_used(
    slack: FakeSlack, core: Core, one: Distributed
) -> None:
    await slack.install(one.url, team="T2")
    store = Installations(core.shared)
    found = await store.find("T2")
    assert found
    assert found.bot_token_expires_at
    found.bot_token_expires_at = int(time.time()) + 3_600
    await store.keep(found)
    await answered(one, [question(slack, "T2")])
    await until(lambda: exchanges(slack) == 1)
    while (now := await store.find("T2")) and now.bot_token == found.bot_token:  # noqa: ASYNC110  the store says nothing
        await asyncio.sleep(0.01)
    assert now
    assert now.bot_token_expires_at
    assert now.bot_token_expires_at > time.time() + 11 * 3_600


async def test_a_token_that_has_ended_is_renewed_before_the_first_call(
    slack: FakeSlack, core: Core, one: Distributed
) -> None:
    await slack.install(one.url, team="T2")
    await expired(slack, core, "T2")
    await answered(one, [question(slack, "T2")])
    assert exchanges(slack) == 1
    assert [call for call in slack.entries("call", "chat.postMessage") if not call.fields["ok"]] == []


async def test_a_renewed_client_secret_confirms_installations_and_renews_tokens(
    slack: FakeSlack, core: Core, one: Distributed
) -> None:
    await slack.install(one.url, team="T2")
    slack.client_secret = "the-secret-of-now"
    assert (await slack.install(one.url, team="T3")).status != 200
    assert "slack_client_secret" in one.platform.renew(settings(slack))
    assert (await slack.install(one.url, team="T3")).status == 200
    await expired(slack, core, "T2")
    await answered(one, [question(slack, "T2")])
    assert [call for call in slack.entries("call", "chat.postMessage") if not call.fields["ok"]] == []


async def test_a_renewed_client_secret_renews_a_token_at_once_that_could_not_be_before(
    slack: FakeSlack, core: Core, one: Distributed
) -> None:
    await slack.install(one.url, team="T2")
    await expired(slack, core, "T2")
    slack.client_secret = "the-secret-of-now"
    with pytest.raises(Unreachable):
        await answered(one, [question(slack, "T2")])
    assert "slack_client_secret" in one.platform.renew(settings(slack))
    await answered(one, [question(slack, "T2")])
    assert exchanges(slack) == 2


async def test_the_refusal_of_a_client_secret_that_was_renewed_meanwhile_puts_nothing_off(
    slack: FakeSlack, core: Core, one: Distributed, monkeypatch: pytest.MonkeyPatch
) -> None:
    await slack.install(one.url, team="T2")
    await expired(slack, core, "T2")
    slack.client_secret = "the-secret-of-now"

    def renewed(method: str) -> str:
        if method == "oauth.v2.access":
            one.platform.renew(settings(slack))
        return ""

    monkeypatch.setattr(slack, "fault", renewed)
    await answered(one, [question(slack, "T2")])
    assert exchanges(slack) == 2


async def test_a_replica_with_an_old_token_reads_the_new_one_and_renews_nothing(
    slack: FakeSlack, core: Core, one: Distributed, other: Distributed
) -> None:
    await slack.install(one.url, team="T2")
    await answered(other, [question(slack, "T2")])
    slack.expire_tokens()
    await answered(one, [question(slack, "T2")])
    await answered(other, [question(slack, "T2")])
    assert exchanges(slack) == 1
    refused = [call for call in slack.entries("call", "chat.postMessage") if not call.fields["ok"]]
    assert [call.fields["error"] for call in refused] == ["token_expired"] * 2


@pytest.mark.parametrize("fault", ["reset_before", "503", "500html"])
async def test_a_renewal_that_did_not_arrive_is_repeated_at_once(
    slack: FakeSlack, core: Core, one: Distributed, fault: str
) -> None:
    await slack.install(one.url, team="T2")
    await expired(slack, core, "T2")
    slack.fail("oauth.v2.access", fault)
    await answered(one, [question(slack, "T2")])
    assert exchanges(slack) == 2


async def test_where_the_new_pair_was_lost_the_old_token_goes_on_and_the_log_says_what_to_do(
    slack: FakeSlack, core: Core, one: Distributed, caplog: pytest.LogCaptureFixture
) -> None:
    await slack.install(one.url, team="T2")
    store = Installations(core.shared)
    found = await store.find("T2")
    assert found
    found.bot_token_expires_at = int(time.time()) + 3_600
    await store.keep(found)
    slack.fail("oauth.v2.access", "reset_after")
    with caplog.at_level(logging.ERROR):
        await answered(one, [question(slack, "T2")])
        await until(lambda: "slack_installation_broken" in caplog.messages)
    assert exchanges(slack) == 2
    await answered(one, [question(slack, "T2")])  # with the old token
    assert exchanges(slack) == 2  # and Slack is left alone
    assert not [record for record in caplog.records if "xox" in str(record.__dict__)]
    # Installing again mends it.
    assert (await slack.install(one.url, team="T2")).status == 200
    slack.expire_tokens()
    await answered(one, [question(slack, "T2")])
    assert exchanges(slack) == 3


async def test_a_new_pair_that_redis_did_not_take_is_stored_at_the_next_look(
    slack: FakeSlack, core: Core, one: Distributed, monkeypatch: pytest.MonkeyPatch
) -> None:
    await slack.install(one.url, team="T2")
    store, put, failures = Installations(core.shared), core.shared.put, iter([StoreError("the disk is full")])
    found = await expired(slack, core, "T2")

    async def fails_once(*args: Any, **more: Any) -> None:
        if error := next(failures, None):
            raise error
        await put(*args, **more)

    monkeypatch.setattr(core.shared, "put", fails_once)
    async with aiohttp.ClientSession() as session:
        rotation = Rotation(store, Api(Clients(settings(slack), session).app()))
        first = await rotation.renewed(found)
        assert ((await store.find("T2")) or found).bot_refresh_token == found.bot_refresh_token
        second = await rotation.renewed(found)
        await rotation.aclose()
    stands = await store.find("T2")
    assert first
    assert second
    assert stands
    assert first.bot_refresh_token == second.bot_refresh_token == stands.bot_refresh_token != found.bot_refresh_token
    assert exchanges(slack) == 1


async def test_whoever_gives_up_waiting_does_not_cut_a_renewal(slack: FakeSlack, core: Core, one: Distributed) -> None:
    await slack.install(one.url, team="T2")
    found, store = await expired(slack, core, "T2"), Installations(core.shared)
    slack.latency_s = 0.3
    async with aiohttp.ClientSession() as session:
        rotation = Rotation(store, Api(Clients(settings(slack), session).app()))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(rotation.renewed(found), 0.1)
        await rotation.aclose()
    stands, granted = await store.find("T2"), slack.installation("T2")
    assert stands
    assert granted
    assert (stands.bot_token, stands.bot_refresh_token) == (granted.bot_token, granted.refresh_token)
    assert stands.bot_token != found.bot_token


@pytest.mark.parametrize("removed", [False, True], ids=["installed-anew", "removed"])
@pytest.mark.parametrize("fault", ["reset_before", "reset_after"])
async def test_a_renewal_whose_lock_had_lapsed_overwrites_nothing(
    slack: FakeSlack, core: Core, one: Distributed, fault: str, removed: bool
) -> None:
    await slack.install(one.url, team="T2")
    store = Installations(core.shared)
    found, anew = await expired(slack, core, "T2"), await store.find("T2")
    assert anew
    anew.bot_token, anew.bot_refresh_token = "xoxb-anew", "xoxe-anew"

    async def meanwhile(_: float) -> None:
        if removed:
            await core.shared.drop("install:slack:-:T2")
        else:
            await store.keep(anew)

    slack.fail("oauth.v2.access", fault)
    async with aiohttp.ClientSession() as session:
        rotation = Rotation(store, Api(Clients(settings(slack), session).app()), pause=meanwhile)
        stands = await rotation.renewed(found)
        await rotation.aclose()
    assert exchanges(slack) == 2
    left = [stands, await store.find("T2")]
    assert [one and one.bot_token for one in left] == [None if removed else "xoxb-anew"] * 2


class Watch:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def in_memory(slack: FakeSlack, core: Core, clock: Watch) -> AsyncGenerator[InstalledWorkspaces]:
    """The workspaces of a process whose clock is this one."""
    async with aiohttp.ClientSession() as session:
        clients, store = Clients(settings(slack), session), Installations(core.shared)
        workspaces = InstalledWorkspaces(
            core,
            store,
            rotation=Rotation(store, Api(clients.app())),
            client_of=clients.of,
            client_for=clients.renewing,
            clock=clock,
        )
        yield workspaces
        await workspaces.aclose()


def installation(team: str, **more: Any) -> Installation:
    return Installation(user_id="U1", team_id=team, bot_token=f"xoxb-{team}", bot_id="B", bot_user_id="UB", **more)


async def test_what_a_reinstall_changed_is_used_within_half_a_minute(slack: FakeSlack, core: Core) -> None:
    store, clock = Installations(core.shared), Watch()
    async with in_memory(slack, core, clock) as workspaces:
        await store.async_save(installation("T2", bot_scopes="chat:write", installed_at=1.0))
        before = await workspaces.of("T2")
        await store.async_save(installation("T2", bot_scopes="chat:write,files:write", installed_at=2.0))
        assert await workspaces.of("T2") is before
        clock.now = LOOK_EVERY_S
        after = await workspaces.of("T2")
        assert (after.me.team_id, after.me.scopes) == ("T2", {"chat:write", "files:write"})
        assert workspaces.known("T2") is after


async def test_a_new_token_alone_leaves_the_workspace_as_it_is(slack: FakeSlack, core: Core) -> None:
    store, clock = Installations(core.shared), Watch()
    async with in_memory(slack, core, clock) as workspaces:
        made = installation("T2", installed_at=1.0)
        await store.async_save(made)
        before = await workspaces.of("T2")
        made.bot_token = "xoxb-renewed"
        await store.async_save(made)
        clock.now = LOOK_EVERY_S
        assert await workspaces.of("T2") is before
        assert before.client.token == "xoxb-renewed"


async def test_while_redis_is_away_known_workspaces_are_used_and_unknown_ones_may_be_asked_again(
    slack: FakeSlack, core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Watch()

    async def away(*_: Any, **__: Any) -> None:
        raise StoreError("no Redis")

    async with in_memory(slack, core, clock) as workspaces:
        await Installations(core.shared).async_save(installation("T2"))
        known = await workspaces.of("T2")
        monkeypatch.setattr(core.shared, "get", away)
        clock.now = 10 * LOOK_EVERY_S
        assert await workspaces.of("T2") is known
        with pytest.raises(Unreachable):
            await workspaces.of("T3")


async def test_only_workspaces_that_nobody_uses_make_room_for_others(
    slack: FakeSlack, core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installed, "_KEPT_MAX", 2)
    clock, teams = Watch(), ["T2", "T3", "T4", "T5"]
    async with in_memory(slack, core, clock) as workspaces:
        for team in teams:
            await Installations(core.shared).async_save(installation(team))
        for team in teams[:3]:
            await workspaces.of(team)
        assert [workspaces.known(team) is not None for team in teams] == [True, True, True, False]
        clock.now = 3_600.0
        await workspaces.of("T3")
        await workspaces.of("T5")
        assert [workspaces.known(team) is not None for team in teams] == [False, True, False, True]


async def test_a_workspace_that_removes_the_bot_leaves_nothing(
    slack: FakeSlack, core: Core, one: Distributed, redis: Redis
) -> None:
    await slack.install(one.url, team="T2")
    running = question(slack, "T2")
    await answered(one, [running])
    await slack.uninstall("T2")
    assert set(core.forgotten) == {"T2"}
    assert "install:" not in await dump(redis)
    with pytest.raises(Forbidden):
        await one.platform.post(running, "late", key="late", first=False)


async def test_another_replica_hears_from_slacks_refusal_that_the_bot_was_removed(
    slack: FakeSlack, one: Distributed, other: Distributed
) -> None:
    await slack.install(one.url, team="T2")
    running = question(slack, "T2")
    await answered(other, [running])
    await slack.uninstall("T2")
    with pytest.raises(Forbidden):
        await other.platform.post(running, "late", key="late", first=False)


async def test_an_answer_does_not_wait_for_a_token_that_slack_has_ended(
    slack: FakeSlack, core: Core, one: Distributed
) -> None:
    await slack.install(one.url, team="T2")
    running, granted = question(slack, "T2"), slack.installation("T2")
    assert granted
    granted.alive = False
    with pytest.raises(Forbidden, match="account_inactive"):
        await one.platform.post(running, "late", key="late", first=True)
    assert await Installations(core.shared).find("T2")  # it goes when Slack says so


async def test_an_organisation_that_removes_the_bot_leaves_nothing_of_any_workspace(
    slack: FakeSlack, core: Core, one: Distributed, redis: Redis
) -> None:
    await install_all(slack, one)
    for team in ("T4", "T5"):
        await slack.mention(TEAMS[team], f"U{team}", "hello")
    organisation = slack.installation("T4")
    assert organisation
    organisation.alive = False
    await slack_says(slack, one, {"type": "app_uninstalled"}, team="T4", enterprise="E4")
    assert set(core.forgotten) == {"T4", "T5"}
    stands = await dump(redis)
    assert [team in stands for team in ("install:slack:-:T2", "install:slack:E3:T3")] == [True, True]
    assert [name in stands for name in ("install:slack:E4", "install:slack-org:T4", "install:slack-org:T5")] == [
        False
    ] * 3


async def test_a_workspace_that_leaves_an_organisations_installation_leaves_the_others_theirs(
    slack: FakeSlack, core: Core, one: Distributed
) -> None:
    await install_all(slack, one)
    for team in ("T4", "T5"):
        await slack.mention(TEAMS[team], f"U{team}", "hello")
    await slack_says(slack, one, {"type": "app_uninstalled"}, team="T4", enterprise="E4")
    assert core.forgotten == ["T4"]
    await answered(one, [question(slack, "T5")])


async def test_an_organisation_that_removes_the_bot_leaves_a_workspace_its_own_installation(
    slack: FakeSlack, core: Core, one: Distributed
) -> None:
    await install_all(slack, one)
    await slack.install(one.url, team="T5")
    for team in ("T4", "T5"):
        await slack.mention(TEAMS[team], f"U{team}", "hello")
    organisation = slack.installations["E4"]
    organisation.alive = False
    await slack_says(slack, one, {"type": "app_uninstalled"}, team="T4", enterprise="E4")
    assert core.forgotten == ["T4"]
    await answered(one, [question(slack, "T5")])


async def test_an_organisations_removal_that_broke_off_is_completed_once_the_store_is_back(
    slack: FakeSlack, core: Core, one: Distributed, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    await install_all(slack, one)
    for team in ("T4", "T5"):
        await slack.mention(TEAMS[team], f"U{team}", "hello")
    slack.installations["E4"].alive = False
    forget, failures = core.forget, iter([StoreError("Redis is away")])

    async def fails_once(*, platform: str, workspace: str) -> None:
        if workspace == "T5" and (error := next(failures, None)):
            raise error
        await forget(platform=platform, workspace=workspace)

    monkeypatch.setattr(core, "forget", fails_once)
    await slack_says(slack, one, {"type": "app_uninstalled"}, team="E4", enterprise="E4")
    assert sorted(core.forgotten) == ["T4", "T5"]
    stands = await dump(redis)
    assert [f"install:slack-org:{team}" in stands for team in ("T3", "T4", "T5")] == [True, False, False]


async def test_a_workspace_that_leaves_takes_nothing_along_where_its_organisations_token_has_ended_meanwhile(
    slack: FakeSlack, core: Core, one: Distributed
) -> None:
    await install_all(slack, one)
    for team in ("T4", "T5"):
        await slack.mention(TEAMS[team], f"U{team}", "hello")
    await expired(slack, core, "T4")
    await slack_says(slack, one, {"type": "app_uninstalled"}, team="T4", enterprise="E4")
    assert core.forgotten == ["T4"]
    await answered(one, [question(slack, "T5")])


async def test_where_nobody_can_say_now_whether_an_organisation_is_left_the_event_is_to_come_again(
    slack: FakeSlack, core: Core, one: Distributed
) -> None:
    await install_all(slack, one)
    await slack.mention("C4", "UT4", "hello")
    await expired(slack, core, "T4")
    slack.fail("oauth.v2.access", "503", "503")
    await slack_says(slack, one, {"type": "app_uninstalled"}, team="T4", enterprise="E4", status=503)
    assert core.forgotten == []
    assert await Installations(core.shared).find("T4")


async def test_a_deletion_outlives_the_event_that_began_it_and_is_done_once(
    slack: FakeSlack, core: Core, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_end, begun = asyncio.Event(), list[str]()

    async def takes_long(*, platform: str, workspace: str) -> None:
        begun.append(workspace)
        await may_end.wait()

    monkeypatch.setattr(core, "forget", takes_long)
    async with in_memory(slack, core, Watch()) as workspaces:
        await Installations(core.shared).async_save(installation("T2"))
        event = {"event": {"type": "app_uninstalled"}, "event_time": int(time.time()) + 1}
        for _ in range(2):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(workspaces.removed("T2", enterprise="", payload=event), 0.2)
        may_end.set()
        await workspaces.removed("T2", enterprise="", payload=event)
    assert begun == ["T2"]


@pytest.mark.parametrize(
    ("event", "at"),
    [
        ({"type": "tokens_revoked", "tokens": {"oauth": ["U1"], "bot": []}}, 0.0),
        ({"type": "app_uninstalled"}, -600.0),
    ],
    ids=["only-peoples-tokens", "older-than-the-installation"],
)
async def test_an_event_that_is_not_about_this_installation_removes_nothing(
    slack: FakeSlack, core: Core, one: Distributed, event: dict[str, Any], at: float
) -> None:
    await slack.install(one.url, team="T2")
    await slack_says(slack, one, event, team="T2", at=time.time() + at)
    assert core.forgotten == []
    await answered(one, [question(slack, "T2")])


async def slack_says(
    slack: FakeSlack,
    to: Distributed,
    event: dict[str, Any],
    *,
    team: str,
    enterprise: str = "",
    at: float | None = None,
    status: int = 200,
) -> None:
    """Deliver an event as Slack would, whatever the fake knows of its installations."""
    about = {"team_id": team, "enterprise_id": enterprise or None, "event_time": int(time.time() if at is None else at)}
    body = json.dumps({"type": "event_callback", "event_id": "Ev1", "event": event, **about}).encode()
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{to.url}/slack/events", data=body, headers=slack.sign(body)) as answer,
    ):
        assert answer.status == status


async def test_two_replicas_behind_a_load_balancer_take_events_and_presses_in_turn(
    slack: FakeSlack, one: Distributed, other: Distributed
) -> None:
    await slack.install(one.url, team="T2")
    turns, answers = itertools.cycle([one.url, other.url]), list[int]()

    async def forward(request: web.Request) -> web.Response:
        body, headers = await request.read(), {k: v for k, v in request.headers.items() if k.startswith("X-Slack")}
        headers["Content-Type"] = request.headers["Content-Type"]
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{next(turns)}/slack/events", data=body, headers=headers) as response,
        ):
            answers.append(response.status)
            return web.Response(status=response.status, body=await response.read())

    async with AsyncExitStack() as stack:
        balancer = await stack.enter_async_context(served([web.post("/slack/events", forward)]))
        slack.events_url = f"{balancer}/slack/events"
        for number in range(10):
            await slack.mention("C2", "UT2", f"n {number}")
        await slack.command("UT2", "C2", "/routernesia", "help")
        await slack.command("UT2", "C2", "/routernesia", "help")
    assert set(answers) == {200}
    assert len(one.ids() | other.ids()) == 10
    assert one.taken
    assert other.taken
    assert slack.entries("failed") == []


async def test_a_workspace_whose_key_is_lost_can_still_remove_the_bot(
    slack: FakeSlack, core: Core, redis: Redis
) -> None:
    async with distributed(slack, core) as platform:
        await slack.install(platform.url, team="T2")
    without_key = Core(redis)
    without_key.shared = RedisShared(redis, seal=Seal([bytes(range(1, 33))]))
    async with distributed(slack, without_key):
        await slack.uninstall("T2")
        await until(lambda: "T2" in without_key.forgotten)
    assert "install:" not in await dump(redis)
