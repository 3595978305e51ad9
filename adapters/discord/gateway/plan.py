"""What a process means to listen to, and in what time things happen that involve other processes."""

from collections.abc import Sequence
from dataclasses import dataclass

from adapters.discord.gateway.balance import ASK_AFTER_S
from adapters.discord.gateway.connection import ROOM_MAX_S
from adapters.discord.gateway.leases import LEASE_S
from adapters.discord.gateway.sessions import Shard
from adapters.discord.gateway.starts import IDENTIFY_EVERY_S
from bot.errors import ConfigError

POLL_S = 0.5
"""How long a process without a shard waits before it asks again for free ones; one that has some waits that much
longer for each, so that who has least comes first. Chosen: a rolling update is deaf for no longer, and RESUME replays.
"""

SAVE_EVERY_S = 2.0
"""How often changed sessions are saved. Chosen: so much is replayed to the next process when this one is killed."""


@dataclass(frozen=True, slots=True)
class Paces:
    """How long things take that involve other processes. Everybody on one Redis must agree on `lease_s`."""

    lease_s: float = LEASE_S
    poll_s: float = POLL_S
    save_every_s: float = SAVE_EVERY_S
    identify_every_s: float = IDENTIFY_EVERY_S
    room_max_s: float = ROOM_MAX_S
    ask_after_s: float = ASK_AFTER_S


@dataclass(frozen=True, slots=True)
class Plan:
    """Which shards may be listened to here. `count` None: as many as Discord advises. `ids` None: all of them."""

    count: int | None = None
    ids: Sequence[int] | None = None

    def shards(self, count: int) -> list[Shard]:
        """The shards of a given count. Raises ConfigError where an id is beyond it."""
        ids = range(count) if self.ids is None else self.ids
        if any(one >= count for one in ids):
            raise ConfigError(f"DISCORD_SHARD_IDS names a shard that does not exist: there are {count}, from 0.")
        return [Shard(one, count) for one in ids]
