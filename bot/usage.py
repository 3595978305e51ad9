"""What each person used, per month: questions that were answered, and tokens. Counts only, never text."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from bot.events import Mention, Usage
from bot.services import Shared

USAGE_TTL_S = 62 * 24 * 3600
"""Two months: a person sees this one and the last."""


@dataclass(slots=True)
class Spent:
    """What one mention has cost so far."""

    mentions: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def add(self, usage: Usage) -> None:
        """One request to the model."""
        self.prompt_tokens += usage.prompt_tokens
        self.completion_tokens += usage.completion_tokens

    async def note(self, shared: Shared, mention: Mention, *, now: float) -> None:
        """Add it to its author's month. `now` is in Unix seconds. Raises StoreError."""
        if used := {name: number for name, number in asdict(self).items() if number}:
            place = mention.place
            name = of_month(place.platform, place.workspace, mention.author.id, month(now))
            await shared.count(name, ttl_s=USAGE_TTL_S, **used)


def month(now: float, *, back: int = 0) -> str:
    """The month of a time in Unix seconds, like `2026-11`, or so many before it; in UTC."""
    at = datetime.fromtimestamp(now, UTC)
    number = at.year * 12 + at.month - 1 - back
    return f"{number // 12:04}-{number % 12 + 1:02}"


def of_month(platform: str, workspace: str, author: str, month: str) -> str:
    """The name of a person's counts of a month."""
    return f"usage:{platform}:{workspace}:{author}:{month}"


def kept(platform: str, workspace: str, author: str, now: float) -> list[str]:
    """The names of all of a person's counts that may still stand: they are kept for two months."""
    return [of_month(platform, workspace, author, month(now, back=back)) for back in range(4)]


def sentence(when: str, counts: Mapping[str, int]) -> str:
    """The counts of one month for a person to read."""
    asked, read, wrote = (counts.get(name, 0) for name in ("mentions", "prompt_tokens", "completion_tokens"))
    if not any((asked, read, wrote)):
        return f"{when}: nothing."
    questions = "1 question" if asked == 1 else f"{asked:,} questions"
    return f"{when}: {questions} answered, {read:,} tokens read and {wrote:,} written."
