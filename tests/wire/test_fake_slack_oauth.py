"""The fake's workspaces, installations and tokens decide as the reference says (2.1, 2.2, 2.8)."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any, cast

import aiohttp
import pytest
from aiohttp import web as http
from slack_sdk.errors import SlackApiError
from slack_sdk.oauth import AuthorizeUrlGenerator
from slack_sdk.web.async_client import AsyncWebClient

from tests.fakes.slack import FakeSlack, oauth
from tests.fakes.slack.records import Grant

Body = dict[str, Any]
SCOPES = ["chat:write", "channels:history"]


class App:
    """An app that installs by OAuth with one state and keeps the answers of oauth.v2.access, events and refusals."""

    def __init__(self, slack: FakeSlack) -> None:
        self.installed: list[Body] = []
        self.got: list[Body] = []
        self._slack = slack
        self._authorize = AuthorizeUrlGenerator(
            client_id=slack.client_id, scopes=SCOPES, redirect_uri="https://bot.example.org/slack/oauth_redirect"
        )

    async def install(self, _: http.Request) -> http.Response:
        response = http.Response(status=302, headers={"Location": self._authorize.generate("one-state")})
        response.set_cookie("state", "one-state", secure=True, httponly=True)
        return response

    async def landed(self, request: http.Request) -> http.Response:
        if request.query["state"] != "one-state" or request.cookies.get("state") != "one-state":
            return http.Response(status=400, text="state")
        if "error" in request.query:
            return http.Response(status=403, text=request.query["error"])
        self.installed.append(await exchanged(self._slack, code=request.query["code"]))
        return http.Response(text="installed")

    async def event(self, request: http.Request) -> http.Response:
        self.got.append(json.loads(await request.read()))
        return http.Response()


async def exchanged(slack: FakeSlack, *, secret: str | None = None, **args: str) -> Body:
    """The answer of oauth.v2.access, client id and secret in the header.

    Not by slack_sdk: 3.47 makes aiohttp 3.14 warn of its BasicAuth, and warnings are errors here.
    """
    basic = base64.b64encode(f"{slack.client_id}:{secret or slack.client_secret}".encode()).decode()
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Basic {basic}"}) as session,
        session.post(f"{slack.api_url}oauth.v2.access", data=args) as response,
    ):
        return cast(Body, await response.json())


async def called(slack: FakeSlack, token: str, method: str, **args: Any) -> Body:
    try:
        answer = await AsyncWebClient(token, base_url=slack.api_url).api_call(method, json=args)
    except SlackApiError as error:
        return cast(Body, error.response.data)
    return cast(Body, answer.data)


async def refused(slack: FakeSlack, token: str, method: str, **args: Any) -> str:
    return str((await called(slack, token, method, **args)).get("error", ""))


async def refreshed(slack: FakeSlack, refresh_token: str) -> Body:
    return await exchanged(slack, grant_type="refresh_token", refresh_token=refresh_token)


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack(resend_after_s=0.01, echoes=False, clock=lambda: 0.0) as fake:
        fake.add_team("T2", channels=["C2"])
        fake.add_team("T3", enterprise="E1", channels=["C3"])
        fake.add_team("T4", enterprise="E1", channels=["C4"])
        yield fake


@pytest.fixture
def app(slack: FakeSlack) -> App:
    return App(slack)


@pytest.fixture
async def url(slack: FakeSlack, app: App) -> AsyncIterator[str]:
    served = http.Application()
    served.router.add_get("/slack/install", app.install)
    served.router.add_get("/slack/oauth_redirect", app.landed)
    served.router.add_post("/slack/events", app.event)
    runner = http.AppRunner(served)
    await runner.setup()
    await http.TCPSite(runner, "127.0.0.1", 0).start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    slack.events_url = f"{address}/slack/events"
    yield address
    await runner.cleanup()


async def test_a_person_installs_the_app_and_its_token_belongs_to_that_workspace(
    slack: FakeSlack, app: App, url: str
) -> None:
    landed = await slack.install(url, team="T2")
    assert (landed.status, landed.text) == (200, "installed")
    [told] = app.installed
    assert (told["team"]["id"], told["enterprise"], told["is_enterprise_install"]) == ("T2", None, False)
    assert told["scope"] == "channels:history,chat:write"
    assert "expires_in" not in told
    who = await called(slack, told["access_token"], "auth.test")
    assert (who["team_id"], who["user_id"]) == ("T2", told["bot_user_id"])
    assert told["bot_user_id"] != slack.bot_user
    assert "client_secret" not in slack.calls("oauth.v2.access")[0]


@pytest.mark.parametrize(
    ("how", "status"), [({"deny": True}, 403), ({"state": "another"}, 400), ({"cookies": False}, 400)]
)
async def test_a_refusal_or_an_attack_installs_nothing(
    slack: FakeSlack, app: App, url: str, how: Body, status: int
) -> None:
    assert (await slack.install(url, team="T2", **how)).status == status
    assert not app.installed
    assert slack.installation("T2") is None


async def test_a_code_works_once_within_ten_minutes_and_for_the_apps_secret_only(
    slack: FakeSlack, app: App, url: str
) -> None:
    await slack.install(url, team="T2")
    code = slack.calls("oauth.v2.access")[0]["code"]
    assert (await exchanged(slack, code=code))["error"] == "invalid_code"
    fresh, late = (oauth.grant(slack, Grant("T2", None, "U1", set(), "https://bot", slack.now())) for _ in range(2))
    assert (await exchanged(slack, code=fresh, secret="wrong"))["error"] == "bad_client_secret"
    assert (await exchanged(slack, code=fresh, redirect_uri="https://other"))["error"] == "bad_redirect_uri"
    slack.jump(600)
    assert (await exchanged(slack, code=late))["error"] == "invalid_code"


async def test_a_token_of_one_workspace_finds_no_channel_of_another_and_the_ledger_says_so(
    slack: FakeSlack, app: App, url: str
) -> None:
    for team in ("T2", "T3"):
        await slack.install(url, team=team)
    tokens = {told["team"]["id"]: told["access_token"] for told in app.installed}
    for channel in ("C1", "C2", "C3"):
        slack.store(channel, "U1", "q")
    assert await refused(slack, tokens["T2"], "chat.postMessage", channel="C2", text="x") == ""
    assert await refused(slack, tokens["T3"], "chat.postMessage", channel="C3", text="x") == ""
    assert not slack.entries("crossed")
    assert await refused(slack, tokens["T2"], "chat.postMessage", channel="C3", text="x") == "channel_not_found"
    assert await refused(slack, slack.bot_token, "chat.postMessage", channel="C2", text="x") == "channel_not_found"
    assert [entry.fields["channel"] for entry in slack.entries("crossed")] == ["C3", "C2"]


async def test_an_organisation_installs_once_for_all_its_workspaces(slack: FakeSlack, app: App, url: str) -> None:
    await slack.install(url, team="T3", org=True)
    [told] = app.installed
    assert (told["team"], told["enterprise"]["id"], told["is_enterprise_install"]) == (None, "E1", True)
    token = told["access_token"]
    assert (await called(slack, token, "auth.test"))["team_id"] == "E1"
    for channel in ("C3", "C4"):
        slack.store(channel, "U1", "q")
        assert await refused(slack, token, "chat.postMessage", channel=channel, text="x") == ""
    slack.installations["E1"].scopes.add("users:read")
    assert await refused(slack, token, "bots.info") == "missing_argument"
    assert await refused(slack, token, "bots.info", team_id="T3") == ""


async def test_events_carry_their_workspace_and_organisation(slack: FakeSlack, app: App, url: str) -> None:
    await slack.install(url, team="T3", org=True)
    await slack.mention("C1", "U1", "hi", order=["app_mention"])
    await slack.mention("C4", "U1", "hi", order=["app_mention"])
    await slack.mention("C2", "U1", "hi", order=["app_mention"])  # not installed there
    home, org = app.got
    assert (home["team_id"], home["enterprise_id"]) == ("T1", None)
    assert (org["team_id"], org["context_team_id"], org["enterprise_id"]) == ("T4", "T4", "E1")
    assert org["authorizations"][0]["is_enterprise_install"] is True
    assert org["event"]["text"] == f"<@{app.installed[0]['bot_user_id']}> hi"
    assert [entry.name for entry in slack.entries("unheard")] == ["app_mention"]


async def test_a_refresh_token_works_once_and_the_old_token_until_its_successor_is_used(
    slack: FakeSlack, app: App, url: str
) -> None:
    slack.rotation = True
    await slack.install(url, team="T2")
    first = app.installed[0]
    assert first["expires_in"] == 43_200
    second = await refreshed(slack, first["refresh_token"])
    assert (await refreshed(slack, first["refresh_token"]))["error"] == "invalid_refresh_token"
    assert await refused(slack, first["access_token"], "auth.test") == ""
    assert await refused(slack, second["access_token"], "auth.test") == ""
    assert await refused(slack, first["access_token"], "auth.test") == "token_expired"
    slack.jump(43_199)
    assert await refused(slack, second["access_token"], "auth.test") == ""
    slack.jump(1)
    assert await refused(slack, second["access_token"], "auth.test") == "token_expired"
    third = await refreshed(slack, second["refresh_token"])
    assert await refused(slack, third["access_token"], "auth.test") == ""
    slack.expire_tokens()
    assert await refused(slack, third["access_token"], "auth.test") == "token_expired"


async def test_an_uninstalled_app_is_told_twice_and_its_tokens_are_dead(slack: FakeSlack, app: App, url: str) -> None:
    slack.rotation = True
    await slack.install(url, team="T2")
    told = app.installed[0]
    await slack.uninstall("T2")
    assert [(one["event"]["type"], one["team_id"]) for one in app.got] == [
        ("tokens_revoked", "T2"),
        ("app_uninstalled", "T2"),
    ]
    assert await refused(slack, told["access_token"], "auth.test") == "account_inactive"
    assert (await refreshed(slack, told["refresh_token"]))["error"] == "invalid_refresh_token"
    await slack.install(url, team="T2")
    assert await refused(slack, app.installed[1]["access_token"], "auth.test") == ""


async def test_an_eleventh_socket_is_sent_away_and_the_first_ten_are_told_their_number(slack: FakeSlack) -> None:
    client = AsyncWebClient(slack.app_token, base_url=slack.api_url)
    hellos: list[Body] = []
    sockets: list[aiohttp.ClientWebSocketResponse] = []
    async with aiohttp.ClientSession() as session:
        for _ in range(11):
            opened = cast(Body, (await client.apps_connections_open(app_token=slack.app_token)).data)
            sockets.append(await session.ws_connect(str(opened["url"])))  # kept: a forgotten one is closed
            hellos.append(await sockets[-1].receive_json())
    assert [hello.get("num_connections") for hello in hellos] == [*range(1, 11), None]
    assert hellos[0]["debug_info"]["approximate_connection_time"] == 3_600
    assert hellos[10]["reason"] == "too_many_websockets"
