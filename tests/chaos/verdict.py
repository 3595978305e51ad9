"""What became of every mention, judged from what the fake platforms stored. Pure: facts in, a verdict out.

Each answer consists of numbered sentences that begin with a mark, `q0007s03`, so that every piece of text tells to
which question it belongs and which place it has in the answer. A notice is known by the id that it quotes.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from bot.answer.marks import INTERRUPTED

MARK = re.compile(r"\bq(\d{4})s(\d{2})\b")
NOTICE = re.compile(r"\(id ([0-9a-f]{8})\)\s*$")


@dataclass(frozen=True, slots=True)
class Asked:
    """One mention that a platform delivered. `sentences` is how many its answer has.

    `heard` is False where the platform itself lost it: Discord sends nothing again to a gateway that was killed.
    `taken_at` is when it was acknowledged first (delivered, on Discord).
    """

    number: int
    conversation: str
    event_id: str
    sentences: int
    taken_at: float
    heard: bool = True


@dataclass(frozen=True, slots=True)
class Shown:
    """One message of the bot's as it stands in the end. `order` grows with the time of its creation."""

    conversation: str
    order: int
    text: str
    created_at: float
    changed_at: float


@dataclass(slots=True)
class Verdict:
    """The numbers of the mentions concerned.

    `reposted` are keys under which more than one message was made, `strays` messages that belong to no question,
    `overtaken` pairs that the platform itself delivered in the other order.
    """

    asked: int = 0
    whole: list[int] = field(default_factory=list[int])
    interrupted: list[int] = field(default_factory=list[int])
    apologised: list[int] = field(default_factory=list[int])
    lost: list[int] = field(default_factory=list[int])
    doubled: list[int] = field(default_factory=list[int])
    garbled: list[int] = field(default_factory=list[int])
    disordered: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    overtaken: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    unheard: list[int] = field(default_factory=list[int])
    reposted: list[str] = field(default_factory=list[str])
    strays: list[str] = field(default_factory=list[str])

    @property
    def passed(self) -> bool:
        return not (self.lost or self.doubled or self.garbled or self.disordered or self.reposted or self.strays)


def judge(asked: Sequence[Asked], shown: Iterable[Shown], *, posts: Mapping[str, int]) -> Verdict:
    """The verdict. `asked` in the order in which people wrote; `posts` counts created messages by their key."""
    verdict = Verdict(asked=len(asked), reposted=sorted(key for key, times in posts.items() if times > 1))
    answers = _by_question(asked, shown)
    verdict.strays = [message.text for message in answers[-1]]
    for one in asked:
        _sort(one, answers[one.number], verdict)
    for conversation in _conversations(asked):
        for earlier, later in pairwise(one for one in conversation if answers[one.number]):
            if not _follows(answers[earlier.number], answers[later.number]):
                # Whose delivery the platform held back until a later one was taken cannot come first.
                late = earlier.taken_at > later.taken_at
                (verdict.overtaken if late else verdict.disordered).append((earlier.number, later.number))
    return verdict


def _by_question(asked: Sequence[Asked], shown: Iterable[Shown]) -> dict[int, list[Shown]]:
    notices = {hashlib.sha256(one.event_id.encode()).hexdigest()[:8]: one.number for one in asked}
    found: dict[int, list[Shown]] = defaultdict(list)
    for message in sorted(shown, key=lambda one: one.order):
        numbers = {int(number) for number, _ in MARK.findall(message.text)}
        if notice := NOTICE.search(message.text):
            numbers.add(notices.get(notice[1], -1))
        for number in numbers or {-1}:
            found[number].append(message)
    return found


def _sort(one: Asked, messages: Sequence[Shown], verdict: Verdict) -> None:
    text = "\n".join(message.text for message in messages)
    marks = [int(sentence) for number, sentence in MARK.findall(text) if int(number) == one.number]
    if not messages:
        (verdict.lost if one.heard else verdict.unheard).append(one.number)
    elif len(marks) != len(set(marks)) or text.count("(id ") > 1 or text.count(INTERRUPTED) > 1:
        verdict.doubled.append(one.number)
    elif any(message.conversation != one.conversation for message in messages):
        verdict.garbled.append(one.number)
    elif NOTICE.search(text):
        (verdict.garbled if marks else verdict.apologised).append(one.number)
    elif marks == list(range(one.sentences)):
        verdict.whole.append(one.number)
    elif marks == list(range(len(marks))) and text.endswith(INTERRUPTED):
        verdict.interrupted.append(one.number)
    else:
        verdict.garbled.append(one.number)


def _conversations(asked: Sequence[Asked]) -> Iterable[list[Asked]]:
    found: dict[str, list[Asked]] = defaultdict(list)
    for one in asked:
        found[one.conversation].append(one)
    return found.values()


def _follows(earlier: Sequence[Shown], later: Sequence[Shown]) -> bool:
    """Whether the later answer began below the earlier one, and after its last change."""
    below = max(one.order for one in earlier) < min(one.order for one in later)
    return below and max(one.changed_at for one in earlier) <= min(one.created_at for one in later)
