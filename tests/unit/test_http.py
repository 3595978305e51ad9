"""The bot's own HTTP server: probes, metrics, and an exit that nobody can hold up."""

import asyncio
import socket
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

import aiohttp
import pytest
from aiohttp import web

from bot import http
from bot.errors import ConfigError
from bot.metrics import Metrics
from bot.probe import probe
from tests.ports import free


async def nothing() -> Sequence[str]:
    return []


async def refresh() -> None:
    """No gauge to bring up to date."""


async def read(request: web.Request) -> web.Response:
    return web.Response(text=str(len(await request.read())))


def serving(
    *, host: str = "127.0.0.1", port: int = 0, routes: Sequence[web.AbstractRouteDef] = ()
) -> AbstractAsyncContextManager[int]:
    return http.serving(host=host, port=port, routes=routes, metrics=Metrics(), obstacles=nothing, refresh=refresh)


async def test_an_address_that_is_taken_is_a_setting_to_mend() -> None:
    async with serving() as port:
        with pytest.raises(ConfigError, match="HTTP_PORT"):
            async with serving(port=port):
                pass


async def test_half_a_request_does_not_hold_up_the_exit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "SHUTDOWN_WITHIN_S", 0.1)
    routes = [web.post("/slack/events", read)]
    async with asyncio.timeout(10):
        async with serving(routes=routes) as port:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"POST /slack/events HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc")
            await writer.drain()
            async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/livez") as answer:
                assert answer.status == 200
        writer.close()


async def test_a_web_page_at_the_port_is_told_as_something_else_than_the_bot() -> None:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = str(server.sockets[0].getsockname()[1])
        fine, said = await asyncio.to_thread(probe, port, ready=False)
    assert not fine
    assert said == f"something else than the bot answers at port {port}: HTTP 200, a web page"


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has one family of addresses")
async def test_every_address_is_that_of_both_families() -> None:
    [port] = free(1)
    async with serving(host="*", port=port), aiohttp.ClientSession() as session:
        for address in ("127.0.0.1", "[::1]"):
            async with session.get(f"http://{address}:{port}/livez") as answer:
                assert answer.status == 200
