"""Commands, feedback and forgetting on a real Valkey: what people are told is true, and what is deleted is gone."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import pytest
from redis.asyncio import Redis

from bot import store, usage
from bot.answer.means import ModelState
from bot.commands import HELP, NO_CONVERSATION, NOTHING_KEPT, RESET, About, Commands
from bot.desk import Desk
from bot.errors import StoreError
from bot.events import Author, Mention, Message, Place
from bot.inbox.forgetting import Forgetting
from bot.inbox.inbox import Inbox, LeaseLost
from bot.metrics import Metrics
from bot.sealing import Seal
from bot.services import Command, Feedback, Services
from bot.shared import RedisShared
from tests.mentions import ANA, BEN, deleted, mention

NOW = 1_795_824_000.0  # 2026-11-28
THREAD = Place("fake", "W", "C", "t1", "thread")
DM = Place("fake", "W", "D1", None, "dm")


@dataclass
class Office:
    """A desk, and what it stands on."""

    desk: Services
    inbox: Inbox
    shared: RedisShared
    state: ModelState
    metrics: Metrics
    redis: Redis

    async def says(self, name: str, place: Place = THREAD, author: Author = ANA) -> str:
        return await self.desk.command(Command(name, "", place, author))

    async def talked(self, one: Mention, text: str = "question") -> None:
        """One question that was answered."""
        await self.inbox.submit(one)
        (claim,), _ = await self.inbox.claim(1)
        said = Message("assistant", Author("", "Bot", is_bot=True), "answer", f"a{one.message_id}", one.sent_at)
        await self.inbox.done(claim, [Message("user", one.author, text, one.message_id, one.sent_at), said])

    def count(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"bot_{name}_total", {"platform": "fake", **labels}) or 0.0


@pytest.fixture
async def office(redis: Redis) -> Office:
    seal, state, metrics = Seal([bytes(range(32))]), ModelState(), Metrics()
    inbox, shared, forgetting = (
        Inbox(redis, history_ttl_s=3600, seal=seal),
        RedisShared(redis, seal=seal),
        Forgetting(redis),
    )
    about = About("Botty", "m-1", False, 72, lambda: {"slack": True, "discord": False}, state)
    commands = Commands(about, shared, inbox=inbox, forgetting=forgetting, wall=lambda: NOW)
    desk = Desk(shared, commands, forgetting=forgetting, metrics=metrics, wall=lambda: NOW)
    return Office(desk, inbox, shared, state, metrics, redis)


def in_dm(number: int, thread: str | None = None, author: Author = ANA) -> Mention:
    return replace(mention(number, author=author), place=replace(DM, thread=thread))


async def keys(redis: Redis) -> list[str]:
    return sorted(cast("list[str]", await redis.keys()))


class TestCommands:
    async def test_help_says_who_the_bot_is_and_what_it_can_be_asked(self, office: Office) -> None:
        told = await office.says("help")
        assert told == HELP.format(bot="Botty")
        for name in ("ask", "stop", "model", "prompt", "usage", "reset", "forget", "privacy", "status"):
            assert f"`{name}`" in told

    @pytest.mark.parametrize("name", ["dance", "__class__"])
    async def test_an_unknown_one_is_answered_with_help(self, office: Office, name: str) -> None:
        told = await office.says(name)
        assert told.startswith("I do not know that command.")
        assert "`help`" in told
        assert name not in told

    async def test_privacy_says_in_two_sentences_what_is_kept_and_how_it_goes(self, office: Office) -> None:
        told = await office.says("privacy")
        for said in ("for 3 days after its last answer", "for 62 days", "for 30 days", "model service", "`forget`"):
            assert said in told
        assert told.count(". ") == 1
        assert told.endswith(".")

    async def test_the_models_to_choose_from_are_the_one_that_answers(self, office: Office) -> None:
        assert list(office.desk.models) == ["m-1"]

    @pytest.mark.parametrize("name", ["", " HELP "])
    async def test_none_at_all_is_help(self, office: Office, name: str) -> None:
        assert await office.says(name) == HELP.format(bot="Botty")

    async def test_model_and_prompt_say_no_more_than_people_may_know(self, office: Office) -> None:
        assert "`m-1`" in await office.says("model")
        assert "standard" in await office.says("prompt")

    async def test_an_operators_own_prompt_is_told_of_and_not_shown(self, office: Office) -> None:
        about = About("Botty", "m-1", True, 5, dict, office.state)
        commands = Commands(about, office.shared, inbox=office.inbox, forgetting=Forgetting(office.redis))
        assert "has written" in await commands(Command("prompt", "", THREAD, ANA))
        assert "at most 5 hours" in await commands(Command("forget", "", THREAD, ANA))

    async def test_status_is_told_also_while_the_store_is_away(self, office: Office) -> None:
        async with store.connect("unix:///nonexistent/socket", data_dir=Path("unused")) as gone:
            about = About("Botty", "m-1", False, 72, dict, office.state)
            inbox = Inbox(gone, history_ttl_s=60)
            commands = Commands(about, office.shared, inbox=inbox, forgetting=Forgetting(gone))
            assert "my store does not answer" in await commands(Command("status", "", THREAD, ANA))

    async def test_usage_is_the_persons_own_of_this_month_and_the_last(self, office: Office) -> None:
        for author, month, asked in (
            (ANA, "2026-11", 12),
            (ANA, "2026-10", 1),
            (ANA, "2026-09", 7),
            (BEN, "2026-11", 99),
        ):
            name = usage.of_month("fake", "W", author.id, month)
            await office.shared.count(name, ttl_s=60, mentions=asked, prompt_tokens=30_000)
        assert await office.says("usage") == (
            "- This month: 12 questions answered, 30,000 tokens read and 0 written.\n"
            "- Last month: 1 question answered, 30,000 tokens read and 0 written."
        )
        assert (
            await office.says("usage", author=Author("U9", "New")) == "- This month: nothing.\n- Last month: nothing."
        )

    @pytest.mark.parametrize(
        ("failure", "word"), [(None, "not asked yet"), ("", "answers"), ("overloaded", "failed when")]
    )
    async def test_status_says_what_is_known(self, office: Office, failure: str | None, word: str) -> None:
        office.state.failure = failure
        await office.inbox.submit(mention(1))
        told = await office.says("status")
        assert "Slack: connected\n- Discord: not connected" in told
        assert word in told
        assert "1 conversation waiting" in told
        await office.redis.zadd(store.key("ready"), {"fake:W:C:t1": 1})
        assert "s late" in await office.says("status")

    async def test_reset_forgets_the_thread_and_nothing_else(self, office: Office) -> None:
        await office.talked(mention(1))
        await office.talked(mention(2, thread="other"))
        assert await office.says("reset") == RESET
        assert await office.says("reset") == NOTHING_KEPT
        assert await office.inbox.submit(mention(3, addressed=False)) == "accepted"  # Ana's next question
        assert store.key("history", "fake:W:C:other") in await keys(office.redis)

    async def test_reset_above_the_threads_of_a_direct_message_forgets_them_all(self, office: Office) -> None:
        await office.talked(in_dm(1))
        await office.talked(in_dm(2, thread="5.0"))
        await office.talked(in_dm(3, thread="5.0", author=BEN))
        assert await office.says("reset", DM) == RESET
        assert [key for key in await keys(office.redis) if ":history:" in key] == []

    async def test_reset_of_a_channel_asks_for_its_thread(self, office: Office) -> None:
        place = Place("fake", "W", "C", None, "channel")
        assert await office.says("reset", place) == NO_CONVERSATION.format(sign="!")
        assert "`/reset`" in await office.desk.command(Command("reset", "", place, ANA, sign="/"))

    async def test_forget_deletes_what_is_the_persons_own_and_says_what_remains(self, office: Office) -> None:
        await office.talked(in_dm(1))
        await office.talked(in_dm(2, author=BEN))
        await office.talked(mention(3))
        await office.inbox.submit(in_dm(4))
        (claim,), _ = await office.inbox.claim(1)
        await office.inbox.done(claim, dead="crashed")
        for author in (ANA, BEN):
            for month in ("2026-11", "2026-10", "2026-09"):
                await office.shared.count(usage.of_month("fake", "W", author.id, month), ttl_s=60, mentions=1)
            await office.desk.feedback(Feedback(THREAD, "a3", author, good=False, text="meh"))
        told = await office.says("forget")
        assert "our direct conversation" in told
        assert "at most 3 days" in told
        left = await keys(office.redis)
        assert [key for key in left if f":{ANA.id}:" in key or key.endswith(f":{ANA.id}")] == []
        assert store.key("history", "fake:W:D1") not in left
        assert store.key("people", "fake:W:D1") not in left
        assert store.key("history", "fake:W:C:t1") in left
        assert [key for key in left if f":{BEN.id}:" in key] != []
        assert await office.redis.llen(store.key("dead")) == 0  # pyright: ignore[reportGeneralTypeIssues] -- redis-py's union
        assert "what I remembered" not in await office.says("forget")

    async def test_forget_on_a_server_reaches_direct_messages_that_belong_to_none(self, office: Office) -> None:
        nowhere = replace(in_dm(1), place=Place("fake", "", "D1", None, "dm"))
        await office.talked(nowhere)
        await office.shared.count(usage.of_month("fake", "", ANA.id, "2026-11"), ttl_s=60, mentions=1)
        await office.desk.feedback(Feedback(nowhere.place, "a1", ANA, good=False, text="meh"))
        assert "our direct conversation" in await office.says("forget", THREAD)
        left = await keys(office.redis)
        assert [key for key in left if f":{ANA.id}:" in key or key.endswith(f":{ANA.id}")] == []
        assert store.key("history", "fake::D1") not in left


@pytest.mark.parametrize(
    ("now", "back", "month"),
    [(NOW, 0, "2026-11"), (NOW, 1, "2026-10"), (1_767_225_600.0, 0, "2026-01"), (1_767_225_600.0, 1, "2025-12")],
)
def test_a_month_and_the_one_before_it(now: float, back: int, month: str) -> None:
    assert usage.month(now, back=back) == month


class TestFeedback:
    async def test_is_counted_once_for_each_person_and_answer_and_the_last_word_counts(self, office: Office) -> None:
        for good in (True, True, False, False, True):
            await office.desk.feedback(Feedback(THREAD, "a1", ANA, good=good))
        await office.desk.feedback(Feedback(THREAD, "a1", BEN, good=False, text="canary-text"))
        assert await office.shared.counts("feedback-counts:fake:W:2026-11") == {"good": 1, "bad": 1}
        assert office.count("feedback", verdict="bad") == 2
        text = await office.shared.get("feedback:fake:W:U2:a1", tenant="fake:W")
        assert text
        assert "canary-text" in text
        assert "canary" not in str(await office.redis.get(store.shared_key("feedback:fake:W:U2:a1")))

    async def test_without_a_word_erases_nothing_that_the_same_thumb_had_said(self, office: Office) -> None:
        for text in ("", "wrong year", ""):
            await office.desk.feedback(Feedback(THREAD, "a1", ANA, good=False, text=text))
        assert "wrong year" in str(await office.shared.get("feedback:fake:W:U1:a1", tenant="fake:W"))
        assert office.count("feedback", verdict="bad") == 1

    async def test_that_was_spoilt_in_the_store_is_replaced(self, office: Office) -> None:
        await office.shared.put("feedback:fake:W:U1:a1", "[]", tenant="fake:W", ttl_s=60)
        await office.desk.feedback(Feedback(THREAD, "a1", ANA, good=True))
        assert await office.shared.counts("feedback-counts:fake:W:2026-11") == {"good": 1}


async def test_what_was_not_streamed_natively_is_counted_by_its_reason(office: Office) -> None:
    office.desk.fell_back("fake", "budget")
    assert office.count("stream_fallback", reason="budget") == 1


class TestForgettingAWorkspace:
    async def test_leaves_no_key_of_it_and_every_key_of_the_others(self, office: Office) -> None:
        for workspace in ("W", "WW", "V"):
            await self.live_in(office, workspace)
        before = await keys(office.redis)
        await office.desk.forget(platform="fake", workspace="W")
        left = await keys(office.redis)
        assert [key for key in before if ":WW" in key or ":V" in key] == [
            key for key in left if ":WW" in key or ":V" in key
        ]
        gone = {key.split(":")[1] for key in set(before) - set(left)}
        assert gone == {"history", "people", "talks", "turn", "seen", "lane", "gone", "shared", "link"}
        assert [key for key in left if ":W:" in key or key.endswith(":W")] == []
        dump = [await office.redis.dump(key) for key in left]
        assert not any(b"fake:W:" in (one if isinstance(one, bytes) else str(one).encode()) for one in dump)
        ready = cast("list[str]", await office.redis.zrange(store.key("ready"), 0, -1))
        assert {lane.split(":")[1] for lane in ready} == {"WW", "V"}

    async def live_in(self, office: Office, workspace: str) -> None:
        """One of everything that can be stored for a workspace."""

        def there(one: Mention, *, reply: bool = False) -> Mention:
            place = replace(one.place, workspace=workspace, channel=f"C{workspace}")
            event_id = f"fake:{one.message_id}{workspace}" if reply else f"fake:{workspace}:C:{one.message_id}"
            return replace(one, event_id=event_id, place=place)

        await office.talked(there(mention(1)))
        await office.talked(there(in_dm(2)))
        await office.inbox.submit(there(mention(3, thread=None), reply=True))
        (claim,), _ = await office.inbox.claim(1)
        await office.inbox.note_part(claim, 0, f"m{workspace}")
        await office.inbox.note_answer(claim, "answer")
        await office.inbox.submit(there(mention(4, thread="dead")))
        (dead,), _ = await office.inbox.claim(1)
        await office.inbox.done(dead, dead="crashed")
        await office.inbox.submit(there(mention(5)))
        await office.inbox.submit(deleted(there(mention(6, thread="never seen"))))
        await office.shared.put(f"names:fake:{workspace}", "x", tenant=f"fake:{workspace}", ttl_s=60)
        await office.shared.count(usage.of_month("fake", workspace, "U1", "2026-11"), ttl_s=60, mentions=1)

    async def test_refuses_whoever_works_for_it(self, office: Office) -> None:
        await office.inbox.submit(mention(1))
        (claim,), _ = await office.inbox.claim(1)
        await office.desk.forget(platform="fake", workspace="W")
        with pytest.raises(LeaseLost):
            await office.inbox.done(claim, [Message("user", ANA, "late", "1", 1.0)])
        assert [key for key in await keys(office.redis) if key.split(":")[1] in ("history", "lane")] == []

    async def test_whose_name_is_a_pattern_touches_no_other(self, office: Office) -> None:
        await office.talked(mention(1))
        before = await keys(office.redis)
        await office.desk.forget(platform="fake", workspace="*")
        await office.desk.forget(platform="*", workspace="W")
        assert await keys(office.redis) == before

    async def test_says_so_when_it_could_not(self) -> None:
        async with store.connect("unix:///nonexistent/socket", data_dir=Path("unused")) as gone:
            with pytest.raises(StoreError):
                await Forgetting(gone).workspace("fake", "W")
