"""What the parts of the fake Discord speak of: payloads, faults, windows, refusals."""

from dataclasses import dataclass, field
from typing import Any, Literal

Payload = dict[str, Any]
Fault = (
    int
    | Literal["reset", "reset_after", "cut", "cut_after", "500_after", "503_after", "hang", "hang_after"]
    | Literal["page_200", "page_401", "page_403", "page_404", "page_413", "empty_200", "object_200"]
)
"""A status, or: reset (RST) or cut (FIN) before or after the call took effect, an error after it, or no answer.

Or what is not Discord's: a page, as a proxy on the way answers, or a 200 with nothing at all or an object of nothing.
"""

CONTENT_FLAG = 1 << 19


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger; `at` is time.monotonic()."""

    at: float
    what: str
    data: Payload = field(default_factory=dict[str, Any])


@dataclass(slots=True)
class Window:
    """A rate limit's window: when it ends (time.monotonic()) and how many calls it still takes."""

    ends: float
    left: int = 5


class Refusal(Exception):
    """An answer that is an error of Discord's."""

    def __init__(self, status: int, code: int, text: str, errors: Payload | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.body: Payload = {"code": code, "message": text} | ({"errors": errors} if errors else {})


class Limited(Refusal):
    """A limit of one kind of change, which no bucket's headers have announced."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(429, 20028, "The write action you are performing on the channel has hit the write rate limit.")
        self.body |= {"retry_after": retry_after_s, "global": False}
