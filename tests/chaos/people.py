"""What people do in a run: conversations on both platforms, in which they ask in bursts; and the model's answers.

A question is `question 0007`; `answer_to` writes the answer that `verdict` knows how to read.
"""

import asyncio
import itertools
import random
import re
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Protocol

from tests.chaos.verdict import Asked
from tests.fakes.completions import JSON, Answer, Raw, Request, Text, status, text_events
from tests.fakes.discord import FakeDiscord, Payload
from tests.fakes.slack import FakeSlack, Form

QUESTION = re.compile(r"question (\d{4})")
ORDERS: tuple[tuple[Form, Form], ...] = (("message", "app_mention"), ("app_mention", "message"))
ANSWER_S = 0.5
SENTENCES, SENTENCES_LONG = 6, 95
"""An answer of one message, and one of two on Slack and three on Discord."""


class Conversation(Protocol):
    """One place in which one person asks."""

    @property
    def name(self) -> str: ...

    @property
    def hears(self) -> bool:
        """Whether what is said now reaches the bot: Discord loses what it cannot deliver."""
        ...

    async def ask(self, text: str, rng: random.Random) -> str:
        """Ask, and give the id under which the bot knows the mention."""
        ...


@dataclass
class SlackThread:
    slack: FakeSlack
    channel: str
    root: str = ""

    @property
    def name(self) -> str:
        return f"slack:{self.channel}"

    hears = True

    async def ask(self, text: str, rng: random.Random) -> str:
        known = bool(self.root and self.slack.answers(self.channel, self.root))
        if known and rng.random() < 0.3:
            ts = await self.slack.say(self.channel, "U01", text, thread_ts=self.root)
        else:
            order = rng.choice(ORDERS)
            ts = await self.slack.mention(self.channel, "U01", text, thread_ts=self.root or None, order=order)
        self.root = self.root or ts
        return f"slack:{self.slack.team}:{self.channel}:{ts}"


@dataclass
class SlackDm:
    slack: FakeSlack
    user: str

    @property
    def name(self) -> str:
        return f"slack:D{self.user}"

    hears = True

    async def ask(self, text: str, rng: random.Random) -> str:
        ts = await self.slack.dm(self.user, text)
        return f"slack:{self.slack.team}:D{self.user}:{ts}"


@dataclass
class DiscordPlace:
    """A thread, or with `user` alone a direct message."""

    discord: FakeDiscord
    channel: str
    user: Payload

    @property
    def name(self) -> str:
        return f"discord:{self.channel}"

    @property
    def hears(self) -> bool:
        return bool(self.discord.gateway.live)

    async def ask(self, text: str, rng: random.Random) -> str:
        return f"discord:{self.discord.mention(self.channel, self.user, text)}"


def conversations(slack: FakeSlack, discord: FakeDiscord, number: int) -> list[Conversation]:
    """Half of them on each platform, two thirds of those in threads and one third in direct messages."""
    found: list[Conversation] = []
    for at in range(number):
        private = at % 3 == 2
        if at % 2 and private:
            user = discord.user(f"person{at}")
            found.append(DiscordPlace(discord, discord.dm_channel(user), user))
        elif at % 2:
            found.append(DiscordPlace(discord, discord.create_thread(discord.channel, discord.ann), discord.ann))
        else:
            found.append(SlackDm(slack, f"U{at:02}") if private else SlackThread(slack, f"C{at}"))
    return found


class People:
    """Everybody who asks. `asked` holds what they asked so far, in order."""

    def __init__(self, places: list[Conversation], rng: random.Random) -> None:
        self._places = places
        self._rng = rng
        self._numbers = itertools.count(1)
        self._held: list[Conversation] = []
        self.asked: list[Asked] = []

    async def talk(self, mentions: int, *, seconds: float, event: Callable[[float], None] = lambda _: None) -> None:
        """Ask so many questions within that time, some at once. `event` is told how far they are, from 0 to 1."""
        began = time.monotonic()
        async for share, place in self._bursts(mentions, began=began, seconds=seconds):
            await self._ask(place)
            event(share)
        while self._held:
            await asyncio.sleep(0.05)
            await self._catch_up()

    async def burst(self, size: int) -> None:
        """Ask on Slack, at many places at once."""
        for place in self._rng.choices([one for one in self._places if one.name.startswith("slack")], k=size):
            await self._ask(place)

    async def _bursts(
        self, mentions: int, *, began: float, seconds: float
    ) -> AsyncGenerator[tuple[float, Conversation], None]:
        asked = 0
        while asked < mentions:
            await asyncio.sleep(max(0.0, began + seconds * asked / mentions - time.monotonic()))
            place = self._places[asked] if asked < len(self._places) else self._rng.choice(self._places)
            for _ in range(min(self._rng.choice((1, 1, 2, 4)), mentions - asked)):
                asked += 1
                yield asked / mentions, place

    async def _ask(self, place: Conversation) -> None:
        await self._catch_up()
        if place.hears:
            await self._say(place)
        else:
            self._held.append(place)

    async def _catch_up(self) -> None:
        while self._held and self._held[0].hears:
            await self._say(self._held.pop(0))

    async def _say(self, place: Conversation) -> None:
        number = next(self._numbers)
        event_id = await place.ask(f"question {number:04}", self._rng)
        self.asked.append(Asked(number, place.name, event_id, sentences(number), time.monotonic()))


def sentences(number: int) -> int:
    """How many sentences the answer to a question has."""
    return SENTENCES_LONG if number % 7 == 3 else SENTENCES


def model(rng: random.Random, *, error_rate: float) -> Callable[[Request], Answer]:
    """A model that answers within half a second, and fails by chance in every way that an API fails."""

    def answer(request: Request) -> Answer:
        number = int(QUESTION.findall(request.last_user_text)[-1])
        pieces = answer_to(number)
        if rng.random() >= error_rate:
            return Text(deltas=pieces, tokens_per_s=len(pieces) / ANSWER_S)
        half = text_events(*pieces[: len(pieces) // 2], finish=None)
        return rng.choice(
            (
                status(500),
                status(503),
                status(429, retry_after="1"),
                Raw([b"<html>no</html>"], status=502),
                Raw([b"{"], headers=JSON),
                Raw([], ending="hang"),
                Raw(half, every_s=ANSWER_S / len(pieces), ending="cut"),
                Raw(half, every_s=ANSWER_S / len(pieces), ending="hang"),
            )
        )

    return answer


def answer_to(number: int) -> tuple[str, ...]:
    """The whole answer, one piece a sentence."""
    return tuple(
        f"q{number:04}s{at:02} and some words of the answer too." + ("\n\n" if at % 5 == 4 else " ")
        for at in range(sentences(number))
    )
