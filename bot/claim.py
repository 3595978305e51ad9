"""One mention in the hands of one worker: what is known of it, read from what Redis holds.

Redis is shared with older versions of the bot and with operators, so nothing there is taken for granted.
"""

import logging
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.errors import Ambiguous, BotError, RateLimited, Throttled
from bot.events import Mention, Message, load

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Claim:
    """One mention in the hands of one worker.

    `mention` is None where `raw` is not one (another version wrote it, or someone did by hand). `tries` counts the
    claims of it that were never settled, this one included; `again` how often it was put back. `age_s` is the time
    since it was accepted. `parts` are the ids of the messages that already show its answer; `answer` the whole
    answer, where the model had finished. `known` is False where the inbox has forgotten what was done so far,
    `wrote` True once an attempt went as far as a write.
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
    history: Sequence[Message] = ()
    parts: dict[int, str] = field(default_factory=dict[int, str])
    answer: str | None = None
    known: bool = True
    wrote: bool = False
    settled: bool = False

    def back_off_s(self, error: BotError) -> float:
        """How long to leave the mention after a failure: 1, 2, 4 ... 30 s, or longer where that was asked for.

        Shortened by up to half, so that a crowd does not come back at once.
        """
        pause_s = min(30.0, 2.0 ** min(self.again, 5)) * random.uniform(0.5, 1)
        asked_s = error.retry_after_s if isinstance(error, RateLimited | Ambiguous | Throttled) else None
        return max(pause_s, asked_s or 0.0)


def claimed(row: list[Any], *, now: float, valid_until: float) -> Claim:
    """One row of the claim script as a Claim. `now` is the server's time; what cannot be read counts as unknown."""
    conversation, token, raw, event_id, flat, history = row
    turn: Mapping[str, str] = dict(zip(flat[::2], flat[1::2], strict=True))
    mention = _mention(raw)
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
        history=_messages(history),
        parts={int(name[5:]): value for name, value in turn.items() if re.fullmatch(r"part:\d{1,4}", name)},
        answer=turn.get("answer"),
        known="accepted" in turn,
        wrote="wrote" in turn,
    )


def _number(value: str | None, default: float) -> float:
    try:
        return default if value is None else float(value)
    except ValueError:
        return default


def _mention(raw: str) -> Mention | None:
    try:
        return load(Mention, raw)
    except ValueError:
        return None


def _messages(entries: Sequence[str]) -> list[Message]:
    messages: list[Message] = []
    for entry in entries:
        try:
            messages.append(load(Message, entry))
        except ValueError:
            log.warning("history_entry_unreadable")
    return messages
