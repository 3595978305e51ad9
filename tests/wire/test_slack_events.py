"""Events from a fake Slack, over real sockets and HTTP, through the real SDKs to `submit`."""

import asyncio
import io
import json
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from slack_sdk.signature import Clock

from adapters.slack.adapter import SlackPlatform
from adapters.slack.api.calls import Api
from adapters.slack.api.clients import web_client
from adapters.slack.incoming.sockets import Sockets
from bot.errors import ConfigError, StoreError, Unreachable
from bot.platform import Platform, Routes
from tests.fakes.slack import ChannelFacts, FakeSlack
from tests.mentions import mention as question
from tests.slack_listening import NEVER_S, Inbox, listening, serving, settings
from tests.until import until

BOUND_S = 10.0
SOON_S = 0.1


class Fixed(Clock):
    def now(self) -> float:
        return 1_700_000_000.0


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    # No event comes a second time unless a test asks for that: on a busy machine it would come before the first is
    # through.
    async with FakeSlack(resend_after_s=NEVER_S) as fake:
        yield fake


async def test_it_is_a_platform_with_routes(slack: FakeSlack) -> None:
    platform: Platform = SlackPlatform(settings(slack))
    assert platform.name == "slack"
    assert isinstance(platform, Routes)
    assert list(platform.routes()) == []
    assert platform.limits(question(platform="slack")).text_max == 4_000
    assert not platform.connected


@pytest.mark.parametrize("http", [False, True], ids=["socket", "http"])
@pytest.mark.parametrize("order", [("message", "app_mention"), ("app_mention", "message")])
async def test_a_mention_arrives_as_one_event_id_in_any_order(slack: FakeSlack, order: Any, http: bool) -> None:
    inbox = Inbox()
    async with listening(slack, inbox, http=http):
        ts = await slack.mention("C1", "U1", "what is *this*?", order=order)
        await until(lambda: len(slack.entries("ack")) == 2)
    assert inbox.ids == {f"slack:T1:C1:{ts}"}
    assert inbox.offered == 2
    one = inbox.taken[0]
    assert one.text == "what is **this**?"
    assert one.conversation == f"slack:T1:C1:{ts}"
    assert slack.counts()["auth.test"] == 1


@pytest.mark.parametrize("http", [False, True], ids=["socket", "http"])
async def test_slack_gets_its_acknowledgement_only_after_submit_returned(slack: FakeSlack, http: bool) -> None:
    inbox = Inbox()
    async with listening(slack, inbox, http=http):
        inbox.gate.clear()
        saying = asyncio.create_task(slack.dm("U1", "hi"))
        await until(lambda: inbox.offered == 1)
        assert not slack.entries("ack")
        inbox.gate.set()
        await until(lambda: len(slack.entries("ack")) == 1)
        await saying
    assert len(inbox.taken) == 1


@pytest.mark.parametrize("http", [False, True], ids=["socket", "http"])
async def test_an_event_is_taken_once_the_store_is_back_without_coming_again(slack: FakeSlack, http: bool) -> None:
    inbox = Inbox()
    slack.resend_after_s = NEVER_S
    async with listening(slack, inbox, http=http):
        inbox.failures = [StoreError("redis is away")] * 2
        ts = await slack.dm("U1", "hi")
        await until(lambda: slack.entries("ack"))
    assert inbox.ids == {f"slack:T1:DU1:{ts}"}
    assert len(slack.entries("event")) == 1


@pytest.mark.parametrize("http", [False, True], ids=["socket", "http"])
@pytest.mark.parametrize("error", [Unreachable("busy"), RuntimeError("a bug")])
async def test_what_submit_refuses_is_not_acknowledged_and_comes_again(
    slack: FakeSlack, http: bool, error: Exception
) -> None:
    inbox = Inbox()
    async with listening(slack, inbox, http=http):
        inbox.failures = [error, error]
        slack.resend_after_s = SOON_S
        ts = await slack.dm("U1", "hi")
        await until(lambda: slack.entries("ack"))
    assert inbox.offered >= 3
    assert inbox.ids == {f"slack:T1:DU1:{ts}"}
    assert [entry.fields["attempt"] for entry in slack.entries("event")][:3] == [1, 2, 3]
    if http:
        wanted = 503 if isinstance(error, Unreachable) else 500
        assert [entry.fields["status"] for entry in slack.entries("refused")] == [wanted, wanted]


