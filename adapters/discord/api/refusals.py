"""Calls that Discord would refuse again are not made: a place without permission, a token that is no longer good.

Rule of the platform (developer docs, Rate Limits, Invalid Request Limit, read November 2026): an address whose calls
are answered 10,000 times within 10 minutes with 401, 403 or 429 is banned for a while; a 429 of the scope "shared" does
not count. So refusals are remembered, and counted for this process. No I/O; texts hold no more than ids.
"""

import logging
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Final

from adapters.discord.api.lines import Need
from bot.errors import Forbidden, RateLimited, Unreachable

log = logging.getLogger(__name__)

WINDOW_S: Final = 600.0
INVALID_MAX: Final = 10_000
COUNTED: Final = (401, 403, 429)
"""Discord's own numbers (see above)."""

TOLD_AT: Final = INVALID_MAX // 2
SPARING_FROM: Final = INVALID_MAX * 8 // 10
"""Chosen: half of it is worth a word in the log; from 80 % on nothing but final texts is written in channels."""

FIRST_S: Final = 30.0
LONGEST_S: Final = 600.0
"""Chosen: whoever grants the permission that was missing gets an answer within half a minute; where nobody does, one
refused call in ten minutes remains."""

TOKEN_AGAIN_S: Final = 600.0
"""Chosen: one call in ten minutes asks whether the token is good again, should it have been Discord's mistake."""

UNAUTHORIZED: Final = (
    "Discord refuses DISCORD_TOKEN; make a new one in the developer portal (Bot > Reset Token) and set it."
)

_KNOWN_MAX: Final = 10_000


@dataclass(slots=True)
class _Closed:
    until: float
    for_s: float


class Refusals:
    """What Discord refused this process within the last minutes; `limited` are all answers with 429 since the start."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._closed: OrderedDict[Hashable, _Closed] = OrderedDict()
        self._invalid: deque[tuple[float, int]] = deque(maxlen=INVALID_MAX)  # when, and the status
        self._told = False
        self.limited = 0
        self._token_refused_at: float | None = None

    @property
    def token_refused(self) -> bool:
        """Whether the last word on the token was that it is not good."""
        return self._token_refused_at is not None

    @property
    def invalid(self) -> int:
        """Answers within the last 10 minutes that count towards the ban."""
        oldest = self._clock() - WINDOW_S
        while self._invalid and self._invalid[0][0] <= oldest:
            self._invalid.popleft()
        if len(self._invalid) < TOLD_AT:
            self._told = False
        return len(self._invalid)

    @property
    def by_status(self) -> Mapping[int, int]:
        """`invalid` by status, also those with 0."""
        found: dict[int, int] = dict.fromkeys(COUNTED, 0)
        if self.invalid:
            for _, status in self._invalid:
                found[status] += 1
        return found

    def check(self, bucket: Hashable, need: Need, *, in_channel: bool) -> None:
        """Raises what Discord would only say again, without asking it.

        Unreachable while the token is refused: the mention stays until it is late, and a new token may come before.
        Forbidden where a permission was missing a moment ago. RateLimited where the address is close to a ban and the
        call is about a channel, but not needed; what is about none (the gateway's address) can only fail with the
        token.
        """
        now = self._clock()
        if self._token_refused_at is not None:
            if now - self._token_refused_at < TOKEN_AGAIN_S:
                raise Unreachable("Discord refuses the token")
            self._token_refused_at = now  # one asks, the others wait for what it hears
        closed = self._closed.get(bucket)
        if closed and now < closed.until:
            raise Forbidden("Discord refused this a moment ago")
        if in_channel and need != "needed" and self.invalid >= SPARING_FROM:
            wait_s = self._invalid[-SPARING_FROM][0] + WINDOW_S - now
            raise RateLimited("too many calls were refused lately", retry_after_s=max(1.0, wait_s))

    def heard(self, status: int, scope: str) -> None:
        """Count an answer of Discord's; `scope` is its X-RateLimit-Scope."""
        self.limited += status == 429
        if status not in COUNTED or scope == "shared":
            return
        self._invalid.append((self._clock(), status))
        if self.invalid >= TOLD_AT and not self._told:
            self._told = True
            log.error("discord_invalid_requests", extra={"within_10_min": self.invalid, "banned_at": INVALID_MAX})

    def granted(self, bucket: Hashable) -> None:
        """A call went through, as far as token and permission are concerned."""
        self._token_refused_at = None
        self._closed.pop(bucket, None)

    def forbidden(self, bucket: Hashable) -> None:
        """A permission is missing: left alone for 30 s, then twice as long each time, up to 10 minutes."""
        before = self._closed.pop(bucket, None)
        for_s = min(LONGEST_S, before.for_s * 2) if before else FIRST_S
        self._closed[bucket] = _Closed(self._clock() + for_s, for_s)
        if len(self._closed) > _KNOWN_MAX:
            self._closed.popitem(last=False)

    def token_renewed(self) -> None:
        """There is another one, of which nothing is known yet."""
        self._token_refused_at = None

    def token_was_refused(self) -> None:
        """A 401: nothing works until somebody acts."""
        if self._token_refused_at is None:
            log.error("discord_token_refused", extra={"error": UNAUTHORIZED})
        self._token_refused_at = self._clock()
