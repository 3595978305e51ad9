"""How often the answers of one channel may be edited, so that their final texts still find room there. No I/O.

All edits in a channel share one bucket, 5 in 5 s as everyone observes (no number is documented). discord.py hides its
headers, but sleeps within the call that spends the last token until the bucket is full again: an edit that takes long
means an empty bucket, for which other processes may be the reason. So the interval widens with the number of answers on
their way in the channel, doubles with each slow edit, and shrinks again with quick ones.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

EDIT_EVERY_S: Final = 1.2
"""The pace of one answer alone: 5 edits in 5 s, with room for a new part."""

_EACH_S: Final = 1.25  # chosen: live edits take 4 of the 5 tokens, the last is for final texts
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

    def edit_every_s(self, channel: str) -> float:
        """The least time between two live edits of one answer there, as things stand."""
        here = self._channels.get(channel)
        if here is None:
            return EDIT_EVERY_S
        oldest = self._clock() - _FORGET_AFTER_S
        answers = sum(at > oldest for at in here.answers.values())
        return min(_LONGEST_S, max(EDIT_EVERY_S, answers * _EACH_S) * here.stretch)

    def wrote(self, channel: str, answer: str) -> None:
        """A message of this answer (its mention's event id) was written and will grow."""
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
