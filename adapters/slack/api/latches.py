"""Refusals that will not change soon, remembered so that Slack is not asked the same thing in every turn. No I/O."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final

REFUSED_FOR_S: Final = 3_600.0
"""Chosen: an operator who mends the app sees it work within the hour, and one refused call in an hour costs nothing."""

FOR_GOOD: Final = frozenset(
    {
        "unknown_method",
        "method_deprecated",
        "deprecated_endpoint",
        "feature_not_enabled",
        "missing_scope",
        "no_scope",
        "not_agent_app",
        "team_access_not_granted",
        "enterprise_is_restricted",
    }
)
"""Slack's words for a method that the whole workspace does not have, whatever the channel and the person."""

ABOUT_A_PERSON: Final = frozenset(
    {
        "user_not_found",
        "team_not_found",
        "missing_recipient_user_id",
        "missing_recipient_team_id",
        "invalid_recipient_user_id",
        "invalid_recipient_team_id",
        "user_is_bot",
    }
)
"""Slack's words for a person to whom it does not stream, as in channels shared between companies."""

_KNOWN_MAX: Final = 10_000


class Latches:
    """What one workspace has refused within the last hour."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: OrderedDict[Hashable, float] = OrderedDict()

    def close(self, what: Hashable) -> bool:
        """Remember a refusal; True when it is news."""
        news = not self.closed(what)
        self._until[what] = self._clock() + REFUSED_FOR_S
        self._until.move_to_end(what)
        if len(self._until) > _KNOWN_MAX:
            self._until.popitem(last=False)
        return news

    def closed(self, what: Hashable) -> bool:
        """Whether this was refused within the last hour."""
        return self._until.get(what, 0.0) > self._clock()