@pytest.mark.parametrize("http", [False, True], ids=["socket", "http"])
async def test_a_submit_that_hangs_is_given_up_in_time_for_a_resend(slack: FakeSlack, http: bool) -> None:
    inbox = Inbox()
    async with listening(slack, inbox, http=http, within_s=0.05):
        slack.resend_after_s, slack.resends = SOON_S, 100
        inbox.gate.clear()
        saying = asyncio.create_task(slack.dm("U1", "hi"))
        await until(lambda: inbox.offered >= 2)
        inbox.gate.set()
        await until(lambda: slack.entries("ack"))
        await saying
    assert len(inbox.ids) == 1


async def test_a_resent_event_has_the_same_id(slack: FakeSlack) -> None:
    inbox = Inbox()
    async with listening(slack, inbox):
        ts = await slack.mention("C1", "U1", "hello")
        await slack.resend("C1", ts)
        await until(lambda: len(slack.entries("ack")) == 3)
    assert inbox.ids == {f"slack:T1:C1:{ts}"}


async def test_events_that_are_nothing_are_acknowledged_without_a_call(slack: FakeSlack) -> None:
    inbox = Inbox()
    async with listening(slack, inbox):
        await slack.say("C1", "U1", "no mention here")
        await slack.event({"type": "reaction_added", "user": "U1"})
        await slack.event({"type": "message", "subtype": "message_changed", "channel": "C1", "hidden": True})
        await until(lambda: len(slack.entries("ack")) == 3)
    assert inbox.offered == 0
    assert slack.counts() == {"auth.test": 1, "apps.connections.open": 1}


async def test_a_follow_up_in_a_thread_is_offered_as_not_addressed(slack: FakeSlack) -> None:
    inbox = Inbox()
    async with listening(slack, inbox):
        root = slack.store("C1", "U1", "a thread")
        await slack.say("C1", "U2", "and now?", thread_ts=root)
        await until(lambda: len(inbox.taken) == 1)
    assert not inbox.taken[0].addressed
    assert inbox.taken[0].others == ("U1",)


async def test_people_are_named_and_a_known_name_costs_no_call(slack: FakeSlack) -> None:
    inbox = Inbox()
    slack.names = {"U1": "Ana", "U2": "Ben"}
    async with listening(slack, inbox):
        for _ in range(3):
            await slack.mention("C1", "U1", "ask <@U2> or <@U404>")
        await until(lambda: len(inbox.taken) == 6)
    assert {(one.author.name, one.text) for one in inbox.taken} == {("Ana", "ask @Ben or @U404")}
    assert slack.counts()["users.info"] == 3


async def test_public_channels_are_named_and_private_ones_keep_their_ids(slack: FakeSlack) -> None:
    inbox = Inbox()
    slack.scopes |= {"channels:read", "groups:read"}
    slack.channel_facts = {"C7": ChannelFacts("lanes"), "C8": ChannelFacts("layoffs")}
    slack.kinds["C8"] = "group"
    async with listening(slack, inbox):
        for number in (1, 2):
            await slack.dm("U1", "see <#C7|> and <#C8>")
            await until(lambda number=number: len(inbox.taken) == number)
    assert {one.text for one in inbox.taken} == {"see #lanes and #C8"}
    assert slack.counts()["conversations.info"] == 2


