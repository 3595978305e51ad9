"""Who may use the bot, on each of the six entries: events, commands, buttons, shortcuts, forms and the Home."""

import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis

from adapters.slack.answers import blocks
from adapters.slack.api.clients import web_client
from adapters.slack.incoming import modals
from adapters.slack.incoming.access import CHANNEL_KEPT_S, GUEST, PERSON_KEPT_S, SHARED, Access, Entry, Policy
from adapters.slack.incoming.buttons import NOT_YOURS, note
from adapters.slack.payloads.parse import Identity
from adapters.slack.workspace import Workspace
from bot.events import Author, Mention, Place
from tests.fakes.services import FakeServices
from tests.fakes.slack import GRANTED, ChannelFacts, FakeSlack, Json, Person, View
from tests.slack_listening import Inbox, listening, settings
from tests.until import until

MEMBER = Person("Ana")
OUTSIDERS = {
    "guest": Person("Gus", is_restricted=True),
    "single_channel_guest": Person("Gia", is_ultra_restricted=True),
    "stranger": Person("Sam", is_stranger=True),
    "other_company": Person("Oda", team="T9"),
    "deactivated": Person("Dee", deleted=True),
}


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack(scopes=GRANTED) as fake:
        fake.people = {"U1": MEMBER, "U2": Person("Ben")}
        yield fake


@dataclass
class Scene:
    """A thread in C1 that U1 and U3 take part in, with an answer to U3 under it; what happened in it."""

    slack: FakeSlack
    services: FakeServices
    inbox: Inbox
    root: str
    answer: str

    @property
    def reached(self) -> bool:
        """Whether anything that somebody did came further than the entrance."""
        homes = "".join(json.dumps(home.body) for home in self.slack.homes.values())
        done = self.services.commands or self.services.feedbacks or self.slack.prompts
        return bool(self.inbox.offered or done or "How to use me" in homes)

    async def settled(self) -> None:
        """Everything that Slack delivered is acknowledged."""
        await until(lambda: all(delivery.acked.is_set() for delivery in self.slack.deliveries.values()))


async def scene(slack: FakeSlack, services: FakeServices, inbox: Inbox) -> Scene:
    root = slack.store("C1", "U3", "<@UBOT> hello")
    asked = Mention("slack:T1:C1:1", Place("slack", "T1", "C1", root, "channel"), Author("U3", "U3"), "", root, 1.0)
    under = blocks.buttons(asked, "last", style="plain")
    answer = slack.store("C1", "UBOT", "an answer", thread_ts=root, bot_id="BBOT", blocks=under)
    return Scene(slack, services, inbox, root, answer)


async def by_mention(scene: Scene, user: str) -> None:
    await scene.slack.mention("C1", user, "let me in")


async def by_follow_up(scene: Scene, user: str) -> None:
    await scene.services.shared.count(f"thread:slack:T1:C1:{scene.root}", ttl_s=60, U1=1)
    await scene.slack.say("C1", user, "and me", thread_ts=scene.root)


async def by_edit(scene: Scene, user: str) -> None:
    ts = scene.slack.store("C1", user, "<@UBOT> one")
    await scene.services.shared.count(f"thread:slack:T1:C1:{ts}", ttl_s=60, U1=1)
    await scene.slack.edit("C1", ts, "<@UBOT> two")


async def by_native_stop(scene: Scene, user: str) -> None:
    stopped = {"type": "agent_session_stopped", "channel": "C1", "thread_ts": scene.root, "user": user}
    await scene.slack.event(stopped)


async def by_command(scene: Scene, user: str) -> None:
    await scene.slack.command(user, "C1", "/routernesia", "status")


async def by_asking(scene: Scene, user: str) -> None:
    await scene.slack.command(user, "C1", "/routernesia", "ask let me in")


async def by_spoken_command(scene: Scene, user: str) -> None:
    await scene.slack.mention("C1", user, "!status")


async def by_button(scene: Scene, user: str) -> None:
    await scene.slack.press(user, "C1", scene.answer, blocks.REGENERATE)


async def by_feedback(scene: Scene, user: str) -> None:
    await scene.slack.press(user, "C1", scene.answer, blocks.FEEDBACK, value=blocks.GOOD)


async def by_summary(scene: Scene, user: str) -> None:
    await scene.slack.shortcut(user, "C1", scene.root, "summarize_thread")


