"""What happened, in order and with times: every call, delivery, acknowledgement and refusal."""

import time
from collections import Counter
from typing import Any

from tests.fakes.slack.facts import Entry, Json


class Ledger:
    """The lines, and questions about them."""

    def __init__(self) -> None:
        self.ledger: list[Entry] = []

    def note(self, what: str, name: str, **fields: Any) -> None:
        """Add a line to the ledger."""
        self.ledger.append(Entry(time.monotonic(), what, name, fields))

    def entries(self, what: str, name: str | None = None) -> list[Entry]:
        """The ledger's lines of a kind."""
        return [entry for entry in self.ledger if entry.what == what and name in (None, entry.name)]

    def calls(self, method: str) -> list[Json]:
        """The arguments of every call of a method, in order."""
        return [entry.fields["args"] for entry in self.entries("call", method)]

    def counts(self) -> Counter[str]:
        """How often each method was called."""
        return Counter(entry.name for entry in self.entries("call"))

    def answered_429(self, method: str | None = None) -> int:
        """How many calls of a method, or of all, met a rate limit of the fake's; scripted ones do not count."""
        return sum(entry.fields["error"] == "ratelimited" for entry in self.entries("call", method))