async def test_a_limit_on_asking_for_people_is_obeyed_and_leaves_channels_their_names(slack: FakeSlack) -> None:
    inbox = Inbox()
    slack.scopes |= {"channels:read"}
    slack.names, slack.channel_facts = {"U1": "Ana", "U2": "Ben"}, {"C7": ChannelFacts("lanes")}
    async with listening(slack, inbox):
        await slack.dm("U1", "hi")
        await until(lambda: len(inbox.taken) == 1)
        slack.fail("users.info", "429:60")
        for number in (2, 3):
            await slack.dm("U1", f"{number} <@U2> <@U3>")
            await until(lambda number=number: len(inbox.taken) == number)
        asked = slack.counts()["users.info"]
        await slack.dm("U1", "ask <@U4> about <#C7|>")
        await until(lambda: len(inbox.taken) == 4)
    assert inbox.taken[3].text == "ask @U4 about #lanes"
    assert slack.counts()["users.info"] == asked


class Slow(FakeSlack):
    """Tells nothing of U2 before it is `released`."""

    def __init__(self) -> None:
        super().__init__(resend_after_s=NEVER_S)
        self.released = asyncio.Event()

    async def serve_call(self, request: web.Request) -> web.StreamResponse:
        if request.query.get("user") == "U2":
            await self.released.wait()
        return await super().serve_call(request)


async def test_a_slow_look_up_of_a_name_delays_nobody_and_is_there_for_the_next_message() -> None:
    inbox = Inbox()
    async with Slow() as slack, listening(slack, inbox, names_within_s=0.3):
        slack.names = {"U1": "Ana", "U2": "Ben"}
        await slack.dm("U1", "hi")
        await until(lambda: len(inbox.taken) == 1)
        await slack.dm("U1", "ask <@U2>")
        await until(lambda: len(inbox.taken) == 2)
        assert slack.counts()["users.info"] == 1  # not answered yet
        slack.released.set()
        await until(lambda: slack.counts()["users.info"] == 2)
        for number in (3, 4):  # the answer to the look-up may still be on its way at the first of them
            await slack.dm("U1", "ask <@U2>")
            await until(lambda number=number: len(inbox.taken) == number)
    assert [one.author.name for one in inbox.taken] == ["Ana"] * 4
    assert (inbox.taken[1].text, inbox.taken[-1].text) == ("ask @U2", "ask @Ben")


