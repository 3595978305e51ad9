"""Edits and deletions, order and duplicates: from the fake over the wire up to `submit`."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from redis.asyncio import Redis

from bot.errors import Unreachable
from bot.events import Change
from tests.fakes.services import FakeServices
from tests.fakes.slack import ALL_SCOPES, FakeSlack, Person
from tests.slack_listening import NEVER_S, Inbox, listening
from tests.until import until


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack(scopes=(*ALL_SCOPES, "channels:read"), resend_after_s=NEVER_S) as fake:
        fake.people = {"U1": Person("Ana"), "U2": Person("Ben")}
        yield fake


@pytest.fixture
def services(redis: Redis) -> FakeServices:
    return FakeServices(redis)


async def acked(slack: FakeSlack, times: int) -> None:
    await until(lambda: len(slack.entries("ack")) == times)


def text_of(change: Change) -> str:
    return change.now.text if change.now else ""


@pytest.mark.parametrize("http", [False, True], ids=["socket", "http"])
async def test_an_edited_question_comes_with_its_new_text_and_its_own_id(
    slack: FakeSlack, services: FakeServices, http: bool
) -> None:
    inbox = Inbox()
    async with listening(slack, inbox, services=services, http=http):
        ts = await slack.mention("C1", "U1", "what is a lane?")
        await slack.edit("C1", ts, "<@UBOT> what is a road, <@U2>?")
        await until(lambda: len(inbox.changes) == 1)
    (edit,) = inbox.changes
    assert edit.now
    assert edit.now.event_id == inbox.taken[0].event_id
    assert (edit.now.text, edit.now.author.name, edit.message_id) == ("what is a road, @Ben?", "Ana", ts)
    assert edit.conversation == inbox.taken[0].conversation


async def test_a_preview_of_a_link_and_the_bots_own_edits_are_nothing(slack: FakeSlack, services: FakeServices) -> None:
    inbox = Inbox()
    async with listening(slack, inbox, services=services) as platform:
        ts = await slack.mention("C1", "U1", "see https://x.y", order=("message",))
        await until(lambda: bool(inbox.taken))
        await slack.unfurl("C1", ts)
        own = await platform.post(inbox.taken[0], "one", key="k", first=True)
        await platform.edit(inbox.taken[0], own, "two")
        await acked(slack, 4)
    assert inbox.offered == 1


async def test_an_edited_follow_up_follows_and_one_between_people_does_not(
    slack: FakeSlack, services: FakeServices
) -> None:
    inbox = Inbox()
    async with listening(slack, inbox, services=services):
        root = await slack.mention("C1", "U1", "what is a lane?", order=("message",))
        reply = await slack.say("C1", "U1", "and a road?", thread_ts=root)
        await slack.edit("C1", reply, "and a street?")
        others = slack.store("C1", "U2", "people only")
        theirs = slack.store("C1", "U2", "yes", thread_ts=others)
        await slack.edit("C1", theirs, "no")
        await slack.edit("C1", others, "really only people")
        await acked(slack, 5)
    assert [(text_of(change), change.conversation) for change in inbox.changes] == [
        ("and a street?", f"slack:T1:C1:{root}")
    ]


async def test_a_deleted_question_and_a_deleted_answer_are_named(slack: FakeSlack, services: FakeServices) -> None:
    inbox = Inbox()
    async with listening(slack, inbox, services=services) as platform:
        ts = await slack.mention("C1", "U1", "what is a lane?", order=("message",))
        await until(lambda: bool(inbox.taken))
        answer = await platform.post(inbox.taken[0], "a queue", key="k", first=True)
        await acked(slack, 2)
        await slack.delete("C1", answer)
        await slack.delete("C1", ts)
        await until(lambda: len(inbox.changes) == 2)
    assert {(change.message_id, change.now, change.conversation) for change in inbox.changes} == {
        (answer, None, f"slack:T1:C1:{ts}"),
        (ts, None, f"slack:T1:C1:{ts}"),
    }


async def test_who_may_not_use_the_bot_any_more_may_still_take_a_question_back(
    slack: FakeSlack, services: FakeServices
) -> None:
    inbox = Inbox()
    async with listening(slack, inbox, services=services):
        ts = slack.store("C1", "U2", "<@UBOT> hello")
        await services.shared.count(f"thread:slack:T1:C1:{ts}", ttl_s=60, U2=1)
        slack.people["U2"] = Person("Ben", is_restricted=True)
        await slack.edit("C1", ts, "<@UBOT> let me in")
        await slack.delete("C1", ts)
        await acked(slack, 2)
    assert [(change.now, change.message_id) for change in inbox.changes] == [(None, ts)]


async def test_a_direct_message_is_edited_and_deleted_as_well(slack: FakeSlack, services: FakeServices) -> None:
    inbox = Inbox()
    async with listening(slack, inbox, services=services):
        ts = await slack.dm("U1", "one")
        await slack.edit("DU1", ts, "two")
        await slack.delete("DU1", ts)
        await until(lambda: len(inbox.changes) == 2)
    assert [(text_of(change), change.conversation) for change in inbox.changes] == [
        ("two", "slack:T1:DU1"),
        ("", "slack:T1:DU1"),
    ]


async def test_a_change_that_is_not_kept_comes_again(slack: FakeSlack, services: FakeServices) -> None:
    slack.resend_after_s = 0.2
    inbox = Inbox()
    # Over HTTP an event comes again only after it was refused, however long that took.
    async with listening(slack, inbox, services=services, http=True):
        ts = await slack.dm("U1", "one")
        await until(lambda: bool(inbox.taken))
        inbox.failures = [Unreachable("busy")]
        await slack.edit("DU1", ts, "two")
        await until(lambda: len(inbox.changes) == 1)


# Order and duplicates


class Uneven(FakeSlack):
    """Answers each look-up of a person sooner than the one before: the first after 400 ms, the 20th at once.

    Of those in `held` it tells nothing until `released`.
    """

    held: frozenset[str] = frozenset()

    def __init__(self) -> None:
        super().__init__(scopes=ALL_SCOPES, resend_after_s=NEVER_S)
        self.released = asyncio.Event()
        self.asked = 0

    async def serve_call(self, request: web.Request) -> web.StreamResponse:
        if request.query.get("user") in self.held:
            await self.released.wait()
        elif request.match_info["method"] == "users.info":
            self.asked += 1
            await asyncio.sleep(max(0.0, 0.42 - 0.02 * self.asked))
        return await super().serve_call(request)


@pytest.mark.parametrize("http", [False, True], ids=["socket", "http"])
async def test_messages_of_a_thread_arrive_in_order_although_their_people_are_looked_up(
    services: FakeServices, http: bool
) -> None:
    people = {f"U{number}": Person(f"P{number}") for number in range(20)}
    inbox = Inbox()
    async with Uneven() as slack:
        slack.people = people
        async with listening(slack, inbox, services=services, http=http):
            root = slack.store("C1", "U0", "a thread")
            async with asyncio.TaskGroup() as saying:  # over HTTP each delivery waits for its answer
                for number in range(20):
                    said = slack.mention("C1", f"U{number}", str(number), order=("app_mention",), thread_ts=root)
                    saying.create_task(said)
                    await until(lambda number=number: slack.asked > number)
            await until(lambda: len(inbox.taken) == 20)
    assert [mention.text for mention in inbox.taken] == [str(number) for number in range(20)]


@pytest.mark.parametrize("http", [False, True], ids=["socket", "http"])
async def test_a_look_up_that_takes_long_holds_up_its_own_thread_alone(
    services: FakeServices, caplog: pytest.LogCaptureFixture, http: bool
) -> None:
    inbox = Inbox()
    async with Uneven() as slack:
        slack.people, slack.held = {"U1": Person("Ana"), "U2": Person("Ben")}, frozenset({"U1"})
        async with listening(slack, inbox, services=services, http=http):
            async with asyncio.TaskGroup() as saying:
                saying.create_task(slack.mention("C1", "U1", "slow", order=("app_mention",)))
                await until(lambda: len(slack.entries("event")) == 1)
                saying.create_task(slack.mention("C1", "U2", "quick", order=("app_mention",)))
                await until(lambda: [mention.text for mention in inbox.taken] == ["quick"])
                assert "slack_event_not_taken" not in caplog.text  # the slow one was still being asked about
                slack.released.set()
            await until(lambda: [mention.text for mention in inbox.taken] == ["quick", "slow"])


async def test_a_follow_up_right_behind_its_mention_is_known_as_one(slack: FakeSlack, services: FakeServices) -> None:
    inbox = Inbox()
    async with listening(slack, inbox, services=services):
        slack.latency_s = 0.1
        root = await slack.mention("C1", "U1", "what is a lane?", order=("message",))
        await slack.say("C1", "U1", "and a road?", thread_ts=root)
        await until(lambda: len(inbox.taken) == 2)
    assert [(mention.text, mention.addressed) for mention in inbox.taken] == [
        ("what is a lane?", True),
        ("and a road?", False),
    ]


async def test_follow_ups_may_be_switched_off(slack: FakeSlack, services: FakeServices) -> None:
    inbox = Inbox()
    async with listening(slack, inbox, services=services, given={"slack_follow_ups": "off"}):
        root = await slack.mention("C1", "U1", "what is a lane?", order=("message",))
        await slack.say("C1", "U1", "and a road?", thread_ts=root)
        await slack.mention("C1", "U1", "and a street?", thread_ts=root, order=("message",))
        await slack.say("C1", "U1", "!stop", thread_ts=root)
        await acked(slack, 4)
    assert [mention.text for mention in inbox.taken] == ["what is a lane?", "and a street?"]
    assert len(inbox.stops) == 1  # a command is for the bot all the same


async def test_one_gesture_that_slack_delivers_as_two_messages_is_one_question(
    slack: FakeSlack, services: FakeServices
) -> None:
    inbox = Inbox()
    async with listening(slack, inbox, services=services):
        first = await slack.mention("C1", "U1", "hello", client_msg_id="0a1b")
        await until(lambda: inbox.ids)  # of two on their way at once either may be the question
        await slack.mention("C1", "U1", "hello", client_msg_id="0a1b")
        await slack.mention("C1", "U2", "hello", client_msg_id="0a1b", order=("message",))
        await slack.mention("C2", "U1", "hello", client_msg_id="0a1b", order=("message",))
        await acked(slack, 6)
    assert {mention.message_id for mention in inbox.taken if mention.place.channel == "C1"} >= {first}
    assert len(inbox.ids) == 3


async def test_a_gesture_that_was_not_kept_is_taken_when_it_comes_again(
    slack: FakeSlack, services: FakeServices
) -> None:
    slack.resend_after_s = 0.2
    inbox = Inbox()
    inbox.failures = [Unreachable("busy")]
    async with listening(slack, inbox, services=services, http=True):
        ts = await slack.mention("C1", "U1", "hello", client_msg_id="0a1b", order=("message",))
        await until(lambda: inbox.ids == {f"slack:T1:C1:{ts}"})
