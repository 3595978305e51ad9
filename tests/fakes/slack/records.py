"""What the fake keeps beside messages: streams, sessions, triggers, views, response URLs, uploads, OAuth codes."""

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.fakes.slack.facts import Json

STREAM_LIVES_S = 300.0  # reference 0.3: about five minutes after the start, whatever is appended
PROCESSING_LIVES_S = 3_600.0  # 2.5
NOTHING_TYPED: Json = {"values": {}}


@dataclass(eq=False)
class Stream:
    """A streamed message beside its stored text; reference 2.4."""

    app: str
    thread_ts: str
    started_at: float
    size_bytes: int = 0
    blocks: list[Json] = field(default_factory=list[Json])
    tasks: dict[str, Json] = field(default_factory=dict[str, Json])
    stopped: bool = False
    stopped_by_user: bool = False

    def open(self, now: float) -> bool:
        """Whether more can be appended."""
        return not self.stopped and not self.stopped_by_user and now - self.started_at < STREAM_LIVES_S


@dataclass(eq=False)
class Session:
    """An agent session; reference 0.2, 2.5."""

    now: Callable[[], float]
    team: str
    title: str = ""
    last: str = "active"
    since: float = 0.0
    history: list[str] = field(default_factory=list[str])

    @property
    def status(self) -> str:
        """The status now: processing ends by itself after an hour."""
        if self.last == "processing" and self.now() - self.since >= PROCESSING_LIVES_S:
            return "active"
        return self.last

    def become(self, status: str) -> None:
        """Set the status and remember it in `history`."""
        self.last, self.since = status, self.now()
        self.history.append(status)


@dataclass(eq=False)
class Trigger:
    """A trigger id: for one view, for three seconds."""

    user: str
    team: str
    made_at: float
    used: bool = False


@dataclass(eq=False)
class View:
    """An open modal, or a published Home."""

    id: str
    user: str
    team: str
    body: Json
    hash: str
    app: str
    open: bool = True


@dataclass(eq=False)
class Reply:
    """A response URL; reference 2.6."""

    channel: str
    user: str
    team: str
    made_at: float
    message_ts: str | None = None
    uses: int = 0


@dataclass(eq=False)
class Upload:
    """A file. `channel` is None until it was shared."""

    id: str
    name: str
    length: int
    app: str
    data: bytes | None = None
    title: str = ""
    channel: str | None = None
    thread_ts: str | None = None
    mimetype: str = "text/plain"


@dataclass(eq=False)
class Grant:
    """An OAuth code that was given out; reference 2.8."""

    team: str | None
    enterprise: str | None
    user: str
    scopes: set[str]
    redirect_uri: str
    made_at: float


@dataclass(frozen=True, slots=True)
class Landed:
    """Where a person came out at the end of an installation in the browser."""

    status: int
    text: str
    path: str
