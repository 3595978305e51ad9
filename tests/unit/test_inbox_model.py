"""The inbox against a model: random interleavings of everything that can happen to lanes, on a real Valkey."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from redis.commands.core import AsyncScript
from redis.exceptions import ConnectionError as NotConnected

from bot import store
from bot.errors import StoreError
from bot.events import Author, Change, Mention, Message
from bot.inbox import history
from bot.inbox.claim import Claim
from bot.inbox.inbox import Inbox, LeaseLost
from bot.inbox.tally import Tally
from bot.sealing import Seal
from tests.mentions import mention, stop

T = TypeVar("T")
S = TypeVar("S")
LANES = ["a", "b", "c"]


@dataclass(frozen=True)
class Entry:
    """What waits in a lane: a mention, or a change of one (`text` None: its deletion)."""

    number: int
    kind: Literal["mention", "edit", "deletion"]
    text: str | None


@dataclass
class Lane:
    """What the model knows of one conversation. `waiting` is by score."""

    waiting: dict[float, Entry] = field(default_factory=dict[float, Entry])
    history: dict[int, str | None] = field(default_factory=dict[int, str | None])
    answered: list[int] = field(default_factory=list[int])
    tried: set[int] = field(default_factory=set[int])
    stopped: set[int] = field(default_factory=set[int])
    withdrawn: set[int] = field(default_factory=set[int])
    gone: set[int] = field(default_factory=set[int])
    early: dict[int, str] = field(default_factory=dict[int, str])  # edits that came before their mention
    edited: str = ""  # how the mention in work reads by now
    holder: Claim | None = None
    held: float = 0.0
    known: int = 0  # how many wishes to end its holder began with
    put_back_until_due: bool = False

    @property
    def running(self) -> Entry | None:
        """What its holder works on."""
        return self.waiting[self.held] if self.holder else None

    @property
    def wishes(self) -> int:
        """How many wishes to end stand for what is worked on."""
        entry = self.waiting[self.held]
        return 0 if entry.kind != "mention" else (entry.number in self.stopped) + (entry.number in self.withdrawn)

    def waits(self, number: int) -> float | None:
        """The score of a mention that was not settled."""
        found = [score for score, one in self.waiting.items() if (one.number, one.kind) == (number, "mention")]
        return found[0] if found else None


class InboxMachine(RuleBasedStateMachine):
    """Each rule is one thing a gateway, a worker, a crash or the clock can do."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.lanes = {name: Lane() for name in LANES}
        self.seen: set[tuple[str, int]] = set()
        self.removed: set[tuple[str, int]] = set()
        self.stale: list[Claim] = []
        self.changes = 0

    def wait_for(self, doing: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(doing)

    @initialize(sealed=st.booleans())
    def connect(self, sealed: bool) -> None:
        self.connection = store.connect(self.url, data_dir=Path("unused"))
        self.redis = self.wait_for(_enter(self.connection))
        self.wait_for(_flush(self.redis))
        self.tally = Tally(self.redis)
        self.inbox = Inbox(self.redis, history_ttl_s=3600, seal=Seal([bytes(range(32))] if sealed else []))

    @rule(lane=st.sampled_from(LANES), number=st.integers(1, 4))
    def submit(self, lane: str, number: int) -> None:
        state, one = self.lanes[lane], _mention(lane, number)
        outcome = self.wait_for(self.inbox.submit(one))
        if (lane, number) in self.seen:
            assert outcome == "duplicate"
        elif number in state.gone:
            assert outcome == "ignored"
        else:
            assert outcome == "accepted"
            self.seen.add((lane, number))
            state.waiting[one.sent_at] = Entry(number, "mention", state.early.pop(number, one.text))

    @rule(
        lane=st.sampled_from(LANES),
        number=st.integers(1, 4),
        in_work=st.booleans(),
        deletes=st.booleans(),
        again=st.booleans(),
    )
    def change(self, lane: str, number: int, in_work: bool, deletes: bool, again: bool) -> None:
        """A message is edited or deleted, that in work or any; and the change may be delivered twice."""
        self.changes += 1
        state = self.lanes[lane]
        number = state.running.number if in_work and state.running else number
        one = _mention(lane, number)
        now = None if deletes else replace(one, text=f"edit {self.changes}")
        at = one.sent_at + self.changes / 10_000
        event = Change(f"change:{self.changes}", one.place, one.message_id, at, now)
        outcome = self.wait_for(self.inbox.submit(event))
        assert outcome == self._changed(state, number, now, at, lane=lane)
        if again and outcome != "ignored":
            assert self.wait_for(self.inbox.submit(event)) == "duplicate"

    def _changed(self, state: Lane, number: int, now: Mention | None, at: float, *, lane: str) -> str:
        behind = Entry(number, "edit", now.text) if now else Entry(number, "deletion", None)
        score = state.waits(number)
        if score is None:
            if now is None:
                state.gone.add(number)
            elif (lane, number) not in self.seen:
                state.early[number] = now.text
            if not (state.history or state.holder):
                return "ignored"
            state.waiting[at] = behind
        elif now is not None and state.running == state.waiting[score]:
            state.waiting[at] = behind
            state.edited = now.text
        elif now is not None:
            state.waiting[score] = Entry(number, "mention", now.text)
        elif number in state.tried:
            state.withdrawn.add(number)
            if state.running != state.waiting[score]:
                state.put_back_until_due = False
        else:
            del state.waiting[score]
            self.removed.add((lane, number))
            state.put_back_until_due = state.put_back_until_due and bool(state.waiting)
            return "withdrawn"
        return "accepted"

    @rule(lane=st.sampled_from(LANES))
    def stop(self, lane: str) -> None:
        state = self.lanes[lane]
        mentions = [entry for _, entry in sorted(state.waiting.items()) if entry.kind == "mention"]
        meant = state.running if state.running in mentions else next(iter(mentions), None)
        outcome = self.wait_for(self.inbox.submit(stop(thread=lane)))
        assert outcome == ("accepted" if meant else "ignored")
        if meant:
            state.stopped.add(meant.number)
        if meant and not state.holder:
            state.put_back_until_due = False

    @rule(most=st.integers(1, 3), lost=st.booleans())
    def claim(self, most: int, lost: bool) -> None:
        if lost:
            self._lose(most)
        free = {n for n, lane in self.lanes.items() if lane.waiting and not lane.holder and not lane.put_back_until_due}
        claims, _ = self.wait_for(self.inbox.claim(most))
        assert len(claims) == min(most, len(free))
        for claim in claims:
            name = claim.conversation[-1]
            assert name in free
            lane = self.lanes[name]
            lane.held, entry = min(lane.waiting.items())
            assert [message.text for message in claim.history] == list(lane.history.values())
            if entry.kind == "mention":
                assert claim.mention
                assert (int(claim.mention.message_id), claim.mention.text) == (_id(name, entry.number), entry.text)
                assert (claim.stopped is not None) == (entry.number in lane.stopped)
                assert claim.withdrawn == (entry.number in lane.withdrawn)
                lane.tried.add(entry.number)
            else:
                assert claim.change
                assert (claim.change.now.text if claim.change.now else None) == entry.text
            lane.holder, lane.known = claim, lane.wishes

    def _lose(self, most: int) -> None:
        """A claim whose reply is lost. What it gave out may have an answer, as far as a deletion knows."""
        call, rows = AsyncScript.__call__, list[list[str]]()

        async def cut(script: AsyncScript, **given: Any) -> None:
            rows.extend((await call(script, **given))[0])
            raise NotConnected("cut")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(AsyncScript, "__call__", cut)
            with pytest.raises(StoreError):
                self.wait_for(self.inbox.claim(most))
        for conversation, *_ in rows:
            lane = self.lanes[conversation[-1]]
            _, entry = min(lane.waiting.items())
            if entry.kind == "mention":
                lane.tried.add(entry.number)

    @rule(lane=st.sampled_from(LANES))
    def settle(self, lane: str) -> None:
        state = self.lanes[lane]
        if state.holder is None:
            return
        entry = state.waiting.pop(state.held)
        state.edited = ""
        claim = state.holder
        if claim.change:
            self.wait_for(self.inbox.done(claim, revisions=history.revised(claim.lines, claim.change)))
            if entry.number in state.history and entry.text is None:
                del state.history[entry.number]
            elif entry.number in state.history:
                state.history[entry.number] = entry.text
        else:
            withdrawn = entry.number in state.withdrawn
            assert self.wait_for(self.inbox.done(claim, [_said(lane, entry)])) != withdrawn
            if withdrawn:
                assert claim.withdrawn
                assert self.wait_for(self.inbox.done(claim))
            state.answered.append(entry.number)
            if not withdrawn:
                state.history[entry.number] = entry.text
        self._let_go(state)

    @rule(lane=st.sampled_from(LANES))
    def renew(self, lane: str) -> None:
        state = self.lanes[lane]
        if state.holder is None or state.running is None or state.running.kind != "mention":
            return
        assert self.wait_for(self.inbox.renew([state.holder])) == []
        assert (state.holder.stopped is not None) == (state.running.number in state.stopped)
        assert state.holder.withdrawn == (state.running.number in state.withdrawn)

    @rule(lane=st.sampled_from(LANES), delayed=st.booleans())
    def put_back(self, lane: str, delayed: bool) -> None:
        state = self.lanes[lane]
        if state.holder is None:
            return
        self.wait_for(self.inbox.again(state.holder, delay_s=600 if delayed else 0))
        state.put_back_until_due = delayed and state.wishes == state.known
        self._let_go(state)

    @rule(lane=st.sampled_from(LANES))
    def time_passes(self, lane: str) -> None:
        """A lease or a back-off runs out: its holder was killed, or froze and will come back."""
        state = self.lanes[lane]
        if state.holder is None and not state.put_back_until_due:
            return
        self.wait_for(_due(self.redis, f"fake:W:C:{lane}"))
        state.put_back_until_due = False
        if state.holder is not None:
            self._let_go(state)

    @rule(how=st.sampled_from(["done", "again", "part", "answer", "renew"]))
    def a_former_holder_wakes_up(self, how: str) -> None:
        for claim in self.stale:
            current = self.lanes[claim.conversation[-1]].holder
            if current is None:
                continue  # nobody claimed since: the lane may still be its own
            if how == "renew":
                assert self.wait_for(self.inbox.renew([claim])) == [claim]
                continue
            if claim.settled and how in ("done", "again"):
                # As redis-py repeats a call whose reply was lost: refused once another has settled, never an effect.
                with suppress(LeaseLost):
                    self.wait_for(self._late(claim, how))
                continue
            with pytest.raises(LeaseLost):
                self.wait_for(self._late(claim, how))

    async def _late(self, claim: Claim, how: str) -> None:
        if how == "done":
            await self.inbox.done(claim, [_said("a", Entry(999, "mention", "late"))])
        elif how == "again":
            await self.inbox.again(claim, delay_s=0)
        elif how == "part":
            await self.inbox.note_part(claim, 0, "late")
        else:
            await self.inbox.note_answer(claim, "late")

    def _let_go(self, state: Lane) -> None:
        if state.holder is not None:
            self.stale.append(state.holder)
        if state.edited:
            state.waiting[state.held] = replace(state.waiting[state.held], text=state.edited)
        state.edited, state.holder = "", None

    @invariant()
    def lanes_are_those_of_the_model_and_all_that_was_taken_has_ended_or_waits(self) -> None:
        if hasattr(self, "redis"):
            (count, _), balance = self.wait_for(_both(self.inbox.depth(), self.tally()))
            assert count == sum(1 for lane in self.lanes.values() if lane.waiting)
            answered = sum(len(lane.answered) for lane in self.lanes.values())
            assert balance.unaccounted == 0
            assert balance.accepted == len(self.seen)
            assert balance.waiting == sum(len(lane.waiting) for lane in self.lanes.values())
            assert balance.answered + balance.withdrawn == answered + len(self.removed)

    def teardown(self) -> None:
        if hasattr(self, "redis"):
            self._work_off()
            self.wait_for(_leave(self.connection))
        self.runner.close()

    def _work_off(self) -> None:
        """Nothing is lost: whatever was accepted can be worked to its end, each once; a last one sees the history."""
        for lane in LANES:
            self.time_passes(lane)
            self.submit(lane, 9)
        while any(lane.waiting for lane in self.lanes.values()):
            self.claim(3, lost=False)
            for lane in LANES:
                self.settle(lane)
        answered = [(name, number) for name, lane in self.lanes.items() for number in lane.answered]
        assert set(answered) | self.removed == self.seen
        assert len(answered) + len(self.removed) == len(self.seen)


def _id(lane: str, number: int) -> int:
    return int(f"{number}{LANES.index(lane)}")


def _mention(lane: str, number: int) -> Mention:
    return mention(_id(lane, number), thread=lane)


def _said(lane: str, entry: Entry) -> Message:
    return Message("user", Author("U1", "Ana"), entry.text or "", str(_id(lane, entry.number)), 1.0)


async def _both(first: Coroutine[Any, Any, T], second: Coroutine[Any, Any, S]) -> tuple[T, S]:
    return await asyncio.gather(first, second)


async def _enter(connection: Any) -> Any:
    return await connection.__aenter__()


async def _leave(connection: Any) -> None:
    await connection.__aexit__(None, None, None)


async def _flush(redis: Any) -> None:
    await redis.execute_command("FLUSHALL")


async def _due(redis: Any, conversation: str) -> None:
    await redis.zadd(store.key("ready"), {conversation: 1})


@pytest.mark.hypothesis  # `make fuzz` selects by it, and knows only functions with @given by itself
def test_every_interleaving_keeps_lanes_whole_ordered_and_held_by_one(valkey_url: str) -> None:
    InboxMachine.url = valkey_url
    run_state_machine_as_test(
        InboxMachine,
        settings=settings(
            # Each is 40 steps, so half as many as of others: 30 in the suite, 500 in `make fuzz`.
            max_examples=settings().max_examples // 2,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
