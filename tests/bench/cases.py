"""What is measured of one client: each case puts a load on it and gives readings by name."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

from tests.bench import client
from tests.bench.client import Client, Setup, Who
from tests.bench.model import Model, Script, Times
from tests.bench.stage import Answer, Stage, opened

SHORT = Script(tokens=8, per_s=50)
INSTANT = Script(tokens=8)
PACED = Script(tokens=200, per_s=100)
BURST = Script(tokens=200, per_s=100, together=5)
"""A server under such a load sends several tokens in one write; so it also leaves the clients a core."""

SLOW_S = 0.1
ANSWER_WITHIN_S = 60.0
ATTEMPTS_APART_S = 0.05


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of each load. `rounds` is how often each client is measured, in turn."""

    rounds: int = 3
    starts: int = 2
    latency: int = 30
    slow: int = 30
    instant: int = 300
    instant_at_once: int = 20
    paced: int = 50
    burst: int = 500


FULL = Sizes()
QUICK = Sizes(rounds=1, latency=20, slow=15, instant=120, burst=200)
TINY = Sizes(rounds=1, starts=1, latency=2, slow=2, instant=4, instant_at_once=2, paced=2, burst=4)


@dataclass(frozen=True, slots=True)
class Reading:
    """One figure of one round: its value, from how many observations, and the 99th percentile where it has one."""

    value: float
    n: int
    p99: float | None = None


