"""What people do in the fake reaches an app as Slack sends it: buttons, commands, modals, edits; and files (2.6)."""

import asyncio
import json
import urllib.parse
from collections.abc import AsyncIterator
from typing import Any, cast

import aiohttp
import pytest
from aiohttp import web as http
from slack_sdk.errors import SlackApiError
from slack_sdk.signature import SignatureVerifier
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from tests.fakes.slack import ChannelFacts, FakeSlack, Person
from tests.until import until

Body = dict[str, Any]

MODAL: Body = {
    "type": "modal",
    "title": {"type": "plain_text", "text": "Ask"},
    "submit": {"type": "plain_text", "text": "Send"},
    "blocks": [
        {
            "type": "input",
            "block_id": "q",
            "label": {"type": "plain_text", "text": "Question"},
            "element": {"type": "plain_text_input", "action_id": "text"},
        }
    ],
}
HOME: Body = {"type": "home", "blocks": [{"type": "divider"}]}
SIDE: Body = {"text": {"type": "plain_text", "text": "Good"}, "value": "good"}
BUTTONS: list[Body] = [
    {
        "type": "context_actions",
        "block_id": "b",
        "elements": [
            {
                "type": "feedback_buttons",
                "action_id": "rate",
                "positive_button": SIDE,
                "negative_button": {**SIDE, "value": "bad"},
            },
            {"type": "icon_button", "action_id": "again", "icon": "refresh", "value": "v"},
        ],
    }
]


class App:
    """An app with one HTTP address that checks signatures, keeps what it got and answers as told."""

    def __init__(self, secret: str) -> None:
        self.got: list[Body] = []
        self.headers: list[dict[str, str]] = []
        self.status = 200
        self.answer: Body = {}
        self.answer_headers: dict[str, str] = {}
        self._verifier = SignatureVerifier(secret)

    async def take(self, request: http.Request) -> http.Response:
        body = await request.read()
        assert self._verifier.is_valid_request(body, dict(request.headers))
        self.headers.append(dict(request.headers))
        if request.content_type == "application/json":
            self.got.append(json.loads(body))
        else:
            form = dict(urllib.parse.parse_qsl(body.decode(), strict_parsing=True, keep_blank_values=True))
            self.got.append(json.loads(form["payload"]) if "payload" in form else form)
        if self.answer:
            return http.json_response(self.answer, status=self.status)
        return http.Response(status=self.status, headers=self.answer_headers)


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack(resend_after_s=0.01, clock=lambda: 0.0) as fake:
        yield fake


@pytest.fixture
async def app(slack: FakeSlack) -> AsyncIterator[App]:
    made = App(slack.signing_secret)
    served = http.Application()
    served.router.add_post("/slack/events", made.take)
    runner = http.AppRunner(served)
    await runner.setup()
    site = http.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    slack.events_url = f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events"
    slack.echoes = False
    yield made
    await runner.cleanup()


@pytest.fixture
def web(slack: FakeSlack) -> AsyncWebClient:
    return AsyncWebClient(slack.bot_token, base_url=slack.api_url)


async def answered(web: AsyncWebClient, method: str, **args: Any) -> Body:
    """The body of a call that succeeds."""
    return cast(Body, (await web.api_call(method, json=args)).data)


async def called(web: AsyncWebClient, method: str, **args: Any) -> str:
    try:
        await web.api_call(method, json=args)
    except SlackApiError as error:
        return str(cast(Body, error.response.data)["error"])
    return ""


async def posted(slack: FakeSlack, web: AsyncWebClient) -> str:
    root = slack.store("C1", "U1", "q")
    return str((await answered(web, "chat.postMessage", channel="C1", thread_ts=root, text="x", blocks=BUTTONS))["ts"])


async def test_a_pressed_button_says_who_where_and_what(slack: FakeSlack, web: AsyncWebClient, app: App) -> None:
    ts = await posted(slack, web)
    assert (await slack.press("U1", "C1", ts, "rate", value="bad")).acked.is_set()
    assert (await slack.press("U1", "C1", ts, "again")).acked.is_set()
    first, second = app.got
    assert first["type"] == "block_actions"
    assert first["user"] | {"username": "", "name": ""} == {"id": "U1", "username": "", "name": "", "team_id": "T1"}
    assert first["container"]["thread_ts"] == first["message"]["thread_ts"]
    assert (first["channel"]["id"], first["team"]["id"], first["message"]["ts"]) == ("C1", "T1", ts)
    assert first["enterprise"] is None
    assert [(one["action_id"], one["type"], one["value"]) for one in first["actions"] + second["actions"]] == [
        ("rate", "feedback_buttons", "bad"),
        ("again", "icon_button", "v"),
    ]
    with pytest.raises(LookupError):
        await slack.press("U1", "C1", ts, "other")
    with pytest.raises(LookupError):
        await slack.press("U1", "C1", ts, "rate", value="so so")


