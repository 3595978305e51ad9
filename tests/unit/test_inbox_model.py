"""The inbox against a model: random interleavings of everything that can happen to lanes, on a real Valkey."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from bot import store
from bot.claim import Claim
from bot.events import Author, Message
from bot.inbox import Inbox, LeaseLost
from tests.mentions import mention

T = TypeVar("T")
LANES = ["a", "b", "c"]


@dataclass
class Lane:
    """What the model knows of one conversation."""

    waiting: set[int] = field(default_factory=set[int])
    settled: list[int] = field(default_factory=list[int])
    holder: Claim | None = None
    put_back_until_due: bool = False


class InboxMachine(RuleBasedStateMachine):
    """Each rule is one thing a gateway, a worker, a crash or the clock can do."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.lanes = {name: Lane() for name in LANES}
        self.seen: set[tuple[str, int]] = set()
        self.stale: list[Claim] = []

    def wait_for(self, doing: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(doing)

    @initialize()
    def connect(self) -> None:
        self.connection = store.connect(self.url, data_dir=Path("unused"))
        self.redis = self.wait_for(_enter(self.connection))
        self.wait_for(_flush(self.redis))
        self.inbox = Inbox(self.redis, history_ttl_s=3600)

    @rule(lane=st.sampled_from(LANES), number=st.integers(1, 12))
    def submit(self, lane: str, number: int) -> None:
        outcome = self.wait_for(self.inbox.submit(mention(int(f"{number}{LANES.index(lane)}"), thread=lane)))
        assert outcome == ("duplicate" if (lane, number) in self.seen else "accepted")
        if (lane, number) not in self.seen:
            self.seen.add((lane, number))
            self.lanes[lane].waiting.add(number)

    @rule(most=st.integers(1, 3))
    def claim(self, most: int) -> None:
        free = {n for n, lane in self.lanes.items() if lane.waiting and not lane.holder and not lane.put_back_until_due}
        claims, _ = self.wait_for(self.inbox.claim(most))
        assert len(claims) == min(most, len(free))
        for claim in claims:
            name = claim.conversation[-1]
            assert name in free
            lane = self.lanes[name]
            assert _number(claim) == min(lane.waiting)
            assert [int(message.text) for message in claim.history] == lane.settled
            lane.holder = claim

    @rule(lane=st.sampled_from(LANES))
    def settle(self, lane: str) -> None:
        state = self.lanes[lane]
        if state.holder is None:
            return
        number = _number(state.holder)
        self.wait_for(self.inbox.done(state.holder, [_said(number)]))
        state.waiting.remove(number)
        state.settled.append(number)
        self._let_go(state)

    @rule(lane=st.sampled_from(LANES), delayed=st.booleans())
    def put_back(self, lane: str, delayed: bool) -> None:
        state = self.lanes[lane]
        if state.holder is None:
            return
        self.wait_for(self.inbox.again(state.holder, delay_s=600 if delayed else 0))
        state.put_back_until_due = delayed
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
            await self.inbox.done(claim, [_said(999)])
        elif how == "again":
            await self.inbox.again(claim, delay_s=0)
        elif how == "part":
            await self.inbox.note_part(claim, 0, "late")
        else:
            await self.inbox.note_answer(claim, "late")

    def _let_go(self, state: Lane) -> None:
        if state.holder is not None:
            self.stale.append(state.holder)
        state.holder = None

    @invariant()
    def the_lanes_in_redis_are_those_of_the_model(self) -> None:
        if hasattr(self, "redis"):
            count, _ = self.wait_for(self.inbox.depth())
            assert count == sum(1 for lane in self.lanes.values() if lane.waiting)

    def teardown(self) -> None:
        if hasattr(self, "redis"):
            self._work_off()
            self.wait_for(_leave(self.connection))
        self.runner.close()

    def _work_off(self) -> None:
        """Nothing is lost: whatever was accepted can be worked to its end, each once."""
        for lane in LANES:
            self.time_passes(lane)
        while any(lane.waiting for lane in self.lanes.values()):
            self.claim(3)
            for lane in LANES:
                self.settle(lane)
        done = {(name, number) for name, lane in self.lanes.items() for number in lane.settled}
        assert done == self.seen
        assert sum(len(lane.settled) for lane in self.lanes.values()) == len(self.seen)


def _number(claim: Claim) -> int:
    return int(claim.event_id.rsplit(":", 1)[1][:-1])


def _said(number: int) -> Message:
    return Message("assistant", Author("", "Bot", is_bot=True), str(number), "m", 1.0)


async def _enter(connection: Any) -> Any:
    return await connection.__aenter__()


async def _leave(connection: Any) -> None:
    await connection.__aexit__(None, None, None)


async def _flush(redis: Any) -> None:
    await redis.execute_command("FLUSHALL")


async def _due(redis: Any, conversation: str) -> None:
    await redis.zadd(store.key("ready"), {conversation: 1})


def test_every_interleaving_keeps_lanes_whole_ordered_and_held_by_one(valkey_url: str) -> None:
    InboxMachine.url = valkey_url
    run_state_machine_as_test(
        InboxMachine,
        settings=settings(
            max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
        ),
    )