Readings = dict[str, Reading]


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question and all that came of it; `times` is None where the model was never asked."""

    asked_at: float
    answer: Answer
    times: Times | None


class Bench:
    """One connected client on one stage, and the model behind it."""

    def __init__(self, stage: Stage, model: Model, measured: Client, sizes: Sizes) -> None:
        self.stage = stage
        self.model = model
        self.client = measured
        self.sizes = sizes
        self._numbers = itertools.count(1)
        self._asked: dict[int, tuple[float, Answer]] = {}

    async def ask(self) -> Answer:
        """Deliver one mention."""
        number = next(self._numbers)
        asked_at = time.monotonic()
        answer = self.stage.answers[await self.stage.ask(f"question {number}")]
        self._asked[number] = asked_at, answer
        return answer

    async def one_by_one(self, count: int) -> None:
        """Each mention after the answer to the one before."""
        for _ in range(count):
            await _ended(await self.ask())

    async def spread(self, count: int, *, apart_s: float) -> bool:
        """One mention every `apart_s`; whether all were answered in time."""
        began, answers = time.monotonic(), list[Answer]()
        for number in range(count):
            await asyncio.sleep(max(0.0, began + number * apart_s - time.monotonic()))
            answers.append(await self.ask())
        ended = await asyncio.gather(*map(_ended, answers))
        return all(ended)

    async def crowd(self, count: int, *, at_once: int) -> None:
        """So many mentions, `at_once` of them unanswered at any time."""
        share = [count // at_once + (number < count % at_once) for number in range(at_once)]
        await asyncio.gather(*map(self.one_by_one, share))

    async def exchanges(self) -> list[Exchange]:
        """All since the last call."""
        times = await self.model.times()
        asked, self._asked = self._asked, {}
        return [Exchange(at, answer, times.get(number)) for number, (at, answer) in asked.items()]


Case = Callable[[Bench], Awaitable[Readings]]


async def latency(bench: Bench) -> Readings:
    """One at a time: how long each step takes."""
    await bench.model.answer(SHORT)
    await bench.one_by_one(bench.sizes.latency)
    found = await bench.exchanges()
    return {
        "event to request, ms": _delay([(one.asked_at, one.times.asked_at) for one in found if one.times]),
        "first token to first write, ms": _delay(
            [(one.times.first_at, one.answer.first_at) for one in found if one.times]
        ),
        "last token to final write, ms": _delay(
            [(one.times.last_at, one.answer.last_at) for one in found if one.times]
        ),
    }


async def slow(bench: Bench) -> Readings:
    """With 100 ms on every platform call."""
    await bench.model.answer(SHORT)
    bench.stage.slow(SLOW_S)
    try:
        await bench.spread(bench.sizes.slow, apart_s=ATTEMPTS_APART_S)
    finally:
        bench.stage.slow(0.0)
    found = await bench.exchanges()
    pairs = [(one.asked_at, one.times.asked_at) for one in found if one.times]
    return {"event to request, calls take 100 ms": _delay(pairs)}


async def instant(bench: Bench) -> Readings:
    """A model that answers at once, always 20 mentions unanswered."""
    await bench.model.answer(INSTANT)
    count = bench.sizes.instant
    began, cpu, store = time.monotonic(), bench.client.cpu_s(), bench.client.children_cpu_s()
    await bench.crowd(count, at_once=bench.sizes.instant_at_once)
    wall_s = time.monotonic() - began
    await bench.exchanges()
    return {
        "instant model, mentions/s": Reading(count / wall_s, count),
        "instant model, CPU ms a mention": Reading((bench.client.cpu_s() - cpu) * 1000 / count, count),
        "  the embedded store's, ms": Reading((bench.client.children_cpu_s() - store) * 1000 / count, count),
    }


async def paced(bench: Bench) -> Readings:
    """50 answers at once of 200 tokens at 100 a second."""
    await bench.model.answer(PACED)
    count, calls = bench.sizes.paced, bench.stage.calls
    cpu, store = bench.client.cpu_s(), bench.client.children_cpu_s()
    await bench.crowd(count, at_once=count)
    await bench.exchanges()
    return {
        "200 tokens paced, CPU ms a mention": Reading((bench.client.cpu_s() - cpu) * 1000 / count, count),
        "  the embedded store's, ms ": Reading((bench.client.children_cpu_s() - store) * 1000 / count, count),
        "platform calls a reply of 2 s": Reading((bench.stage.calls - calls) / count, count),
    }


async def burst(bench: Bench) -> Readings:
    """All within one second: once answered at once, once with 200 tokens in 2 s."""
    readings: Readings = {}
    for kind, script in (("instant", INSTANT), ("2 s", BURST)):
        await bench.model.answer(script)
        answered, wall_s = await _burst(bench)
        readings[f"burst, {kind} answers: answered %"] = answered
        readings[f"burst, {kind} answers: wall s"] = wall_s
    return {**readings, "burst, peak RSS MB": Reading(bench.client.peak_rss_mb(), 1)}


async def _burst(bench: Bench) -> tuple[Reading, Reading]:
    count, began = bench.sizes.burst, time.monotonic()
    await bench.spread(count, apart_s=1 / count)
    wall_s = time.monotonic() - began
    answered = sum(bool(one.answer.last_at) for one in await bench.exchanges())
    return Reading(100 * answered / count, count), Reading(wall_s, count)


CASES: dict[str, Case] = {case.__name__: case for case in (latency, slow, instant, paced, burst)}
START = "start"


async def measure(
    who: Who, platform: str, model: Model, *, names: Sequence[str], sizes: Sizes, setup: Setup
) -> Readings:
    """One client's readings of these cases, in one life of its process."""
    readings: Readings = {}
    async with opened(platform) as stage:
        if START in names:
            readings |= await _starts(who, stage, model, sizes, setup)
        async with client.running(who, stage, model.url, setup) as measured:
            bench = Bench(stage, model, measured, sizes)
            await _warm_up(bench)
            for name, case in CASES.items():
                if name in names:
                    readings |= await case(bench)
    return readings


async def _starts(who: Who, stage: Stage, model: Model, sizes: Sizes, setup: Setup) -> Readings:
    connected, idle = list[float](), list[float]()
    for _ in range(sizes.starts):
        async with client.running(who, stage, model.url, setup) as measured:
            connected.append(measured.connected_ms)
            await asyncio.sleep(0.3)
            idle.append(measured.rss_mb())
    return {
        "spawn to connected, ms": Reading(median(connected), sizes.starts),
        "idle RSS, MB": Reading(median(idle), sizes.starts),
    }


async def _warm_up(bench: Bench) -> None:
    # Connections, caches and late imports are not what the first figures are about.
    await bench.model.answer(INSTANT)
    await bench.crowd(min(20, bench.sizes.instant), at_once=4)
    await bench.exchanges()


async def _ended(answer: Answer) -> bool:
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            await answer.ended.wait()
    except TimeoutError:
        return False
    return True


def _delay(pairs: Sequence[tuple[float, float]]) -> Reading:
    delays = [(until - since) * 1000 for since, until in pairs]
    p99 = quantiles(delays, n=100, method="inclusive")[98] if len(delays) > 1 else delays[0]
    return Reading(median(delays), len(delays), p99)
