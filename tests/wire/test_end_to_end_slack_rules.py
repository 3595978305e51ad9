"""The whole bot under every rule of Slack's: each answer arrives whole and once, and its session is active in the end.

The fake counts and enforces: an expiry, a cap or a limit is Slack's answer, not the test's; what Slack says of itself
alone (a person it cannot stream to, a method it does not have) is scripted.
"""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from redis.asyncio import Redis

from adapters.slack.adapter import SlackPlatform
from adapters.slack.answers.blocks import FEEDBACK, REGENERATE
from adapters.slack.answers.streaming import STREAM_LIMITS
from bot import store
from bot.events import Mention
from bot.platform import Limits
from tests.fakes.completions import Raw, Text, text_events
from tests.fakes.slack import FakeSlack
from tests.fakes.slack.blocks import elements_of
from tests.running import Running, Services, always, count, running, services
from tests.until import until

_WORD = re.compile(r"\bw\d+\b")

STREAMING_OFF: dict[str, Any] = {"slack": {"slack_streaming": "off"}}


def _answer(words: int) -> str:
    """A text of which every word occurs once."""
    return "".join(f"w{number}" + (".\n\n" if number % 50 == 49 else " ") for number in range(words)).strip()


def _words(text: str) -> list[str]:
    return _WORD.findall(text)


def _shown(slack: FakeSlack) -> list[str]:
    return [str(one["markdown_text"]) for one in slack.answers("C1")]


def _with_feedback(slack: FakeSlack) -> list[bool]:
    """Of each message of the answer, whether it asks what people think of it."""
    found = [[element["action_id"] for _, element in elements_of(one.get("blocks", []))] for one in slack.answers("C1")]
    return [FEEDBACK in actions for actions in found]


def _errors(slack: FakeSlack) -> set[str]:
    return {str(one.fields["error"]) for one in slack.entries("call")} - {""}


async def _asked(outside: Services, text: str, *, tokens_per_s: float) -> str:
    outside.completions.answers = [Text(text, tokens_per_s=tokens_per_s)]
    return await outside.slack.mention("C1", "U01", "tell me")


async def _growing(slack: FakeSlack) -> None:
    await until(lambda: slack.counts()["chat.appendStream"] >= 1)


async def _stands(outside: Services, bot: Running, ts: str, text: str, *, buttons: bool = True) -> None:
    """The answer is whole, once and in order; no stream is left, the session is active, one message has buttons."""
    await until(lambda: bot.settled == 1, within_s=30)
    slack = outside.slack
    assert bot.answered == 1
    assert _words(" ".join(_shown(slack))) == _words(text)
    await until(lambda: slack.sessions["C1", ts].status == "active")
    if buttons:
        await until(lambda: not slack.streaming("C1"))
        assert _with_feedback(slack) == [*[False] * (len(_shown(slack)) - 1), True]
    assert not any(slack.pings.values())


async def test_an_answer_longer_than_five_minutes_goes_on_in_a_new_stream(valkey_url: str, redis: Redis) -> None:
    async with services() as outside, running(outside, redis_url=valkey_url, on=["slack"]) as bot:
        text = _answer(600)
        ts = await _asked(outside, text, tokens_per_s=150)
        await _growing(outside.slack)
        outside.slack.jump(301)
        await _stands(outside, bot, ts, text)
        assert "message_not_in_streaming_state" in _errors(outside.slack)
        assert outside.slack.counts()["chat.startStream"] == 2


