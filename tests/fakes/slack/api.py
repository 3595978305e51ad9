"""The Web API over HTTP: arguments, tokens, scopes, rates, scripted faults; and the sockets of Socket Mode.

What a method does is in the modules that `methods` names.
"""

import asyncio
import base64
import binascii
import json
from functools import cached_property
from typing import cast

from aiohttp import WSMsgType, web

from tests.fakes.slack import oauth, rates
from tests.fakes.slack.deliver import Delivering
from tests.fakes.slack.facts import Call, Installation, Json, Link, SlackError
from tests.fakes.slack.methods import METHODS, Method

SOCKETS_MAX = 10  # reference 2.2
CONNECTION_TIME_S = 3_600
_ODD = {
    # answers that are no answer: (status, content type, body)
    "500html": (500, "text/html", b"<html>sorry</html>"),
    "html": (200, "text/html", b"<html>sorry</html>"),
    "garbage": (200, "application/json", b'{"ok": tru\xff'),
    "list": (200, "application/json", b"[1]"),
    "ok": (200, "application/json", b'{"ok": true}'),
}
_JSON_ARGUMENTS = ("blocks", "chunks", "metadata", "view", "prompts", "files")


class Serving(Delivering):
    """A world that answers its app."""

    @cached_property
    def methods(self) -> dict[str, Method]:
        """The methods of this fake; a test may add one."""
        return dict(METHODS)

    async def serve_call(self, request: web.Request) -> web.StreamResponse:
        """Answer one call of the Web API."""
        method = request.match_info["method"]
        args = await _arguments(request)
        token = args.pop("token", None) or request.headers.get("Authorization", "").removeprefix("Bearer ")
        args |= _basic(request)
        if self.latency_s:
            await asyncio.sleep(self.latency_s)
        fault = self.fault(method)
        after = fault == "reset_after" or fault.startswith("after:")
        shown = {name: value for name, value in args.items() if name != "client_secret"}
        installation = self.home
        try:
            if fault and not after:
                self.note("call", method, args=shown, ok=False, error=fault)
                return await self.broken(request, fault)
            installation, body = self._answer(method, args, str(token))
        except SlackError as error:
            body = error.body
        self.note("call", method, args=shown, ok=body["ok"], error=body.get("error", ""), installation=installation.key)
        if after:
            return await self.broken(request, fault.removeprefix("after:"))
        status = 429 if body.get("error") == "ratelimited" else 200
        return web.json_response(body, status=status, headers=_headers(installation, body))

    def fault(self, method: str) -> str:
        """The next fault of a method, scripted or by chance; empty for none."""
        if scripted := self.scripted.get(method):
            fault = scripted.popleft()
            return "" if fault == "none" else fault
        for fault, chance in self.chaos.get(method, {}).items():
            if self.random.random() < chance:
                return fault
        return ""

    async def broken(self, request: web.Request, fault: str) -> web.StreamResponse:
        """Answer as a fault says; see `fail`."""
        kind, _, rest = fault.partition(":")
        match kind:
            case "reset_before" | "reset_after" | "reset":
                if request.transport:
                    request.transport.abort()
                return web.Response()
            case "hang":
                await asyncio.sleep(float(rest or 30))
                return web.Response()
            case "500" | "502" | "503":
                return web.json_response({"ok": False, "error": rest or "internal_error"}, status=int(kind))
            case "429":
                headers = {"Retry-After": rest} if rest else {}
                return web.json_response({"ok": False, "error": "ratelimited"}, status=429, headers=headers)
            case _ if kind in _ODD:
                status, content_type, body = _ODD[kind]
                return web.Response(body=body, content_type=content_type, status=status)
            case _:
                return web.json_response({"ok": False, "error": fault}, headers=_headers(self.home, {}))

    async def serve_link(self, request: web.Request) -> web.StreamResponse:
        """Keep one socket, for as long as the app does."""
        ticket = request.query.get("ticket", "")
        if self.refused_links or ticket not in self.tickets:
            self.refused_links = max(0, self.refused_links - 1)
            return web.Response(status=403)
        self.tickets.discard(ticket)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        if len(self.links) >= SOCKETS_MAX:
            await socket.send_json({"type": "disconnect", "reason": "too_many_websockets"})
            await socket.close()
            return socket
        link = Link(socket, request, next(self.numbers))
        info = {"approximate_connection_time": CONNECTION_TIME_S, "host": "fake"}
        await socket.send_json({"type": "hello", "num_connections": len(self.links) + 1, "debug_info": info})
        self.links.append(link)
        self.note("socket", "open", number=link.number)
        try:
            async for message in socket:
                if message.type == WSMsgType.TEXT:
                    self.acknowledge(json.loads(message.data), link)
        finally:
            self.links.remove(link)
            self.note("socket", "closed", number=link.number)
        return socket

    async def refresh(self, *, reason: str = "refresh_requested", close: bool = False) -> None:
        """Ask every open socket to reconnect; `close` closes them at once."""
        for link in list(self.links):
            await link.socket.send_json({"type": "disconnect", "reason": reason})
            if close:
                await link.socket.close()

    def drop(self) -> None:
        """Cut every socket as a broken network does: no closing handshake."""
        for link in list(self.links):
            if link.request.transport:
                link.request.transport.abort()

    def _answer(self, name: str, args: Json, token: str) -> tuple[Installation, Json]:
        method = self.methods.get(name)
        if not method or name in self.off:
            raise SlackError(self.off.get(name, "unknown_method"))
        call = Call(name, args, self._caller(method, token))
        self._check_scope(method, call)
        if unknown := set(args) - method.required - method.optional:
            raise SlackError("invalid_arguments", unknown=sorted(unknown))
        if missing := method.required - set(args):
            raise SlackError("invalid_arguments", missing=sorted(missing))
        rates.charge(self, call)
        return call.installation, {"ok": True, **method.answer(self, call)}

    def _caller(self, method: Method, token: str) -> Installation:
        if method.no_token:
            return self.home
        if not method.app_token:
            return oauth.resolve(self, token)
        if token != self.app_token:
            raise SlackError("not_allowed_token_type" if token in self.tokens else "invalid_auth")
        return self.home

    def _check_scope(self, method: Method, call: Call) -> None:
        channel = str(call.args.get("channel") or call.args.get("channel_id") or "C")
        needed = method.needed(self.kind(channel))
        provided = self.app_scopes if method.app_token else call.installation.scopes
        if needed and needed not in provided:
            raise SlackError("missing_scope", needed=needed, provided=",".join(sorted(provided)))


def _headers(installation: Installation, body: Json) -> dict[str, str]:
    headers = {"x-oauth-scopes": ",".join(sorted(installation.scopes))}
    return headers | ({"Retry-After": str(body["retry_after"])} if "retry_after" in body else {})


async def _arguments(request: web.Request) -> Json:
    if request.content_type == "application/json":
        return cast(Json, await request.json())
    given: Json = dict(request.query)
    if request.method == "POST":
        given |= {name: str(value) for name, value in (await request.post()).items()}
    for name in _JSON_ARGUMENTS:
        if name in given:
            given[name] = json.loads(given[name])
    return given


def _basic(request: web.Request) -> Json:
    """Client id and secret in the header, as oauth.v2.access prefers them."""
    kind, _, value = request.headers.get("Authorization", "").partition(" ")
    if kind != "Basic":
        return {}
    try:
        name, _, secret = base64.b64decode(value).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return {}
    return {"client_id": name, "client_secret": secret}
