"""The state of the fake: workspaces, tokens, channels, messages and its clock.

It knows neither HTTP nor what a method does. Everything else in this package reads and changes this one object.
"""

import asyncio
import itertools
import random
import time
from collections import defaultdict, deque
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from typing import Any

import aiohttp
from aiohttp import web

from tests.canary import said
from tests.fakes.slack.facts import (
    APP_TOKEN,
    BOT_TOKEN,
    CLIENT_ID,
    CLIENT_SECRET,
    GRANTED,
    SIGNING_SECRET,
    ChannelFacts,
    Clock,
    Delivery,
    Installation,
    Json,
    Link,
    Person,
    Team,
    Token,
)
from tests.fakes.slack.ledger import Ledger
from tests.fakes.slack.records import Grant, Reply, Session, Stream, Trigger, Upload, View

PREFIX_KINDS = {"D": "im", "G": "group"}


class World(Ledger):
    """One or more workspaces with one app; see the package's docstring."""

    def __init__(
        self,
        *,
        bot_token: str = BOT_TOKEN,
        app_token: str = APP_TOKEN,
        signing_secret: str = SIGNING_SECRET,
        client_id: str = CLIENT_ID,
        client_secret: str = CLIENT_SECRET,
        scopes: Iterable[str] = GRANTED,
        app_scopes: Iterable[str] = ("connections:write",),
        team: str = "T1",
        enterprise: str | None = None,
        bot_user: str = "UBOT",
        bot_id: str = "BBOT",
        events_url: str | None = None,
        interactive_url: str | None = None,
        command_url: str | None = None,
        agent: bool = True,
        subscribed: Iterable[str] | None = None,
        dedupe: bool = False,
        rates: bool = True,
        echoes: bool = True,
        rotation: bool = False,
        history_limited: bool = False,
        one_table: bool = False,
        resend_after_s: float = 3.0,
        resends: int = 3,
        latency_s: float = 0.0,
        chaos: Mapping[str, Mapping[str, float]] | None = None,
        seed: int = 0,
        clock: Clock = time.monotonic,
        speed: float = 1.0,
    ) -> None:
        """`dedupe` makes `client_msg_id` an idempotency key, as some workspaces do; `rates` are the documented limits.

        `echoes` sends the app events of its own posts, edits and deletions, as Slack does.

        `chaos` is method -> fault -> chance. With `events_url` events go there, signed; otherwise to open sockets.
        `interactive_url` and `command_url` are the same address where not given.

        `agent` is whether the app has the agent view. `subscribed` names the events the app asked for (message.im,
        app_mention, ...); None is all. `history_limited` is the limit of commercially distributed apps (2.3).
        `one_table` refuses a second table in Markdown text, too, as it always is in blocks and streams (2.6).

        `clock` in seconds and `speed` (Slack's seconds in one of the clock's) drive what takes minutes at Slack: the
        end of streams, sessions and tokens, rate limits, trigger ids, response URLs. Deliveries keep real time.
        """
        super().__init__()
        self.app_token, self.signing_secret = app_token, signing_secret
        for secret in (bot_token, app_token, signing_secret):
            said(secret)
        self.client_id, self.client_secret = client_id, client_secret
        self.app_scopes = set(app_scopes)
        self.home = Installation(team, enterprise, bot_token, bot_user, bot_id, set(scopes))
        self.installations: dict[str, Installation] = {team: self.home}
        self.tokens: dict[str, Token] = {bot_token: Token(bot_token, self.home)}
        self.teams: dict[str, Team] = {team: Team(team, enterprise)}
        self.events_url, self.interactive_url, self.command_url = events_url, interactive_url, command_url
        self.agent, self.subscribed = agent, None if subscribed is None else set(subscribed)
        self.dedupe, self.rates, self.echoes = dedupe, rates, echoes
        self.rotation, self.history_limited, self.one_table = rotation, history_limited, one_table
        self.resend_after_s, self.resends, self.latency_s = resend_after_s, resends, latency_s
        self.again_s: Sequence[float] = ()  # instead of the two above, a pause for each time an event is sent again
        self.chaos = chaos or {}
        self.page_max = 1_000
        self.refused_links = 0  # so many next sockets are refused, as with a ticket that is too old
        self.hidden_reads = 0  # so many next history reads do not yet show the newest message
        self.off: dict[str, str] = {}  # methods the workspace does not have, with the error they answer
        self.names: dict[str, str] = {}  # what people are called, by id; a short form of `people`
        self.people: dict[str, Person] = {}  # whoever is in neither is unknown to users.info
        self.channel_facts: dict[str, ChannelFacts] = {}
        self.pings: dict[str, set[str]] = defaultdict(set)  # whom each message of the app's called, by its ts
        self.channels: dict[str, dict[str, Json]] = defaultdict(dict)
        self.kinds: dict[str, str] = {}
        self.links: list[Link] = []
        self.deliveries: dict[str, Delivery] = {}
        self.statuses: dict[tuple[str, str], str] = {}  # assistant.threads.setStatus, by channel and thread
        self.streams: dict[tuple[str, str], Stream] = {}  # by channel and ts of the message
        self.sessions: dict[tuple[str, str], Session] = {}  # by channel and thread
        self.prompts: dict[str, Json] = {}  # suggested prompts that stand, by channel
        self.ignored_prompts = 0  # calls of setSuggestedPrompts that did nothing (2.5)
        self.ephemerals: list[Json] = []  # what only one person sees
        self.replies: dict[str, Reply] = {}  # response URLs, by their last segment
        self.triggers: dict[str, Trigger] = {}
        self.views: dict[str, View] = {}
        self.homes: dict[str, View] = {}  # published App Homes, by person
        self.uploads: list[Upload] = []  # completed, in order
        self.files: dict[str, Upload] = {}  # all, by id
        self.grants: dict[str, Grant] = {}  # OAuth codes
        self.refreshes: dict[str, Token] = {}  # refresh tokens that were not used yet
        self.reactions: dict[tuple[str, str], set[str]] = defaultdict(set)
        self.scripted: dict[str, deque[str]] = defaultdict(deque)
        self.spent: dict[tuple[str, str, str], deque[float]] = defaultdict(deque)
        self.by_client_id: dict[str, tuple[str, str]] = {}
        self.tickets: set[str] = set()
        self.numbers = itertools.count(1)
        self.random = random.Random(seed)
        self.tasks: set[asyncio.Task[None]] = set()
        self.session: aiohttp.ClientSession | None = None
        self.runner: web.AppRunner | None = None
        self.host = "127.0.0.1"
        self.port = 0
        self.turn = 0
        self._clock, self._speed = clock, speed
        self._read_at, self._now = clock(), 0.0
        self._last_ts = 0

    # The app's own installation, as most tests know only one

    @property
    def bot_token(self) -> str:
        """The newest bot token of the first workspace."""
        return self.home.bot_token

    def replace_bot_token(self, token: str) -> None:
        """The first workspace's app was installed anew; the old token is no longer good."""
        del self.tokens[self.home.bot_token]
        self.home.bot_token = token
        self.tokens[token] = Token(token, self.home)

    @property
    def scopes(self) -> set[str]:
        """What the first workspace's installation was granted."""
        return self.home.scopes

    @scopes.setter
    def scopes(self, granted: Iterable[str]) -> None:
        self.home.scopes = set(granted)

    @property
    def team(self) -> str:
        """The first workspace."""
        return self.home.team or ""

    @property
    def bot_user(self) -> str:
        """The bot's user in the first workspace."""
        return self.home.bot_user

    @property
    def bot_id(self) -> str:
        """The bot's id in the first workspace."""
        return self.home.bot_id

    # Time

    def now(self) -> float:
        """Slack's clock in seconds since the fake was made."""
        read = self._clock()
        self._now += (read - self._read_at) * self._speed
        self._read_at = read
        return self._now

    @property
    def speed(self) -> float:
        """How many of Slack's seconds pass in one of the clock's."""
        return self._speed

    @speed.setter
    def speed(self, factor: float) -> None:
        self.now()
        self._speed = factor

    def jump(self, seconds: float) -> None:
        """Let so many of Slack's seconds pass at once."""
        self.now()
        self._now += seconds

    def new_ts(self) -> str:
        """A ts that no message has yet."""
        self._last_ts = max(self._last_ts + 1, int(time.time() * 1_000_000))
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"

    # Workspaces

    def add_team(self, team: str, *, enterprise: str | None = None, channels: Iterable[str] = ()) -> Team:
        """One more workspace, without the app; these channels are its."""
        self.teams[team] = Team(team, enterprise, f"Fake {team}")
        for channel in channels:
            self.channel_facts[channel] = ChannelFacts(team=team)
        return self.teams[team]

    def installation(self, team: str) -> Installation | None:
        """The app as that workspace has it: its own installation, else its organisation's."""
        enterprise = self.teams[team].enterprise if team in self.teams else None
        found = [self.installations.get(team), self.installations.get(enterprise or "")]
        return next((one for one in found if one and one.alive), None)

    def team_of(self, channel: str) -> str:
        """The workspace a channel belongs to; a direct message belongs to its person's."""
        if (facts := self.channel_facts.get(channel)) and facts.team:
            return facts.team
        person = self.people.get(channel[1:]) if self.kind(channel) == "im" else None
        return (person and person.team) or self.team

    def kind(self, channel: str) -> str:
        """One of channel, group, im and mpim."""
        return self.kinds.get(channel) or PREFIX_KINDS.get(channel[:1], "channel")

    def facts(self, channel: str) -> ChannelFacts:
        """What was said about a channel, or that it is an ordinary one."""
        return self.channel_facts.get(channel, ChannelFacts())

    def known(self, user: str) -> Person | None:
        """A person by id."""
        if user in self.people:
            return self.people[user]
        return Person(self.names[user]) if user in self.names else None

    def bot_ids(self) -> set[str]:
        """The bot's ids in all workspaces."""
        return {one.bot_id for one in self.installations.values()}

    # What tests look at

    def thread(self, channel: str, ts: str) -> list[Json]:
        """A thread's messages, the parent first."""
        return [
            message
            for at, message in sorted(self.channels[channel].items())
            if at == ts or message.get("thread_ts") == ts
        ]

    def answers(self, channel: str, thread_ts: str | None = None) -> list[Json]:
        """The bot's own messages in a channel, or in one thread of it."""
        found = self.thread(channel, thread_ts) if thread_ts else list(self.channels[channel].values())
        ours = self.bot_ids()
        return [message for message in found if message.get("bot_id") in ours]

    def streaming(self, channel: str) -> list[str]:
        """The ts of messages that are being streamed in a channel now."""
        return [ts for (where, ts), stream in self.streams.items() if where == channel and stream.open(self.now())]

    # Faults

    def fail(self, method: str, *faults: str) -> None:
        """Script the next calls: 500, 500html, html, garbage, list, ok, 429, 429:SECONDS, reset_before, reset_after.

        `hang` answers too late; `none` lets a call pass; `after:FAULT` does the work first;
        any other word is Slack's error code.
        """
        self.scripted[method].extend(faults)

    # Work beside the calls

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something until it ends or the fake is closed."""
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
