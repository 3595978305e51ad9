"""A chat platform in memory: it keeps the messages of a thread, enforces its limits and fails on demand."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from bot.errors import Gone, PlatformError, Rejected
from bot.events import Mention, Message
from bot.platform import Limits, Stage, Submit


@dataclass(slots=True)
class Write:
    """One write as it reached the platform. `at` is the loop's time."""

    kind: str
    message_id: str
    text: str
    at: float


@dataclass
class FakePlatform:
    """Implements bot.platform.Platform. `faults` are raised by the next writes, None lets one pass."""

    name: str = "fake"
    bounds: Limits = field(default_factory=lambda: Limits(text_max=100, edit_every_s=1.0, parts_max=5))
    latency_s: float = 0.0
    connected: bool = True
    messages: dict[str, str] = field(default_factory=dict[str, str])
    writes: list[Write] = field(default_factory=list[Write])
    faults: Sequence[PlatformError | None] = ()
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
        await self._write("post", message_id, text, key=key)
        return message_id

    async def edit(self, mention: Mention, message_id: str, text: str, *, stage: Stage = "last") -> None:
        """Replaces the text of a message that stands."""
        if message_id not in self.messages:
            raise Gone("no such message")
        await self._write("edit", message_id, text)

    async def delete(self, mention: Mention, message_id: str) -> None:
        """Removes a message."""
        self.messages.pop(message_id, None)

    async def working(self, mention: Mention, *, on: bool) -> None:
        """Remembers the sign."""
        self.signs.append(on)

    async def backfill(self, mention: Mention, *, limit: int) -> Sequence[Message]:
        """What the test put there."""
        if isinstance(self.earlier, PlatformError):
            raise self.earlier
        return self.earlier[-limit:]

    async def aclose(self) -> None:
        """Nothing to free."""

    async def _write(self, kind: str, message_id: str, text: str, *, key: str = "") -> None:
        assert self.in_flight == 0, "two writes at once"
        self.in_flight += 1
        try:
            if self.latency_s:
                await asyncio.sleep(self.latency_s)
            fault, self.faults = (self.faults[0], self.faults[1:]) if self.faults else (None, ())
            if fault is not None and not self.fault_after:
                raise fault
            if self.bounds.length(text) > self.bounds.text_max or text == self.refuses:
                raise Rejected("text too long, or not to the platform's taste")
            self.messages[message_id] = text
            if key:
                self.keys[key] = message_id
            self.writes.append(Write(kind, message_id, text, asyncio.get_running_loop().time()))
            if fault is not None:
                raise fault
        finally:
            self.in_flight -= 1
