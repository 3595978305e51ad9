"""Which events of one gateway session are through, so that no number is passed on too early.

Rule of the platform (developer docs, Gateway, Resuming, read November 2026): RESUME replays everything behind the
sequence number it names, and nothing before it. A number that runs ahead of an event which waits in memory loses that
event with the process. Pure bookkeeping: it knows neither sockets nor what an event holds.
"""

from collections.abc import Callable

Done = Callable[[], None]
"""To be called once the event is through, or given up for good; a second call does nothing."""

Hold = Callable[[], Done]
"""Called by a handler whose event is not through when it returns."""


class Progress:
    """The numbers of one session. `seen` is the newest that has arrived so far."""

    def __init__(self, *, seen: int) -> None:
        self._seen = seen
        self._held: dict[int, float] = {}

    @property
    def safe(self) -> int:
        """Everything up to this number is through: whatever is behind it may be replayed, nothing else needs to be."""
        return min(self._held, default=self._seen + 1) - 1

    def through_until(self, now: float) -> float:
        """The time up to which everything is through, in Unix seconds: when the oldest held event came, else now."""
        return min(self._held.values(), default=now)

    def arrived(self, number: int) -> bool:
        """Note an event; False for one that a RESUME has replayed although it is through or still held here."""
        if number <= self._seen:
            return False
        self._seen = number
        return True

    def hold(self, number: int, *, at: float) -> Done:
        """Keep `safe` behind this event until the returned function is called. `at` is now, in Unix seconds."""
        self._held[number] = at

        def done() -> None:
            self._held.pop(number, None)

        return done