async def test_what_is_not_acknowledged_fails_for_the_person_and_is_not_sent_again(
    slack: FakeSlack, web: AsyncWebClient, app: App
) -> None:
    ts = await posted(slack, web)
    app.status = 500
    assert not (await slack.press("U1", "C1", ts, "again")).acked.is_set()
    await slack.command("U1", "C1", "/routernesia", "help")
    assert [entry.name for entry in slack.entries("failed")] == ["block_actions", "/routernesia"]
    assert len(app.got) == 2


async def test_a_command_is_a_form_and_its_answer_is_seen_by_the_person(slack: FakeSlack, app: App) -> None:
    app.answer = {"text": "here is help"}
    await slack.command("U1", "C1", "/routernesia", "help me")
    assert (app.got[0]["command"], app.got[0]["text"]) == ("/routernesia", "help me")
    [seen] = slack.ephemerals
    assert (seen["user"], seen["channel"], seen["text"], seen["via"]) == ("U1", "C1", "here is help", "command")
    app.answer = {"text": "for all", "response_type": "in_channel"}
    await slack.command("U1", "C1", "/routernesia")
    assert [one["text"] for one in slack.answers("C1")] == ["for all"]


async def test_a_response_url_takes_five_posts_in_thirty_minutes(slack: FakeSlack, app: App) -> None:
    await slack.command("U1", "C1", "/routernesia", "ask")
    hook = AsyncWebhookClient(app.got[0]["response_url"])
    assert [(await hook.send(text=str(n))).status_code for n in range(6)] == [200] * 5 + [404]
    assert [one["text"] for one in slack.ephemerals] == list("01234")
    await slack.command("U1", "C1", "/routernesia", "ask")
    late = AsyncWebhookClient(app.got[1]["response_url"])
    slack.jump(1_799)
    assert (await late.send(text="in time")).body == "ok"
    slack.jump(1)
    assert (await late.send(text="too late")).body == "expired_url"


async def test_a_response_url_of_a_button_replaces_or_deletes_its_message(
    slack: FakeSlack, web: AsyncWebClient, app: App
) -> None:
    ts = await posted(slack, web)
    await slack.press("U1", "C1", ts, "again")
    hook = AsyncWebhookClient(app.got[0]["response_url"])
    await hook.send(text="new", replace_original=True)
    [answer] = slack.answers("C1")
    assert answer["text"] == "new"
    assert "blocks" not in answer
    await hook.send(delete_original=True)
    assert not slack.answers("C1")


async def test_a_trigger_opens_one_view_within_three_seconds(slack: FakeSlack, web: AsyncWebClient, app: App) -> None:
    ts = slack.store("C1", "U1", "to be explained")
    for _ in range(2):
        await slack.shortcut("U1", "C1", ts, "ask_about_message")
    first, second = (one["trigger_id"] for one in app.got)
    assert app.got[0]["callback_id"] == "ask_about_message"
    assert app.got[0]["message"]["text"] == "to be explained"
    assert await called(web, "views.open", trigger_id="1.2.3", view=MODAL) == "invalid_trigger_id"
    assert await called(web, "views.open", trigger_id=first, view={**MODAL, "submit": None}) == "invalid_arguments"
    assert await called(web, "views.open", trigger_id=first, view=MODAL) == ""
    assert await called(web, "views.open", trigger_id=first, view=MODAL) == "exchanged_trigger_id"
    slack.jump(3.1)
    assert await called(web, "views.open", trigger_id=second, view=MODAL) == "expired_trigger_id"
    assert len(slack.open_views("U1")) == 1


async def test_a_submission_brings_what_was_typed_and_its_answer_is_carried_out(
    slack: FakeSlack, web: AsyncWebClient, app: App
) -> None:
    view_id = str((await answered(web, "views.open", trigger_id=slack.trigger("U1", "T1"), view=MODAL))["view"]["id"])
    app.answer = {"response_action": "errors", "errors": {"q": "too short"}}
    await slack.submit_view("U1", view_id, {"text": "a"})
    assert app.got[0]["view"]["state"]["values"]["q"]["text"]["value"] == "a"
    assert [view.id for view in slack.open_views("U1")] == [view_id]
    app.answer = {"response_action": "update", "view": {**MODAL, "callback_id": "next"}}
    await slack.submit_view("U1", view_id, {"text": "a longer one"})
    assert slack.open_views("U1")[0].body["callback_id"] == "next"
    app.answer = {}
    await slack.submit_view("U1", view_id, {"text": "done"})
    assert slack.open_views("U1") == []
    assert await called(web, "views.update", view_id=view_id, view=MODAL) == "not_found"
    with pytest.raises(LookupError):
        await slack.submit_view("U1", view_id, {})