async def by_form(scene: Scene, user: str) -> None:
    await submitted(scene, user, modals.ask)


async def by_complaint(scene: Scene, user: str) -> None:
    await submitted(scene, user, modals.feedback)


async def submitted(scene: Scene, user: str, form: Callable[[str], Json]) -> None:
    """Send a form that was opened before, when whoever sends it may still have been a member."""
    place = Place("slack", "T1", "C1", scene.root, "thread")
    kept = json.dumps({"said": "hello", "writer": "Ana", "url": ""})
    await scene.services.shared.put(f"about:slack:T1:C1:{scene.root}:{user}", kept, tenant="T1", ttl_s=60)
    scene.slack.views["V1"] = View("V1", user, "T1", form(note(place, scene.root)), "hash", "T1")
    await scene.slack.submit_view(user, "V1", {modals.TYPED: "let me in"})


async def by_home(scene: Scene, user: str) -> None:
    await scene.slack.open_home(user)


async def by_messages_tab(scene: Scene, user: str) -> None:
    await scene.slack.open_home(user, tab="messages")


Act = Callable[[Scene, str], Awaitable[None]]
ENTRIES: list[Act] = [
    *(by_mention, by_follow_up, by_edit, by_native_stop),
    *(by_command, by_asking, by_spoken_command),
    *(by_button, by_feedback),
    by_summary,
    *(by_form, by_complaint),
    *(by_home, by_messages_tab),
]
IN_A_CHANNEL = [act for act in ENTRIES if act not in (by_home, by_messages_tab)]


def act_by_name(act: Any) -> str:
    return act.__name__


async def acted(slack: FakeSlack, redis: Redis, act: Act, user: str, given: dict[str, Any], **options: Any) -> Scene:
    services, inbox = FakeServices(redis), Inbox()
    async with listening(slack, inbox, services=services, given=given, **options):
        found = await scene(slack, services, inbox)
        await services.shared.count(f"thread:slack:T1:C1:{found.root}", ttl_s=60, **{user: 1})
        await act(found, user)
        await found.settled()
    assert not slack.entries("failed")
    return found


@pytest.mark.parametrize("http", [False, True], ids=["socket", "http"])
@pytest.mark.parametrize("act", ENTRIES, ids=act_by_name)
async def test_a_member_gets_in_by_every_entry(slack: FakeSlack, redis: Redis, act: Act, http: bool) -> None:
    found = await acted(slack, redis, act, "U1", {}, http=http)
    assert found.reached


@pytest.mark.parametrize("act", ENTRIES, ids=act_by_name)
@pytest.mark.parametrize("who", OUTSIDERS)
async def test_guests_strangers_and_the_deactivated_are_refused_on_every_entry(
    slack: FakeSlack, redis: Redis, act: Act, who: str
) -> None:
    slack.people["U9"] = OUTSIDERS[who]
    found = await acted(slack, redis, act, "U9", {})
    assert not found.reached


@pytest.mark.parametrize("act", ENTRIES, ids=act_by_name)
async def test_who_is_not_on_the_operators_list_is_refused_on_every_entry(
    slack: FakeSlack, redis: Redis, act: Act
) -> None:
    found = await acted(slack, redis, act, "U2", {"slack_allowed_users": frozenset({"U1"})})
    assert not found.reached
    assert slack.counts()["users.info"] == 0


@pytest.mark.parametrize("act", ENTRIES, ids=act_by_name)
async def test_who_slack_does_not_know_is_refused_on_every_entry(slack: FakeSlack, redis: Redis, act: Act) -> None:
    found = await acted(slack, redis, act, "U404", {})
    assert not found.reached


@pytest.mark.parametrize("act", IN_A_CHANNEL, ids=act_by_name)
@pytest.mark.parametrize(
    "facts", [ChannelFacts(is_ext_shared=True), ChannelFacts(is_pending_ext_shared=True)], ids=["shared", "pending"]
)
async def test_in_a_channel_shared_with_others_nobody_gets_in(
    slack: FakeSlack, redis: Redis, act: Act, facts: ChannelFacts
) -> None:
    slack.channel_facts["C1"] = facts
    found = await acted(slack, redis, act, "U1", {})
    assert not found.reached


