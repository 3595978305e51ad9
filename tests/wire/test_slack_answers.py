"""Posting, editing and reading against a fake Slack that loses answers, limits and refuses."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from adapters.slack.adapter import LIMITS, SlackPlatform
from adapters.slack.answers import posting
from adapters.slack.answers.blocks import FEEDBACK, REGENERATE, STOP, asked_by
from adapters.slack.settings import SlackSettings
from bot.errors import Ambiguous, Forbidden, Gone, PlatformError, RateLimited, Rejected, Unreachable
from bot.events import Author, Mention, Place
from tests.fakes.slack import FakeSlack
from tests.fakes.slack.blocks import elements_of
from tests.settings_of import settings_of
from tests.slack_listening import patient


def settings(slack: FakeSlack, **given: Any) -> SlackSettings:
    found: dict[str, Any] = {
        "slack_bot_token": SecretStr(slack.bot_token),
        "slack_app_token": SecretStr(slack.app_token),
        "slack_api_url": slack.api_url,
    }
    return settings_of(SlackSettings, **{**found, **given})


class Pauses:
    def __init__(self) -> None:
        self.taken: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)
        await asyncio.sleep(0)


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack(clock=lambda: 0.0) as fake:  # as many posts as a test makes are within a second
        yield fake


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


@pytest.fixture
async def platform(slack: FakeSlack, pauses: Pauses, request: pytest.FixtureRequest) -> AsyncIterator[SlackPlatform]:
    # A busy machine must not look like a Slack that hangs: only where it does, little is waited for.
    hangs = "hang" in request.node.name.partition("[")[2]
    made = SlackPlatform(settings(slack), pause=pauses, call_within_s=1.5 if hangs else 30.0)
    with patient():
        try:
            await made.open()
            yield made
        finally:
            await made.aclose()


def asked(slack: FakeSlack, *, channel: str = "C1", dm: bool = False) -> Mention:
    """A mention that stands in the fake's channel."""
    if dm:
        slack.kinds[channel] = "im"
    ts = slack.store(channel, "U1", "a question")
    place = Place("slack", "T1", channel, None if dm else ts, "dm" if dm else "channel")
    return Mention(f"slack:T1:{channel}:{ts}", place, Author("U1", "U1"), "a question", ts, float(ts))


async def test_a_post_goes_to_the_thread_safe_and_without_previews(slack: FakeSlack, platform: SlackPlatform) -> None:
    mention = asked(slack)
    ts = await platform.post(mention, "**hi** <!channel>", key="k1", first=True)
    [answer] = slack.answers("C1", mention.message_id)
    assert answer["ts"] == ts
    assert answer["markdown_text"] == "**hi** &lt;!channel>"
    [args] = slack.calls("chat.postMessage")
    assert args["unfurl_links"] is False
    assert args["unfurl_media"] is False
    assert len(args["metadata"]["event_payload"]["key"]) == 64
    assert "k1" not in str(args["metadata"])


async def test_a_token_that_is_renewed_during_the_login_is_used(slack: FakeSlack, pauses: Pauses) -> None:
    platform, method = SlackPlatform(settings(slack), pause=pauses), slack.methods["auth.test"]

    def renewing(world: Any, call: Any) -> Any:
        said = method.answer(world, call)
        slack.replace_bot_token("xoxb-renewed-meanwhile")
        assert "slack_bot_token" in platform.renew(settings(slack))
        return said

    slack.methods["auth.test"] = replace(method, answer=renewing)
    try:
        await platform.open()
        await platform.post(asked(slack), "hi", key="k", first=True)
    finally:
        await platform.aclose()


async def test_a_direct_message_is_answered_in_place(slack: FakeSlack, platform: SlackPlatform) -> None:
    mention = asked(slack, channel="DU1", dm=True)
    await platform.post(mention, "hi", key="k", first=True)
    [answer] = slack.answers("DU1")
    assert "thread_ts" not in answer


async def test_an_edit_replaces_the_text_and_keeps_the_key(slack: FakeSlack, platform: SlackPlatform) -> None:
    mention = asked(slack)
    ts = await platform.post(mention, "one", key="k", first=True)
    before = slack.answers("C1")[0]["metadata"]
    await platform.edit(mention, ts, "two ![x](https://h.example/y.png)")
    [answer] = slack.answers("C1")
    assert answer["text"] == "two [x (h.example)](https://h.example/y.png)"
    assert answer["metadata"] == before


