"""A chat platform in memory: it keeps the messages of a thread, enforces its limits and fails on demand."""

import asyncio
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from bot.errors import Gone, PlatformError, Rejected
from bot.events import Mention, Message
from bot.platform import Limits, Stage, StreamEnded, StreamLimits, Submit, utf16_length


@dataclass(slots=True)
class Write:
    """One write as it reached the platform. `at` is the loop's time."""

    kind: str
    message_id: str
    text: str
    at: float
    stage: Stage = "last"


@dataclass(frozen=True, slots=True)
class Applied:
    """A fault that strikes after the write was done."""

    error: PlatformError


Fault = PlatformError | Applied | None


@dataclass
class FakePlatform:
    """Implements bot.platform.Platform. `faults` are raised by the next writes, None lets one pass.

    `stages` holds how each message stands, as it was last written.
    """

    name: str = "fake"
    bounds: Limits = field(default_factory=lambda: Limits(text_max=100, edit_every_s=1.0, parts_max=5))
    latency_s: float = 0.0
    connected: bool = True
    messages: dict[str, str] = field(default_factory=dict[str, str])
    stages: dict[str, Stage] = field(default_factory=dict[str, Stage])
    writes: list[Write] = field(default_factory=list[Write])
    faults: Sequence[Fault] = ()
    fault_after: bool = False
    refuses: str | None = None
    signs: list[bool] = field(default_factory=list[bool])
    earlier: Sequence[Message] | PlatformError = ()
    keys: dict[str, str] = field(default_factory=dict[str, str])
    in_flight: int = 0

    def limits(self, mention: Mention) -> Limits:
        """The same for everybody."""
        return self.bounds

    async def open(self) -> None:
        """Nothing to log in to."""

    async def listen(self, submit: Submit) -> None:
        """Nothing ever comes by itself."""
        await asyncio.Event().wait()

    async def post(
        self, mention: Mention, text: str, *, key: str, first: bool, recover: bool = False, stage: Stage = "last"
    ) -> str:
        """A new message; the same key with `recover` finds the old one."""
        known = self.keys.get(key)
        message_id = known if known and recover else f"m{len(self.keys)}" if not known else f"m{len(self.keys)}dup"
        assert first == key.endswith(("/0", "/0/anew")), "only the first message of an answer is the first"
        await self._write("post", message_id, text, key=key, stage=stage)
        return message_id

    async def edit(self, mention: Mention, message_id: str, text: str, *, stage: Stage = "last") -> None:
        """Replaces the text of a message that stands."""
        assert not mention.private, "a private message cannot be edited"
        if message_id not in self.messages:
            raise Gone("no such message")
        await self._write("edit", message_id, text, stage=stage)

    async def delete(self, mention: Mention, message_id: str) -> None:
        """Removes a message."""
        assert not mention.private, "a private message cannot be removed"
        self.messages.pop(message_id, None)

    async def working(self, mention: Mention, *, on: bool) -> None:
        """Remembers the sign."""
        self.signs.append(on)

    async def backfill(self, mention: Mention, *, limit: int, since: str = "") -> Sequence[Message]:
        """What the test put there, in the order of its ids; nothing of what came after the mention."""
        if isinstance(self.earlier, PlatformError):
            raise self.earlier
        return [line for line in self.earlier if line.message_id >= since and line.at < mention.sent_at][-limit:]

    async def aclose(self) -> None:
        """Nothing to free."""

    async def _write(self, kind: str, message_id: str, text: str, *, key: str = "", stage: Stage = "last") -> None:
        async with _Call(self):
            if self.bounds.length(text) > self.bounds.text_max or text == self.refuses:
                raise Rejected("text too long, or not to the platform's taste")
            self.messages[message_id] = text
            self.stages[message_id] = stage
            if key:
                self.keys[key] = message_id
            self.record(kind, message_id, text, stage)

    def record(self, kind: str, message_id: str, text: str, stage: Stage) -> None:
        """Keep a write that was done."""
        self.writes.append(Write(kind, message_id, text, asyncio.get_running_loop().time(), stage))

    def next_fault(self, *, streaming: bool = False) -> Fault:
        """What happens to the next write."""
        if not self.faults:
            return None
        fault, self.faults = self.faults[0], self.faults[1:]
        return Applied(fault) if self.fault_after and isinstance(fault, PlatformError) else fault


class _Call:
    """One call to the platform: alone, as long as it takes, and with the fault that is due before or after it."""

    def __init__(self, platform: FakePlatform, *, streaming: bool = False) -> None:
        self._platform = platform
        self._streaming = streaming
        self._fault: Fault = None

    async def __aenter__(self) -> None:
        platform = self._platform
        assert platform.in_flight == 0, "two writes at once"
        platform.in_flight += 1
        try:
            if platform.latency_s:
                await asyncio.sleep(platform.latency_s)
            self._fault = platform.next_fault(streaming=self._streaming)
            if isinstance(self._fault, PlatformError):
                raise self._fault
        except BaseException:
            platform.in_flight -= 1
            raise

    async def __aexit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self._platform.in_flight -= 1
        if error is None and isinstance(self._fault, Applied):
            raise self._fault.error


