"""How often the answers of one channel may be edited, so that their final texts still find room there. No I/O.

All edits in a channel share one bucket, 5 in 5 s as everyone observes (no number is documented). discord.py hides its
headers, but sleeps within the call that spends the last token until the bucket is full again: an edit that takes long
means an empty bucket, for which other processes may be the reason. So the answers on their way in a channel take turns,
each at its own moment of a cycle that grows with their number, doubles with each slow edit, and shrinks again with
quick ones. Without moments of their own, answers that began together met each time: 2 of 18 edits went through
(measured).
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

EDIT_EVERY_S: Final = 1.25
"""The pace of one answer alone, and of each share of a cycle. Chosen: live edits take 4 of the 5 tokens of 5 s, the
last is for final texts.
"""

_SLOW_S: Final = 1.0  # chosen: Discord answers in 0.1 to 0.5 s
_LONGEST_S: Final = 30.0
_SHRINK: Final = 0.8
_STRETCH_MAX: Final = 8.0
_FORGET_AFTER_S: Final = 120.0  # an answer whose end was never said (put back, taken over by another process)
_CHANNELS_MAX: Final = 10_000


@dataclass(slots=True)
class _Channel:
    answers: dict[str, float] = field(default_factory=dict[str, float])  # by event id; when last written
    stretch: float = 1.0


class Pace:
    """The answers on their way, by channel."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._channels: OrderedDict[str, _Channel] = OrderedDict()  # the longest untouched first

    def edit_every_s(self, channel: str, answer: str) -> float:
        """The time to the next live edit of an answer there (its mention's event id), as things stand."""
        here, now = self._channels.get(channel), self._clock()
        if here is None:
            return EDIT_EVERY_S
        others = [one for one, at in here.answers.items() if at > now - _FORGET_AFTER_S and one != answer]
        if not others:
            return EDIT_EVERY_S * here.stretch
        cycle_s = min(_LONGEST_S, (len(others) + 1) * EDIT_EVERY_S * here.stretch)
        turn = list(here.answers).index(answer) if answer in here.answers else len(here.answers)
        wait_s = (turn * cycle_s / (len(others) + 1) - now) % cycle_s
        return wait_s if wait_s >= EDIT_EVERY_S else wait_s + cycle_s

    def wrote(self, channel: str, answer: str) -> None:
        """A message of this answer was written and will grow."""
        here = self._channels.setdefault(channel, _Channel())
        here.answers[answer] = self._clock()
        self._channels.move_to_end(channel)
        if len(self._channels) > _CHANNELS_MAX:
            self._channels.popitem(last=False)

    def took(self, channel: str, took_s: float) -> None:
        """A live edit there took so long."""
        here = self._channels.get(channel)
        if here:
            stretch = here.stretch * (2.0 if took_s >= _SLOW_S else _SHRINK)
            here.stretch = min(_STRETCH_MAX, max(1.0, stretch))

    def ended(self, channel: str, answer: str) -> None:
        """The answer stands."""
        here = self._channels.get(channel)
        if here:
            here.answers.pop(answer, None)
            oldest = self._clock() - _FORGET_AFTER_S
            here.answers = {one: at for one, at in here.answers.items() if at > oldest}
            if not here.answers:
                del self._channels[channel]