async def test_the_cap_of_a_streamed_message_loses_nothing(
    valkey_url: str, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if Slack's undocumented cap were less than the bot believes.
    monkeypatch.setattr(SlackPlatform, "stream_limits", replace(STREAM_LIMITS, text_max=30_000))
    async with services() as outside, running(outside, redis_url=valkey_url, on=["slack"]) as bot:
        text = _answer(4_000)
        ts = await _asked(outside, text, tokens_per_s=1_000)
        await _stands(outside, bot, ts, text)
        assert "msg_too_long" in _errors(outside.slack)


async def test_a_long_answer_stays_below_the_cap(valkey_url: str, redis: Redis) -> None:
    async with services() as outside, running(outside, redis_url=valkey_url, on=["slack"]) as bot:
        text = _answer(4_000)
        ts = await _asked(outside, text, tokens_per_s=1_000)
        await _stands(outside, bot, ts, text)
        assert _errors(outside.slack) == set()
        assert set(outside.slack.counts()) & {"chat.postMessage", "chat.update"} == set()


async def test_slacks_own_stop_button_keeps_what_was_said_and_says_so(valkey_url: str, redis: Redis) -> None:
    async with services() as outside, running(outside, redis_url=valkey_url, on=["slack"]) as bot:
        slack, text = outside.slack, _answer(2_000)
        ts = await _asked(outside, text, tokens_per_s=100)
        await _growing(slack)
        await slack.press_stop("C1", ts, "U01")
        await until(lambda: bot.answered == 1)
        [said] = _shown(slack)
        found = re.fullmatch(r"(.+?)\s*\*\(Stopped.*\)\*", said, re.DOTALL)
        assert found
        assert text.startswith(found[1])
        assert 0 < len(found[1]) < len(text)
        assert outside.completions.open_now == 0
        await until(lambda: slack.sessions["C1", ts].status == "active")
        assert slack.counts()["chat.stopStream"] == 0  # what a person stopped is not stopped again
        assert _with_feedback(slack) == [True]


@pytest.mark.parametrize("expired", [False, True])
async def test_whoever_takes_over_a_streamed_answer_ends_it(valkey_url: str, redis: Redis, expired: bool) -> None:
    async with services() as outside:
        slack, text = outside.slack, _answer(400)
        async with running(outside, redis_url=valkey_url, on=["slack"], drain_seconds=0.1):
            ts = await _asked(outside, text, tokens_per_s=50)
            await _growing(slack)
        assert slack.sessions["C1", ts].status == "processing"
        assert len(slack.streaming("C1")) == 1
        outside.completions.default = always(Text(text, tokens_per_s=400))
        slack.jump(301 * expired)
        async with running(outside, redis_url=valkey_url, on=["slack"]) as bot:
            await _stands(outside, bot, ts, text)
        assert len(_shown(slack)) == 1
        assert ("streaming_state_conflict" in _errors(slack)) != expired


async def test_a_shorter_second_answer_leaves_no_stream_of_the_first(valkey_url: str, redis: Redis) -> None:
    async with services() as outside:
        slack = outside.slack
        # Never ends by itself, however long this machine takes to see the third message.
        begun = text_events(*(f"{word} " for word in _answer(4_000).split(" ")), finish=None)
        outside.completions.answers = [Raw(begun, every_s=1 / 900, ending="hang")]
        async with running(outside, redis_url=valkey_url, on=["slack"], drain_seconds=0.1):
            ts = await outside.slack.mention("C1", "U01", "tell me")
            await until(lambda: slack.counts()["chat.startStream"] == 3)
            await until(lambda: len(_shown(slack)) == 3)
        text = _answer(100)
        outside.completions.default = always(Text(text))
        # Slack may refuse this of a message that still streams, as it does an edit.
        slack.fail("chat.delete", "streaming_state_conflict")
        async with running(outside, redis_url=valkey_url, on=["slack"]) as bot:
            await _stands(outside, bot, ts, text)
        assert len(_shown(slack)) == 1


async def test_what_streams_and_sessions_note_is_forgotten_with_their_workspace(valkey_url: str, redis: Redis) -> None:
    async with services() as outside, running(outside, redis_url=valkey_url, on=["slack"]) as bot:
        text = _answer(300)
        ts = await _asked(outside, text, tokens_per_s=200)
        await _stands(outside, bot, ts, text)
        await until(lambda: outside.slack.counts()["agents.sessions.rename"])
        named = ["begun", "stream", "titled", "processing"]
        kept = [str(key).split(":")[2] for key in await redis.keys("*:slack:T1:*")]
        assert [name for name in named if name not in kept] == []
        await bot.bot.desk.forget(platform="slack", workspace="T1")
        assert [key for name in named for key in await redis.keys(f"*{name}*T1*")] == []


async def test_a_question_that_is_deleted_takes_its_streamed_answer_along(valkey_url: str, redis: Redis) -> None:
    async with services() as outside, running(outside, redis_url=valkey_url, on=["slack"]) as bot:
        slack = outside.slack
        ts = await _asked(outside, _answer(2_000), tokens_per_s=100)
        await _growing(slack)
        await slack.delete("C1", ts)
        await until(lambda: count(bot.bot.metrics.withdrawn) == 1)
        assert _shown(slack) == []
        assert outside.completions.open_now == 0
        await until(lambda: slack.sessions["C1", ts].status == "active")


@pytest.fixture
def files_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer ends in a file after two messages, not after twelve."""
    twelve = SlackPlatform.limits

    def limits(self: SlackPlatform, mention: Mention) -> Limits:
        return replace(twelve(self, mention), parts_max=2)

    monkeypatch.setattr(SlackPlatform, "limits", limits)


@pytest.mark.usefixtures("files_soon")
async def test_a_question_that_is_deleted_takes_the_file_of_its_answer_along(
    valkey_url: str, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with services() as outside, running(outside, redis_url=valkey_url, on=["slack"]) as bot:
        slack, upload = outside.slack, SlackPlatform.upload

        async def withdrawn(self: SlackPlatform, mention: Mention, text: str, **more: Any) -> str:
            file = await upload(self, mention, text, **more)
            assert [one.id for one in slack.uploads] == [file]
            await slack.delete("C1", ts)
            async with asyncio.timeout(20):
                while not await redis.hexists(store.key("turn", mention.event_id), "withdrawn"):  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
            return file

        monkeypatch.setattr(SlackPlatform, "upload", withdrawn)
        ts = await _asked(outside, _answer(6_000), tokens_per_s=6_000)
        await until(lambda: count(bot.bot.metrics.withdrawn) == 1, within_s=30)
        assert slack.uploads == []
        assert "".join(_shown(slack)) == ""


@pytest.mark.usefixtures("files_soon")
@pytest.mark.parametrize("anew", [_answer(6_100), "Short."], ids=["another", "none"])
async def test_an_answer_given_anew_takes_the_file_of_the_old_one_away(
    valkey_url: str, redis: Redis, anew: str
) -> None:
    async with services() as outside, running(outside, redis_url=valkey_url, on=["slack"]) as bot:
        slack, old = outside.slack, _answer(6_000)
        await _asked(outside, old, tokens_per_s=6_000)
        await until(lambda: bot.settled == 1, within_s=30)
        assert [one.data for one in slack.uploads] == [old.encode()]
        outside.completions.default = always(Text(anew))
        last = [str(one["ts"]) for one in slack.answers("C1") if one.get("blocks")][-1]
        await slack.press("U01", "C1", last, REGENERATE)
        await until(lambda: bot.settled == 2, within_s=30)
        assert [one.data for one in slack.uploads] == [anew.encode()] * (anew != "Short.")
        assert ("".join(_shown(slack)) == "Short.") == (anew == "Short.")


async def test_an_answer_that_is_deleted_while_it_grows_is_written_anew_once(valkey_url: str, redis: Redis) -> None:
    async with services() as outside, running(outside, redis_url=valkey_url, on=["slack"]) as bot:
        slack, text = outside.slack, _answer(300)
        ts = await _asked(outside, text, tokens_per_s=60)
        await _growing(slack)
        [answer] = slack.answers("C1")
        await slack.delete("C1", str(answer["ts"]))
        await _stands(outside, bot, ts, text)


REFUSALS: list[tuple[str, Sequence[str]]] = [
    ("chat.startStream", ["429:30"]),
    ("chat.startStream", ["missing_recipient_user_id"]),
    ("chat.startStream", ["missing_recipient_team_id"]),
    ("chat.startStream", ["user_not_found"]),
    ("chat.startStream", ["unknown_method"]),
    ("chat.startStream", ["reset_after"]),
    ("chat.appendStream", ["none", "reset_after"]),
    ("chat.appendStream", ["none", "500"]),
    ("chat.appendStream", ["429:1"]),
    ("chat.appendStream", ["none", "msg_too_long"]),
    ("chat.appendStream", ["none", "message_not_owned_by_app"]),
    ("chat.stopStream", ["429:1"]),
    ("chat.stopStream", ["reset_before", "500"]),
    ("chat.stopStream", ["reset_after"]),
    ("agents.sessions.setStatus", ["500", "429:1"]),
]


@pytest.mark.parametrize(("method", "faults"), REFUSALS, ids=lambda given: str(given))
async def test_a_refusal_on_the_way_loses_nothing(
    valkey_url: str, redis: Redis, method: str, faults: Sequence[str]
) -> None:
    async with services() as outside, running(outside, redis_url=valkey_url, on=["slack"]) as bot:
        outside.slack.fail(method, *faults)
        text = _answer(300)
        ts = await _asked(outside, text, tokens_per_s=200)
        await _stands(outside, bot, ts, text)


@pytest.mark.parametrize("fault", ["user_not_found", "team_not_found"])
async def test_a_stream_that_cannot_be_ended_for_its_person_stands_whole(
    valkey_url: str, redis: Redis, fault: str
) -> None:
    async with services() as outside, running(outside, redis_url=valkey_url, on=["slack"]) as bot:
        outside.slack.fail("chat.stopStream", *[fault] * 9)
        text = _answer(300)
        ts = await _asked(outside, text, tokens_per_s=200)
        await _stands(outside, bot, ts, text, buttons=False)  # Slack ends the message after five minutes


@pytest.mark.parametrize("method", ["chat.stopStream", "chat.update"])
async def test_buttons_that_slack_refuses_cost_no_text(valkey_url: str, redis: Redis, method: str) -> None:
    options = STREAMING_OFF if method == "chat.update" else {}
    async with services() as outside, running(outside, redis_url=valkey_url, on=["slack"], **options) as bot:
        outside.slack.fail(method, "invalid_blocks", "invalid_blocks")
        text = _answer(300)
        ts = await _asked(outside, text, tokens_per_s=200)
        await _stands(outside, bot, ts, text, buttons=False)
        assert not outside.slack.streaming("C1")


async def test_no_edit_is_longer_than_slack_takes(valkey_url: str, redis: Redis) -> None:
    async with services() as outside, running(outside, redis_url=valkey_url, on=["slack"], **STREAMING_OFF) as bot:
        text = _answer(1_800)
        ts = await _asked(outside, text, tokens_per_s=300)
        await _stands(outside, bot, ts, text)
        assert "msg_too_long" not in _errors(outside.slack)
        assert len(_shown(outside.slack)) >= 3
        assert outside.slack.counts()["chat.update"] >= 2


@pytest.mark.parametrize("options", [{}, STREAMING_OFF], ids=["streams", "edits"])
async def test_tables_of_any_number_and_length_keep_slacks_limits(
    valkey_url: str, redis: Redis, options: dict[str, Any]
) -> None:
    head, rows = "| a | b |\n|---|---|\n", [f"| w{number} | x |" for number in range(150)]
    text = f"Two tables.\n\n{head}" + "\n".join(rows) + "\n\nw150\n\n" + head + "| w151 | y |\n\nw152"
    async with services() as outside, running(outside, redis_url=valkey_url, on=["slack"], **options) as bot:
        outside.slack.one_table = True
        ts = await _asked(outside, text, tokens_per_s=400)
        await _stands(outside, bot, ts, text)
        assert _errors(outside.slack) <= {"ratelimited"}


async def test_an_app_without_the_agent_view_streams_as_well(valkey_url: str, redis: Redis) -> None:
    async with (
        services(slack=FakeSlack(agent=False)) as outside,
        running(outside, redis_url=valkey_url, on=["slack"]) as bot,
    ):
        text = _answer(300)
        await _asked(outside, text, tokens_per_s=200)
        await until(lambda: bot.answered == 1)
        assert _shown(outside.slack) == [text]
        assert _with_feedback(outside.slack) == [True]
        assert not outside.slack.streaming("C1")
        assert _errors(outside.slack) == {"not_agent_app"}
