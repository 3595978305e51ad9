"""What people find when they open the app: the Home, suggestions, the welcome; and what they do in the agent view."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from adapters.slack.incoming.home import WELCOME
from bot.events import Place
from tests.fakes.services import FakeServices
from tests.fakes.slack import GRANTED, FakeSlack, Person
from tests.slack_listening import NEVER_S, Inbox, listening
from tests.until import until


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack(scopes=GRANTED, resend_after_s=NEVER_S) as fake:
        fake.people = {"U1": Person("Ana"), "U2": Person("Ben")}
        yield fake


@pytest.fixture
def services(redis: Redis) -> FakeServices:
    return FakeServices(redis)


def answers(slack: FakeSlack, user: str = "U1") -> list[str]:
    return [str(message["text"]) for message in slack.answers(f"D{user}")]


async def acked(slack: FakeSlack, times: int) -> None:
    await until(lambda: len(slack.entries("ack")) == times)


@pytest.mark.parametrize("http", [False, True], ids=["socket", "http"])
async def test_the_home_says_what_the_bot_is_how_to_use_it_and_what_is_the_persons_own(
    slack: FakeSlack, services: FakeServices, http: bool
) -> None:
    async with listening(slack, Inbox(), services=services, http=http):
        await slack.open_home("U1")
        await acked(slack, 1)
    shown = str(slack.homes["U1"].body)
    for part in ("What I am", "How to use me", "/routernesia ask", "model is done", "usage is done", "What is kept"):
        assert part in shown
    assert {command.place for command in services.commands} == {Place("slack", "T1", "", None, "dm")}


async def test_the_home_is_written_anew_at_every_look(slack: FakeSlack, services: FakeServices) -> None:
    async with listening(slack, Inbox(), services=services):
        for look in (1, 2):
            await slack.open_home("U1")
            await acked(slack, look)
    assert slack.counts()["views.publish"] == 2


async def test_without_the_cores_services_the_home_still_explains(slack: FakeSlack) -> None:
    async with listening(slack, Inbox()):
        await slack.open_home("U1")
        await acked(slack, 1)
    assert "How to use me" in str(slack.homes["U1"].body)
    assert "usage is done" not in str(slack.homes["U1"].body)


async def test_a_home_that_slack_refuses_is_not_tried_for_ever(slack: FakeSlack, services: FakeServices) -> None:
    slack.fail("views.publish", "not_enabled")
    async with listening(slack, Inbox(), services=services):
        await slack.open_home("U1")
        await acked(slack, 1)
    assert slack.counts()["views.publish"] == 1


async def test_a_home_that_slack_cannot_take_now_comes_with_the_next_delivery(
    slack: FakeSlack, services: FakeServices
) -> None:
    slack.resend_after_s = 0.2
    slack.fail("views.publish", "500")
    # Over HTTP an event comes again only after it was refused, however long that took.
    async with listening(slack, Inbox(), services=services, http=True):
        await slack.open_home("U1")
        await acked(slack, 1)
    assert "How to use me" in str(slack.homes["U1"].body)


async def test_the_messages_tab_brings_suggestions_once_an_hour_and_a_welcome_once(
    slack: FakeSlack, services: FakeServices
) -> None:
    given: dict[str, Any] = {"slack_prompts": "Plan my week | Help me plan my week.\nTranslate"}
    async with listening(slack, Inbox(), services=services, given=given):
        for _ in range(3):
            await slack.open_home("U1", tab="messages")
        await until(lambda: len(slack.entries("ack", "app_home_opened")) == 3)
        await until(lambda: bool(answers(slack)))
    assert [prompt["title"] for prompt in slack.prompts["DU1"]["prompts"]] == ["Plan my week", "Translate"]
    assert slack.ignored_prompts == 0
    assert slack.counts()["assistant.threads.setSuggestedPrompts"] == 1
    assert answers(slack) == [WELCOME]
    assert slack.homes == {}


async def test_each_person_is_welcomed(slack: FakeSlack, services: FakeServices) -> None:
    async with listening(slack, Inbox(), services=services):
        for user in ("U1", "U2"):
            await slack.open_home(user, tab="messages")
        await until(lambda: len(slack.entries("ack", "app_home_opened")) == 2)
    assert answers(slack, "U1") == answers(slack, "U2") == [WELCOME]


async def test_a_welcome_that_slack_cannot_take_now_comes_later_and_once(
    slack: FakeSlack, services: FakeServices
) -> None:
    slack.resend_after_s = 0.2
    slack.fail("chat.postMessage", "500", "429:1")
    async with listening(slack, Inbox(), services=services, http=True):
        await slack.open_home("U1", tab="messages")
        await until(lambda: len(slack.entries("ack", "app_home_opened")) == 1)
    assert answers(slack) == [WELCOME]


async def test_an_app_without_the_agent_view_suggests_nothing_and_welcomes(services: FakeServices) -> None:
    async with FakeSlack(scopes=GRANTED, agent=False, resend_after_s=NEVER_S) as slack:
        async with listening(slack, Inbox(), services=services, given={"slack_agent": "off"}):
            await slack.open_home("U1", tab="messages")
            await until(lambda: len(slack.entries("ack", "app_home_opened")) == 1)
        assert answers(slack) == [WELCOME]
        assert slack.counts()["assistant.threads.setSuggestedPrompts"] == 0


@pytest.mark.parametrize("scopes", [GRANTED, set(GRANTED) - {"assistant:write"}], ids=["agent", "no_agent"])
@pytest.mark.parametrize("setting", ["auto", "on", "off"])
async def test_a_direct_message_is_a_session_of_its_own_where_the_app_has_the_agent_view(
    services: FakeServices, scopes: set[str], setting: str
) -> None:
    async with FakeSlack(scopes=scopes, resend_after_s=NEVER_S) as slack:
        inbox = Inbox()
        async with listening(slack, inbox, services=services, given={"slack_agent": setting}):
            one, two = await slack.dm("U1", "one"), await slack.dm("U1", "two")
            await slack.dm("U1", "more of one", thread_ts=one)
            await until(lambda: len(inbox.taken) == 3)
        agent = setting == "on" or (setting == "auto" and "assistant:write" in scopes)
        threads = [mention.place.thread for mention in inbox.taken]
        assert threads == ([one, two, one] if agent else [None, None, one])


async def test_slacks_own_stop_reaches_the_inbox_past_messages_that_wait(
    slack: FakeSlack, services: FakeServices
) -> None:
    inbox = Inbox()
    async with listening(slack, inbox, services=services):
        root = slack.store("C1", "U1", "<@UBOT> hello")
        slack.latency_s = 0.3
        await slack.mention("C1", "U2", "another", order=("message",))
        await slack.event({"type": "agent_session_stopped", "channel": "C1", "thread_ts": root, "user": "U1"})
        await until(lambda: bool(inbox.stops))
    (stop,) = inbox.stops
    assert (stop.conversation, stop.by.id) == (f"slack:T1:C1:{root}", "U1")


async def test_slacks_own_stop_is_for_those_who_take_part(slack: FakeSlack, services: FakeServices) -> None:
    inbox = Inbox()
    async with listening(slack, inbox, services=services):
        root = await slack.mention("C1", "U1", "hello", order=("message",))
        await until(lambda: inbox.taken)
        stop = {"type": "agent_session_stopped", "channel": "C1", "thread_ts": root}
        await slack.event({**stop, "user": "U2"})
        await slack.event({**stop, "user": "U1"})
        await until(lambda: inbox.stops)
    assert [one.by.id for one in inbox.stops] == ["U1"]


async def test_a_title_that_a_person_gave_stays_and_the_bots_own_is_none(
    slack: FakeSlack, services: FakeServices
) -> None:
    renamed = {"type": "agent_session_title_changed", "channel": "DU1", "thread_ts": "1.2", "title": "Lanes"}
    async with listening(slack, Inbox(), services=services):
        slack.direct("U1")
        await slack.event({**renamed, "user": "UBOT"})
        await acked(slack, 1)
        assert not [name for name in await services.shared.names("titled") if "1.2" in name]
        await slack.event({**renamed, "user": "U1"})
        await acked(slack, 2)
        assert [name for name in await services.shared.names("titled") if "1.2" in name]


async def test_what_somebody_looks_at_beside_the_chat_is_nobodys_business(
    slack: FakeSlack, services: FakeServices
) -> None:
    inbox = Inbox()
    async with listening(slack, inbox, services=services):
        await slack.look_at("U1", "C1")
        await acked(slack, 1)
    assert inbox.offered == 0
    assert set(slack.counts()) == {"auth.test", "apps.connections.open"}
