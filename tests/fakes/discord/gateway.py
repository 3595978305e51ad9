"""The gateway half of the fake Discord: sessions of shards that replay, acknowledge, and can be made to misbehave.

It enforces what Discord does (developer docs, Gateway, read November 2026): `max_concurrency` IDENTIFYs in 5 s by shard
id modulo that number, else op 9; 1,000 a day, beyond which the token is reset; each shard hears of its own servers, and
shard 0 of direct messages; a session closed with 1000 or 1001, or left for longer than `kept_s`, is gone; a RESUME from
a number that was never sent is 4007. Stricter than is documented: what a heartbeat has acknowledged is not replayed.
"""

import asyncio
import itertools
import json
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from aiohttp import WSMsgType, web

Payload = dict[str, Any]

GUILDS, GUILD_MESSAGES, DIRECT_MESSAGES, MESSAGE_CONTENT = 1 << 0, 1 << 9, 1 << 12, 1 << 15

IDENTIFY_WINDOW_S = 5.0
GUILDS_MAX = 2_500
DAY_S = 86_400.0


class Session:
    """One gateway session; it outlives its sockets."""

    def __init__(self, key: str, intents: int, shard: tuple[int, int]) -> None:
        self.id = key
        self.intents = intents
        self.shard = shard
        self.sequence = 0
        self.acknowledged = 0
        self.sent: dict[int, str] = {}
        self.socket: Socket | None = None
        self.left_at = 0.0

    def dispatch(self, event: str, data: Payload) -> None:
        self.sequence += 1
        frame = json.dumps({"op": 0, "t": event, "s": self.sequence, "d": data})
        self.sent[self.sequence] = frame
        if self.socket:
            self.socket.send(frame)

    def acknowledge(self, number: int | None) -> None:
        """Forget what will not be replayed any more."""
        for one in range(self.acknowledged + 1, (number or 0) + 1):
            self.sent.pop(one, None)
        self.acknowledged = max(self.acknowledged, number or 0)

    def hears(self, event: str, data: Payload) -> bool:
        """Whether its shard is concerned: of a server `(id >> 22) % count`, of all else the first."""
        guild = data.get("guild_id") or (data["id"] if event in ("GUILD_CREATE", "GUILD_DELETE") else 0)
        number, count = self.shard
        return (int(guild) >> 22) % count == number


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
    """Any number of sessions at once. `greet` tells a new session what READY brings and what follows.

    `skipped_s` moves its clock on, for tests whose pauses take no time.
    """

    def __init__(self, *, token: str, granted: Callable[[], bool], note: Callable[..., None]) -> None:
        self.sessions: dict[str, Session] = {}
        self.heartbeat_s = 41.25
        self.resumable = True
        self.kept_s = 300.0
        self.shards = 1
        self.max_concurrency = 1
        self.starts_a_day = 1000
        self.guilds_max = GUILDS_MAX
        self.skipped_s = 0.0
        self.beats = 0
        self.dumb = 0
        self.refuse_identify: int | None = None
        self.resume_url: str | None = None
        self.url = ""
        self.ready: Callable[[tuple[int, int]], Payload] = lambda _: {}
        self.greetings: Callable[[tuple[int, int]], list[tuple[str, Payload]]] = lambda _: []
        self._token, self._granted, self._note = token, granted, note
        self._keys = itertools.count(1)
        self._sockets: set[Socket] = set()
        self._starts: dict[int, list[float]] = defaultdict(list)

    @property
    def live(self) -> list[Session]:
        """Sessions with a connection."""
        return [session for session in self.sessions.values() if session.socket]

    @property
    def starts_today(self) -> int:
        """IDENTIFYs of the last 24 hours."""
        now = self._now()
        return sum(now - at < DAY_S for bucket in self._starts.values() for at in bucket)

    def dispatch(self, event: str, make: Callable[[int], Payload | None]) -> None:
        """Send an event to every session it concerns; `make` shapes it for the session's intents, None withholds it."""
        for session in self.sessions.values():
            data = make(session.intents)
            if data is not None and session.hears(event, data):
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
            session = self._detach(socket)
            self._sockets.discard(socket)
            if session:
                self._note("left", session=session.id, code=ws.close_code)
                if ws.close_code in (1000, 1001):
                    self.sessions.pop(session.id, None)
        return ws

    def _now(self) -> float:
        return time.monotonic() + self.skipped_s

    def _detach(self, socket: Socket) -> Session | None:
        for session in self.sessions.values():
            if session.socket is socket:
                session.socket = None
                session.left_at = self._now()
                return session
        return None

    async def _receive(self, socket: Socket, frame: Payload) -> None:
        if socket.zombie:
            return
        if frame["op"] == 1:
            self.beats += 1
            for session in self.sessions.values():
                if session.socket is socket:
                    session.acknowledge(frame["d"])
            socket.send(json.dumps({"op": 11}))
        elif frame["op"] == 2:
            await self._identify(socket, frame["d"])
        elif frame["op"] == 6:
            await self._resume(socket, frame["d"])

    async def _identify(self, socket: Socket, data: Payload) -> None:
        number, count = data.get("shard") or (0, 1)
        self._note("identify", intents=data["intents"], shard=(number, count))
        if code := self._refusal(data, number, count):
            await socket.ws.close(code=code)
            return
        if self._too_fast(number):
            self._note("too_fast", shard=(number, count))
            socket.send(json.dumps({"op": 9, "d": False}))
            return
        session = Session(f"session{next(self._keys)}", data["intents"], (number, count))
        self.sessions[session.id] = session
        session.socket = socket
        ready = {"session_id": session.id, "resume_gateway_url": self.resume_url or self.url, "shard": [number, count]}
        session.dispatch("READY", ready | self.ready(session.shard))
        for event, greeting in self.greetings(session.shard):
            session.dispatch(event, greeting)

    def _refusal(self, data: Payload, number: int, count: int) -> int | None:
        if data["token"] != self._token:
            return 4004
        if self.starts_today >= self.starts_a_day:
            self._note("token_reset")
            self._token += ".reset"
            return 4004
        if not 0 <= number < count:
            return 4010
        if len(self.ready((number, count)).get("guilds", ())) > self.guilds_max:
            return 4011
        if data["intents"] & MESSAGE_CONTENT and not self._granted():
            return 4014
        return self.refuse_identify

    def _too_fast(self, number: int) -> bool:
        now, bucket = self._now(), self._starts[number % self.max_concurrency]
        bucket.append(now)
        return sum(now - at < IDENTIFY_WINDOW_S for at in bucket) > 1

    async def _resume(self, socket: Socket, data: Payload) -> None:
        session, number = self.sessions.get(data["session_id"]), int(data["seq"])
        self._note("resume", known=session is not None, sequence=number, session=data["session_id"])
        if session is not None and number > session.sequence:
            await socket.ws.close(code=4007)
            return
        if session is None or not self._may_resume(session, number):
            self.sessions.pop(data["session_id"], None)
            socket.send(json.dumps({"op": 9, "d": False}))
            return
        if session.socket is not None:  # the newer connection has it now
            await session.socket.ws.close(code=4000)
        for sequence, frame in session.sent.items():
            if sequence > number:
                socket.send(frame)
        session.socket = socket
        session.dispatch("RESUMED", {})

    def _may_resume(self, session: Session, number: int) -> bool:
        kept = session.socket is not None or self._now() - session.left_at < self.kept_s
        return self.resumable and kept and number >= session.acknowledged