async def test_the_longest_text_of_the_limits_can_be_posted_and_edited(
    slack: FakeSlack, platform: SlackPlatform
) -> None:
    text = "<@U1> " + "x" * 3_991
    assert LIMITS.length(text) == LIMITS.text_max
    mention = asked(slack)
    await platform.edit(mention, await platform.post(mention, text, key="k", first=True), text)
    with pytest.raises(Rejected, match="msg_too_long"):
        await platform.edit(mention, slack.answers("C1")[0]["ts"], text + "x")


async def test_a_deleted_message_may_be_deleted_again(slack: FakeSlack, platform: SlackPlatform) -> None:
    mention = asked(slack)
    ts = await platform.post(mention, "one", key="k", first=True)
    await platform.delete(mention, ts)
    await platform.delete(mention, ts)
    assert not slack.answers("C1")
    with pytest.raises(Forbidden):
        await platform.delete(mention, mention.message_id)


def actions(message: dict[str, Any]) -> list[str]:
    """The action ids of a message's buttons."""
    return [element["action_id"] for _, element in elements_of(message.get("blocks", []))]


async def test_a_growing_answer_has_a_stop_button_and_its_last_part_feedback(
    slack: FakeSlack, platform: SlackPlatform
) -> None:
    mention = asked(slack)
    ts = await platform.post(mention, "**one**", key="k", first=True, stage="growing")
    [answer] = slack.answers("C1")
    assert actions(answer) == [STOP]
    assert answer["text"] == answer["markdown_text"] == "**one**"
    [(_, stop)] = elements_of(answer["blocks"])
    assert asked_by(stop["value"]) == ("U1", mention.message_id)
    await platform.edit(mention, ts, "one two", stage="full")
    assert actions(slack.answers("C1")[0]) == []
    await platform.edit(mention, ts, "one two", stage="last")
    [answer] = slack.answers("C1")
    assert actions(answer) == [FEEDBACK, REGENERATE]
    assert answer["text"] == answer["markdown_text"] == "one two"


@pytest.mark.parametrize(("refusals", "left"), [(1, [FEEDBACK, REGENERATE]), (2, [])])
async def test_where_slack_refuses_the_buttons_the_answer_stands_with_plainer_ones(
    slack: FakeSlack, platform: SlackPlatform, refusals: int, left: list[str]
) -> None:
    mention = asked(slack)
    slack.fail("chat.postMessage", *["invalid_blocks"] * refusals)
    ts = await platform.post(mention, "hi", key="k", first=True)
    assert actions(slack.answers("C1")[0]) == left
    await platform.edit(mention, ts, "again")
    assert actions(slack.answers("C1")[0]) == left
    assert slack.answers("C1")[0]["markdown_text"] == "again"
    assert slack.counts()["chat.update"] == 1  # what was refused is remembered
    assert "icon_button" not in str(slack.answers("C1")[0]["blocks"] if left else "")


async def test_a_text_that_slack_refuses_in_every_form_costs_no_buttons(
    slack: FakeSlack, platform: SlackPlatform
) -> None:
    mention = asked(slack)
    slack.fail("chat.postMessage", *["only_one_table_allowed"] * 2)
    with pytest.raises(Rejected, match="only_one_table_allowed"):
        await platform.post(mention, "two tables", key="k", first=True)
    slack.fail("chat.postMessage", *["invalid_blocks"] * 3)
    with pytest.raises(Rejected):
        await platform.post(mention, "odd", key="k", first=True)
    await platform.post(mention, "hi", key="k2", first=True)
    assert "icon_button" in str(slack.answers("C1")[0]["blocks"])


UNCLEAR = [
    "reset_before",
    "500",
    "502",
    "500html",
    "html",
    "garbage",
    "list",
    "ok",
    "hang",
    "fatal_error",
    "internal_error",
    "service_unavailable",
    "request_timeout",
    "duplicate_message_not_found",
]


