"""Servers: which there are, on which shard, and how the gateway greets with them."""

from aiohttp import web

from tests.fakes.discord.facts import Payload
from tests.fakes.discord.world import World


class Servers(World):
    """A world with more than one server."""

    def add_guild(self, shard: tuple[int, int] = (0, 1)) -> tuple[str, str]:
        """A server that belongs to a shard `(id, count)`, and a channel in it."""
        number, count = shard
        guild = int(self.snowflake())
        while (guild >> 22) % count != number:
            guild += 1 << 22
        self.guilds.append(str(guild))
        return str(guild), self.add_channel("general", guild=str(guild))

    def of_shard(self, shard: tuple[int, int]) -> list[str]:
        """The servers that a shard hears of."""
        number, count = shard
        return [key for key in self.guilds if (int(key) >> 22) % count == number]

    def server_roles(self) -> list[Payload]:
        """The roles of any server: the one that Discord makes for a bot."""
        return [{"id": self.role, "name": "routernesia", "tags": {"bot_id": self.bot["id"]}}]

    async def get_roles(self, _: web.Request) -> list[Payload]:
        """What GET /guilds/{guild.id}/roles gives."""
        return self.server_roles()

    def greeting(self, guild: str) -> Payload:
        """A server as GUILD_CREATE describes it."""
        inside = [
            channel | {"last_message_id": next(reversed(self.messages[key]), None) if key in self.messages else None}
            for key, channel in self.channels.items()
            if channel.get("guild_id") == guild
        ]
        return {
            "id": guild,
            "name": "a server",
            "roles": self.server_roles(),
            "channels": [one for one in inside if "parent_id" not in one],
            "threads": [one for one in inside if "parent_id" in one],
        }
