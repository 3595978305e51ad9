"""The gateway half of the fake Discord: sessions that replay, acknowledge, and can be made to misbehave."""

import asyncio
import itertools
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from aiohttp import WSMsgType, web

Payload = dict[str, Any]

GUILDS, GUILD_MESSAGES, DIRECT_MESSAGES, MESSAGE_CONTENT = 1 << 0, 1 << 9, 1 << 12, 1 << 15


class Session:
    """One gateway session; it outlives its sockets."""

    def __init__(self, key: str, intents: int) -> None:
        self.id = key
        self.intents = intents
        self.sequence = 0
        self.sent: list[tuple[int, str]] = []
        self.socket: Socket | None = None

    def dispatch(self, event: str, data: Payload) -> None:
        self.sequence += 1
        frame = json.dumps({"op": 0, "t": event, "s": self.sequence, "d": data})
        self.sent.append((self.sequence, frame))
        if self.socket:
            self.socket.send(frame)


class Socket:
    """One connection: frames leave in order through a queue of its own."""

    def __init__(self, ws: web.WebSocketResponse, transport: asyncio.BaseTransport | None) -> None:
        self.ws = ws
        self.transport = transport
        self.zombie = False
        self._frames: asyncio.Queue[str] = asyncio.Queue()

    def send(self, frame: str) -> None:
        if not self.zombie:
            self._frames.put_nowait(frame)

    async def write(self) -> None:
        with suppress(ConnectionError):
            while True:
                await self.ws.send_str(await self._frames.get())


class FakeGateway:
    """Any number of sessions at once. `greet` tells a new session what READY brings and what follows."""

    def __init__(self, *, token: str, granted: Callable[[], bool], note: Callable[..., None]) -> None:
        self.sessions: dict[str, Session] = {}
        self.heartbeat_s = 41.25
        self.resumable = True
        self.dumb = 0
        self.refuse_identify: int | None = None
        self.resume_url: str | None = None
        self.url = ""
        self.ready: Callable[[], Payload] = dict
        self.greetings: Callable[[], list[tuple[str, Payload]]] = list
        self._token, self._granted, self._note = token, granted, note
        self._keys = itertools.count(1)
        self._sockets: set[Socket] = set()

    @property
    def live(self) -> list[Session]:
        """Sessions with a connection."""
        return [session for session in self.sessions.values() if session.socket]

    def dispatch(self, event: str, make: Callable[[int], Payload | None]) -> None:
        """Send an event to every session; `make` shapes it for the session's intents, None withholds it."""
        for session in self.sessions.values():
            data = make(session.intents)
            if data is not None:
                session.dispatch(event, data)

    def cut(self) -> None:
        """Break every connection without a close frame; the sessions stay resumable."""
        for socket in list(self._sockets):
            self._detach(socket)
            if isinstance(socket.transport, asyncio.Transport):
                socket.transport.abort()

    def say(self, op: int, data: Any = None) -> None:
        """Send an operation such as 7 (reconnect) or 9 (invalid session) on every connection."""
        for socket in self._sockets:
            socket.send(json.dumps({"op": op, "d": data}))

    def zombify(self) -> None:
        """Every present connection stays open and falls silent: nothing is sent, nothing acknowledged."""
        for socket in self._sockets:
            socket.zombie = True

    async def close(self, code: int) -> None:
        """Close every connection with a code."""
        for socket in list(self._sockets):
            self._detach(socket)
            await socket.ws.close(code=code)

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """The websocket handler."""
        ws = web.WebSocketResponse(timeout=0.2)
        await ws.prepare(request)
        socket = Socket(ws, request.transport)
        self._sockets.add(socket)
        writer = asyncio.create_task(socket.write())
        if self.dumb > 0:  # accepts and says nothing
            self.dumb -= 1
        else:
            socket.send(json.dumps({"op": 10, "d": {"heartbeat_interval": int(self.heartbeat_s * 1000)}}))
        try:
            async for message in ws:
                if message.type is WSMsgType.TEXT:
                    await self._receive(socket, json.loads(message.data))
        finally:
            writer.cancel()
            self._detach(socket)
            self._sockets.discard(socket)
        return ws

    def _detach(self, socket: Socket) -> None:
        for session in self.sessions.values():
            if session.socket is socket:
                session.socket = None

    async def _receive(self, socket: Socket, frame: Payload) -> None:
        if socket.zombie:
            return
        if frame["op"] == 1:
            socket.send(json.dumps({"op": 11}))
        elif frame["op"] == 2:
            await self._identify(socket, frame["d"])
        elif frame["op"] == 6:
            self._resume(socket, frame["d"])

    async def _identify(self, socket: Socket, data: Payload) -> None:
        self._note("identify", intents=data["intents"])
        code = self.refuse_identify
        if data["token"] != self._token:
            code = 4004
        elif data["intents"] & MESSAGE_CONTENT and not self._granted():
            code = 4014
        if code is not None:
            await socket.ws.close(code=code)
            return
        session = Session(f"session{next(self._keys)}", data["intents"])
        self.sessions[session.id] = session
        session.socket = socket
        ready = {"session_id": session.id, "resume_gateway_url": self.resume_url or self.url, **self.ready()}
        session.dispatch("READY", ready)
        for event, greeting in self.greetings():
            session.dispatch(event, greeting)

    def _resume(self, socket: Socket, data: Payload) -> None:
        session = self.sessions.get(data["session_id"])
        self._note("resume", known=session is not None, sequence=data["seq"])
        if session is None or not self.resumable:
            self.sessions.pop(data["session_id"], None)
            socket.send(json.dumps({"op": 9, "d": False}))
            return
        for sequence, frame in session.sent:
            if sequence > data["seq"]:
                socket.send(frame)
        session.socket = socket
        session.dispatch("RESUMED", {})