@pytest.mark.parametrize("dedupe", [False, True])
@pytest.mark.parametrize("dm", [False, True])
@pytest.mark.parametrize("fault", UNCLEAR)
@pytest.mark.parametrize("stored", [False, True])
async def test_an_unclear_outcome_ends_in_exactly_one_message(
    slack: FakeSlack, platform: SlackPlatform, pauses: Pauses, fault: str, stored: bool, dm: bool, dedupe: bool
) -> None:
    slack.dedupe = dedupe
    mention = asked(slack, channel="DU1" if dm else "C1", dm=dm)
    slack.fail("chat.postMessage", f"after:{fault}" if stored else fault)
    ts = await platform.post(mention, "hi", key="k", first=True)
    [answer] = slack.answers(mention.place.channel)
    assert answer["ts"] == ts
    assert answer["text"] == "hi"
    reads = slack.counts()["conversations.history" if dm else "conversations.replies"]
    assert (reads, pauses.taken) == ((1, []) if stored else (2, [posting.READ_APART_S]))


async def test_a_stored_message_that_is_readable_only_later_is_found(
    slack: FakeSlack, platform: SlackPlatform, pauses: Pauses
) -> None:
    mention = asked(slack)
    slack.fail("chat.postMessage", "reset_after")
    slack.hidden_reads = 1
    await platform.post(mention, "hi", key="k", first=True)
    assert len(slack.answers("C1")) == 1
    assert pauses.taken == [2.0]


@pytest.mark.parametrize("fault", ["500", "429:3", "missing_scope", "hang"])
async def test_an_outcome_that_cannot_be_read_back_is_ambiguous_and_recovers(
    slack: FakeSlack, platform: SlackPlatform, fault: str
) -> None:
    mention = asked(slack)
    slack.fail("chat.postMessage", "reset_after")
    slack.fail("conversations.replies", fault)
    with pytest.raises(Ambiguous) as caught:
        await platform.post(mention, "old", key="k", first=True)
    assert caught.value.retry_after_s == (3.0 if fault == "429:3" else 0.0)
    ts = await platform.post(mention, "new", key="k", first=True, recover=True)
    [answer] = slack.answers("C1")
    assert (answer["ts"], answer["text"]) == (ts, "new")


async def test_two_unclear_posts_are_ambiguous(slack: FakeSlack, platform: SlackPlatform) -> None:
    mention = asked(slack)
    slack.fail("chat.postMessage", "500", "500")
    with pytest.raises(Ambiguous):
        await platform.post(mention, "hi", key="k", first=True)
    assert slack.counts()["chat.postMessage"] == 2


async def test_recovering_finds_what_a_dead_process_posted(slack: FakeSlack, pauses: Pauses) -> None:
    mention = asked(slack)
    ids: list[str] = []
    for text, recover in (("half", False), ("whole", True)):
        process = SlackPlatform(settings(slack), pause=pauses)
        await process.open()
        ids.append(await process.post(mention, text, key="k", first=True, recover=recover))
        await process.aclose()
    [answer] = slack.answers("C1")
    assert ids == [answer["ts"]] * 2
    assert answer["text"] == "whole"


async def test_recovering_posts_where_nothing_stands(slack: FakeSlack, platform: SlackPlatform) -> None:
    mention = asked(slack)
    await platform.post(mention, "another part", key="other", first=True)
    await platform.post(mention, "hi", key="k", first=True, recover=True)
    assert [answer["text"] for answer in slack.answers("C1")] == ["another part", "hi"]
    assert slack.counts()["chat.update"] == 0


async def test_another_apps_message_with_the_same_metadata_is_not_adopted(
    slack: FakeSlack, platform: SlackPlatform
) -> None:
    mention = asked(slack)
    await platform.post(mention, "mine", key="k", first=True)
    [mine] = slack.answers("C1")
    metadata = mine["metadata"]
    await platform.delete(mention, mine["ts"])
    slack.store("C1", "U9", "forged", thread_ts=mention.message_id, bot_id="B9", metadata=metadata)
    ts = await platform.post(mention, "mine", key="k", first=True, recover=True)
    assert [answer["ts"] for answer in slack.answers("C1")] == [ts]


@pytest.mark.parametrize(
    ("fault", "error"),
    [("429:7", RateLimited), ("channel_not_found", Gone), ("500", Ambiguous), ("missing_scope", Ambiguous)],
)
async def test_a_recovery_that_cannot_read_posts_nothing(
    slack: FakeSlack, platform: SlackPlatform, fault: str, error: type[PlatformError]
) -> None:
    mention = asked(slack)
    slack.fail("conversations.replies", fault)
    with pytest.raises(error):
        await platform.post(mention, "hi", key="k", first=True, recover=True)
    assert not slack.answers("C1")


