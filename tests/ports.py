"""Ports of this machine that can be reached: a firewall may hold some back (seen: one of 28,000, by a sandbox)."""

import socket
from collections.abc import AsyncGenerator, Iterable
from contextlib import ExitStack, asynccontextmanager

from aiohttp import web

_REACHED_WITHIN_S = 1.0


def listening(host: str = "127.0.0.1") -> socket.socket:
    """A socket that listens on a free port, to which a connection was made."""
    with ExitStack() as held_back:
        while True:
            server = socket.create_server((host, 0), backlog=128)
            if _reached(server):
                return server
            held_back.enter_context(server)  # until another is found, so that it is not given out again


def free(count: int) -> list[int]:
    """So many different ports on which nothing listens."""
    with ExitStack() as stack:
        return [stack.enter_context(listening()).getsockname()[1] for _ in range(count)]


async def serve(runner: web.AppRunner, host: str = "127.0.0.1") -> int:
    """Serve on a free port; gives it."""
    server = listening(host)
    await web.SockSite(runner, server).start()
    return server.getsockname()[1]


@asynccontextmanager
async def served(routes: Iterable[web.AbstractRouteDef], *, body_max_bytes: int = 1 << 20) -> AsyncGenerator[str]:
    """A server with these routes; gives its address."""
    app = web.Application(client_max_size=body_max_bytes)
    app.add_routes(routes)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        yield f"http://127.0.0.1:{await serve(runner)}"
    finally:
        await runner.cleanup()


def _reached(server: socket.socket) -> bool:
    try:
        with socket.create_connection(server.getsockname()[:2], timeout=_REACHED_WITHIN_S):
            server.accept()[0].close()
    except OSError:
        return False
    return True
