"""Somebody who asks some questions a second, on Slack and Discord in turn, and watches what becomes of each."""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager

from tests.running import Services

WORDS = "An answer that takes a moment. It is not long, and stands in two sentences."
"""What the model says each time."""

LOOK_EVERY_S = 0.1


class Asking:
    """Questions by their ids. `asked_at`, `shown_at` and `whole_at` are the loop's times.

    `shown_at` is when anything of an answer stood, `whole_at` when all of it did.
    """

    def __init__(self, outside: Services, *, on_slack: list[str], on_discord: list[str], per_second: float) -> None:
        self.asked_at: dict[str, float] = {}
        self.shown_at: dict[str, float] = {}
        self.whole_at: dict[str, float] = {}
        self._outside = outside
        self._on_slack = on_slack
        self._on_discord = on_discord
        self._every_s = 1 / per_second

    @property
    def open(self) -> set[str]:
        """Questions whose answer does not stand."""
        self._look()
        return self.asked_at.keys() - self.whole_at.keys()

    @property
    def heard(self) -> bool:
        """Whether Slack need send nothing again."""
        return all(one.acked.is_set() for one in self._outside.slack.deliveries.values())

    @property
    def doubled(self) -> int:
        """Messages beyond the first that were begun for one question."""
        return sum(number - 1 for number in Counter(self._begun()).values())

    @property
    def waits_s(self) -> tuple[list[float], list[float]]:
        """How long each question waited for its whole answer, shortest first: on Slack, and on Discord."""
        waits_s = {one: at - self.asked_at[one] for one, at in self.whole_at.items()}
        on_slack = {one for one in waits_s if "." in one}  # a ts; Discord's ids are whole numbers
        return sorted(waits_s[one] for one in on_slack), sorted(waits_s[one] for one in waits_s.keys() - on_slack)

    @property
    def half_s(self) -> float:
        """How long an unfinished answer stood, at most."""
        return max((at - self.shown_at[one] for one, at in self.whole_at.items()), default=0.0)

    @asynccontextmanager
    async def asking(self) -> AsyncGenerator[None]:
        """Ask for as long as the context lasts."""
        over = asyncio.Event()
        task = asyncio.create_task(self._ask(over))
        try:
            yield
        finally:
            over.set()
            await task

    async def _ask(self, over: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as people:
            for number in itertools.count():
                if over.is_set():
                    return
                if number % 2:
                    self._ask_on_discord(number)
                else:
                    people.create_task(self._ask_on_slack(number))
                await asyncio.sleep(self._every_s)

    @asynccontextmanager
    async def watching(self) -> AsyncGenerator[None]:
        """Note when answers stand for as long as the context lasts."""
        task = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def _watch(self) -> None:
        while True:
            self._look()
            await asyncio.sleep(LOOK_EVERY_S)

    def _ask_on_discord(self, number: int) -> None:
        channel = self._on_discord[number % len(self._on_discord)]
        self.asked_at[self._outside.discord.mention(channel, self._outside.discord.bob, "question")] = self._now()

    async def _ask_on_slack(self, number: int) -> None:
        at, channel = self._now(), self._on_slack[number % len(self._on_slack)]
        self.asked_at[await self._outside.slack.mention(channel, "U01", "question")] = at

    def _look(self) -> None:
        now = self._now()
        for question, text in self._answers():
            self.shown_at.setdefault(question, now)
            if text == WORDS:
                self.whole_at.setdefault(question, now)

    def _answers(self) -> Generator[tuple[str, str]]:
        slack, discord = self._outside.slack, self._outside.discord
        for channel in self._on_slack:
            for one in slack.answers(channel):
                yield one["thread_ts"], one["text"]
        for channel in self._on_discord:
            for one in discord.answers(channel):
                yield str(one["message_reference"]["message_id"]), one["content"]

    def _begun(self) -> Generator[str]:
        slack, discord = self._outside.slack, self._outside.discord
        for entry in [*slack.entries("call", "chat.postMessage"), *slack.entries("call", "chat.startStream")]:
            if entry.fields["ok"]:
                yield str(entry.fields["args"]["thread_ts"])
        for entry in discord.entries("post"):
            yield str(entry["body"]["message_reference"]["message_id"])

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