async def test_a_published_home_is_shown_and_its_buttons_can_be_pressed(
    slack: FakeSlack, web: AsyncWebClient, app: App
) -> None:
    button = {"type": "button", "action_id": "more", "text": {"type": "plain_text", "text": "More"}}
    await web.views_publish(user_id="U1", view={**HOME, "blocks": [{"type": "actions", "elements": [button]}]})
    await slack.open_home("U1")
    await slack.press_in_view("U1", slack.homes["U1"].id, "more")
    opened, pressed = app.got
    assert (opened["event"]["tab"], opened["event"]["view"]["type"]) == ("home", "home")
    assert pressed["actions"][0]["action_id"] == "more"
    assert await called(web, "views.publish", user_id="U1", view=HOME, hash="old") == "hash_conflict"
    assert await called(web, "views.publish", user_id="U1", view=MODAL) == "invalid_arguments"


async def test_only_members_of_a_channel_get_private_lines(slack: FakeSlack, web: AsyncWebClient) -> None:
    slack.store("C1", "U1", "q")
    slack.channel_facts["C1"] = ChannelFacts(members=frozenset({"U1"}))
    assert await called(web, "chat.postEphemeral", channel="C1", user="U1", text="only you") == ""
    assert await called(web, "chat.postEphemeral", channel="C1", user="U2", text="only you") == "user_not_in_channel"
    assert [one["user"] for one in slack.ephemerals] == ["U1"]
    assert not slack.answers("C1")


async def test_edits_unfurls_and_deletions_are_told(slack: FakeSlack, app: App) -> None:
    ts = slack.store("C1", "U1", "befor")
    await slack.edit("C1", ts, "before")
    await slack.unfurl("C1", ts)
    await slack.delete("C1", ts)
    edited, unfurled, deleted = (one["event"] for one in app.got)
    assert (edited["previous_message"]["text"], edited["message"]["text"]) == ("befor", "before")
    assert unfurled["message"]["text"] == unfurled["previous_message"]["text"] == "before"
    assert (deleted["subtype"], deleted["deleted_ts"], deleted["previous_message"]["text"]) == (
        "message_deleted",
        ts,
        "before",
    )
    assert ts not in slack.channels["C1"]


async def test_only_events_that_were_asked_for_are_sent(slack: FakeSlack, app: App) -> None:
    slack.subscribed = {"app_mention", "message.im"}
    await slack.mention("C1", "U1", "hi")
    await slack.dm("U1", "hi")
    assert [one["event"]["type"] for one in app.got] == ["app_mention", "message"]


async def test_an_event_that_is_refused_comes_again_three_times_unless_the_app_forbids_it(
    slack: FakeSlack, app: App
) -> None:
    app.status = 503
    await slack.say("C1", "U1", "hi")
    await until(lambda: slack.entries("lost"))
    assert len(app.got) == 4
    assert [one.get("X-Slack-Retry-Num") for one in app.headers] == [None, "1", "2", "3"]
    assert app.headers[1]["X-Slack-Retry-Reason"] == "http_error"
    app.answer_headers = {"X-Slack-No-Retry": "1"}
    await slack.say("C1", "U1", "hi")
    await until(lambda: len(slack.entries("lost")) == 2)
    assert len(app.got) == 5


async def test_over_sockets_interactions_and_commands_are_envelopes_whose_answers_count(
    slack: FakeSlack, web: AsyncWebClient
) -> None:
    ts = await posted(slack, web)
    opened = await answered(AsyncWebClient(slack.app_token, base_url=slack.api_url), "apps.connections.open")
    slack.resend_after_s = 30
    async with aiohttp.ClientSession() as session, session.ws_connect(opened["url"]) as socket:
        await socket.receive_json()
        await until(lambda: slack.links)
        acting = asyncio.create_task(slack.press("U1", "C1", ts, "again"))
        pressed = await socket.receive_json()
        await socket.send_json({"envelope_id": pressed["envelope_id"]})
        assert (await acting).acked.is_set()
        asking = asyncio.create_task(slack.command("U1", "C1", "/routernesia", "help"))
        asked = await socket.receive_json()
        await socket.send_json({"envelope_id": asked["envelope_id"], "payload": {"text": "here"}})
        await asking
    assert (pressed["type"], pressed["payload"]["type"]) == ("interactive", "block_actions")
    assert (asked["type"], asked["payload"]["command"]) == ("slash_commands", "/routernesia")
    assert asked["accepts_response_payload"] is True
    assert slack.ephemerals[0]["text"] == "here"


