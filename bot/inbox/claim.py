"""One mention, or one change, in the hands of one worker: what is known of it, read from what Redis holds.

Redis is shared with older versions of the bot and with operators, so nothing there is taken for granted.
"""

import math
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from bot.errors import Ambiguous, BotError, RateLimited, Throttled
from bot.events import Author, Change, Mention, Message
from bot.inbox.entries import Entries, Line, is_sealed

WHOLE: Final = "whole"

OUTCOMES: Final = frozenset({WHOLE, "stopped", "interrupted", "length", "filter"})
"""How an answer can end."""


@dataclass(slots=True, eq=False)
class Claim:
    """One event in the hands of one worker.

    It is a `mention` or a `change`; neither where `raw` cannot be read: `sealed` where a key is missing here, else
    another version wrote it, or someone did by hand. `lines` are the conversation's history; `anew` says that people
    had the bot forget what was said before them, `missed` are the ids of messages between its last mention there and
    this one that were not for it, oldest first. `tries` counts the claims of it that were never settled, this one
    included; `again` how often it was put back. `age_s` is the time since it was accepted. `parts` are the ids of the
    messages that already show its answer; `answer` the whole answer, where the model had finished, and `outcome` how
    it did. `known` is False where the inbox has forgotten what was done so far, `wrote` True once an attempt went as
    far as a write. `stopped` is who wants the answer to end, `withdrawn` says that the question was deleted; `ended` is
    called when either comes while the mention is worked on. `marks` is how many of the two it was claimed with.
    `valid_until` is on the local monotonic clock.
    """

    conversation: str
    token: str
    raw: str
    event_id: str
    mention: Mention | None
    tries: int
    again: int
    age_s: float
    valid_until: float
    change: Change | None = None
    sealed: bool = False
    lines: Sequence[Line] = ()
    parts: dict[int, str] = field(default_factory=dict[int, str])
    answer: str | None = None
    outcome: str = WHOLE
    known: bool = True
    wrote: bool = False
    stopped: Author | None = None
    withdrawn: bool = False
    marks: int = 0
    anew: bool = False
    missed: Sequence[str] = ()
    ended: Callable[[], None] | None = None
    settled: bool = False

    @property
    def history(self) -> list[Message]:
        """What was said in the conversation before."""
        return [line.message for line in self.lines]

    def end(self, *, stopped: Author | None = None, withdrawn: bool = False) -> None:
        """Let whoever works on it know that its answer is not wanted any further."""
        news = (stopped is not None and self.stopped is None) or (withdrawn and not self.withdrawn)
        self.stopped = self.stopped or stopped
        self.withdrawn = self.withdrawn or withdrawn
        if news and self.ended is not None:
            self.ended()

    def back_off_s(self, error: BotError) -> float:
        """How long to leave the mention after a failure: 1, 2, 4 ... 30 s, or longer where that was asked for.

        Shortened by up to half, so that a crowd does not come back at once.
        """
        pause_s = min(30.0, 2.0 ** min(self.again, 5)) * random.uniform(0.5, 1)
        asked_s = error.retry_after_s if isinstance(error, RateLimited | Ambiguous | Throttled) else None
        return max(pause_s, asked_s or 0.0)


def claimed(row: list[Any], entries: Entries, *, now: float, valid_until: float) -> Claim:
    """One row of the claim script as a Claim. `now` is the server's time; what cannot be read counts as unknown."""
    conversation, token, raw, event_id, flat, history, anew, missed = row
    turn: Mapping[str, str] = dict(zip(flat[::2], flat[1::2], strict=True))
    event = entries.event(raw, conversation)
    mention = event if isinstance(event, Mention) else None
    return Claim(
        conversation=conversation,
        token=token,
        raw=raw,
        event_id=event_id,
        mention=mention,
        tries=int(_number(turn.get("tries"), 1)),
        again=int(_number(turn.get("again"), 0)),
        age_s=now - _number(turn.get("accepted"), mention.sent_at if mention else now),
        valid_until=valid_until,
        change=event if isinstance(event, Change) else None,
        sealed=event is None and is_sealed(raw),
        lines=entries.lines(history, conversation),
        parts={int(name[5:]): value for name, value in turn.items() if re.fullmatch(r"part:\d{1,4}", name)},
        answer=entries.answered(turn.get("answer"), conversation),
        outcome=outcome if (outcome := turn.get("outcome", WHOLE)) in OUTCOMES else WHOLE,
        known="accepted" in turn,
        wrote="wrote" in turn,
        stopped=entries.someone(turn["stopped"], conversation) if "stopped" in turn else None,
        withdrawn="withdrawn" in turn,
        marks=("stopped" in turn) + ("withdrawn" in turn),
        anew=bool(anew),
        missed=tuple(missed),
    )


def _number(value: str | None, default: float) -> float:
    try:
        number = default if value is None else float(value)
    except ValueError:
        return default
    return number if math.isfinite(number) else default
