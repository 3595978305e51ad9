"""Who listens to which shard: one process at a time, and another one soon after it has died.

A lease is a value in Redis that its holder keeps alive. It decides who connects, not what is right: should two
processes hear the same shard for a moment, Discord allows that and the inbox takes every event once. So an outage of
Redis ends no connection; nobody else can take a lease either while it lasts.
"""

import secrets

from adapters.discord.gateway.sessions import Shard
from bot.services import Shared

LEASE_S = 10.0
"""How long a shard stays with a process that is silent. Chosen: longer than three answers of Redis that come late
(3 s each), far shorter than the minutes for which Discord keeps a session to be resumed.
"""


class Leases:
    """The shards of one application, as one process takes them. Every method raises StoreError."""

    def __init__(self, shared: Shared, *, application_id: str, lease_s: float = LEASE_S) -> None:
        self._shared = shared
        self._application_id = application_id
        self._holder = secrets.token_hex(8)
        self.lease_s = lease_s

    async def take(self, shard: Shard) -> bool:
        """Whether the shard was free and is this process's now."""
        return await self._shared.add(self._name(shard), self._holder, tenant="", ttl_s=self.lease_s)

    async def keep(self, shard: Shard) -> bool:
        """Hold the shard for another `lease_s`; False where another process has it by now."""
        kept = await self._shared.keep(self._name(shard), self._holder, tenant="", ttl_s=self.lease_s)
        return kept or await self.take(shard)  # it lapsed, and nobody wanted it

    async def release(self, shard: Shard) -> None:
        """Let the next process have it at once. What another one holds by now stays its own."""
        await self._shared.keep(self._name(shard), self._holder, tenant="", ttl_s=0.0)

    def _name(self, shard: Shard) -> str:
        return f"discord:shard:{self._application_id}:{shard.id}:{shard.count}"