async def test_without_the_scope_for_names_there_are_ids_and_hardly_a_call(
    slack: FakeSlack, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    inbox = Inbox()
    slack.names = {"U1": "Ana"}
    slack.scopes.remove("users:read")
    async with listening(slack, inbox, given={"slack_allow_external": True}):
        for _ in range(2):
            await slack.dm("U1", "hi")
        await until(lambda: len(inbox.taken) == 2)
    assert {one.author.name for one in inbox.taken} == {"U1"}
    assert slack.counts()["users.info"] == 1
    assert [record.message for record in caplog.records].count("slack_names_unavailable") == 1


async def test_what_the_bot_writes_itself_comes_back_as_events_and_is_nothing(slack: FakeSlack) -> None:
    inbox = Inbox()
    async with listening(slack, inbox) as platform:
        await slack.dm("U1", "hi")
        await until(lambda: len(inbox.taken) == 1)
        ts = await platform.post(inbox.taken[0], "one", key="k", first=True)
        await platform.edit(inbox.taken[0], ts, "two")
        await until(lambda: len(slack.entries("ack")) == 3)
    assert inbox.offered == 1


async def test_a_refresh_replaces_the_socket_before_the_old_one_goes(slack: FakeSlack) -> None:
    inbox = Inbox()
    async with listening(slack, inbox, refresh_grace_s=60.0) as platform:
        await slack.refresh()
        await until(lambda: len(slack.links) == 2)
        said = [await slack.dm("U1", f"message {number}") for number in range(10)]
        assert platform.connected
        await until(lambda: len(slack.entries("ack")) >= 10)
        await slack.links[0].socket.close()
        await until(lambda: len(slack.links) == 1)
        said += [await slack.dm("U1", f"message {number}") for number in range(10)]
        await until(lambda: len(inbox.taken) >= 20)
        await until(lambda: len(slack.entries("ack")) >= 20)
    assert inbox.ids == {f"slack:T1:DU1:{ts}" for ts in said}
    assert inbox.offered == 20
    assert {entry.fields["socket"] for entry in slack.entries("ack")} >= {
        link.fields["number"] for link in slack.entries("socket", "open")
    }


@pytest.mark.parametrize("how", ["close", "drop"])
async def test_a_lost_connection_comes_back_and_loses_no_event(slack: FakeSlack, how: str) -> None:
    inbox = Inbox()
    slack.resend_after_s, slack.resends = 0.2, 100
    async with listening(slack, inbox) as platform:
        slack.fail("apps.connections.open", "500", "reset_before")
        await (slack.refresh(close=True) if how == "close" else _dropped(slack))
        said = [await slack.dm("U1", f"message {number}") for number in range(5)]
        await until(lambda: len(inbox.ids) == 5)
        assert platform.connected
    assert inbox.ids == {f"slack:T1:DU1:{ts}" for ts in said}
    assert not slack.entries("lost")


async def _dropped(slack: FakeSlack) -> None:
    slack.drop()
    await until(lambda: not slack.links)


async def test_a_refused_socket_is_asked_for_again_with_a_new_ticket(slack: FakeSlack) -> None:
    slack.refused_links = 2
    async with listening(slack, Inbox()):
        assert slack.counts()["apps.connections.open"] == 3


async def test_failures_wait_longer_until_a_socket_proved_steady(slack: FakeSlack) -> None:
    pauses: list[float] = []
    times = iter([0.0, 1.0, 100.0, 200.0, 300.0])

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    async def url() -> str:
        return str((await Api(client).write("apps.connections.open", token=slack.app_token)).data["url"])

    async def nothing(*_: object) -> None: ...

    async with aiohttp.ClientSession() as session:
        client = web_client(settings(slack), session)
        sockets = Sockets(
            url=url, handle=nothing, web_client=client, grace_s=0.01, pause=pause, clock=lambda: next(times)
        )
        slack.refused_links = 1
        task = asyncio.create_task(sockets.run())
        for opened in (1, 2, 3):
            await until(lambda opened=opened: len(slack.entries("socket", "open")) == opened and sockets.connected)
            await slack.refresh(close=True)
        await until(lambda: len(slack.entries("socket", "open")) == 4 or task.done())
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    # One refusal, then a socket that lived one second, then one of 100 s: the next is not waited for.
    assert len(pauses) == 2
    assert 0.25 <= pauses[0] <= 0.5 <= pauses[1] <= 1.0


async def test_an_event_being_taken_at_the_end_is_still_acknowledged(slack: FakeSlack) -> None:
    inbox = Inbox()
    platform = SlackPlatform(settings(slack))
    await platform.open()
    task = asyncio.create_task(platform.listen(inbox))
    await until(lambda: platform.connected)
    inbox.gate.clear()
    await slack.dm("U1", "hi")
    await until(lambda: inbox.offered == 1)
    task.cancel()
    for _ in range(20):  # the ending has begun and waits for the event
        await asyncio.sleep(0)
    assert not task.done()
    inbox.gate.set()
    await asyncio.gather(task, return_exceptions=True)
    await until(lambda: len(slack.entries("ack")) == 1)
    assert not platform.connected
    await platform.aclose()


async def test_a_silent_connection_is_not_called_connected(slack: FakeSlack) -> None:
    async with listening(slack, Inbox(), ping_every_s=0.1) as platform:
        slack.fail("apps.connections.open", *["500"] * 50)
        for link in slack.links:
            assert link.request.transport
            link.request.transport.pause_reading()  # pyright: ignore  # the peer reads nothing, so no pong comes
        await until(lambda: not platform.connected)


@pytest.mark.parametrize("error", ["invalid_auth", "not_authed", "account_inactive", "token_revoked"])
async def test_a_refused_bot_token_is_a_matter_of_configuration(slack: FakeSlack, error: str) -> None:
    slack.fail("auth.test", error)
    platform = SlackPlatform(settings(slack))
    with pytest.raises(ConfigError, match="SLACK_BOT_TOKEN"):
        await platform.open()
    await platform.aclose()


@pytest.mark.parametrize("fault", ["500", "500html", "reset_before", "garbage", "html", "list", "ok"])
async def test_a_slack_that_does_not_answer_at_the_start_is_unreachable(slack: FakeSlack, fault: str) -> None:
    slack.fail("auth.test", fault)
    platform = SlackPlatform(settings(slack))
    with pytest.raises(Unreachable):
        await platform.open()
    await platform.aclose()


@pytest.mark.parametrize("error", ["invalid_auth", "missing_scope"])
async def test_a_refused_app_token_is_a_matter_of_configuration(slack: FakeSlack, error: str) -> None:
    slack.fail("apps.connections.open", error)
    platform = SlackPlatform(settings(slack))
    await platform.open()
    with pytest.raises(ConfigError, match="SLACK_APP_TOKEN"):
        await platform.listen(Inbox())
    await platform.aclose()


async def test_a_rate_limit_on_connecting_is_obeyed(slack: FakeSlack) -> None:
    slack.fail("apps.connections.open", "429:0")
    async with listening(slack, Inbox()):
        assert slack.counts()["apps.connections.open"] == 2


async def test_nothing_works_before_open_and_closing_is_always_allowed(slack: FakeSlack) -> None:
    platform = SlackPlatform(settings(slack))
    with pytest.raises(RuntimeError, match="open"):
        await platform.listen(Inbox())
    await platform.aclose()


# HTTP


async def test_before_and_after_listening_deliveries_are_refused(slack: FakeSlack) -> None:
    inbox = Inbox()
    platform = SlackPlatform(settings(slack, http=True), leave_s=0.0)
    body = b"{}"
    async with serving(platform) as url, aiohttp.ClientSession() as session:
        assert (await session.post(url, data=body, headers=slack.sign(body))).status == 503
        await platform.open()
        assert (await session.post(url, data=body, headers=slack.sign(body))).status == 503
        task = asyncio.create_task(platform.listen(inbox))
        await until(lambda: platform.connected)
        assert (await session.post(url, data=body, headers=slack.sign(body))).status == 200
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert (await session.post(url, data=body, headers=slack.sign(body))).status == 503
    await platform.aclose()


async def test_a_listener_that_stops_takes_what_kept_connections_bring_and_ends_them(slack: FakeSlack) -> None:
    inbox = Inbox()
    platform = SlackPlatform(settings(slack, http=True), leave_s=3600.0)
    async with serving(platform) as url, aiohttp.ClientSession() as session:
        slack.events_url = url
        await platform.open()
        task = asyncio.create_task(platform.listen(inbox))
        await until(lambda: platform.connected)

        async def posted(body: bytes = b"{}", *, signed: bool = True) -> tuple[int, str | None]:
            async with session.post(url, data=body, headers=slack.sign(body) if signed else {}) as response:
                return response.status, response.headers.get("Connection")

        assert await posted() == (200, None)
        task.cancel()
        await asyncio.sleep(0)
        await slack.mention("C1", "U1", "hello", order=("app_mention",))
        assert len(inbox.taken) == 1
        assert await posted() == (200, "close")
        assert await posted(b"no object") == (400, "close")
        assert await posted(signed=False) == (401, "close")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert await posted() == (503, "close")
    await platform.aclose()


async def test_the_challenge_is_answered_only_when_it_is_signed(slack: FakeSlack) -> None:
    body = json.dumps({"type": "url_verification", "challenge": "c4", "token": "x"}).encode()
    async with listening(slack, Inbox(), http=True), aiohttp.ClientSession() as session:
        assert slack.events_url
        async with session.post(slack.events_url, data=body, headers=slack.sign(body)) as response:
            assert response.status == 200
            assert await response.json() == {"challenge": "c4"}
        assert (await session.post(slack.events_url, data=body)).status == 401


def _without(name: str) -> Callable[[dict[str, str]], Any]:
    return lambda headers: {key: value for key, value in headers.items() if key != name}


def _with(name: str, value: str) -> Callable[[dict[str, str]], Any]:
    return lambda headers: {**headers, name: value}


def _twice(name: str) -> Callable[[dict[str, str]], Any]:
    return lambda headers: [*headers.items(), (name, headers[name])]


STAMP, SIGNATURE = "X-Slack-Request-Timestamp", "X-Slack-Signature"


@pytest.mark.parametrize(
    "change",
    [
        _without(STAMP),
        _without(SIGNATURE),
        _twice(STAMP),
        _twice(SIGNATURE),
        _with(STAMP, "abc"),
        _with(STAMP, ""),
        _with(STAMP, "-1"),
        _with(STAMP, "１２３"),
        _with(STAMP, "9" * 5_000),
        _with(SIGNATURE, ""),
        _with(SIGNATURE, "v0=ünsigned"),
        _with(SIGNATURE, "v0=" + "0" * 64),
    ],
)
async def test_a_delivery_that_slack_did_not_sign_is_refused(slack: FakeSlack, change: Any) -> None:
    inbox = Inbox()
    body = json.dumps({"type": "event_callback", "event": {"type": "app_mention"}}).encode()
    async with listening(slack, inbox, http=True), aiohttp.ClientSession() as session:
        assert slack.events_url
        response = await session.post(slack.events_url, data=body, headers=change(slack.sign(body)))
        assert response.status == 401
    assert inbox.offered == 0


@pytest.mark.parametrize(
    ("at_s", "secret", "status"),
    [(0, None, 200), (-290, None, 200), (-310, None, 401), (310, None, 401), (0, "another", 401)],
)
async def test_a_signature_counts_for_five_minutes_and_one_secret(
    slack: FakeSlack, at_s: int, secret: str | None, status: int
) -> None:
    body = b'{"type": "event_callback"}'
    async with listening(slack, Inbox(), http=True, clock=Fixed()), aiohttp.ClientSession() as session:
        assert slack.events_url
        headers = slack.sign(body, at=1_700_000_000.0 + at_s, secret=secret)
        assert (await session.post(slack.events_url, data=body, headers=headers)).status == status
        assert (await session.post(slack.events_url, data=body + b" ", headers=headers)).status == 401


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"not json", "application/json", 400),
        (b"[1]", "application/json", 400),
        (b'"text"', "application/json", 400),
        (b"{}", "application/json; charset=nonsense", 400),
        (b"\xff\xfe", "application/json", 401),
        (b"a" * (1024 * 1024 + 1), "application/json", 413),
        (b"{}", "application/json", 200),
        (b'{"event": [1], "type": "event_callback"}', "application/json", 200),
    ],
)
async def test_a_signed_body_that_is_no_event_is_refused_quietly(
    slack: FakeSlack, body: bytes, content_type: str, status: int
) -> None:
    async with listening(slack, Inbox(), http=True), aiohttp.ClientSession() as session:
        assert slack.events_url
        headers = {**slack.sign(body), "Content-Type": content_type}
        assert (await session.post(slack.events_url, data=io.BytesIO(body), headers=headers)).status == status


async def test_no_log_line_holds_text_or_a_token(slack: FakeSlack, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    slack.resend_after_s, slack.resends = SOON_S, 100
    for name in ("asyncio", "aiohttp"):
        logging.getLogger(name).setLevel(logging.INFO)
    inbox = Inbox()
    async with listening(slack, inbox):
        inbox.failures = [ValueError("canary text")]
        await slack.mention("C1", "U1", "canary text")
        slack.fail("apps.connections.open", "500")
        await slack.refresh(close=True)
        await until(lambda: len(slack.entries("ack")) >= 2 and len(slack.entries("socket", "open")) == 2)
    everything = " ".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    for secret in ("canary", slack.bot_token, slack.app_token, "ticket"):
        assert secret not in everything
    assert "slack_event_failed" in everything
