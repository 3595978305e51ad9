"""The whole fake: its life on a port, and the gateway's greeting."""

from typing import cast

from aiohttp import web

from tests.fakes.discord.facts import Payload
from tests.fakes.discord.methods import Api


class FakeDiscord(Api):
    """See the package's docstring and `World.__init__`."""

    async def __aenter__(self) -> "FakeDiscord":
        self.gateway.ready = self._ready
        self.gateway.greetings = self._greetings
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_get("/gateway", self.gateway.serve)
        app.router.add_get("/gateway/", self.gateway.serve)
        for method, path, handle in self.routes():
            app.router.add_route(method, "/api/v10" + path, self.counted(self.gate(handle)))
        self.runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        host, port = cast(tuple[str, int], self.runner.addresses[0][:2])
        self.api_url = f"http://{host}:{port}/api/v10"
        self.gateway.url = f"ws://{host}:{port}/gateway"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.gateway.cut()
        if self.runner:
            await self.runner.cleanup()

    def _ready(self) -> Payload:
        application = {"id": self.application_id, "flags": 0}
        return {
            "v": 10,
            "user": self.bot,
            "guilds": [{"id": self.guild, "unavailable": True}],
            "application": application,
        }

    def _greetings(self) -> list[tuple[str, Payload]]:
        inside = [channel for channel in self.channels.values() if channel.get("guild_id") == self.guild]
        guild: Payload = {
            "id": self.guild,
            "name": "a server",
            "roles": [{"id": self.role, "name": "routernesia", "tags": {"bot_id": self.bot["id"]}}],
            "channels": [one for one in inside if "parent_id" not in one],
            "threads": [one for one in inside if "parent_id" in one],
        }
        return [("GUILD_CREATE", guild)]