@pytest.mark.parametrize(("fault", "error"), [("500", Ambiguous), ("429:0", RateLimited), ("message_not_found", Gone)])
async def test_a_recovery_whose_correction_fails_says_so(
    slack: FakeSlack, platform: SlackPlatform, fault: str, error: type[PlatformError]
) -> None:
    mention = asked(slack)
    await platform.post(mention, "old", key="k", first=True)
    slack.fail("chat.update", fault)
    with pytest.raises(error):
        await platform.post(mention, "new", key="k", first=True, recover=True)
    await platform.post(mention, "new", key="k", first=True, recover=True)
    assert [answer["text"] for answer in slack.answers("C1")] == ["new"]


async def test_a_recovery_reads_every_page_and_stops_at_a_bound(slack: FakeSlack, platform: SlackPlatform) -> None:
    mention = asked(slack)
    for number in range(40):
        slack.store("C1", "U2", f"noise {number}", thread_ts=mention.message_id)
    slack.page_max = 15
    await platform.post(mention, "hi", key="k", first=True)
    await platform.post(mention, "hi", key="k", first=True, recover=True)
    assert len(slack.answers("C1")) == 1
    assert slack.counts()["conversations.replies"] == 3
    slack.page_max = 1
    with pytest.raises(Ambiguous):
        await platform.post(mention, "hi", key="k2", first=True, recover=True)


async def test_no_metadata_is_remembered_for_ever(
    slack: FakeSlack, platform: SlackPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posting, "_KNOWN_MAX", 1)
    mention = asked(slack)
    first = await platform.post(mention, "a", key="a", first=True)
    await platform.post(mention, "b", key="b", first=False)
    await platform.edit(mention, first, "a!")
    assert "metadata" not in slack.calls("chat.update")[0]


ERRORS: list[tuple[str, type[PlatformError]]] = [
    ("429:7", RateLimited),
    ("429", RateLimited),
    ("rate_limited", RateLimited),
    ("channel_not_found", Gone),
    ("thread_not_found", Gone),
    ("not_in_channel", Forbidden),
    ("is_archived", Forbidden),
    ("restricted_action", Forbidden),
    ("missing_scope", Forbidden),
    ("token_revoked", Unreachable),
    ("invalid_arguments", Rejected),
    ("a_code_of_tomorrow", Rejected),
]


@pytest.mark.parametrize(("fault", "error"), ERRORS)
async def test_a_refused_post_was_not_posted_and_says_what_to_do(
    slack: FakeSlack, platform: SlackPlatform, fault: str, error: type[PlatformError]
) -> None:
    mention = asked(slack)
    slack.fail("chat.postMessage", fault)
    with pytest.raises(error) as caught:
        await platform.post(mention, "secret text", key="k", first=True)
    if isinstance(caught.value, RateLimited):
        assert caught.value.retry_after_s == (7.0 if fault == "429:7" else 5.0)
    assert type(caught.value) is not Ambiguous
    assert "secret" not in str(caught.value)
    assert slack.counts()["chat.postMessage"] == 1
    assert not slack.answers("C1")


@pytest.mark.parametrize(
    ("fault", "error"),
    [("reset_after", Unreachable), ("500", Unreachable), ("message_not_found", Gone), ("429:0", RateLimited)],
)
async def test_a_failed_edit_may_simply_be_repeated(
    slack: FakeSlack, platform: SlackPlatform, fault: str, error: type[PlatformError]
) -> None:
    mention = asked(slack)
    ts = await platform.post(mention, "one", key="k", first=True)
    slack.fail("chat.update", fault)
    with pytest.raises(error):
        await platform.edit(mention, ts, "two")
    await platform.edit(mention, ts, "two")
    assert [answer["text"] for answer in slack.answers("C1")] == ["two"]
    assert slack.counts()["chat.update"] == 2


