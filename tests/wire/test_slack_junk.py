"""Deliveries that Slack signed and that are not as documented: the bot goes on, and Slack need not send them again."""

import asyncio
import json
import math
import urllib.parse
from contextlib import AsyncExitStack
from copy import deepcopy
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot import store
from bot.events import dump
from tests.fakes.services import FakeServices
from tests.fakes.slack import GRANTED, FakeSlack, Json, Person
from tests.slack_listening import NEVER_S, Inbox, listening
from tests.unit.test_slack_interactions import CHOSEN, PRESSED, SENT, TYPED

SAID: Json = {
    "type": "message",
    "channel": "C1",
    "channel_type": "channel",
    "user": "U1",
    "text": "<@UBOT> *hello*, see <#C2|>",
    "ts": "1700000000.000100",
    "thread_ts": "1690000000.000100",
    "parent_user_id": "U2",
    "client_msg_id": "0a1b",
    "event_ts": "1700000000.000100",
    "team": "T1",
    "files": [{"id": "F1", "name": "a.txt", "mimetype": "text/plain", "size": 1, "url_private": "https://x.slack.com"}],
    "blocks": [{"type": "rich_text", "elements": [{"type": "user", "user_id": "UBOT"}]}],
}
EVENTS: list[Json] = [
    SAID,
    {**SAID, "type": "app_mention"},
    {**SAID, "text": "<@UBOT> !reset"},
    {**SAID, "channel": "D1", "channel_type": "im"},
    {"type": "message", "subtype": "message_changed", "channel": "C1", "ts": "1700000001.000100", "message": SAID}
    | {"previous_message": {**SAID, "text": "before"}},
    {"type": "message", "subtype": "message_deleted", "channel": "C1", "ts": "1700000001.000100"}
    | {"deleted_ts": "1700000000.000100", "previous_message": SAID},
    {"type": "agent_session_stopped", "channel": "C1", "thread_ts": "1690000000.000100", "user": "U1"},
    {"type": "agent_session_title_changed", "channel": "C1", "thread_ts": "1690000000.000100", "user": "U1"},
    {"type": "app_home_opened", "user": "U1", "channel": "D1", "tab": "home"},
    {"type": "app_home_opened", "user": "U1", "channel": "D1", "tab": "messages"},
    {"type": "app_uninstalled"},
]
ENVELOPE: Json = {
    "type": "event_callback",
    "team_id": "T1",
    "context_team_id": "T1",
    "enterprise_id": None,
    "is_ext_shared_channel": False,
    "event_id": "Ev1",
    "authorizations": [{"team_id": "T1", "enterprise_id": None, "user_id": "UBOT", "is_enterprise_install": False}],
}
WHOLE = [*({**ENVELOPE, "event": event} for event in EVENTS), PRESSED, CHOSEN, SENT, TYPED]

Path_ = tuple[str | int, ...]

_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.sampled_from(
        ["\ud800", "U1", "C1", "UBOT", "9" * 400, "9" * 400 + ".1", "im", "message", "1e3", "<@", "x" * 9]
    )
)
_ODD = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3) | st.just("id"), inner, max_size=3),
    max_leaves=5,
)


def paths(node: object, here: Path_ = ()) -> list[Path_]:
    """Where anything stands in a payload."""
    found: list[Path_] = [here] if here else []
    if isinstance(node, list):
        node = dict(enumerate(cast(list[object], node)))
    for name, value in cast(dict[str | int, object], node).items() if isinstance(node, dict) else ():
        found += paths(value, (*here, name))
    return found


@st.composite
def spoilt(draw: st.DrawFn) -> Json:
    """A payload of which a few parts are something else, or missing."""
    payload = deepcopy(draw(st.sampled_from(WHOLE)))
    for _ in range(draw(st.integers(1, 3))):
        *way, last = draw(st.sampled_from(paths(payload) or [("type",)]))
        node: Any = payload
        for step in way:
            node = node[step]
        if isinstance(node, dict) and draw(st.booleans()):
            node.pop(last)
        else:
            node[last] = draw(_ODD)
    return payload


