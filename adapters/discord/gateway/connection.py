"""Keeps one shard's connection alive: connects, resumes, backs off, and knows when to begin afresh.

Rules of the platform (developer docs, Gateway, read November 2026): RESUME replays what was missed and is free;
IDENTIFY is limited (see `starts`); after op 9 without a resumable session wait 1-5 s; close codes 4004 and 4010-4014
do not heal by themselves.
discord.py's own loop is not used: it tries a dead resume address for ever, and takes the gateway's address from a
class constant.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import discord
from discord.gateway import ReconnectWebSocket

from adapters.discord.api.client import Client, Socket, abandon
from adapters.discord.gateway.progress import Hold
from adapters.discord.gateway.sessions import Saved, Shard
from adapters.discord.gateway.starts import Starts
from adapters.discord.gateway.succession import Missed, Succession
from adapters.discord.payloads.fields import Payload

log = logging.getLogger(__name__)

FRAME_MAX_S = 60.0
"""Longest silence. Heartbeats are acknowledged about every 41 s, so 60 s without a frame is a dead connection."""

FRESH_S = 90.0
"""A connection counts as live while its last frame is younger than this."""

ROOM_MAX_S = 20.0
"""How long frames stay unread while there is no room for what they hold. Chosen: well below the silence that makes
either side call the connection dead; after that it is closed, and Discord keeps the events instead of the network.
"""

RESUME_TRIES = 3
"""Tries at the session's own address, then as many through the general one, before the session is given up."""

BACKOFF_MAX_S = 60.0
HOPELESS_PAUSE_S = 300.0
"""After a close code that only an operator can mend: 288 IDENTIFYs a day stay far below the limit of 1,000."""

CONTENT_REFUSED = 4014
SHARDING_REQUIRED = 4011
HOPELESS = frozenset({4004, 4010, 4011, 4012, 4013})
NEW_SESSION = frozenset({4007, 4009})
"""Closes after which RESUME cannot work: invalid sequence, session timed out."""

STABLE_S = 5.0
"""A connection that lived shorter counts as a failure, so that a flapping peer is not hammered."""

Handle = Callable[[Payload, Hold], None]
"""What to do with an event. It must neither block nor raise; one that is not through when it returns calls `Hold`."""


class Room(Protocol):
    """Whether what arrives finds a place; `incoming.intake` is one."""

    @property
    def full(self) -> bool:
        """Whether the next event should wait."""
        ...

    async def room(self) -> None:
        """Wait until there is room."""
        ...


@dataclass(frozen=True, slots=True)
class Means:
    """What all connections of a process work with.

    Clocks, pauses and chance are parameters, so that tests are exact. `may_grow` says that the number of shards is
    Discord's advice, which may be asked for again.
    """

    client: Client
    starts: Starts
    handlers: Mapping[str, Handle]
    room: Room
    pause: Callable[[float], Awaitable[None]]
    now: Callable[[], float]
    chance: Callable[[], float]
    frame_max_s: float = FRAME_MAX_S
    room_max_s: float = ROOM_MAX_S
    may_grow: bool = False


class Outgrown(Exception):
    """Discord refuses a session because there are too few shards for the servers that the bot is in."""


class _NoRoom(Exception):
    """Frames were left unread for too long."""