@dataclass
class FakeStreams(FakePlatform):
    """A platform with messages that grow natively. Implements bot.platform.Streams as well.

    A stream ends `lives_s` after its start. `declines` says for the next begins whether they come to nothing;
    `stream_faults` strike only what is done to streams. `growing` are the messages that grow, `stopped` those that a
    person ended, `told` those of them of which the bot was told.
    """

    stream_limits: StreamLimits = field(
        default_factory=lambda: StreamLimits(
            text_max=200, length=utf16_length, flush_chars=20, flush_s=0.75, open_s=25.0
        )
    )
    lives_s: float = 30.0
    flush_s: float = 0.75
    may: bool = True
    declines: Sequence[bool] = ()
    stream_faults: Sequence[Fault] = ()
    growing: dict[str, "FakeLive"] = field(default_factory=dict[str, "FakeLive"])
    stopped: set[str] = field(default_factory=set[str])
    told: set[str] = field(default_factory=set[str])
    streamed: int = 0

    def may_stream(self, mention: Mention) -> bool:
        """As the test has it."""
        return self.may

    async def begin(self, mention: Mention, text: str, *, key: str) -> "FakeLive | None":
        """A new message that grows, under a key that none has."""
        assert not mention.private, "a stream is seen by everybody"
        declined, self.declines = bool(self.declines and self.declines[0]), self.declines[1:]
        if declined:
            return None
        async with _Call(self, streaming=True):
            assert key not in self.keys, "a message with this key stands already"
            assert text.strip(), "nothing to begin with"
            message_id = f"m{len(self.keys)}"
            self.keys[key] = message_id
            self.messages[message_id] = ""
            self.stages[message_id] = "growing"
            self.growing[message_id] = FakeLive(self, message_id, asyncio.get_running_loop().time())
            self.streamed += 1
            self.add("begin", message_id, text)
        return self.growing[message_id]

    async def edit(self, mention: Mention, message_id: str, text: str, *, stage: Stage = "last") -> None:
        """Ends the message where it still grows."""
        await super().edit(mention, message_id, text, stage=stage)
        self.growing.pop(message_id, None)

    async def post(
        self, mention: Mention, text: str, *, key: str, first: bool, recover: bool = False, stage: Stage = "last"
    ) -> str:
        """Finds a message that was begun under this key, and ends it."""
        message_id = await super().post(mention, text, key=key, first=first, recover=recover, stage=stage)
        self.growing.pop(message_id, None)
        return message_id

    async def delete(self, mention: Mention, message_id: str) -> None:
        """Removes a message, whether or not it grows."""
        await super().delete(mention, message_id)
        self.growing.pop(message_id, None)

    def next_fault(self, *, streaming: bool = False) -> Fault:
        """What happens to the next write; streams have faults of their own."""
        if streaming and self.stream_faults:
            fault, self.stream_faults = self.stream_faults[0], self.stream_faults[1:]
            return fault
        return super().next_fault(streaming=streaming)

    def press_stop(self) -> None:
        """A person ends all that grows."""
        self.stopped.update(self.growing)
        self.growing.clear()

    def add(self, kind: str, message_id: str, text: str, stage: Stage = "growing") -> None:
        """Let a message grow."""
        self.messages[message_id] += text
        length = self.stream_limits.length(self.messages[message_id])
        assert length <= self.stream_limits.text_max, "more than a streamed message may hold"
        self.record(kind, message_id, text, stage)


class FakeLive:
    """A message that grows. Implements bot.platform.LiveMessage."""

    def __init__(self, platform: FakeStreams, message_id: str, begun_at: float) -> None:
        self._platform = platform
        self.message_id = message_id
        self._begun_at = begun_at
        self._full = False

    @property
    def flush_s(self) -> float:
        """The platform's, for all messages."""
        return self._platform.flush_s

    async def append(self, text: str, *, last: bool = False) -> None:
        """Adds text while the message grows."""
        assert text, "an append without text"
        assert not self._full, "nothing was to follow"
        with self._listening():
            async with _Call(self._platform, streaming=True):
                self._check()
                self._platform.add("append", self.message_id, text, "last" if last else "growing")
                self._full = last

    async def close(self, *, stage: Stage) -> None:
        """Ends the message; again is fine, but not after a person did."""
        platform = self._platform
        assert self.message_id not in platform.told, "a person has ended it, and the bot knows"
        with self._listening(ends=stage):
            async with _Call(platform, streaming=True):
                if self.message_id in platform.stopped:
                    raise StreamEnded("stopped", stopped=True)
                if self.message_id not in platform.messages:
                    raise Gone("no such message")
                platform.growing.pop(self.message_id, None)
                platform.stages[self.message_id] = stage
                platform.record("close", self.message_id, "", stage)

    @contextmanager
    def _listening(self, *, ends: Stage | None = None) -> Generator[None]:
        platform = self._platform
        try:
            yield
        except StreamEnded as error:
            if error.stopped or ends:
                platform.growing.pop(self.message_id, None)
                platform.stages[self.message_id] = ends or "growing"
            if error.stopped:
                platform.stopped.add(self.message_id)
                platform.told.add(self.message_id)
            raise

    def _check(self) -> None:
        platform = self._platform
        if self.message_id not in platform.messages:
            raise Gone("no such message")
        if self.message_id in platform.stopped:
            raise StreamEnded("stopped", stopped=True)
        if asyncio.get_running_loop().time() >= self._begun_at + platform.lives_s:
            platform.growing.pop(self.message_id, None)
        if self.message_id not in platform.growing:
            raise StreamEnded("not in a streaming state")


@dataclass
class FakeUploads(FakeStreams):
    """A platform that takes files as well. Implements bot.platform.Uploads."""

    files: dict[str, str] = field(default_factory=dict[str, str])

    async def upload(self, mention: Mention, text: str, *, name: str, key: str, recover: bool) -> str:
        """A file; the same key with `recover` finds the old one."""
        async with _Call(self):
            assert recover or key not in self.files, "the same file twice"
            self.files[key] = text
            self.record("upload", key, name, "last")
        return f"file:{key}"

    async def remove(self, mention: Mention, file_id: str) -> None:
        """Removes a file."""
        async with _Call(self):
            self.files.pop(file_id.removeprefix("file:"), None)
            self.record("remove", file_id, "", "last")
