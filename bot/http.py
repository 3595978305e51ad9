"""The bot's own HTTP server: is it alive, is it ready, its metrics, and the routes of the adapters."""

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from bot.build import build
from bot.errors import ConfigError
from bot.metrics import Metrics

log = logging.getLogger(__name__)

BODY_MAX_BYTES = 1 << 20
"""Slack's events are a few kB; more than this is not from Slack."""

SHUTDOWN_WITHIN_S = 2.0

EVERY_ADDRESS = "*"
"""As HTTP_HOST. A pod of a cluster with IPv6 alone is probed at its IPv6 address, which 0.0.0.0 does not listen on."""

Obstacles = Callable[[], Awaitable[Sequence[str]]]
"""What keeps the bot from doing its work right now, one sentence each; empty means ready."""

Refresh = Callable[[], Awaitable[None]]
"""Brings gauges up to date before a scrape."""


@asynccontextmanager
async def serving(
    *,
    host: str,
    port: int,
    routes: Iterable[web.AbstractRouteDef],
    metrics: Metrics,
    obstacles: Obstacles,
    refresh: Refresh,
) -> AsyncGenerator[int]:
    """Serve while the context lasts; gives the port.

    Raises ConfigError when the address cannot be bound.
    """
    app = web.Application(client_max_size=BODY_MAX_BYTES)
    app.router.add_get("/livez", _livez)
    app.router.add_get("/readyz", _readyz(obstacles))
    app.router.add_get("/metrics", _metrics(metrics, refresh))
    app.router.add_routes(routes)
    # aiohttp waits a minute for requests that are under way; one that stands half-sent must not hold the exit up.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_WITHIN_S)
    await runner.setup()
    # None is every address of both families, where the machine has both.
    site = web.TCPSite(runner, None if host == EVERY_ADDRESS else host, port)
    try:
        await site.start()
    except OSError as error:
        await runner.cleanup()
        raise ConfigError(f"HTTP_HOST {host} with HTTP_PORT {port} cannot be used: {error.strerror}") from None
    bound = runner.addresses[0][1]
    log.info("http_listening", extra={"host": host, "port": bound})
    try:
        yield bound
    finally:
        await runner.cleanup()


async def _livez(_: web.Request) -> web.Response:
    """Answering at all is the check: the event loop turns. An outage of Redis must never restart the bot."""
    return web.Response(text=f"ok {build()}\n")


def _readyz(obstacles: Obstacles) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def readyz(_: web.Request) -> web.Response:
        found = await obstacles()
        return web.json_response({"ready": not found, "obstacles": list(found)}, status=503 if found else 200)

    return readyz


def _metrics(metrics: Metrics, refresh: Refresh) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def scrape(_: web.Request) -> web.Response:
        await refresh()
        body = generate_latest(metrics.registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    return scrape
