"""Keeps one gateway connection alive: connects, resumes, backs off, and knows when to begin afresh.

Rules of the platform (developer docs, Gateway, read November 2026): RESUME replays what was missed and is free;
IDENTIFY is limited (1,000 in 24 h, beyond which the token is reset); after op 9 without a resumable session wait
1-5 s; close codes 4004 and 4010-4014 do not heal by themselves.
discord.py's own loop is not used: it tries a dead resume address for ever, and takes the gateway's address from a
class constant.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import discord
from discord.gateway import ReconnectWebSocket

from adapters.discord.api.client import Client, Socket, abandon
from adapters.discord.api.rest import Rest

log = logging.getLogger(__name__)

FRAME_MAX_S = 60.0
"""Longest silence. Heartbeats are acknowledged about every 41 s, so 60 s without a frame is a dead connection."""

FRESH_S = 90.0
"""A connection counts as live while its last frame is younger than this."""

RESUME_TRIES = 3
"""Tries at the session's own address, then as many through the general one, before the session is given up."""

BACKOFF_MAX_S = 60.0
HOPELESS_PAUSE_S = 300.0
"""After a close code that only an operator can mend: 288 IDENTIFYs a day stay far below the limit of 1,000."""

IDENTIFY_LOW = 50
"""Fewer IDENTIFYs left than this are worth a warning."""

CONTENT_REFUSED = 4014
HOPELESS = frozenset({4004, 4010, 4011, 4012, 4013})
NEW_SESSION = frozenset({4007, 4009})
"""Closes after which RESUME cannot work: invalid sequence, session timed out."""

STABLE_S = 5.0
"""A connection that lived shorter counts as a failure, so that a flapping peer is not hammered."""

Pause = Callable[[float], Awaitable[None]]


@dataclass(slots=True)
class Session:
    """A gateway session that may be resumed, and how often that failed."""

    id: str
    sequence: int
    url: str
    failures: int = 0


class Gateway:
    """One shard's connection, kept up for ever."""

    def __init__(
        self,
        client: Client,
        rest: Rest,
        *,
        frame_max_s: float = FRAME_MAX_S,
        pause: Pause = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._client = client
        self._rest = rest
        self._frame_max_s = frame_max_s
        self._pause = pause
        self._chance = chance
        self._socket: Socket | None = None
        self._session: Session | None = None
        self._failures = 0
        self._established_at: float | None = None

    @property
    def connected(self) -> bool:
        """Whether the session stands, and its socket is open and has been heard of within 90 s."""
        greeted = self._established_at is not None  # before READY or RESUMED nothing arrives
        return greeted and self._socket is not None and self._socket.open and self._socket.silent_s < FRESH_S

    async def run(self) -> None:
        """Receive events until cancelled. Closes so that the session could be resumed."""
        while True:
            pause_s = await self._once()
            stable = self._lived_s() >= STABLE_S
            self._failures = 1 if stable else self._failures + 1
            await self._pause(self._backoff_s() if pause_s is None else pause_s)

    def _lived_s(self) -> float:
        since, self._established_at = self._established_at, None
        return 0.0 if since is None else asyncio.get_running_loop().time() - since

    def _backoff_s(self) -> float:
        """0 at first, because RESUME replays at once; then 1, 2, 4 ... s with jitter."""
        if self._failures <= 1:
            return 0.0
        return min(BACKOFF_MAX_S, 2.0 ** min(self._failures - 2, 10)) * (0.5 + self._chance() / 2)

    async def _once(self) -> float | None:
        """One connection from beginning to end; gives the pause before the next, None for the usual back-off."""
        try:
            self._socket = await self._connect()
            await self._receive(self._socket)
        except ReconnectWebSocket as reason:
            return self._lost(resume=reason.resume)
        except discord.ConnectionClosed as closed:
            return self._closed(closed.code)
        except Exception as error:  # noqa: BLE001 -- wall: the bot must hear again, whatever broke
            log.warning("gateway_unreachable", extra={"error": type(error).__name__})
            return self._lost(resume=True)
        finally:
            if self._socket is not None:
                self._keep_session(self._socket)
                socket, self._socket = self._socket, None
                await abandon(socket)

    async def _connect(self) -> Socket:
        session = self._session
        if session is None or session.failures >= RESUME_TRIES:
            url = await self._general_url(identify=session is None)
        else:
            url = session.url
        if session is not None:
            session.failures += 1  # taken back as soon as the session speaks
        async with asyncio.timeout(self._frame_max_s):
            if session is None:
                return await self._client.socket(url)
            return await self._client.socket(url, session=session.id, sequence=session.sequence)

    async def _receive(self, socket: Socket) -> None:
        while True:
            async with asyncio.timeout(self._frame_max_s):
                await socket.poll_event()

    def established(self) -> None:
        """READY or RESUMED has come: the session works."""
        self._established_at = asyncio.get_running_loop().time()
        if self._session is not None:
            self._session.failures = 0

    def _keep_session(self, socket: Socket) -> None:
        """Remember how far the session got; the socket forgets it when Discord has invalidated it."""
        if socket.session_id is None or socket.sequence is None:
            return
        failures = self._session.failures if self._session else 0
        self._session = Session(socket.session_id, socket.sequence, str(socket.gateway), failures)

    def _lost(self, *, resume: bool) -> float | None:
        socket = self._socket
        code = None if socket is None else socket.socket.close_code
        log.info("gateway_lost", extra={"resume": resume, "close_code": code})
        if socket is not None:
            self._keep_session(socket)
        session = self._session
        if not resume or code in NEW_SESSION or (session and session.failures >= 2 * RESUME_TRIES):
            self._forget()
        # Discord asks for 1-5 s before the IDENTIFY that follows an invalidated session.
        return None if resume else 1 + 4 * self._chance()

    def _closed(self, code: int) -> float | None:
        if code == CONTENT_REFUSED and self._client.wants_content:
            self._client.want_content(False)
            log.error("message_content_refused", extra={"without_it": WITHOUT_CONTENT})
            self._forget()
            return None
        if code in HOPELESS or code == CONTENT_REFUSED:
            log.error("gateway_refused", extra={"close_code": code, "retry_after_s": HOPELESS_PAUSE_S})
            self._forget()
            return HOPELESS_PAUSE_S
        return self._lost(resume=True)

    def _forget(self) -> None:
        self._session = None
        if self._socket is not None:
            self._socket.session_id = None

    async def _general_url(self, *, identify: bool) -> str:
        """The gateway's address as Discord names it now; before an IDENTIFY also its budget is kept."""
        answer: dict[str, Any] = await self._rest.get("/gateway/bot")
        limit: dict[str, Any] = answer.get("session_start_limit") or {}
        remaining = int(limit.get("remaining", IDENTIFY_LOW))
        if identify and remaining < IDENTIFY_LOW:
            log.warning("identify_budget_low", extra={"remaining": remaining, "total": limit.get("total")})
        if identify and remaining < 1:  # one more would cost the token
            await self._pause(float(limit.get("reset_after", 0)) / 1000)
        return str(answer["url"])


WITHOUT_CONTENT = (
    "mentions, replies with a ping, direct messages and forwards to the bot work; "
    "follow-ups in threads without a mention and other people's messages do not"
)
"""What a missing Message Content intent costs, for logs and `doctor`."""