async def test_a_slack_that_cannot_be_reached_did_nothing(slack: FakeSlack, platform: SlackPlatform) -> None:
    mention = asked(slack)
    unreachable = SlackPlatform(settings(slack, slack_api_url="http://127.0.0.1:1/api"))
    with pytest.raises(Unreachable):
        await unreachable.open()
    await unreachable.aclose()
    await slack.__aexit__()
    # The first call may have gone out on a connection that was still open; the second never had one.
    with pytest.raises(Ambiguous):
        await platform.post(mention, "hi", key="k", first=True)
    with pytest.raises(Unreachable):
        await platform.post(mention, "hi", key="k", first=True)


async def test_the_fakes_own_rate_limit_reaches_the_core(platform: SlackPlatform, slack: FakeSlack) -> None:
    mention = asked(slack)
    for number in range(4):
        await platform.post(mention, "hi", key=str(number), first=False)
    with pytest.raises(RateLimited) as caught:
        await platform.post(mention, "hi", key="one too many", first=False)
    assert caught.value.retry_after_s >= 1


async def test_a_limit_on_updates_is_remembered_for_every_message(slack: FakeSlack, platform: SlackPlatform) -> None:
    mention = asked(slack)
    first = await platform.post(mention, "one", key="1", first=True)
    second = await platform.post(mention, "two", key="2", first=False)
    slack.fail("chat.update", "429:30")
    for ts in (first, second):
        with pytest.raises(RateLimited) as caught:
            await platform.edit(mention, ts, "new")
        assert 20 < caught.value.retry_after_s <= 30
    assert slack.counts()["chat.update"] == 1


async def test_a_post_into_a_thread_must_name_its_root(slack: FakeSlack, platform: SlackPlatform) -> None:
    root = asked(slack)
    reply = again(slack, root)
    wrong = replace(reply, place=replace(reply.place, thread=reply.message_id))
    with pytest.raises(Rejected, match="invalid_thread_ts"):
        await platform.post(wrong, "hi", key="k", first=True)


async def test_the_pace_widens_with_the_answers_on_their_way(slack: FakeSlack, platform: SlackPlatform) -> None:
    mentions = [asked(slack, channel=f"C{number}") for number in range(7)]
    assert platform.limits(mentions[0]).edit_every_s == 3.0
    for mention in mentions:
        await platform.post(mention, "hi", key=mention.message_id, first=True)
    assert platform.limits(mentions[0]).edit_every_s == pytest.approx(12.0)
    for mention in mentions[1:]:
        await platform.working(mention, on=False)
    assert platform.limits(mentions[0]).edit_every_s == 3.0


async def test_backfill_gives_the_thread_before_the_mention(slack: FakeSlack, platform: SlackPlatform) -> None:
    root = asked(slack)
    await platform.post(root, "an answer", key="k", first=True)
    thread = root.message_id
    slack.store("C1", "U2", "&lt;b&gt; *yes*", thread_ts=thread, user_profile={"display_name": "Zoe"})
    slack.store("C1", "", "deploy done", thread_ts=thread, bot_id="B9", subtype="bot_message", username="CI")
    slack.store("C1", "U3", "joined", thread_ts=thread, subtype="channel_join")
    ts = slack.store("C1", "U2", "now you", thread_ts=thread)
    slack.store("C1", "U2", "too late", thread_ts=thread)
    place = Place("slack", "T1", "C1", thread, "thread")
    mention = Mention(f"slack:T1:C1:{ts}", place, Author("U2", "Zoe"), "now you", ts, float(ts))
    lines = await platform.backfill(mention, limit=50)
    assert [(line.role, line.author, line.text) for line in lines] == [
        ("user", Author("U1", "U1"), "a question"),
        ("assistant", Author("UBOT", "UBOT", is_bot=True), "an answer"),
        ("user", Author("U2", "Zoe"), "<b> **yes**"),
        ("user", Author("B9", "CI", is_bot=True), "deploy done"),
    ]
    assert [line.text for line in await platform.backfill(mention, limit=2)] == ["<b> **yes**", "deploy done"]
    assert await platform.backfill(mention, limit=0) == ()


def again(slack: FakeSlack, root: Mention) -> Mention:
    """A later mention in the thread of an earlier one."""
    ts = slack.store("C1", "U1", "again", thread_ts=root.message_id)
    return Mention("e", root.place, root.author, "again", ts, float(ts))


async def test_backfill_gives_nothing_where_nothing_is(slack: FakeSlack, platform: SlackPlatform) -> None:
    root = asked(slack)
    assert await platform.backfill(root, limit=50) == ()
    assert slack.counts()["conversations.replies"] == 0
    slack.fail("conversations.replies", "thread_not_found")
    assert await platform.backfill(again(slack, root), limit=50) == ()


