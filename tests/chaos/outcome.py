"""What an upgrade under load came to, as a line of figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wait:
    """Seconds from a question to its whole answer."""

    median_s: float = 0.0
    most_s: float = 0.0

    @classmethod
    def of(cls, waits_s: Sequence[float]) -> "Wait":
        """Of all that waited, shortest first."""
        return cls(waits_s[len(waits_s) // 2], waits_s[-1]) if waits_s else cls()

    def __str__(self) -> str:
        return f"{self.median_s:.1f} to {self.most_s:.1f} s"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of it. `replaced` counts pods by their workload.

    `lost` are questions without a whole answer, `doubled` messages beyond one for a question, `unaccounted` what the
    store's own count misses. `redelivered` is how often Slack sent an event again. Where it had to, because no pod was
    there to take it, that is `unheard`; where a pod said that it cannot take it now, `refused`. What is sent again
    beyond these was cut off in a pod that was there.

    `resumed` and `identified` are the sessions with Discord that a process took up, and that one began although there
    were some. `half_s` is the longest that half an answer stood.
    """

    asked: int
    replaced: Mapping[str, int]
    killed: int
    lost: int
    doubled: int
    unaccounted: int
    redelivered: int
    unheard: int
    refused: int
    resumed: int
    identified: int
    on_slack: Wait
    on_discord: Wait
    half_s: float

    @property
    def cut_off(self) -> int:
        """Events that Slack sent again although a pod was there that did not refuse them."""
        return self.redelivered - self.unheard - self.refused

    def __str__(self) -> str:
        replaced = " ".join(f"{number} {name}" for name, number in self.replaced.items())
        again = f"redelivered={self.redelivered} (unheard={self.unheard} refused={self.refused})"
        sessions = f"resumed={self.resumed} identified={self.identified}"
        times = f"slack {self.on_slack}, discord {self.on_discord}, half {self.half_s:.1f} s"
        counts = f"lost={self.lost} doubled={self.doubled} unaccounted={self.unaccounted}"
        return f"asked={self.asked}, replaced {replaced}, killed={self.killed}: {counts}, {again}, {sessions}; {times}"
