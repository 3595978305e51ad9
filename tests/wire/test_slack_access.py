"""Who may use the bot, on each of the six entries: events, commands, buttons, shortcuts, forms and the Home."""

import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis

from adapters.slack.answers import blocks
from adapters.slack.api.clients import web_client
from adapters.slack.incoming import facts, modals
from adapters.slack.incoming.access import (
    CHANNEL_KEPT_S,
    GUEST,
    PERSON_KEPT_S,
    SHARED,
    UNCHECKED,
    Access,
    Entry,
    Policy,
    Refusal,
)
from adapters.slack.incoming.buttons import NOT_YOURS, note
from adapters.slack.incoming.facts import STALE_S
from adapters.slack.payloads.parse import Identity
from adapters.slack.workspace import Workspace
from bot.errors import PlatformError, RateLimited, Unreachable
from bot.events import Author, Mention, Place
from tests.fakes.services import FakeServices
from tests.fakes.slack import GRANTED, ChannelFacts, FakeSlack, Json, Person, View
from tests.slack_listening import NEVER_S, Inbox, listening, patient, settings
from tests.unit.test_slack_interactions import PRESSED
from tests.until import until

MEMBER = Person("Ana")
OUTSIDERS = {
    "guest": Person("Gus", is_restricted=True),
    "single_channel_guest": Person("Gia", is_ultra_restricted=True),
    "stranger": Person("Sam", is_stranger=True),
    "other_company": Person("Oda", team="T9"),
    "deactivated": Person("Dee", deleted=True),
    "bot": Person("Bo", is_bot=True),
}


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack(scopes=GRANTED, resend_after_s=NEVER_S, clock=lambda: 0.0) as fake:  # no trigger id expires
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
    under = blocks.buttons(asked, "last", style="plain") + blocks.buttons(asked, "growing", style="plain")
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


async def by_stop_button(scene: Scene, user: str) -> None:
    await scene.slack.press(user, "C1", scene.answer, blocks.STOP)


async def by_spoken_stop(scene: Scene, user: str) -> None:
    await scene.slack.say("C1", user, "!stop", thread_ts=scene.root)


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
    *(by_command, by_asking, by_spoken_command, by_spoken_stop),
    *(by_button, by_stop_button, by_feedback),
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


INTERACTIONS = (by_command, by_asking, by_button, by_stop_button, by_feedback, by_summary, by_form, by_complaint)


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


async def test_while_slack_cannot_say_who_it_is_an_event_is_left_to_come_again(slack: FakeSlack, redis: Redis) -> None:
    inbox = Inbox()
    slack.resend_after_s = 0.2
    slack.fail("users.info", "500", "500")
    # Over HTTP an event comes again only after it was refused, however long that took.
    async with listening(slack, inbox, services=FakeServices(redis), http=True):
        ts = await slack.mention("C1", "U1", "hello", order=("message",))
        await until(lambda: len(slack.entries("ack")) == 1)
    assert inbox.ids == {f"slack:T1:C1:{ts}"}
    assert [entry.fields["attempt"] for entry in slack.entries("event")] == [1, 2, 3]


async def test_while_slack_cannot_say_more_of_a_channel_what_the_event_says_counts(
    slack: FakeSlack, redis: Redis
) -> None:
    slack.fail("conversations.info", *["500"] * 20)
    services, inbox = FakeServices(redis), Inbox()
    async with listening(slack, inbox, services=services):
        ts = await slack.mention("C1", "U1", "hello", order=("message",))
        await slack.event(
            {"type": "app_mention", "channel": "C2", "user": "U1", "ts": "1700000000.000100", "text": "x"}
        )
        await until(lambda: len(inbox.taken) == 2)
        unsaid = {"type": "app_mention", "channel": "C3", "user": "U1", "ts": "1700000000.000100", "text": "x"}
        await slack.event(unsaid, is_ext_shared_channel=None)
        slack.channel_facts["C2"] = ChannelFacts(is_ext_shared=True)
        await slack.mention("C2", "U1", "shared now", order=("message",))
        await until(lambda: len(slack.entries("ack")) == 3)
        slack.resend_after_s = 0.2
        await slack.command("U1", "C2", "/routernesia", "status")
    assert inbox.ids == {f"slack:T1:C1:{ts}", "slack:T1:C2:1700000000.000100"}
    assert not services.commands  # what was known of the channel ended with the event that said it is shared


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


class Gate:
    """`Access` over the real client, with a clock in hand."""

    def __init__(self, slack: FakeSlack, session: aiohttp.ClientSession) -> None:
        self.now = 0.0
        self.workspace = Workspace(web_client(settings(slack), session), Identity("T1", "UBOT", "BBOT"))
        self._access = Access(Policy(), clock=lambda: self.now)

    async def __call__(self, user: str = "U1", channel: str = "C1", **more: Any) -> Refusal | None:
        place = Place("slack", "T1", channel, "1.2", "thread")
        return await self._access.authorize(
            self.workspace, Entry(Author(user, user, team="T1"), place, "event", **more)
        )


