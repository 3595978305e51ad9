"""One message that grows: what Slack has acknowledged of it, and what is therefore sent next.

It knows neither the Web API nor budgets; whoever began it sends and ends for it.
"""

from typing import Protocol

from adapters.slack.text.render import rendered
from bot.events import Mention
from bot.platform import Stage, StreamEnded


class Owner(Protocol):
    """Who began the message."""

    @property
    def flush_s(self) -> float:
        """The least time between two appends to one message."""
        ...

    async def append(self, mention: Mention, ts: str, text: str, *, last: bool) -> None:
        """Send rendered text."""
        ...

    async def end(self, mention: Mention, ts: str, *, key: str, stage: Stage, shown: str) -> None:
        """End it, now or later."""
        ...

    def forget(self, ts: str) -> None:
        """It takes no more."""
        ...


class Stream:
    """A message that grows. Implements `bot.platform.LiveMessage`."""

    def __init__(self, owner: Owner, mention: Mention, ts: str, *, key: str, source: str, shown: str) -> None:
        self._owner = owner
        self._mention = mention
        self._ts = ts
        self._key = key
        # Invariant: Slack has acknowledged `shown`, and it is what `source` looks like, but for blanks at the end.
        self._source = source
        self._shown = shown
        self._closed = False

    @property
    def message_id(self) -> str:
        """Its ts."""
        return self._ts

    @property
    def flush_s(self) -> float:
        """See `LiveMessage.flush_s`."""
        return self._owner.flush_s

    async def append(self, text: str, *, last: bool = False) -> None:
        """Add what the whole text now shows beyond what Slack has; see `LiveMessage.append`.

        The whole is rendered anew, because a link or code may span two appends.
        """
        if self._closed:
            raise StreamEnded("the message was ended")
        source = self._source + text
        whole = rendered(source, growing=True)
        if not whole.startswith(self._shown):
            raise StreamEnded("what stands would have to change")
        if more := whole[len(self._shown) :].strip() and whole[len(self._shown) :]:
            await self._send(more, last=last)
            self._shown = whole
        self._source = source

    async def close(self, *, stage: Stage) -> None:
        """End the message; see `LiveMessage.close`. Never fails: what Slack cannot take now is done later."""
        if not self._closed:
            self._closed = True
            await self._owner.end(self._mention, self._ts, key=self._key, stage=stage, shown=self._shown)

    async def _send(self, text: str, *, last: bool) -> None:
        try:
            await self._owner.append(self._mention, self._ts, text, last=last)
        except StreamEnded as error:
            self._owner.forget(self._ts)
            # A stream that a person stopped must not be stopped again (docs.slack.dev/ai/agent-sessions, Nov 2026).
            self._closed = error.stopped
            raise
