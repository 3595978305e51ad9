"""The whole fake: its life on a port, and the gateway's greeting."""

from aiohttp import web

from tests.fakes.discord.facts import Payload
from tests.fakes.discord.interactions import Interacting
from tests.ports import serve


class FakeDiscord(Interacting):
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
        port = await serve(self.runner, self.host)
        self.api_url = f"http://{self.host}:{port}/api/v10"
        self.gateway.url = f"ws://{self.host}:{port}/gateway"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.gateway.cut()
        if self.runner:
            await self.runner.cleanup()

    def _ready(self, shard: tuple[int, int]) -> Payload:
        application = {"id": self.application_id, "flags": 0}
        present = [{"id": key, "unavailable": True} for key in self.of_shard(shard)]
        return {"v": 10, "user": self.bot, "guilds": present, "application": application}

    def _greetings(self, shard: tuple[int, int]) -> list[tuple[str, Payload]]:
        return [("GUILD_CREATE", self.greeting(key)) for key in self.of_shard(shard) if self.names_servers]