@pytest.mark.parametrize("act", IN_A_CHANNEL, ids=act_by_name)
async def test_outside_the_operators_channels_nobody_gets_in(slack: FakeSlack, redis: Redis, act: Act) -> None:
    found = await acted(slack, redis, act, "U1", {"slack_allowed_channels": frozenset({"C77"})})
    assert not found.reached


@pytest.mark.parametrize("act", ENTRIES, ids=act_by_name)
async def test_the_operator_may_let_guests_and_shared_channels_in(slack: FakeSlack, redis: Redis, act: Act) -> None:
    slack.people["U9"] = OUTSIDERS["guest"]
    slack.channel_facts["C1"] = ChannelFacts(is_ext_shared=True)
    found = await acted(slack, redis, act, "U9", {"slack_allow_external": True})
    assert found.reached
    assert slack.counts()["conversations.info"] == 0


INTERACTIONS = (by_command, by_asking, by_button, by_feedback, by_summary, by_form, by_complaint)


@pytest.mark.parametrize("method", ["users.info", "conversations.info"])
@pytest.mark.parametrize("act", INTERACTIONS, ids=act_by_name)
async def test_while_slack_cannot_say_who_it_is_an_interaction_fails_and_does_nothing(
    slack: FakeSlack, redis: Redis, act: Act, method: str
) -> None:
    services, inbox = FakeServices(redis), Inbox()
    slack.resend_after_s = 0.2
    slack.fail(method, *["500"] * 20)
    async with listening(slack, inbox, services=services):
        found = await scene(slack, services, inbox)
        await act(found, "U1")
        assert not found.reached
    assert len(slack.entries("failed")) == 1


@pytest.mark.parametrize("method", ["users.info", "conversations.info"])
async def test_while_slack_cannot_say_who_it_is_an_event_is_left_to_come_again(
    slack: FakeSlack, redis: Redis, method: str
) -> None:
    inbox = Inbox()
    slack.resend_after_s = 0.2
    slack.fail(method, "500", "429:1")
    async with listening(slack, inbox, services=FakeServices(redis)):
        ts = await slack.mention("C1", "U1", "hello", order=("message",))
        await until(lambda: len(slack.entries("ack")) == 1)
    assert inbox.ids == {f"slack:T1:C1:{ts}"}
    assert [entry.fields["attempt"] for entry in slack.entries("event")] == [1, 2, 3]


async def test_a_refused_person_is_told_so_once_an_hour_and_nothing_else(slack: FakeSlack, redis: Redis) -> None:
    slack.people["U9"] = OUTSIDERS["guest"]
    services, inbox = FakeServices(redis), Inbox()
    async with listening(slack, inbox, services=services):
        found = await scene(slack, services, inbox)
        for _ in range(3):
            await by_mention(found, "U9")
        await by_button(found, "U9")
        await by_follow_up(found, "U9")
        await found.settled()
    told = [(said["user"], said["markdown_text"]) for said in slack.ephemerals]
    assert told == [("U9", "Sorry, guests of this workspace cannot use me.")]
    assert slack.counts()["chat.postMessage"] == 0


async def test_a_refusal_that_cannot_be_said_is_a_refusal(slack: FakeSlack, redis: Redis) -> None:
    slack.people["U9"] = OUTSIDERS["guest"]
    slack.fail("chat.postEphemeral", "user_not_in_channel", "500")
    found = await acted(slack, redis, by_mention, "U9", {})
    assert not found.reached
    assert len(slack.entries("ack")) == 2


async def test_a_refused_follow_up_is_met_with_silence(slack: FakeSlack, redis: Redis) -> None:
    slack.people["U9"] = OUTSIDERS["guest"]
    await acted(slack, redis, by_follow_up, "U9", {})
    assert slack.ephemerals == []


async def test_buttons_are_for_the_asker_and_the_people_of_the_thread(slack: FakeSlack, redis: Redis) -> None:
    slack.people["U3"] = Person("Cy")
    services, inbox = FakeServices(redis), Inbox()
    async with listening(slack, inbox, services=services):
        found = await scene(slack, services, inbox)
        await by_button(found, "U2")
        assert not found.reached
        assert [said["markdown_text"] for said in slack.ephemerals] == [NOT_YOURS]
        await slack.mention("C1", "U2", "me too", thread_ts=found.root)
        await until(lambda: bool(inbox.taken))
        await by_feedback(found, "U2")
        await by_feedback(found, "U3")  # asked, and said nothing since
    assert [one.author.id for one in services.feedbacks] == ["U2", "U3"]