@asynccontextmanager
async def gate(slack: FakeSlack) -> AsyncGenerator[Gate]:
    slack.store("C1", "U1", "hello")
    with patient():
        async with aiohttp.ClientSession() as session:
            made = Gate(slack, session)
            yield made
            await made.workspace.aclose()


async def test_what_slack_said_is_asked_again_of_a_channel_after_a_minute_and_of_a_person_after_five(
    slack: FakeSlack,
) -> None:
    async with gate(slack) as asked:
        assert await asked() is None
        slack.channel_facts["C1"] = ChannelFacts(is_pending_ext_shared=True)
        slack.people["U1"] = OUTSIDERS["guest"]
        asked.now = CHANNEL_KEPT_S - 1
        assert await asked() is None
        asked.now = CHANNEL_KEPT_S + 1
        assert await asked() == SHARED
        slack.channel_facts["C1"] = ChannelFacts()
        assert await asked() is None  # a refusal is never kept
        asked.now = PERSON_KEPT_S + 1
        assert await asked() == GUEST
        slack.people["U1"] = MEMBER
        assert await asked() is None


@pytest.mark.parametrize("fault", ["500", "429:1", "hang:5", "reset_before", "garbage"])
@pytest.mark.parametrize("method", ["users.info", "conversations.info"])
async def test_what_slack_said_within_the_hour_counts_while_it_cannot_be_asked(
    slack: FakeSlack, method: str, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with gate(slack) as asked:
        assert await asked() is None
        if fault == "hang:5":
            monkeypatch.setattr(facts, "WITHIN_S", 0.5)
        slack.fail(method, *[fault] * 10)
        asked.now = STALE_S - 1
        assert await asked() is None
        before = slack.counts()[method]
        assert await asked() is None
        assert slack.counts()[method] == before  # whoever comes next does not wait for another try
        asked.now = 2 * STALE_S
        with pytest.raises(PlatformError):
            await asked()


async def test_a_refusal_ends_what_was_known(slack: FakeSlack) -> None:
    async with gate(slack) as asked:
        assert await asked() is None
        slack.people["U1"] = OUTSIDERS["guest"]
        asked.now = PERSON_KEPT_S + 1
        assert await asked() == GUEST
        slack.fail("users.info", "500")
        with pytest.raises(Unreachable):
            await asked()


async def test_a_rate_limit_is_obeyed(slack: FakeSlack) -> None:
    async with gate(slack) as asked:
        slack.fail("users.info", "429:30")
        for asked.now in (0.0, 10.0, 29.0):
            with pytest.raises(RateLimited):
                await asked()
        assert slack.counts()["users.info"] == 1
        asked.now = 31.0
        assert await asked() is None


@pytest.mark.load
async def test_sixty_channels_and_two_hundred_people_in_a_minute_are_all_let_in_at_once() -> None:
    now = 0.0
    people = [f"U{number}" for number in range(200)]
    channels = [f"C{number}" for number in range(60)]
    async with FakeSlack(scopes=GRANTED, clock=lambda: now) as slack:
        slack.people = dict.fromkeys(people, MEMBER)
        for channel in channels:
            slack.store(channel, "U0", "hello")
        async with gate(slack) as asked:
            for half in (
                people[:100],
                people[100:],
            ):  # who writes for the first time: as many as Slack tells in a minute
                for number, user in enumerate(half):
                    assert await asked(user, channels[number % 60], shared=False) is None
                now = asked.now = now + 61
            for _ in range(5):
                now = asked.now = now + 2 * PERSON_KEPT_S
                for number, user in enumerate(people):
                    assert await asked(user, channels[number % 60], shared=False) is None
                    assert await asked(user, channels[number % 60]) is None


async def test_a_thread_without_the_bot_costs_no_call(slack: FakeSlack, redis: Redis) -> None:
    services, inbox = FakeServices(redis), Inbox()
    async with listening(slack, inbox, services=services):
        root = slack.store("C1", "U1", "people only")
        await slack.say("C1", "U2", "yes", thread_ts=root)
        await until(lambda: len(slack.entries("ack")) == 1)
    assert inbox.offered == 0
    assert not {"users.info", "conversations.info"} & set(slack.counts())


@pytest.mark.parametrize("act", ENTRIES, ids=act_by_name)
async def test_without_the_scope_to_tell_guests_from_members_nobody_gets_in(
    slack: FakeSlack, redis: Redis, act: Act
) -> None:
    slack.scopes.discard("users:read")
    found = await acted(slack, redis, act, "U1", {})
    assert not found.reached


async def test_without_the_scope_to_ask_of_channels_only_what_an_event_says_opens_them(
    slack: FakeSlack, redis: Redis
) -> None:
    slack.scopes.discard("channels:read")
    services, inbox = FakeServices(redis), Inbox()
    async with listening(slack, inbox, services=services):
        slack.store("C3", "U1", "nothing was heard of here")
        await slack.command("U1", "C3", "/routernesia", "status")
        assert not services.commands
        slack.channel_facts["C2"] = ChannelFacts(is_ext_shared=True)
        await slack.mention("C2", "U1", "hello")
        ts = await slack.mention("C1", "U1", "hello")
        await until(lambda: len(slack.entries("ack")) == 5)
    assert inbox.ids == {f"slack:T1:C1:{ts}"}
    assert slack.counts()["conversations.info"] == 2  # not asked again what can never be answered


async def test_a_missing_scope_is_told_to_the_operator_once_and_to_people_in_a_line(
    slack: FakeSlack, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    slack.scopes.discard("users:read")
    services, inbox = FakeServices(redis), Inbox()
    async with listening(slack, inbox, services=services):
        for user in ("U1", "U2", "U1"):
            await slack.mention("C1", user, "hello")
        await until(lambda: len(slack.entries("ack")) == 6)
    assert [(said["user"], said["markdown_text"]) for said in slack.ephemerals] == [
        ("U1", UNCHECKED.line),
        ("U2", UNCHECKED.line),
    ]
    assert [record.message for record in caplog.records].count("slack_access_unchecked") == 1


async def test_a_colleague_of_another_workspace_of_the_organisation_is_no_stranger(redis: Redis) -> None:
    async with FakeSlack(scopes=GRANTED, enterprise="E1", resend_after_s=NEVER_S, clock=lambda: 0.0) as slack:
        slack.people = {"U1": Person("Ana", team="E1")}
        found = await acted(slack, redis, by_mention, "U1", {})
        assert found.reached


async def test_such_a_colleague_may_press_a_button_though_the_payload_names_their_own_workspace(redis: Redis) -> None:
    services, inbox = FakeServices(redis), Inbox()
    async with FakeSlack(scopes=GRANTED, enterprise="E1", resend_after_s=NEVER_S, clock=lambda: 0.0) as slack:
        slack.people = {"U1": Person("Ana", team="E1"), "U9": Person("Oda", team="T9")}
        async with listening(slack, inbox, services=services):
            found = await scene(slack, services, inbox)
            for number, user in enumerate(("U9", "U1")):
                pressed = {**PRESSED, "user": {"id": user, "team_id": "T2"}, "team": {"id": "T2"}}
                pressed |= {"enterprise": {"id": "E1"}, "container": {"message_ts": found.answer, "channel_id": "C1"}}
                pressed["actions"] = [{"action_id": blocks.STOP, "value": f"{user}:1.2", "action_ts": f"{number}.1"}]
                await slack.deliver_interaction(pressed)
    assert [stop.by.id for stop in inbox.stops] == ["U1"]


@pytest.mark.parametrize("act", ENTRIES, ids=act_by_name)
async def test_a_guest_of_the_organisation_is_a_guest(redis: Redis, act: Act) -> None:
    async with FakeSlack(scopes=GRANTED, enterprise="E1", resend_after_s=NEVER_S, clock=lambda: 0.0) as slack:
        slack.people = {"U9": Person("Gus", team="E1", is_restricted=True)}
        found = await acted(slack, redis, act, "U9", {})
        assert not found.reached


LISTED = {"slack_allowed_users": frozenset({"U1", "U9"}), "slack_allowed_channels": frozenset({"C1"})}


@pytest.mark.parametrize(
    ("user", "given", "let_in"),
    [
        ("U1", LISTED, True),
        ("U2", LISTED, False),
        ("U1", {**LISTED, "slack_allowed_channels": frozenset({"C77"})}, False),
        ("U9", LISTED, False),  # a list narrows, it never lets a guest in
        ("U9", {**LISTED, "slack_allow_external": True}, True),
        ("U2", {**LISTED, "slack_allow_external": True}, False),
    ],
)
@pytest.mark.parametrize("act", IN_A_CHANNEL, ids=act_by_name)
async def test_all_settings_hold_together(
    slack: FakeSlack, redis: Redis, act: Act, user: str, given: dict[str, Any], let_in: bool
) -> None:
    slack.people["U9"] = OUTSIDERS["guest"]
    found = await acted(slack, redis, act, user, given)
    assert found.reached == let_in


async def test_a_list_of_channels_without_the_direct_ones_leaves_their_tab_as_it_is(
    slack: FakeSlack, redis: Redis
) -> None:
    found = await acted(slack, redis, by_messages_tab, "U1", {"slack_allowed_channels": frozenset({"C1"})})
    assert not found.reached
    assert not slack.answers("DU1")


async def test_who_may_not_use_the_bot_still_makes_a_thread_one_of_several_people(
    slack: FakeSlack, redis: Redis
) -> None:
    slack.people["U9"] = OUTSIDERS["guest"]
    services, inbox = FakeServices(redis), Inbox()
    async with listening(slack, inbox, services=services):
        root = await slack.mention("C1", "U1", "what is a lane?", order=("message",))
        await slack.say("C1", "U1", "and a road?", thread_ts=root)
        await until(lambda: len(inbox.taken) == 2)
        await slack.say("C1", "U9", "I know that one", thread_ts=root)
        await slack.say("C1", "U1", "do tell", thread_ts=root)
        await until(lambda: len(slack.entries("ack")) == 4)
    assert [(one.text, one.others) for one in inbox.taken] == [
        ("what is a lane?", ()),
        ("and a road?", ()),
        ("do tell", ("U9",)),
    ]


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