async def test_people_and_channels_are_what_was_said_about_them(slack: FakeSlack, web: AsyncWebClient) -> None:
    slack.people = {"U1": Person("Ana", is_ultra_restricted=True, tz="Asia/Jakarta"), "U2": Person(team="T9")}
    slack.channel_facts = {"C1": ChannelFacts(is_ext_shared=True), "C2": ChannelFacts(is_pending_ext_shared=True)}
    ana = cast(Body, (await web.users_info(user="U1"))["user"])
    assert (ana["is_ultra_restricted"], ana["is_restricted"], ana["tz"], ana["team_id"]) == (
        True,
        False,
        "Asia/Jakarta",
        "T1",
    )
    assert cast(Body, (await web.users_info(user="U2"))["user"])["team_id"] == "T9"
    assert await called(web, "users.info", user="U3") == "user_not_found"
    shared = cast(Body, (await web.conversations_info(channel="C1"))["channel"])
    assert (shared["is_shared"], shared["is_ext_shared"], shared["is_pending_ext_shared"]) == (True, True, False)
    assert cast(Body, (await web.conversations_info(channel="C2"))["channel"])["is_pending_ext_shared"]


@pytest.mark.parametrize(
    ("channel", "scope"), [("C1", "channels:read"), ("G1", "groups:read"), ("D1", "im:read"), ("C7", "mpim:read")]
)
async def test_each_kind_of_channel_has_its_own_scope(
    slack: FakeSlack, web: AsyncWebClient, channel: str, scope: str
) -> None:
    slack.kinds["C7"] = "mpim"
    slack.store(channel, "U1", "x")
    assert await called(web, "conversations.info", channel=channel) == ""
    slack.scopes.remove(scope)
    assert await called(web, "conversations.info", channel=channel) == "missing_scope"


async def test_an_uploaded_file_stands_in_the_thread_with_its_bytes(slack: FakeSlack, web: AsyncWebClient) -> None:
    root = slack.store("C1", "U1", "q")
    await web.files_upload_v2(
        filename="answer.md", content="# All", title="All", channel="C1", thread_ts=root, initial_comment="whole"
    )
    [upload] = slack.uploads
    assert (upload.name, upload.data, upload.channel, upload.thread_ts) == ("answer.md", b"# All", "C1", root)
    [message] = slack.answers("C1", root)
    assert (message["subtype"], message["text"], message["files"][0]["name"]) == ("file_share", "whole", "answer.md")
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {slack.bot_token}"}) as session:
        async with session.get(message["files"][0]["url_private"]) as response:
            assert await response.read() == b"# All"
        slack.scopes.remove("files:read")
        async with session.get(message["files"][0]["url_private"]) as response:
            assert (response.status, response.content_type) == (200, "text/html")  # 2.6
    slack.scopes.remove("files:write")
    assert await called(web, "files.getUploadURLExternal", filename="a", length=1) == "missing_scope"


async def test_a_file_that_was_never_sent_cannot_be_shared(slack: FakeSlack, web: AsyncWebClient) -> None:
    slack.store("C1", "U1", "q")
    answer = await answered(web, "files.getUploadURLExternal", filename="a.md", length=3)
    given = [{"id": str(answer["file_id"])}]
    assert await called(web, "files.completeUploadExternal", files=given, channel_id="C1") == "file_not_found"
    async with aiohttp.ClientSession() as session, session.post(str(answer["upload_url"]), data=b"four") as response:
        assert response.status == 400
    assert not slack.uploads


async def test_text_without_blocks_removes_the_blocks_of_a_message(slack: FakeSlack, web: AsyncWebClient) -> None:
    ts = await posted(slack, web)
    await web.chat_update(channel="C1", ts=ts, text="bare")
    assert "blocks" not in slack.answers("C1")[0]
    assert await called(web, "chat.update", channel="C1", ts=ts, markdown_text="x", blocks=BUTTONS) == (
        "markdown_text_conflict"
    )
    shown = [{"type": "markdown", "text": "**all**"}, *BUTTONS]
    await web.chat_update(channel="C1", ts=ts, text="all", blocks=shown)
    assert slack.answers("C1")[0]["markdown_text"] == "**all**"
