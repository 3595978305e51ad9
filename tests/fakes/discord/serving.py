"""What stands before every REST call: the token, faults, latency, rate limits; and how answers look."""

import asyncio
import json
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from typing import Any, cast

from aiohttp import web

from tests.fakes.discord.facts import Fault, Refusal, Window
from tests.fakes.discord.gestures import Gestures
from tests.fakes.discord.rules import Rules


class Serving(Rules, Gestures):
    """A world that answers its app."""

    def gate(self, handle: Callable[[web.Request], Awaitable[Any]]) -> Callable[..., Awaitable[web.Response]]:
        """What stands before every call: the token, faults, latency, buckets; and how answers look."""

        async def gated(request: web.Request) -> web.Response:
            self.note("request", method=request.method, path=request.path)
            fault = self._fault(request)
            if self.latency_s:
                await asyncio.sleep(self.latency_s)
            if fault in ("reset", "cut"):
                return _break(request, rst=fault == "reset")
            if fault == "hang":
                await asyncio.sleep(3600)
            if isinstance(fault, int):
                return self._failure(fault)
            if odd := _odd(str(fault)):
                return odd
            headers = self._spend(request)
            if headers.get("X-RateLimit-Remaining") == "-1":
                return self._limited(headers)
            status, body = await self._answer(request, handle)
            return await self._after(request, fault) or _json(status, body, headers)

        return gated

    async def _after(self, request: web.Request, fault: Fault | None) -> web.Response | None:
        """What the caller hears instead of the answer to a call that was done."""
        if fault == "hang_after":
            await asyncio.sleep(3600)
        if fault in ("reset_after", "cut_after"):
            return _break(request, rst=fault == "reset_after")
        if fault in ("500_after", "503_after"):
            return self._failure(int(str(fault)[:3]))
        return None

    def counted(
        self, serve: Callable[[web.Request], Awaitable[web.Response]]
    ) -> Callable[..., Awaitable[web.Response]]:
        """Notes what the bot was refused."""

        async def served(request: web.Request) -> web.Response:
            response = await serve(request)
            if response.status >= 400:
                self.note("refused", status=response.status, method=request.method, path=request.path)
            return response

        return served

    async def _answer(self, request: web.Request, handle: Callable[[web.Request], Awaitable[Any]]) -> tuple[int, Any]:
        try:
            if request.headers.get("Authorization") != f"Bot {self.token}":
                raise Refusal(401, 0, "401: Unauthorized")
            body = await handle(request)
        except Refusal as refusal:
            return refusal.status, refusal.body
        return (204, None) if body is None else (200, body)

    def _fault(self, request: web.Request) -> Fault | None:
        for index, (method, path, fault) in enumerate(self.faults):
            if request.method == method and path in request.path:
                del self.faults[index]
                return fault
        draw = self.random.random()
        for fault, chance in self.mishaps.items():
            if draw < chance:
                return fault
            draw -= chance
        return None

    def _failure(self, status: int) -> web.Response:
        if status == 429:
            return self._limited({"X-RateLimit-Reset-After": str(self.retry_after_s)})
        return _json(status, {"code": 0, "message": "a scripted failure"}, {})

    def _spend(self, request: web.Request) -> dict[str, str]:
        """5 calls per window for each channel and route (create, edit, typing ...); the next window is full again."""
        if wait_s := self.global_wait_s(request.path):
            reset = f"{wait_s:.3f}"
            return {"X-RateLimit-Remaining": "-1", "X-RateLimit-Reset-After": reset, "X-RateLimit-Global": "true"}
        if not self.limits or "c" not in request.match_info:
            return {}
        route = request.match_info.route.resource
        bucket = f"{request.method} {route.canonical if route else request.path}"
        window, now = self.windows.get((bucket, request.match_info["c"])), time.monotonic()
        if window is None or now >= window.ends:
            window = self.windows[bucket, request.match_info["c"]] = Window(now + self.window_s)
        window.left = max(-1, window.left - 1)
        reset_s = window.ends - now
        return {
            "X-RateLimit-Limit": "5",
            "X-RateLimit-Remaining": str(window.left),
            "X-RateLimit-Reset": f"{time.time() + reset_s:.3f}",
            "X-RateLimit-Reset-After": f"{reset_s:.3f}",
            "X-RateLimit-Bucket": bucket,
        }

    def _limited(self, headers: dict[str, str]) -> web.Response:
        retry_s = float(headers["X-RateLimit-Reset-After"])
        self.note("limited", retry_after=retry_s)
        headers = headers | {"Retry-After": str(int(retry_s) + 1), "X-RateLimit-Remaining": "0"}
        everywhere = "X-RateLimit-Global" in headers or self.scope == "global"
        headers |= {"X-RateLimit-Global": "true"} if everywhere else {}
        headers["X-RateLimit-Scope"] = "global" if everywhere else self.scope
        if not self.via:  # as Cloudflare answers
            return web.Response(status=429, text="slow down", headers={"Retry-After": "7"})
        return _json(429, {"message": "slow", "retry_after": retry_s, "global": everywhere}, headers)


def _json(status: int, body: Any, headers: dict[str, str]) -> web.Response:
    """Exactly `application/json`: discord.py takes anything else for text. `Via` as Discord's proxies add it."""
    data = b"" if body is None else json.dumps(body).encode()
    kind = {"Content-Type": "application/json"} if body is not None else {}
    return web.Response(status=status, body=data, headers={"Via": "1.1 google", **kind, **headers})


def _odd(fault: str) -> web.Response | None:
    """What answers in Discord's stead, if this fault is one of those."""
    kind, _, status = fault.partition("_")
    if kind == "page":
        return web.Response(status=int(status), text="<p>Hello</p>", content_type="text/html")
    return _json(int(status), {} if kind == "object" else None, {}) if kind in ("object", "empty") else None


def _break(request: web.Request, *, rst: bool) -> web.Response:
    """End the connection without an answer, with RST or with FIN."""
    transport = cast(asyncio.Transport, request.transport)
    if rst:
        handle = cast(socket.socket, transport.get_extra_info("socket"))
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    return web.Response()
