"""The sessions of one shard, one after another: how far each got, and what no session has delivered between two.

Rules of the platform (developer docs, Gateway, read November 2026): READY begins a session and brings nothing of what
happened before it; RESUMED ends the replay of one. A session keeps the intents of its IDENTIFY. Pure bookkeeping.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from adapters.discord.gateway.progress import Progress
from adapters.discord.gateway.sessions import Saved, Shard


@dataclass(slots=True)
class Session:
    """A gateway session that may be resumed, and how often that failed."""

    id: str
    url: str
    intents: int
    progress: Progress
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Missed:
    """Messages that no session has delivered: since when (Unix seconds), and the servers that READY has named.

    `guilds` is None where a session was resumed that has them missed from an earlier process. `read` is to be called
    once all of them have been read in another way.
    """

    shard: Shard
    since: float
    guilds: tuple[str, ...] | None
    read: Callable[[], None]


class Succession:
    """`current` is the session that may be resumed; `heard_at` is when one that stood was heard of last."""

    def __init__(
        self, shard: Shard, *, saved: Saved | None, intents: int, now: float, missed: Callable[[Missed], None]
    ) -> None:
        self.current: Session | None = None
        self.heard_at = now
        self._shard = shard
        self._missed = missed
        self._missed_since: float | None = None
        self._gaps = 0
        if saved is not None:
            self._take_up(saved, intents=intents)

    @property
    def saved(self) -> Saved | None:
        """What another process needs to go on; None before the first session."""
        session, since = self.current, self._missed_since
        if session is None:
            return None if since is None else Saved("", 0, "", 0, at=since, missed_since=since)
        at = session.progress.through_until(self.heard_at)
        return Saved(session.id, session.progress.safe, session.url, session.intents, at=at, missed_since=since)

    def begin(self, ready: Mapping[str, Any], *, number: int, intents: int) -> None:
        """A READY: what happened between the session before and this one, nobody will send."""
        url, progress = str(ready["resume_gateway_url"]), Progress(seen=number)
        self.current = Session(str(ready["session_id"]), url, intents, progress)
        self._tell(tuple(str(guild["id"]) for guild in ready.get("guilds", ())))

    def resumed(self) -> None:
        """A RESUMED: only what an earlier process has missed, and not read, is still to be read."""
        if self.current is not None:
            self.current.failures = 0
        if self._gaps == 0:
            self._tell(None)

    def end(self) -> None:
        """The session cannot be resumed: what comes until the next one stands has to be read afterwards."""
        session, self.current = self.current, None
        if session is None:
            return
        self._gaps += 1
        if self._missed_since is None:
            self._missed_since = session.progress.through_until(self.heard_at)

    def _take_up(self, saved: Saved, *, intents: int) -> None:
        self._missed_since = saved.missed_since
        if saved.id and saved.intents == intents:
            self.current = Session(saved.id, saved.url, saved.intents, Progress(seen=saved.sequence))
            self.heard_at = saved.at
        elif saved.missed_since is None:
            self._missed_since = saved.at

    def _tell(self, guilds: tuple[str, ...] | None) -> None:
        since = self._missed_since
        if since is None:
            return
        self._gaps += 1
        number = self._gaps

        def read() -> None:
            if number == self._gaps:  # else more was missed meanwhile
                self._missed_since = None

        self._missed(Missed(self._shard, since, guilds, read))