@pytest.mark.parametrize("fault", ["missing_scope", "not_in_channel", "invalid_arguments"])
async def test_a_thread_that_may_not_be_read_is_not_taken_for_an_empty_one(
    slack: FakeSlack, platform: SlackPlatform, fault: str
) -> None:
    mention = again(slack, asked(slack))
    slack.fail("conversations.replies", fault)
    with pytest.raises(Forbidden):
        await platform.backfill(mention, limit=50)


async def test_a_distributed_app_reads_a_thread_with_one_call(pauses: Pauses) -> None:
    async with FakeSlack(history_limited=True) as slack:
        platform = SlackPlatform(settings(slack, slack_distributed=True), pause=pauses)
        await platform.open()
        root = asked(slack)
        for number in range(30):
            slack.store("C1", "U2", f"line {number}", thread_ts=root.message_id)
        assert len(await platform.backfill(again(slack, root), limit=50)) == 15
        with pytest.raises(RateLimited):
            await platform.backfill(again(slack, root), limit=50)
        await platform.aclose()
        assert [args["limit"] for args in slack.calls("conversations.replies")] == ["15", "15"]


async def test_a_private_mention_gets_the_whole_thread_it_is_about(slack: FakeSlack, platform: SlackPlatform) -> None:
    root = asked(slack)
    slack.store("C1", "U2", "later", thread_ts=root.message_id)
    private = replace(root, private=True, reply_ref="view:V1")
    assert [line.text for line in await platform.backfill(private, limit=50)] == ["a question", "later"]


@pytest.mark.parametrize(("fault", "error"), [("429:60", RateLimited), ("500", Unreachable), ("html", Unreachable)])
async def test_a_thread_that_cannot_be_read_now_can_be_read_later(
    slack: FakeSlack, platform: SlackPlatform, fault: str, error: type[PlatformError]
) -> None:
    mention = again(slack, asked(slack))
    slack.fail("conversations.replies", fault)
    with pytest.raises(error):
        await platform.backfill(mention, limit=50)
    assert [line.text for line in await platform.backfill(mention, limit=50)] == ["a question"]


async def test_a_thread_that_is_too_long_cannot_be_read(slack: FakeSlack, platform: SlackPlatform) -> None:
    root = asked(slack)
    for _ in range(12):
        slack.store("C1", "U2", "noise", thread_ts=root.message_id)
    slack.page_max = 1
    with pytest.raises(Forbidden):
        await platform.backfill(again(slack, root), limit=50)


async def test_a_threads_people_have_names(slack: FakeSlack, platform: SlackPlatform) -> None:
    slack.names = {"U1": "Ana", "U2": "Ben"}
    root = asked(slack)
    slack.store("C1", "U2", "ask <@U1>", thread_ts=root.message_id)
    lines = await platform.backfill(again(slack, root), limit=50)
    assert [(line.author.name, line.text) for line in lines] == [("Ana", "a question"), ("Ben", "ask @Ana")]


async def test_a_thread_is_read_from_a_message_on_whether_it_stands_or_not(
    slack: FakeSlack, platform: SlackPlatform
) -> None:
    root = asked(slack)
    slack.store("C1", "U2", "before", thread_ts=root.message_id)
    first, second = (slack.store("C1", "U2", text, thread_ts=root.message_id) for text in ("from here", "and here"))
    last = again(slack, root)
    assert [line.text for line in await platform.backfill(last, limit=50, since=first)] == ["from here", "and here"]
    await slack.delete("C1", first)
    assert [line.text for line in await platform.backfill(last, limit=50, since=first)] == ["and here"]
    assert [line.text for line in await platform.backfill(last, limit=1, since=second)] == ["and here"]


async def test_a_distributed_app_keeps_its_one_call_for_threads_it_is_called_into(pauses: Pauses) -> None:
    async with FakeSlack(history_limited=True) as slack:
        platform = SlackPlatform(settings(slack, slack_distributed=True), pause=pauses)
        await platform.open()
        root = asked(slack)
        assert await platform.backfill(again(slack, root), limit=50, since=root.message_id) == ()
        await platform.aclose()
        assert slack.calls("conversations.replies") == []
