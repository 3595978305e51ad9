"""The state of the fake: a server, its channels and messages, the ledger. It knows neither HTTP nor who does what."""

import asyncio
import itertools
import random
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from aiohttp import web

from tests.canary import said
from tests.fakes.discord.facts import Entry, Fault, Payload, Window
from tests.fakes.discord.gateway import FakeGateway

EPOCH_MS = 1_420_070_400_000

INSTALL_PARAMS: Payload = {"scopes": ["applications.commands", "bot"], "permissions": "309237746688"}
"""What the developer portal has for installs on servers."""

_makers = itertools.count()
"""As Discord's ids name who made them: else two fakes of one millisecond would make the same."""


class World:
    """One server with one channel to begin with; more on demand."""

    def __init__(self, *, content: bool = True, limits: bool = True, seed: int = 1) -> None:
        self.token = "a.fake.token"
        said(self.token)
        self.content = content
        self.limits = limits
        self.window_s = 5.0
        self.via = True
        self.latency_s = 0.0
        self.mishaps: dict[Fault, float] = {}
        self.nonce_window_s = 300.0
        self.retry_after_s = 0.05
        self.starts_left = 1000
        self.ledger: list[Entry] = []
        self.forbidden: set[str] = set()
        self.no_history: set[str] = set()
        self.no_threads: set[str] = set()
        self.threads_max = 1000
        self.names_servers = True
        self.users: dict[str, Payload] = {}
        self.roles: dict[str, list[str]] = {}
        self.channels: dict[str, Payload] = {}
        self.messages: dict[str, dict[str, Payload]] = defaultdict(dict)
        self.faults: list[tuple[str, str, Fault]] = []
        self.gateway = FakeGateway(token=self.token, granted=lambda: self.content, note=self.note)
        self.random = random.Random(seed)
        self.counter = itertools.count(1)
        self.maker = next(_makers) % 1024
        self.last_id = 0
        self.nonces: dict[tuple[str, str], tuple[str, float]] = {}
        self.windows: dict[tuple[str, str], Window] = {}
        self.host = "127.0.0.1"
        self.runner: web.AppRunner | None = None
        self.bot = self.user("routernesia", bot=True)
        self.application_id = str(self.bot["id"])
        self.installs: Payload = {"0": {"oauth2_install_params": dict(INSTALL_PARAMS)}, "1": {}}
        self.portal: Payload = {"bot_public": True, "bot_require_code_grant": False}
        self.left: set[str] = set()
        self.ann, self.bob = self.user("ann"), self.user("bob")
        self.guild = self.snowflake()
        self.guilds = [self.guild]
        self.role = self.snowflake()
        self.channel = self.add_channel("general")

    # Who and where.

    def user(self, name: str, *, bot: bool = False) -> Payload:
        shown = {"global_name": name.title(), "discriminator": "0", "avatar": None}
        made: Payload = {"id": self.snowflake(), "username": name, "bot": bot, **shown}
        self.users[made["id"]] = made
        return made

    def add_channel(self, name: str, *, kind: int = 0, guild: str | None = None) -> str:
        key = self.snowflake()
        self.channels[key] = {"id": key, "type": kind, "name": name, "guild_id": guild or self.guild, "position": 0}
        return key

    def dm_channel(self, user: Payload) -> str:
        key = f"{int(user['id']) + 1}"
        self.channels.setdefault(key, {"id": key, "type": 1, "recipients": [user]})
        return key

    # What tests look at and set.

    def note(self, what: str, **data: Any) -> None:
        self.ledger.append(Entry(time.monotonic(), what, data))

    def entries(self, *kinds: str) -> list[Payload]:
        """What the ledger holds of these kinds (event, identify, resume, request, post, edit, delete, typing)."""
        return [entry.data for entry in self.ledger if entry.what in kinds]

    def answers(self, channel: str) -> list[Payload]:
        """The bot's messages in a channel, oldest first."""
        written = [one for one in self.messages[channel].values() if one["type"] in (0, 19)]
        return [one for one in written if one["author"]["id"] == self.bot["id"]]

    def fail(self, fault: Fault, *, method: str = "POST", path: str = "/messages", times: int = 1) -> None:
        """The next `times` calls of this method whose path contains `path` meet a fault."""
        self.faults.extend((method, path, fault) for _ in range(times))

    def forget_nonces(self) -> None:
        """As if the nonce window had passed."""
        self.nonces.clear()

    async def until(self, condition: Callable[[], object], *, limit_s: float = 20.0) -> None:
        """Poll a condition; AssertionError when it does not come true in time."""
        end = time.monotonic() + limit_s
        while not condition():
            assert time.monotonic() < end, "the condition did not come true"
            await asyncio.sleep(0.005)

    def snowflake(self, *, age_s: float = 0.0) -> str:
        """A new id; ids of the present never go backwards."""
        at_ms = int((time.time() - age_s) * 1000) - EPOCH_MS
        made = at_ms << 22 | self.maker << 12 | (next(self.counter) & 0xFFF)
        if age_s <= 0:
            made = self.last_id = max(made, self.last_id + 1)
        return str(made)
