"""A fake platform as the benchmark sees it: ask something, and know when which write of the answer arrived."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from tests.bench.model import END
from tests.bench.tokens import APP_TOKEN, BOT_TOKEN, DISCORD_TOKEN
from tests.fakes.discord import FakeDiscord
from tests.fakes.slack import FakeSlack

T = TypeVar("T")

CHANNELS = 50
"""Discord's adapter takes the mentions of one channel one by one, so a crowd is spread over channels."""


class Answer:
    """What arrived of one answer. Times are time.monotonic(), 0.0 where it did not happen yet."""

    def __init__(self) -> None:
        self.first_at = 0.0
        self.last_at = 0.0
        self.ended = asyncio.Event()

    def written(self, text: str, at: float) -> None:
        """One write has arrived."""
        self.first_at = self.first_at or at
        if END in text and not self.last_at:
            self.last_at = at
            self.ended.set()


class Stage(ABC):
    """One fake platform. `calls` counts what was called on it, `connected` is set by a live connection."""

    name: str

    def __init__(self) -> None:
        self.calls = 0
        self.connected = asyncio.Event()
        self.answers: defaultdict[str, Answer] = defaultdict(Answer)

    @abstractmethod
    async def ask(self, text: str) -> str:
        """Deliver a mention; gives the key of its answer."""

    @abstractmethod
    def slow(self, latency_s: float) -> None:
        """Delay every call from now on."""

    @abstractmethod
    def bot_settings(self) -> dict[str, str]:
        """The environment that connects the bot."""

    @abstractmethod
    def reference_arguments(self) -> list[str]:
        """The arguments that connect the reference."""


class Watched(list[T]):
    """A ledger that tells what is entered instead of keeping it: a long run must not fill the memory."""

    def __init__(self, told: Callable[[T], None]) -> None:
        super().__init__()
        self._told = told

    def append(self, entry: T, /) -> None:
        self._told(entry)


class SlackStage(Stage):
    """Slack over Socket Mode; both events of a mention are sent, `app_mention` first."""

    name = "slack"

    def __init__(self, fake: FakeSlack) -> None:
        super().__init__()
        self._fake = fake
        fake.ledger = Watched(lambda entry: self._happened(entry.what, entry.name, entry.fields))

    async def ask(self, text: str) -> str:
        return await self._fake.mention("C1", "U01", text, order=("app_mention", "message"))

    def slow(self, latency_s: float) -> None:
        self._fake.latency_s = latency_s

    def bot_settings(self) -> dict[str, str]:
        tokens = {"SLACK_BOT_TOKEN": BOT_TOKEN, "SLACK_APP_TOKEN": APP_TOKEN}
        return {**tokens, "SLACK_API_URL": self._fake.api_url}

    def reference_arguments(self) -> list[str]:
        return ["--platform", "slack", "--api-url", self._fake.api_url]

    def _happened(self, what: str, name: str, fields: dict[str, Any]) -> None:
        if (what, name) == ("socket", "open"):
            self.connected.set()
        if what != "call":
            return
        self.calls += 1
        args: dict[str, Any] = fields["args"]
        if name in ("chat.postMessage", "chat.startStream"):
            self.answers[args["thread_ts"]].written(_text(args), time.monotonic())
        elif name in ("chat.update", "chat.appendStream"):
            message = self._fake.channels[args["channel"]][args["ts"]]
            self.answers[message["thread_ts"]].written(message["markdown_text"], time.monotonic())


def _text(args: dict[str, Any]) -> str:
    """What a post shows: Markdown of its own, or in a block above the buttons."""
    return args["markdown_text"] if "markdown_text" in args else args["blocks"][0]["text"]


class DiscordStage(Stage):
    """Discord with its gateway; the crowd is spread over channels."""

    name = "discord"

    def __init__(self, fake: FakeDiscord) -> None:
        super().__init__()
        self._fake = fake
        self._channels = [fake.add_channel(f"bench-{number}") for number in range(CHANNELS)]
        self._asked = 0
        self._question_of: dict[str, str] = {}
        fake.ledger = Watched(lambda entry: self._happened(entry.what, entry.data))

    async def ask(self, text: str) -> str:
        self._asked += 1
        return self._fake.mention(self._channels[self._asked % CHANNELS], self._fake.ann, text)

    def slow(self, latency_s: float) -> None:
        self._fake.latency_s = latency_s

    def bot_settings(self) -> dict[str, str]:
        return {"DISCORD_TOKEN": DISCORD_TOKEN, "DISCORD_API_URL": self._fake.api_url}

    def reference_arguments(self) -> list[str]:
        url, gateway = self._fake.api_url, self._fake.gateway.url
        return ["--platform", "discord", "--api-url", url, "--gateway-url", gateway]

    def _happened(self, what: str, data: dict[str, Any]) -> None:
        if what == "identify":
            self.connected.set()
        elif what == "request":
            self.calls += 1
        elif what == "post":
            # discord.py sends ids as numbers.
            self._question_of[data["id"]] = str(data["body"]["message_reference"]["message_id"])
        if what in ("post", "edit"):
            self.answers[self._question_of[data["id"]]].written(data["body"]["content"], time.monotonic())


@asynccontextmanager
async def opened(platform: str) -> AsyncGenerator[Stage]:
    """A new fake of this platform, without rate limits."""
    if platform == "slack":
        async with FakeSlack(bot_token=BOT_TOKEN, app_token=APP_TOKEN, rates=False) as slack:
            yield SlackStage(slack)
    else:
        async with FakeDiscord(limits=False) as discord:
            yield DiscordStage(discord)