class Connection:
    """One shard's connection, kept up for ever. `saved` is the session that an earlier process has left.

    `stands` is called whenever a session stands, `missed` in that moment where something was missed before.
    """

    def __init__(
        self,
        means: Means,
        shard: Shard,
        *,
        saved: Saved | None,
        missed: Callable[[Missed], None],
        stands: Callable[[], None],
    ) -> None:
        self.shard = shard
        self._means = means
        self._stands = stands
        self._socket: Socket | None = None
        self._failures = 0
        self._established_at: float | None = None
        self._sessions = Succession(
            shard, saved=saved, intents=means.client.wanted_intents, now=means.now(), missed=missed
        )

    @property
    def connected(self) -> bool:
        """Whether the session stands, and its socket is open and has been heard of within 90 s."""
        greeted = self._established_at is not None  # before READY or RESUMED nothing arrives
        return greeted and self._socket is not None and self._socket.open and self._socket.silent_s < FRESH_S

    @property
    def silent_s(self) -> float:
        """Seconds since the last frame; infinite while there is no connection."""
        return float("inf") if self._socket is None else self._socket.silent_s

    @property
    def saved(self) -> Saved | None:
        """What another process needs to go on here; None before the first session."""
        self._note_heard()
        return self._sessions.saved

    async def run(self) -> None:
        """Receive events until cancelled. Closes so that the session could be resumed. Raises Outgrown."""
        while True:
            renewal = self._means.client.renewal  # before: a new token may come while the old one is being refused
            pause_s = await self._once()
            stable = self._lived_s() >= STABLE_S
            self._failures = 1 if stable else self._failures + 1
            await self._rest(self._backoff_s() if pause_s is None else pause_s, until=renewal)

    async def _rest(self, seconds: float, *, until: asyncio.Event) -> None:
        """The pause; what was refused with an old token is tried at once with a new one."""
        waiting = [asyncio.ensure_future(one) for one in (self._means.pause(seconds), until.wait())]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waiting:
                one.cancel()

    def _note_heard(self) -> None:
        """Only a session that stands counts; a refusal is no news of anything."""
        if self._established_at is not None and self._socket is not None and self._socket.last_frame_at is not None:
            self._sessions.heard_at = self._means.now() - self._socket.silent_s

    def _lived_s(self) -> float:
        since, self._established_at = self._established_at, None
        return 0.0 if since is None else asyncio.get_running_loop().time() - since

    def _backoff_s(self) -> float:
        """0 at first, because RESUME replays at once; then 1, 2, 4 ... s with jitter."""
        if self._failures <= 1:
            return 0.0
        return min(BACKOFF_MAX_S, 2.0 ** min(self._failures - 2, 10)) * (0.5 + self._means.chance() / 2)

    async def _once(self) -> float | None:
        """One connection from beginning to end; gives the pause before the next, None for the usual back-off."""
        await self._means.room.room()
        try:
            self._socket = await self._connect()
            await self._receive(self._socket)
        except ReconnectWebSocket as reason:
            return self._lost(resume=reason.resume)
        except discord.ConnectionClosed as closed:
            return self._closed(closed.code)
        except _NoRoom:
            log.warning("gateway_paused", extra={"shard": self.shard.id})
            return 0.0
        except Exception as error:  # noqa: BLE001 -- wall: the bot must hear again, whatever broke
            log.warning("gateway_unreachable", extra={"shard": self.shard.id, "error": type(error).__name__})
            return self._lost(resume=True)
        finally:
            if self._socket is not None:
                self._note_heard()
                socket, self._socket = self._socket, None
                await abandon(socket)

    async def _connect(self) -> Socket:
        session, means, shard = self._sessions.current, self._means, (self.shard.id, self.shard.count)
        if session is None:
            url = await means.starts.granted(self.shard)
        elif session.failures >= RESUME_TRIES:
            url = (await means.starts.advice()).url
        else:
            url = session.url
        async with asyncio.timeout(means.frame_max_s):
            if session is None:
                socket = await means.client.socket(url, shard=shard)
            else:
                session.failures += 1  # taken back as soon as the session speaks
                socket = await means.client.socket(url, shard=shard, session=session.id, sequence=session.progress.safe)
        socket.deliver(self._dispatch, acknowledged=self._acknowledged)
        return socket

    async def _receive(self, socket: Socket) -> None:
        while True:
            if self._means.room.full:
                await self._room()
            async with asyncio.timeout(self._means.frame_max_s):
                await socket.poll_event()

    async def _room(self) -> None:
        """Leave frames unread for a while; heartbeats go on meanwhile."""
        try:
            async with asyncio.timeout(self._means.room_max_s):
                await self._means.room.room()
        except TimeoutError:
            raise _NoRoom from None

    def _acknowledged(self) -> int | None:
        return self._sessions.current.progress.safe if self._sessions.current else None

    def _dispatch(self, event: str, data: Payload) -> None:
        """Every event of the connection; `sequence` is its number as long as this runs."""
        socket = self._socket
        if socket is None or socket.sequence is None:
            return
        number, means = socket.sequence, self._means
        if event == "READY":
            self._established("gateway_ready", servers=len(data.get("guilds", ())))
            self._sessions.begin(data, number=number, intents=means.client.wanted_intents)
        elif self._sessions.current is None or not self._sessions.current.progress.arrived(number):
            return
        elif event == "RESUMED":
            self._established("gateway_resumed")
            self._sessions.resumed()
        session, handle = self._sessions.current, means.handlers.get(event)
        if handle is not None and session is not None:
            handle(data, lambda: session.progress.hold(number, at=means.now()))

    def _established(self, what: str, **more: int) -> None:
        """READY or RESUMED has come: the session works."""
        self._established_at = asyncio.get_running_loop().time()
        log.info(what, extra={"shard": self.shard.id, **more})
        self._stands()

    def _lost(self, *, resume: bool) -> float | None:
        code = None if self._socket is None else self._socket.socket.close_code
        log.info("gateway_lost", extra={"shard": self.shard.id, "resume": resume, "close_code": code})
        session = self._sessions.current
        if not resume or code in NEW_SESSION or (session and session.failures >= 2 * RESUME_TRIES):
            self._forget()
        # Discord asks for 1-5 s before the IDENTIFY that follows an invalidated session.
        return None if resume else 1 + 4 * self._means.chance()

    def _closed(self, code: int) -> float | None:
        client = self._means.client
        if code == CONTENT_REFUSED and client.wants_content:
            client.want_content(False)
            log.error("message_content_refused", extra={"without_it": WITHOUT_CONTENT})
            self._forget()
            return None
        if code == SHARDING_REQUIRED and self._means.may_grow:
            self._forget()
            raise Outgrown
        if code in HOPELESS or code == CONTENT_REFUSED:
            log.error("gateway_refused", extra={"close_code": code, "retry_after_s": HOPELESS_PAUSE_S})
            self._forget()
            return HOPELESS_PAUSE_S
        return self._lost(resume=True)

    def _forget(self) -> None:
        self._note_heard()
        self._sessions.end()


WITHOUT_CONTENT = (
    "mentions, replies with a ping, direct messages and forwards to the bot work; "
    "follow-ups in threads without a mention and other people's messages do not"
)
"""What a missing Message Content intent costs, for logs and `doctor`."""