async def test_what_slack_said_of_a_person_and_a_channel_is_good_for_the_next_mentions(
    slack: FakeSlack, redis: Redis
) -> None:
    services, inbox = FakeServices(redis), Inbox()
    async with listening(slack, inbox, services=services):
        found = await scene(slack, services, inbox)
        for _ in range(5):
            await by_mention(found, "U1")
        await found.settled()
    assert len(inbox.ids) == 5
    assert (slack.counts()["users.info"], slack.counts()["conversations.info"]) == (1, 1)


async def test_what_slack_said_is_asked_again_after_a_minute_and_of_a_channel_after_ten_seconds(
    slack: FakeSlack,
) -> None:
    now = 0.0
    access = Access(Policy(), clock=lambda: now)
    member = Entry(Author("U1", "U1", team="T1"), Place("slack", "T1", "C1", "1.2", "thread"), "event")
    slack.store("C1", "U1", "hello")
    async with aiohttp.ClientSession() as session:
        workspace = Workspace(web_client(settings(slack), session), Identity("T1", "UBOT", "BBOT"))
        assert await access.authorize(workspace, member) is None
        slack.channel_facts["C1"] = ChannelFacts(is_pending_ext_shared=True)
        slack.people["U1"] = OUTSIDERS["guest"]
        now = CHANNEL_KEPT_S - 1
        assert await access.authorize(workspace, member) is None
        now = CHANNEL_KEPT_S + 1
        assert await access.authorize(workspace, member) == SHARED
        slack.channel_facts["C1"] = ChannelFacts()
        assert await access.authorize(workspace, member) is None  # a refusal is never kept
        now = PERSON_KEPT_S + 1
        assert await access.authorize(workspace, member) == GUEST
        await workspace.aclose()


async def test_a_thread_without_the_bot_costs_no_call(slack: FakeSlack, redis: Redis) -> None:
    services, inbox = FakeServices(redis), Inbox()
    async with listening(slack, inbox, services=services):
        root = slack.store("C1", "U1", "people only")
        await slack.say("C1", "U2", "yes", thread_ts=root)
        await until(lambda: len(slack.entries("ack")) == 1)
    assert inbox.offered == 0
    assert not {"users.info", "conversations.info"} & set(slack.counts())


@pytest.mark.parametrize("lost", ["users:read", "channels:read"])
async def test_without_the_scope_to_ask_members_get_in_and_the_operator_is_told_once(
    slack: FakeSlack, redis: Redis, lost: str, caplog: pytest.LogCaptureFixture
) -> None:
    slack.scopes.discard(lost)
    services, inbox = FakeServices(redis), Inbox()
    async with listening(slack, inbox, services=services):
        found = await scene(slack, services, inbox)
        for user in ("U1", "U2"):
            await by_mention(found, user)
            await found.settled()
    assert len(inbox.ids) == 2
    assert [record.message for record in caplog.records].count("slack_access_unchecked") == 1


async def test_without_the_scope_to_ask_what_the_event_says_counts(slack: FakeSlack, redis: Redis) -> None:
    slack.scopes -= {"users:read", "channels:read"}
    slack.people["U9"] = OUTSIDERS["other_company"]
    services, inbox = FakeServices(redis), Inbox()
    async with listening(slack, inbox, services=services):
        found = await scene(slack, services, inbox)
        await by_mention(found, "U9")
        slack.channel_facts["C2"] = ChannelFacts(is_ext_shared=True)
        await slack.mention("C2", "U1", "hello")
        await found.settled()
    assert not found.reached


async def test_a_colleague_of_another_workspace_of_the_organisation_is_no_stranger(redis: Redis) -> None:
    async with FakeSlack(scopes=GRANTED, enterprise="E1") as slack:
        slack.people = {"U1": Person("Ana", team="E1")}
        found = await acted(slack, redis, by_mention, "U1", {})
        assert found.reached


async def test_no_log_line_of_a_refusal_holds_what_was_said(
    slack: FakeSlack, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    slack.people["U9"] = OUTSIDERS["guest"]
    for name in ("asyncio", "aiohttp"):
        logging.getLogger(name).setLevel(logging.INFO)
    for act in (by_mention, by_asking, by_form):
        await acted(slack, redis, act, "U9", {})
    everything = " ".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    assert "let me in" not in everything
    assert everything.count("slack_refused") >= 3