class Stage:
    """A bot that listens over HTTP, with real state, and a signed way in."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self.inbox = Inbox()

    async def open(self, valkey_url: str) -> None:
        enter = self._stack.enter_async_context
        redis = await enter(store.connect(valkey_url, data_dir=Path("unused")))
        self.slack = await enter(FakeSlack(scopes=GRANTED, rates=False, resend_after_s=NEVER_S))
        self.slack.people = {"U1": Person("Ana"), "U2": Person("Ben")}
        self.slack.store("C1", "U1", "hello")
        self.platform = await enter(listening(self.slack, self.inbox, http=True, services=FakeServices(redis)))
        self.session = await enter(aiohttp.ClientSession())

    async def close(self) -> None:
        await self._stack.aclose()

    async def deliver(self, payload: object, *, form: bool) -> tuple[int, str | None]:
        body, kind = json.dumps(payload).encode(), "application/json"
        if form:
            kind = "application/x-www-form-urlencoded"
            command = isinstance(payload, dict) and "command" in payload
            fields = cast(Json, payload) if command else {"payload": body.decode()}
            body = urllib.parse.urlencode(fields, errors="replace").encode()
        return await self.send(body, kind)

    async def send(self, body: bytes, kind: str = "application/json") -> tuple[int, str | None]:
        assert self.slack.events_url
        headers = self.slack.sign(body, content_type=kind)
        async with self.session.post(self.slack.events_url, data=body, headers=headers) as response:
            return response.status, response.headers.get("X-Slack-No-Retry")


def test_no_delivery_is_a_failure_of_the_bot_and_no_event_is_asked_for_again(valkey_url: str) -> None:
    with asyncio.Runner() as runner:
        stage = Stage(AsyncExitStack())
        runner.run(stage.open(valkey_url))

        @settings(suppress_health_check=[HealthCheck.too_slow])
        @given(spoilt())
        def each(payload: Json) -> None:
            gesture = "event" not in payload and payload.get("type") != "event_callback"
            status, _ = runner.run(stage.deliver(payload, form=gesture))
            assert status in ((200, 503) if gesture else (200,)), payload  # a gesture comes once in any case

        try:
            each()
        finally:
            runner.run(stage.close())
    assert stage.inbox.taken
    for mention in stage.inbox.taken:
        assert math.isfinite(mention.sent_at)
        assert dump(mention)


@pytest.mark.parametrize("odd", ["\ud800", "9" * 400, "9" * 400 + ".1", "\0", "", "\n"], ids=ascii)
async def test_any_field_of_a_message_may_be_an_odd_text(valkey_url: str, odd: str) -> None:
    stage = Stage(AsyncExitStack())
    await stage.open(valkey_url)
    try:
        for name in (one for one in SAID if isinstance(SAID[one], str)):
            event = {**ENVELOPE, "event": {**SAID, "client_msg_id": name, name: odd}}
            assert await stage.deliver(event, form=False) == (200, None), name
        for name in ("team_id", "context_team_id", "enterprise_id", "event_id"):
            assert await stage.deliver({**ENVELOPE, name: odd, "event": SAID}, form=False) == (200, None), name
    finally:
        await stage.close()
    for mention in stage.inbox.taken:
        assert 0 < mention.sent_at < 1e12
        assert mention.event_id.encode()


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"1", b"{", b"[" * 200_000, b'{"a":' * 100_000, b'"' + b"x" * 900_000 + b'"', b"9" * 9_000],
    ids=["nothing", "list", "number", "half", "deep_lists", "deep_objects", "long", "many_digits"],
)
async def test_what_is_no_delivery_at_all_is_refused_for_good(valkey_url: str, body: bytes) -> None:
    stage = Stage(AsyncExitStack())
    await stage.open(valkey_url)
    try:
        assert await stage.send(body) in ((200, None), (400, "1"))
    finally:
        await stage.close()


async def test_a_huge_message_is_taken_whole(valkey_url: str) -> None:
    stage = Stage(AsyncExitStack())
    await stage.open(valkey_url)
    text = "<@UBOT> " + "<<@U9>*_~`" * 20_000
    try:
        status, _ = await stage.deliver({**ENVELOPE, "event": {**SAID, "text": text}}, form=False)
    finally:
        await stage.close()
    assert status == 200
    assert len(stage.inbox.taken[0].text) > 100_000


@pytest.mark.parametrize(
    "odd", [{"authorizations": 1}, {"team": 1}, {"enterprise": 1}, {"view": {}}, {"type": 1}, {"user": []}], ids=str
)
async def test_an_envelope_that_cannot_be_read_is_acknowledged_over_a_socket_too(odd: Json) -> None:
    async with FakeSlack(scopes=GRANTED, resend_after_s=NEVER_S) as slack, listening(slack, Inbox()):
        await slack.deliver_interaction({**ENVELOPE, "event": SAID, **odd}, kind="events_api")
        assert slack.entries("ack")
